/* SPDX-License-Identifier: MIT */
/*
 * layout.c - input sections are piled up in output sections, and those get a place
 *
 * What a final link decides by its script, a relocatable link must not decide yet: sections are
 * joined only where nobody can tell the difference, that is with the same name, type and flags
 * (and the same entry size where the linker will merge entries). .text.f and .text.g stay
 * two sections, so --gc-sections still works on the result.
 *
 * The file: header, contents, relocations | symbol table, string tables, section headers. All left
 * of the bar is known when this function returns, and is what parwrite has mapped; the
 * rest depends on string tables that are built while the contents are being written.
 *
 * Relocations of one output section are one section too, at the end of the contents.
 * They need no place of their own near them, and so contents stay dense.
 *
 * Padding between pieces is zero, also in code, where ld.bfd and ld.gold put long nops and
 * ld.lld int3. It lies behind a ret or a jmp: an input section is entered by its symbols and never
 * falls through into the next, whose order the final link is free to change.
 *
 * Three sections are not simply piled up:
 *   .note.GNU-stack     says by its X flag whether an object needs an executable stack, and by
 *                       being absent that nobody knows, which most linkers take for yes. The
 *                       output's has the flags of all inputs, and is absent if it was in one.
 *                       ld.bfd 2.40 and ld.gold write one with X instead; leaving it out
 *                       lets the final link treat the output as it would the objects.
 *   .note.gnu.property  marks (IBT, SHSTK, ISA level) that hold for the whole only if they hold
 *                       for every part. Kept, once, if all have the same; else left out, which
 *                       promises nothing.
 *   .eh_frame           a list of records that a zero word ends. Its parts are joined without
 *                       padding, which would be such a word.
 */
#include "config.h"

#include "layout.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "input.h"
#include "report.h"

/* What is decided by looking at all objects before any section is placed. */
struct policy {
	int keep_stack_note;
	const struct section *property_note; /* the one to keep, NULL: none */
};

static int is_stack_note(const struct section *s)
{
	return !strcmp(s->name, ".note.GNU-stack");
}

static int is_property_note(const struct section *s)
{
	return !strcmp(s->name, ".note.gnu.property");
}

static int same_bytes(const struct section *a, const struct section *b)
{
	return a->type == b->type && a->flags == b->flags && a->size == b->size && a->data &&
	       b->data && !memcmp(a->data, b->data, a->size);
}

static struct policy decide(const struct inputs *in)
{
	struct policy policy = { .keep_stack_note = 1 };

	for (size_t i = 0; i < in->n_objects; i++) {
		const struct object *o = &in->objects[i];
		const struct section *property = NULL;
		int has_stack_note = 0, properties = 0;

		for (uint32_t j = 1; j < o->n_sections; j++) {
			const struct section *s = &o->sections[j];
			has_stack_note |= is_stack_note(s);
			if (is_property_note(s)) {
				property = s;
				properties++;
			}
		}
		if (!has_stack_note)
			policy.keep_stack_note = 0;
		if (i == 0)
			policy.property_note = property;
		if (properties != 1 || !policy.property_note ||
		    !same_bytes(policy.property_note, property))
			policy.property_note = NULL;
	}
	return policy;
}

static int is_wanted(const struct policy *policy, const struct section *s)
{
	if (s->kind != SECTION_CONTENT)
		return 0;
	if (is_stack_note(s))
		return policy->keep_stack_note;
	if (is_property_note(s))
		return s == policy->property_note;
	return 1;
}

/* Find the output section that s belongs to, or make it. There is room for every one. */
static struct output_section *section_for(struct layout *l, struct hash *hash,
                                          const struct section *s)
{
	int stack_note = is_stack_note(s);
	uint32_t type = stack_note ? SHT_PROGBITS : s->type;
	uint64_t flags = stack_note ? 0 : s->flags;
	uint64_t entsize = s->flags & (SHF_MERGE | SHF_STRINGS) ? s->entsize : 0;
	size_t slot = hash_name(s->name) + type + (size_t)flags * 31 + (size_t)entsize * 0x9e3779b1u;
	struct output_section *out;

	for (;; slot++) {
		uint32_t number = hash->slots[slot & hash->mask];
		if (number == 0)
			break;
		out = &l->sections[number - 1];
		if (out->type == type && out->flags == flags && !strcmp(out->name, s->name) &&
		    (!(flags & (SHF_MERGE | SHF_STRINGS)) || out->entsize == entsize))
			return out;
	}
	out = &l->sections[l->n_contents++];
	hash->slots[slot & hash->mask] = (uint32_t)l->n_contents;
	out->name = s->name;
	out->type = type;
	out->flags = flags;
	out->entsize = s->entsize;
	out->align = 1;
	return out;
}

/* Put s at the end of its output section. */
static int append(const struct object *o, struct section *s, struct output_section *out,
                  uint64_t align, struct error *error)
{
	uint64_t offset, end;

	if (__builtin_add_overflow(out->size, align - 1, &offset))
		offset = UINT64_MAX;
	offset &= ~(align - 1);
	if (__builtin_add_overflow(offset, s->size, &end) || end > INT64_MAX)
		return fail(error, o->name, "section %s: too large", s->name);
	s->out = out;
	s->offset = offset;
	out->size = end;
	if (s->data)
		out->n_pieces++;
	return 0;
}

static int place_contents(struct layout *l, struct inputs *in, const struct policy *policy,
                          struct hash *hash, struct error *error)
{
	for (size_t i = 0; i < in->n_objects; i++) {
		struct object *o = &in->objects[i];
		for (uint32_t j = 1; j < o->n_sections; j++) {
			struct section *s = &o->sections[j];
			struct output_section *out;
			uint64_t align = s->align;

			if (!is_wanted(policy, s))
				continue;
			out = section_for(l, hash, s);
			if (out->entsize != s->entsize)
				out->entsize = 0; /* true of no two of them */
			if (out->align < align)
				out->align = align;
			if (align > 4 && !strcmp(s->name, ".eh_frame"))
				align = 4;
			if (append(o, s, out, align, error))
				return -1;
		}
	}
	return 0;
}

/* The flags of the stack note are no part of its key, so they are added when all is placed. */
static void merge_stack_notes(struct inputs *in)
{
	for (size_t i = 0; i < in->n_objects; i++) {
		const struct object *o = &in->objects[i];
		for (uint32_t j = 1; j < o->n_sections; j++) {
			if (o->sections[j].out && is_stack_note(&o->sections[j]))
				o->sections[j].out->flags |= o->sections[j].flags;
		}
	}
}

static int place_relocations(struct layout *l, struct inputs *in, struct error *error)
{
	l->n_sections = l->n_contents;
	for (size_t i = 0; i < in->n_objects; i++) {
		struct object *o = &in->objects[i];
		for (uint32_t j = 1; j < o->n_sections; j++) {
			struct section *s = &o->sections[j];
			struct output_section *target, *out;

			if (s->kind != SECTION_RELOCATIONS || !s->data)
				continue;
			target = o->sections[s->info].out;
			if (!target)
				continue; /* relocations of something left out */
			out = target->relocations;
			if (!out) {
				out = target->relocations = &l->sections[l->n_sections++];
				out->name = target->name;
				out->type = SHT_RELA;
				out->flags = SHF_INFO_LINK;
				out->entsize = sizeof(Elf64_Rela);
				out->align = 8;
				out->target = target;
			}
			if (append(o, s, out, 1, error))
				return -1;
		}
	}
	return 0;
}

static int place_in_file(struct layout *l, struct error *error)
{
	uint64_t at = CONTENTS_START;

	for (size_t i = 0; i < l->n_sections; i++) {
		struct output_section *out = &l->sections[i];
		out->index = (uint32_t)i + 1;
		out->first_piece = l->n_pieces;
		l->n_pieces += out->n_pieces;
		out->n_pieces = 0; /* counted anew by list_pieces() */
		if (out->type == SHT_NOBITS) {
			out->file_offset = at;
			continue;
		}
		/* `at` is at most INT64_MAX, align at most ALIGN_MAX: no overflow. */
		at = (at + out->align - 1) & ~(out->align - 1);
		out->file_offset = at;
		if (__builtin_add_overflow(at, out->size, &at) || at > INT64_MAX)
			return fail(error, NULL, "the output would be too large");
	}
	l->contents_end = at;
	return 0;
}

static int list_pieces(struct layout *l, const struct inputs *in, struct error *error)
{
	l->pieces = allocate(error, l->n_pieces, sizeof *l->pieces);
	if (!l->pieces)
		return -1;
	for (size_t i = 0; i < in->n_objects; i++) {
		const struct object *o = &in->objects[i];
		for (uint32_t j = 1; j < o->n_sections; j++) {
			const struct section *s = &o->sections[j];
			if (!s->out || !s->data)
				continue;
			l->pieces[s->out->first_piece + s->out->n_pieces++] = (struct piece){
				.object = o,
				.section = s,
				.file_offset = s->out->file_offset + s->offset,
			};
		}
	}
	return 0;
}

/* Which ABI's extensions may be met: the one that objects name, if they name one. */
static int merge_osabi(struct layout *l, const struct inputs *in, struct error *error)
{
	for (size_t i = 0; i < in->n_objects; i++) {
		const struct object *o = &in->objects[i];
		if (o->osabi == l->osabi || o->osabi == ELFOSABI_NONE)
			continue;
		if (l->osabi != ELFOSABI_NONE)
			return fail(error, o->name, "for OS ABI %u, other objects are for %u",
			            (unsigned)o->osabi, (unsigned)l->osabi);
		l->osabi = o->osabi;
	}
	return 0;
}

int layout_make(struct layout *l, struct inputs *in, struct error *error)
{
	struct policy policy = decide(in);
	struct hash hash = { 0 };
	size_t most = 0;
	int failed;

	for (size_t i = 0; i < in->n_objects; i++)
		most += in->objects[i].n_sections;
	/* Made once and never moved, as sections point to it. Untouched memory costs nothing. */
	l->sections = allocate(error, most, sizeof *l->sections);
	if (!l->sections || hash_make(&hash, most, error))
		return -1;
	failed = merge_osabi(l, in, error) || place_contents(l, in, &policy, &hash, error);
	hash_free(&hash);
	if (failed)
		return -1;
	merge_stack_notes(in);
	if (place_relocations(l, in, error))
		return -1;
	if (l->n_sections + EXTRA_HEADERS > HEADERS_MAX)
		return fail(error, NULL,
		            "the output would have %zu sections, at most %d are supported yet",
		            l->n_sections + EXTRA_HEADERS, HEADERS_MAX);
	if (place_in_file(l, error))
		return -1;
	return list_pieces(l, in, error);
}

void layout_free(struct layout *l)
{
	free(l->sections);
	free(l->pieces);
}
