/* SPDX-License-Identifier: MIT */
/*
 * place.c - numbers and file offsets for the output sections that layout.c made, and for their groups
 *
 * A group's contents are the section numbers of its members. Both its header and its contents come before those of
 * its members. So the sizes of all groups are computed first, then the numbers of all sections, and then the contents
 * of the groups.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "layout/layout.h"
#include "report/report.h"

uint64_t layout_append(const struct layout *l, uint64_t *size, uint64_t n, uint64_t align)
{
	uint64_t offset, end;

	if (__builtin_add_overflow(*size, align - 1, &offset))
		return UINT64_MAX;
	offset &= ~(align - 1);
	if (__builtin_add_overflow(offset, n, &end) || end > l->limit)
		return UINT64_MAX;
	*size = end;
	return offset;
}

/* Number all sections, and find the offsets of their names in the table of names. Returns 0, or -1 with a message. */
static int number_sections(struct layout *l, struct error *error)
{
	uint64_t next = 1 + (uint64_t)l->n_groups, names_size = 1;
	size_t own_names_size = sizeof ".group" + sizeof ".symtab" + sizeof ".symtab_shndx" + sizeof ".strtab" +
	                        sizeof ".shstrtab";

	for (size_t i = 0; i < l->n_sections; i++)
		l->sections[i].index = (uint32_t)next++;
	for (size_t i = 0; i < l->n_sections; i++) {
		struct output_section *out = &l->sections[i];

		if (out->relocations_size > 0) {
			out->relocations_index = (uint32_t)next++;
			names_size += strlen(out->relocations_type == SHT_RELA ? ".rela" : ".rel");
		}
		out->name_offset = (uint32_t)names_size;
		names_size += (uint64_t)out->name_length + 1;
		if (names_size + own_names_size > UINT32_MAX)
			return fail(error, NULL, "the names of sections would be longer than 4 GiB");
	}
	l->section_names_size = names_size + own_names_size;
	l->symtab = (uint32_t)next++;
	/* If section numbers do not fit into the 16 bits of a symbol, they are in a table of their own. */
	l->extended = l->sections[l->n_sections > 0 ? l->n_sections - 1 : 0].index >= SHN_LORESERVE ?
	                      (uint32_t)next++ : 0;
	l->strtab = (uint32_t)next++;
	l->shstrtab = (uint32_t)next++;
	l->n_headers = (uint32_t)next;
	if (next > UINT32_MAX)
		return fail(error, NULL, "the output would have more than 4,294,967,295 sections");
	return 0;
}

/*
 * Give file offsets to groups, contents and relocations, and count their pieces. Returns 0, or -1 with a message if the
 * output would be too large.
 */
static int assign_offsets(struct layout *l, const struct format *f, struct error *error)
{
	uint64_t at = header_size(f);

	l->contents_start = at;
	l->n_pieces = l->n_groups;
	for (size_t i = 0; i < l->n_groups; i++)
		l->groups[i].section.offset = layout_append(l, &at, l->groups[i].section.size, 4);
	for (size_t i = 0; i < l->n_sections; i++) {
		struct output_section *out = &l->sections[i];

		out->first_piece = (uint32_t)l->n_pieces;
		l->n_pieces += out->n_pieces;
		out->n_pieces = 0; /* list_pieces() counts them again */
		out->file_offset = layout_append(l, &at, out->type == SHT_NOBITS ? 0 : out->size,
		                                 out->type == SHT_NOBITS ? 1 : (uint64_t)1 << out->align_log2);
		if (out->file_offset == UINT64_MAX)
			return fail(error, NULL, "the output would be too large");
	}
	for (size_t i = 0; i < l->n_sections; i++) {
		struct output_section *out = &l->sections[i];

		if (!out->relocations_index)
			continue;
		out->first_relocation_piece = (uint32_t)l->n_pieces;
		l->n_pieces += out->n_relocation_pieces;
		out->n_relocation_pieces = 0;
		out->relocations_offset = layout_append(l, &at, out->relocations_size, f->wide ? 8 : 4);
		if (out->relocations_offset == UINT64_MAX)
			return fail(error, NULL, "the output would be too large");
	}
	l->contents_end = at;
	if (l->n_pieces > UINT32_MAX)
		return fail(error, NULL, "the inputs have more than 4,294,967,295 sections");
	return 0;
}

/* Add s to the pieces of its output section, if it has bytes in the file. */
static void list_piece(struct layout *l, const struct object *o, const struct section *s)
{
	struct output_section *out = s->out;

	if (!out || !s->data)
		return;
	if (s->kind == SECTION_RELOCATIONS)
		l->pieces[out->first_relocation_piece + out->n_relocation_pieces++] =
			(struct piece){ o, s, out->relocations_offset + s->offset };
	else if (s->kind == SECTION_CONTENT)
		l->pieces[out->first_piece + out->n_pieces++] = (struct piece){ o, s, out->file_offset + s->offset };
}

static int compare_offsets(const void *a, const void *b)
{
	uint64_t x = ((const struct piece *)a)->file_offset, y = ((const struct piece *)b)->file_offset;

	return x < y ? -1 : x > y;
}

/* Fill l->pieces, in the order of file offsets. Returns 0, or -1: out of memory. */
static int list_pieces(struct layout *l, struct inputs *in, struct error *error)
{
	l->pieces = arena_allocate(&in->arena, error, l->n_pieces, sizeof *l->pieces);
	if (!l->pieces)
		return -1;
	for (size_t i = 0; i < l->n_groups; i++)
		l->pieces[i] = (struct piece){
			l->groups[i].object, &l->groups[i].section, l->groups[i].section.offset
		};
	for (size_t i = 0; i < in->n_objects; i++) {
		const struct object *o = &in->objects[i];

		for (uint32_t j = 1; j < o->n_sections; j++)
			list_piece(l, o, &o->sections[j]);
	}
	list_piece(l, NULL, &l->notes.property);
	list_piece(l, NULL, &l->build_id);
	for (size_t i = 0; i < l->n_sections; i++) {
		struct output_section *out = &l->sections[i];

		/* Other sections' pieces were placed in the order in which they are listed above. */
		if (out->ordered_by)
			qsort(&l->pieces[out->first_piece], out->n_pieces, sizeof *l->pieces, compare_offsets);
	}
	return 0;
}

/*
 * Count the members of a group that the output has, with their relocation sections. Writes their section numbers to
 * `words`, unless that is NULL.
 */
static uint32_t list_members(const struct format *f, const struct object *o, const struct group *g,
                             unsigned char *words)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n_members; i++) {
		const struct section *s = &o->sections[o->members[g->first_member + i]];

		if (s->kind != SECTION_CONTENT || !s->out)
			continue;
		if (words)
			put32(f, words + (size_t)n * 4, s->out->index);
		n++;
		if (s->out->relocations_size == 0)
			continue;
		if (words)
			put32(f, words + (size_t)n * 4, s->out->relocations_index);
		n++;
	}
	return n;
}

/* List the groups that the output has, and compute their sizes. Returns 0, or -1: out of memory. */
static int list_groups(struct layout *l, struct inputs *in, struct error *error)
{
	uint64_t n_words = 0;
	size_t n = 0;

	for (size_t i = 0; i < in->n_objects; i++)
		n += in->objects[i].n_groups;
	l->groups = arena_allocate(&in->arena, error, n, sizeof *l->groups);
	if (!l->groups)
		return -1;
	for (size_t i = 0; i < in->n_objects; i++) {
		const struct object *o = &in->objects[i];

		for (uint32_t j = 0; j < o->n_groups; j++) {
			struct group *g = &o->groups[j];
			uint32_t members = g->section && !g->discarded ? list_members(&in->format, o, g, NULL) : 0;

			if (members == 0)
				continue;
			l->groups[l->n_groups++] = (struct output_group){
				o, g, { .kind = SECTION_GROUP, .size = ((uint64_t)members + 1) * 4 }
			};
			g->index = (uint32_t)l->n_groups; /* the first group is section 1, behind the empty section 0 */
			n_words += (uint64_t)members + 1;
		}
	}
	l->group_words = arena_allocate(&in->arena, error, (size_t)n_words, 4);
	return l->group_words ? 0 : -1;
}

/* Write the contents of all groups to l->group_words. The sections have their numbers. */
static void write_groups(struct layout *l, const struct format *f)
{
	unsigned char *at = l->group_words;

	for (size_t i = 0; i < l->n_groups; i++) {
		struct output_group *g = &l->groups[i];

		put32(f, at, g->group->flags);
		list_members(f, g->object, g->group, at + 4);
		g->section.data = at;
		at += g->section.size;
	}
}

int layout_place(struct layout *l, struct inputs *in, struct error *error)
{
	if (list_groups(l, in, error) || number_sections(l, error) || assign_offsets(l, &in->format, error))
		return -1;
	write_groups(l, &in->format);
	return list_pieces(l, in, error);
}
