/* SPDX-License-Identifier: MIT */
/*
 * layout.c - input sections are piled up in output sections, and those get a place
 *
 * What a final link decides by its script, a relocatable link must not decide yet: sections are
 * joined only where nobody can tell the difference, that is with the same name, type and flags
 * (and the same entry size where the linker will merge entries). .text.f and .text.g stay
 * two sections, so --gc-sections still works on the result. A member of a section group is joined with
 * nothing, as it must be possible to drop the group; a section that is ordered by another one
 * (SHF_LINK_ORDER) only with those that are ordered by the same.
 *
 * By name they are found on all threads (join). Then one thread goes through all sections in their order and
 * adds up: it looks at no name, and takes 15 ms for 400,000 sections.
 *
 * Relocations of one output section are one section too, at the end of the contents.
 * They need no place of their own near them, and so contents stay dense.
 *
 * Padding between pieces is zero, also in code, where ld.bfd and ld.gold put long nops and
 * ld.lld int3. It lies behind a ret or a jmp: an input section is entered by its symbols and never
 * falls through into the next, whose order the final link is free to change.
 *
 * .eh_frame is a list of records that a zero word ends. Its parts are joined without padding, which would
 * be such a word.
 */
#include "config.h"

#include "layout.h"

#include <stdlib.h>
#include <string.h>

#include "../workqueue.h"
#include "report.h"
#include "table.h"

/* What sections are joined by, besides the name. Behind struct entry, so without padding. */
struct joint {
	struct entry entry;
	struct joint_key {
		uint32_t flags, entsize, type, none;
	} key;
	struct output_section *out; /* place(), one thread */
};

struct joining {
	struct inputs *in;
	struct table table;
	struct error *error;
};

static int is_in_group(const struct object *o, const struct section *s)
{
	return s->group && o->groups[s->group - 1].section;
}

static int is_ordered(const struct section *s)
{
	return s->flags & SHF_LINK_ORDER && s->link;
}

static struct joint *joint_of(struct table *t, const struct section *s)
{
	struct joint_key key = {
		.flags = s->flags,
		.entsize = s->flags & (SHF_MERGE | SHF_STRINGS) ? s->entsize : 0,
		.type = s->type,
	};
	uint32_t hash = hash_bytes(s->name, s->name_length) ^ hash_bytes(&key, sizeof key);
	struct joint *joint = table_lock(t, s->name, s->name_length, hash, &key);

	if (joint)
		table_unlock(t, joint);
	return joint;
}

static int join(void *arg, size_t i)
{
	struct joining *j = arg;
	struct object *o = &j->in->objects[i];

	for (uint32_t k = 1; k < o->n_sections; k++) {
		struct section *s = &o->sections[k];

		if (s->kind != SECTION_CONTENT || is_in_group(o, s) || is_ordered(s))
			continue;
		s->joint = joint_of(&j->table, s);
		if (!s->joint)
			return fail_at(j->error, i, NULL, "out of memory");
	}
	return 0;
}

/* A new one, for which there is room. */
static struct output_section *add_section(struct layout *l, const struct section *s)
{
	struct output_section *out = &l->sections[l->n_sections++];

	out->name = s->name;
	out->name_length = s->name_length;
	out->type = s->type;
	out->flags = s->flags;
	out->entsize = s->entsize;
	return out;
}

/* Where a section goes that is ordered by another one; NULL: nowhere, as that one. */
static struct output_section *ordered_section(struct layout *l, const struct object *o, const struct section *s)
{
	struct output_section *by = o->sections[s->link].out, *out;

	if (!by || o->sections[s->link].kind != SECTION_CONTENT)
		return NULL;
	for (out = by->dependents; out && !is_in_group(o, s); out = out->next) {
		if (out->type == s->type && out->flags == s->flags && !strcmp(out->name, s->name))
			return out;
	}
	out = add_section(l, s);
	out->ordered_by = by;
	/* What is in a group is not found by others. */
	if (!is_in_group(o, s)) {
		out->next = by->dependents;
		by->dependents = out;
	}
	return out;
}

/* The output section of s, made if need be; NULL: it goes nowhere. */
static struct output_section *section_for(struct layout *l, const struct object *o, const struct section *s)
{
	if (is_ordered(s))
		return ordered_section(l, o, s);
	if (is_in_group(o, s) || !s->joint)
		return add_section(l, s);
	if (!s->joint->out)
		s->joint->out = add_section(l, s);
	else if (s->first_only)
		return NULL;
	return s->joint->out;
}

/* n bytes at the end of *size, aligned. Returns where they begin, or UINT64_MAX: too large. */
static uint64_t append(uint64_t *size, uint64_t n, uint64_t align)
{
	uint64_t offset, end;

	if (__builtin_add_overflow(*size, align - 1, &offset))
		return UINT64_MAX;
	offset &= ~(align - 1);
	if (__builtin_add_overflow(offset, n, &end) || end > INT64_MAX)
		return UINT64_MAX;
	*size = end;
	return offset;
}

static int place(struct layout *l, struct object *o, struct section *s, struct error *error)
{
	struct output_section *out = section_for(l, o, s);
	uint64_t align = section_align(s);

	s->out = out; /* and the joint is not known any more */
	if (!out)
		return 0;
	if (out->entsize != s->entsize)
		out->entsize = 0; /* true of no two of them */
	if (out->align_log2 < s->align_log2)
		out->align_log2 = s->align_log2;
	if (align > 4 && !strcmp(s->name, ".eh_frame"))
		align = 4;
	s->offset = append(&out->size, s->size, align);
	if (s->offset == UINT64_MAX)
		return fail(error, o->name, "section %s: too large", s->name);
	out->n_pieces += s->data != NULL;
	return 0;
}

static int by_link(const void *a, const void *b)
{
	const struct section *x = *(struct section *const *)a, *y = *(struct section *const *)b;

	if (x->link != y->link)
		return x->link < y->link ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Those that are ordered by others come in the order of these, which has to be known. */
static int place_ordered(struct layout *l, struct object *o, size_t n, struct error *error)
{
	struct section **list = allocate(error, n, sizeof(struct section *));
	int failed = !list;

	n = 0;
	for (uint32_t i = 1; i < o->n_sections && list; i++) {
		struct section *s = &o->sections[i];

		if (s->kind != SECTION_CONTENT || !is_ordered(s))
			continue;
		if (is_ordered(&o->sections[s->link]))
			failed = fail(error, o->name, "section %s: ordered by one that is itself ordered", s->name);
		list[n++] = s;
	}
	if (list)
		qsort(list, n, sizeof(struct section *), by_link);
	for (size_t i = 0; i < n && !failed; i++)
		failed = place(l, o, list[i], error);
	free(list);
	return failed;
}

static int place_object(struct layout *l, struct object *o, struct error *error)
{
	size_t n_ordered = 0;

	for (uint32_t i = 1; i < o->n_sections; i++) {
		struct section *s = &o->sections[i];

		if (s->kind != SECTION_CONTENT)
			continue;
		if (is_ordered(s))
			n_ordered++;
		else if (place(l, o, s, error))
			return -1;
	}
	return n_ordered > 0 ? place_ordered(l, o, n_ordered, error) : 0;
}

static int place_relocations(struct object *o, struct error *error)
{
	for (uint32_t i = 1; i < o->n_sections; i++) {
		struct section *s = &o->sections[i];
		struct output_section *out;

		if (s->kind != SECTION_RELOCATIONS || !s->data)
			continue;
		out = o->sections[s->info].out;
		if (!out)
			continue; /* relocations of something left out */
		if (out->relocations_size > 0 && out->relocations_type != s->type)
			return fail(error, o->name, "section %s: REL, others for this section are RELA, or the reverse", s->name);
		out->relocations_type = s->type;
		s->out = out;
		s->offset = append(&out->relocations_size, s->size, 1);
		if (s->offset == UINT64_MAX)
			return fail(error, o->name, "section %s: too large", s->name);
		out->n_relocation_pieces++;
	}
	return 0;
}

/* The notes that are made anew come last. */
static int place_notes(struct layout *l, struct inputs *in, struct error *error)
{
	struct object none = { .name = NULL };

	if (notes_merge(&l->notes, in, error))
		return -1;
	if (l->notes.property.data && place(l, &none, &l->notes.property, error))
		return -1;
	if (l->build_id.data && place(l, &none, &l->build_id, error))
		return -1;
	if (!l->notes.stack)
		return 0;
	l->stack_note = (struct section){
		.name = ".note.GNU-stack", .name_length = (uint32_t)strlen(".note.GNU-stack"),
		.flags = l->notes.stack_flags, .type = SHT_PROGBITS, .kind = SECTION_CONTENT,
	};
	return place(l, &none, &l->stack_note, error);
}

/* ---------------------------------------------------------------------- numbers */

static int number(struct layout *l, struct error *error)
{
	uint64_t next = 1 + (uint64_t)l->n_groups, names = 1;
	size_t fixed = sizeof ".group" + sizeof ".symtab" + sizeof ".symtab_shndx" + sizeof ".strtab" + sizeof ".shstrtab";

	for (size_t i = 0; i < l->n_sections; i++)
		l->sections[i].index = (uint32_t)next++;
	for (size_t i = 0; i < l->n_sections; i++) {
		struct output_section *out = &l->sections[i];

		if (out->relocations_size > 0) {
			out->relocations_index = (uint32_t)next++;
			l->n_relocations++;
			names += strlen(out->relocations_type == SHT_RELA ? ".rela" : ".rel");
		}
		out->name_offset = (uint32_t)names;
		names += (uint64_t)out->name_length + 1;
		if (names + fixed > UINT32_MAX)
			return fail(error, NULL, "the names of sections would be longer than 4 GiB");
	}
	l->section_names_size = names + fixed;
	/* Two of them lie beyond what a symbol's 16 bits can say: those are in a table of their own. */
	l->symtab = (uint32_t)next++;
	l->extended = l->sections[l->n_sections > 0 ? l->n_sections - 1 : 0].index >= SHN_LORESERVE ? (uint32_t)next++ : 0;
	l->strtab = (uint32_t)next++;
	l->shstrtab = (uint32_t)next++;
	l->n_headers = (uint32_t)next;
	if (next > UINT32_MAX)
		return fail(error, NULL, "the output would have more than 4,294,967,295 sections");
	return 0;
}

static int place_in_file(struct layout *l, const struct format *f, struct error *error)
{
	uint64_t at = header_size(f);

	l->contents_start = at;
	l->n_pieces = l->n_groups;
	for (size_t i = 0; i < l->n_groups; i++)
		l->groups[i].section.offset = append(&at, l->groups[i].section.size, 4);
	for (size_t i = 0; i < l->n_sections; i++) {
		struct output_section *out = &l->sections[i];

		out->first_piece = (uint32_t)l->n_pieces;
		l->n_pieces += out->n_pieces;
		out->n_pieces = 0; /* counted anew by list_pieces() */
		out->file_offset = append(&at, out->type == SHT_NOBITS ? 0 : out->size, out->type == SHT_NOBITS ? 1 : (uint64_t)1 << out->align_log2);
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
		out->relocations_offset = append(&at, out->relocations_size, f->wide ? 8 : 4);
		if (out->relocations_offset == UINT64_MAX)
			return fail(error, NULL, "the output would be too large");
	}
	l->contents_end = at;
	if (l->n_pieces > UINT32_MAX)
		return fail(error, NULL, "the inputs have more than 4,294,967,295 sections");
	return 0;
}

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

/* A section's parts lie in it in the order in which they were placed: ordered ones are the exception. */
static int by_offset(const void *a, const void *b)
{
	uint64_t x = ((const struct piece *)a)->file_offset, y = ((const struct piece *)b)->file_offset;

	return x < y ? -1 : x > y;
}

static int list_pieces(struct layout *l, struct inputs *in, struct error *error)
{
	l->pieces = arena_allocate(&in->arena, error, l->n_pieces, sizeof *l->pieces);
	if (!l->pieces)
		return -1;
	for (size_t i = 0; i < l->n_groups; i++)
		l->pieces[i] = (struct piece){ l->groups[i].object, &l->groups[i].section, l->groups[i].section.offset };
	for (size_t i = 0; i < in->n_objects; i++) {
		const struct object *o = &in->objects[i];

		for (uint32_t j = 1; j < o->n_sections; j++)
			list_piece(l, o, &o->sections[j]);
	}
	list_piece(l, NULL, &l->notes.property);
	list_piece(l, NULL, &l->build_id);
	for (size_t i = 0; i < l->n_sections; i++) {
		struct output_section *out = &l->sections[i];

		if (out->ordered_by)
			qsort(&l->pieces[out->first_piece], out->n_pieces, sizeof *l->pieces, by_offset);
	}
	return 0;
}

/* ----------------------------------------------------------------------- groups */

/* How many of a group's members are there; and their numbers, once they have some. */
static uint32_t group_members(const struct format *f, const struct object *o, const struct group *g, unsigned char *words)
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

static int place_groups(struct layout *l, struct inputs *in, struct error *error)
{
	uint64_t words = 0;
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
			uint32_t members = g->section && !g->discarded ? group_members(&in->format, o, g, NULL) : 0;

			if (members == 0)
				continue;
			l->groups[l->n_groups++] = (struct output_group){
				o, g, { .kind = SECTION_GROUP, .size = ((uint64_t)members + 1) * 4 }
			};
			g->index = (uint32_t)l->n_groups; /* number 0 is the empty section */
			words += (uint64_t)members + 1;
		}
	}
	l->group_words = arena_allocate(&in->arena, error, (size_t)words, 4);
	return l->group_words ? 0 : -1;
}

static void write_groups(struct layout *l, const struct format *f)
{
	unsigned char *at = l->group_words;

	for (size_t i = 0; i < l->n_groups; i++) {
		struct output_group *g = &l->groups[i];

		put32(f, at, g->group->flags);
		group_members(f, g->object, g->group, at + 4);
		g->section.data = at;
		at += g->section.size;
	}
}

int layout_make(struct layout *l, struct inputs *in, struct workqueue *queue, struct error *error)
{
	struct joining j = { .in = in, .error = error };
	size_t most = 3; /* the notes */
	int failed;

	for (size_t i = 0; i < in->n_objects; i++)
		most += in->objects[i].n_sections;
	/* Made once and never moved, as sections point to it. Untouched memory costs nothing. */
	l->sections = arena_allocate(&in->arena, error, most, sizeof *l->sections);
	if (!l->sections || table_make(&j.table, sizeof(struct joint), sizeof(struct joint_key), &in->arena, error))
		return -1;
	failed = workqueue_run(queue, in->n_objects, join, &j);
	for (size_t i = 0; i < in->n_objects && !failed; i++)
		failed = place_object(l, &in->objects[i], error);
	table_free(&j.table);
	for (size_t i = 0; i < in->n_objects && !failed; i++)
		failed = place_relocations(&in->objects[i], error);
	if (failed || place_notes(l, in, error) || place_groups(l, in, error) || number(l, error) ||
	    place_in_file(l, &in->format, error))
		return -1;
	write_groups(l, &in->format);
	return list_pieces(l, in, error);
}

void layout_free(struct layout *l)
{
	notes_free(&l->notes); /* all else is in the inputs' arena */
}
