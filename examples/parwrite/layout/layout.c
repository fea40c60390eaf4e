/* SPDX-License-Identifier: MIT */
/*
 * layout.c - input sections are piled up in output sections; place.c gives these a place
 *
 * What a final link decides by its script, a relocatable link must not decide yet: sections are
 * joined only where nobody can tell the difference, that is with the same name, type and flags
 * (and the same entry size where the linker will merge entries). .text.f and .text.g stay
 * two sections, so --gc-sections still works on the result. A member of a section group is joined with
 * nothing, as it must be possible to drop the group; a section that is ordered by another one
 * (SHF_LINK_ORDER) only with those that are ordered by the same.
 *
 * By name they are found on all threads (join). Then one thread goes through all sections in their order and
 * adds up, without a look at names. Both together take 30 ms for 444,000 sections, on 2 cores.
 *
 * Relocations of one output section are one section too, at the end of the contents.
 * They need no place of their own near them, and so contents stay dense.
 *
 * Padding between pieces is zero, also in code, where ld.bfd and ld.gold put long nops and
 * ld.lld int3. It lies behind a ret or a jmp: an input section is entered by its symbols and never
 * falls through into the next, whose order the final link is free to change. But in .init and .fini, which are
 * one function in pieces: there it is nops on x86; other machines' instructions are as long as these
 * sections' alignment.
 *
 * .eh_frame is a list of records that a zero word ends. Its parts are joined without padding, which would
 * be such a word.
 */
#include "config.h"

#include "layout/layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "report/report.h"
#include "workqueue.h"

/* What sections are joined by, besides the name. Behind struct entry, so without padding. */
struct joint {
	struct entry entry;
	struct joint_key {
		uint32_t flags, entsize, type, none;
	} key;
	struct output_section *out; /* place(), one thread */
};

/* Memory is fetched for so many sections later. */
enum { AHEAD = 8 };

struct joining {
	struct inputs *in;
	struct table table;
};

static int is_in_group(const struct object *o, const struct section *s)
{
	return s->group && o->groups[s->group - 1].section;
}

static int is_ordered(const struct section *s)
{
	return s->flags & SHF_LINK_ORDER && s->link;
}

static struct joint_key key_of(const struct section *s)
{
	return (struct joint_key){
		.flags = s->flags,
		.entsize = s->flags & (SHF_MERGE | SHF_STRINGS) ? s->entsize : 0,
		.type = s->type,
	};
}

static void join_some(struct finder *f, struct section *const *sections, size_t n)
{
	struct joint_key keys[LOOKUPS];
	struct lookup lookups[LOOKUPS];

	for (size_t i = 0; i < n; i++) {
		keys[i] = key_of(sections[i]);
		lookups[i] = (struct lookup){ .text = sections[i]->name, .length = sections[i]->name_length, .key = &keys[i] };
	}
	table_find(f, lookups, n);
	for (size_t i = 0; i < n; i++)
		sections[i]->joint = lookups[i].entry;
}

static int join(void *arg, size_t i)
{
	struct joining *j = arg;
	struct object *o = &j->in->objects[i];
	struct finder finder = { .table = &j->table };
	struct section *some[LOOKUPS];
	size_t n = 0;

	for (uint32_t k = 1; k < o->n_sections; k++) {
		struct section *s = &o->sections[k];

		if (s->kind != SECTION_CONTENT || is_in_group(o, s) || is_ordered(s))
			continue;
		some[n++] = s;
		if (n == LOOKUPS) {
			join_some(&finder, some, n);
			n = 0;
		}
	}
	join_some(&finder, some, n);
	return 0;
}

/* A new one, for which there is room. */
static unsigned char fill_of(const struct layout *l, const struct section *s)
{
	return s->steps && (l->machine == EM_X86_64 || l->machine == EM_386) ? 0x90 : 0;
}

static struct output_section *add_section(struct layout *l, const struct section *s)
{
	struct output_section *out = &l->sections[l->n_sections++];

	out->name = s->name;
	out->name_length = s->name_length;
	out->type = s->type;
	out->flags = s->flags;
	out->entsize = s->entsize;
	out->fill = fill_of(l, s);
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
	return s->joint->out;
}

static int same_bytes(const struct section *a, const struct section *b)
{
	return a->size == b->size && (a->size == 0 || (a->data && b->data && !memcmp(a->data, b->data, a->size)));
}

static int place(struct layout *l, struct object *o, struct section *s, struct error *error)
{
	struct output_section *out = section_for(l, o, s);
	uint64_t align = section_align(s);

	s->out = out; /* and the joint is not known any more */
	if (out && s->once != ONCE_NOT) {
		if (out->first) {
			s->out = NULL;
			if (s->once == ONCE_SAME && !same_bytes(s, out->first))
				return fail(error, o->name, "section %s: not the same as in other objects", s->name);
			return 0;
		}
		out->first = s;
	}
	if (!out)
		return 0;
	if (out->entsize != s->entsize)
		out->entsize = 0; /* true of no two of them */
	if (out->align_log2 < s->align_log2)
		out->align_log2 = s->align_log2;
	if (align > 4 && s->records)
		align = 4;
	s->offset = layout_append(l, &out->size, s->size, align);
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

		if (o->n_sections - i > AHEAD)
			__builtin_prefetch(s[AHEAD].joint);
		if (s->kind != SECTION_CONTENT)
			continue;
		if (is_ordered(s))
			n_ordered++;
		else if (place(l, o, s, error))
			return -1;
	}
	return n_ordered > 0 ? place_ordered(l, o, n_ordered, error) : 0;
}

static int place_relocations(const struct layout *l, struct object *o, struct error *error)
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
		s->offset = layout_append(l, &out->relocations_size, s->size, 1);
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

int layout_make(struct layout *l, struct inputs *in, struct workqueue *queue, struct error *error)
{
	struct joining j = { .in = in };
	size_t most = 3; /* the notes */
	uint64_t names = 0;
	int failed = 0;

	l->machine = in->format.machine;
	l->limit = in->format.wide ? INT64_MAX : UINT32_MAX;
	for (size_t i = 0; i < in->n_objects; i++) {
		most += in->objects[i].n_sections;
		names += in->objects[i].n_free;
	}
	/* Made once and never moved, as sections point to it. Untouched memory costs nothing. */
	l->sections = arena_allocate(&in->arena, error, most, sizeof *l->sections);
	if (!l->sections ||
	    table_make(&j.table, sizeof(struct joint), sizeof(struct joint_key), names, in->n_objects, &in->arena, error))
		return -1;
	workqueue_run(queue, in->n_objects, join, &j);
	for (size_t i = 0; i < in->n_objects && !failed; i++)
		failed = place_object(l, &in->objects[i], error);
	for (size_t i = 0; i < in->n_objects && !failed; i++)
		failed = place_relocations(l, &in->objects[i], error);
	if (failed || place_notes(l, in, error))
		return -1;
	return layout_place(l, in, error);
}

void layout_free(struct layout *l)
{
	notes_free(&l->notes); /* all else is in the inputs' arena */
}
