/* SPDX-License-Identifier: MIT */
/*
 * layout.c - appends input sections to output sections; place.c then gives these their places in the file
 *
 * A final link decides by its script which sections to join. A relocatable link must not decide that beforehand. So
 * sections are joined only if that makes no difference to the final link: if they have the same name, type and flags,
 * and the same entry size where the linker will merge entries. For example, .text.f and .text.g remain two sections,
 * so --gc-sections still works on the output. A member of a section group is not joined with any other section,
 * because it must be possible to drop the group. A section that is ordered by another one (SHF_LINK_ORDER) is joined
 * only with sections that are ordered by the same output section.
 *
 * First all threads look up by name which sections belong together (join_sections()). Then one thread walks all
 * sections in the order of the inputs and adds up sizes, without reading names. Both together take 30 ms for 444,000
 * sections on 2 cores.
 *
 * The relocations of one output section are one section, too. These sections follow behind all contents. They need not
 * lie near what they relocate, and so the contents are contiguous.
 *
 * The padding between pieces is zero, in code as well, where ld.bfd and ld.gold write long nops and ld.lld writes
 * int3. In code the padding follows a ret or a jmp: control enters an input section at its symbols and never falls
 * through into the next section, because the final link is free to change their order. The exceptions are .init and
 * .fini, which are each one function in pieces. There the padding is nops on x86. Other machines have no padding
 * there, because the length of their instructions is the alignment of these sections.
 *
 * .eh_frame is a list of records that ends at a zero word. Its pieces are joined without padding, because padding
 * would be such a word.
 */
#include "config.h"

#include "layout/layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "report/report.h"
#include "workqueue.h"

/* The input sections that are joined to one output section: those with this name (in `entry`) and this key. */
struct joint {
	struct entry entry;
	/* Compared as bytes, so it has no padding. The table demands that it follows `entry`. */
	struct joint_key {
		uint32_t flags, entsize, type, zero;
	} key;
	struct output_section *out; /* NULL: not made yet; written by section_for(), on one thread */
};

/* Memory is prefetched for the section that comes so many sections later. */
enum { AHEAD = 8 };

/* The argument of join_sections(). */
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

/* entsize matters only where the final link merges entries. */
static struct joint_key key_of(const struct section *s)
{
	return (struct joint_key){
		.flags = s->flags,
		.entsize = s->flags & (SHF_MERGE | SHF_STRINGS) ? s->entsize : 0,
		.type = s->type,
	};
}

/* Set the joints of n sections, at most LOOKUPS. */
static void join_batch(struct finder *f, struct section *const *sections, size_t n)
{
	struct joint_key keys[LOOKUPS];
	struct lookup lookups[LOOKUPS];

	for (size_t i = 0; i < n; i++) {
		keys[i] = key_of(sections[i]);
		lookups[i] = (struct lookup){
			.text = sections[i]->name, .length = sections[i]->name_length, .key = &keys[i]
		};
	}
	table_find(f, lookups, n);
	for (size_t i = 0; i < n; i++)
		sections[i]->joint = lookups[i].entry;
}

/* Set the joints of all sections of object i that may be joined with others by name. */
static int join_sections(void *arg, size_t i)
{
	struct joining *j = arg;
	struct object *o = &j->in->objects[i];
	struct finder finder = { .table = &j->table };
	struct section *batch[LOOKUPS];
	size_t n_batch = 0;

	for (uint32_t k = 1; k < o->n_sections; k++) {
		struct section *s = &o->sections[k];

		if (s->kind != SECTION_CONTENT || is_in_group(o, s) || is_ordered(s))
			continue;
		batch[n_batch++] = s;
		if (n_batch == LOOKUPS) {
			join_batch(&finder, batch, n_batch);
			n_batch = 0;
		}
	}
	join_batch(&finder, batch, n_batch);
	return 0;
}

/* The value of padding bytes: a nop of x86 (0x90) between pieces of .init and .fini. */
static unsigned char fill_of(const struct layout *l, const struct section *s)
{
	return s->steps && (l->machine == EM_X86_64 || l->machine == EM_386) ? 0x90 : 0;
}

/* Add an output section like s. layout_make() made room for all. */
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

/* The output section of s, which is ordered by another section. NULL: s is left out, because that section is. */
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
	/* A member of a group is not in the list, so no other section is joined with it. */
	if (!is_in_group(o, s)) {
		out->next = by->dependents;
		by->dependents = out;
	}
	return out;
}

/* The output section of s, which is made if it does not exist yet. NULL: s is left out. */
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

/* Append s to its output section, and set s->out and s->offset. Returns 0, or -1 with a message. */
static int place_section(struct layout *l, struct object *o, struct section *s, struct error *error)
{
	struct output_section *out = section_for(l, o, s);
	uint64_t align = section_align(s);

	s->out = out; /* overwrites s->joint, which is in the same union */
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
		out->entsize = 0; /* the pieces have entries of different sizes */
	if (out->align_log2 < s->align_log2)
		out->align_log2 = s->align_log2;
	/* Records of .eh_frame are multiples of 4 bytes. With a larger alignment there would be padding. */
	if (align > 4 && s->records)
		align = 4;
	s->offset = layout_append(l, &out->size, s->size, align);
	if (s->offset == UINT64_MAX)
		return fail(error, o->name, "section %s: too large", s->name);
	out->n_pieces += s->data != NULL;
	return 0;
}

static int compare_links(const void *a, const void *b)
{
	const struct section *x = *(struct section *const *)a, *y = *(struct section *const *)b;

	if (x->link != y->link)
		return x->link < y->link ? -1 : 1;
	return x < y ? -1 : x > y;
}

/*
 * Place the n sections of an object that are ordered by others, in the order of these. The others are in their output
 * sections already. Returns 0, or -1 with a message.
 */
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
		qsort(list, n, sizeof(struct section *), compare_links);
	for (size_t i = 0; i < n && !failed; i++)
		failed = place_section(l, o, list[i], error);
	free(list);
	return failed;
}

/* Place all sections with contents of one object. Returns 0, or -1 with a message. */
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
		else if (place_section(l, o, s, error))
			return -1;
	}
	return n_ordered > 0 ? place_ordered(l, o, n_ordered, error) : 0;
}

/* Place all relocations of one object. Returns 0, or -1 with a message. */
static int place_relocations(const struct layout *l, struct object *o, struct error *error)
{
	for (uint32_t i = 1; i < o->n_sections; i++) {
		struct section *s = &o->sections[i];
		struct output_section *out;

		if (s->kind != SECTION_RELOCATIONS || !s->data)
			continue;
		out = o->sections[s->info].out;
		if (!out)
			continue; /* the section that they apply to is left out */
		if (out->relocations_size > 0 && out->relocations_type != s->type)
			return fail(error, o->name, "section %s: REL, others for this section are RELA, or the reverse",
			            s->name);
		out->relocations_type = s->type;
		s->out = out;
		s->offset = layout_append(l, &out->relocations_size, s->size, 1);
		if (s->offset == UINT64_MAX)
			return fail(error, o->name, "section %s: too large", s->name);
		out->n_relocation_pieces++;
	}
	return 0;
}

/* Place the notes that parwrite makes. They come after all input sections. Returns 0, or -1 with a message. */
static int place_notes(struct layout *l, struct inputs *in, struct error *error)
{
	struct object no_object = { .name = NULL };

	if (notes_merge(&l->notes, in, error))
		return -1;
	if (l->notes.property.data && place_section(l, &no_object, &l->notes.property, error))
		return -1;
	if (l->build_id.data && place_section(l, &no_object, &l->build_id, error))
		return -1;
	if (!l->notes.stack)
		return 0;
	l->stack_note = (struct section){
		.name = ".note.GNU-stack", .name_length = (uint32_t)strlen(".note.GNU-stack"),
		.flags = l->notes.stack_flags, .type = SHT_PROGBITS, .kind = SECTION_CONTENT,
	};
	return place_section(l, &no_object, &l->stack_note, error);
}

int layout_make(struct layout *l, struct inputs *in, struct workqueue *queue, struct error *error)
{
	struct joining j = { .in = in };
	size_t max_sections = 3; /* the notes */
	uint64_t max_names = 0;
	int failed = 0;

	l->machine = in->format.machine;
	l->limit = in->format.wide ? INT64_MAX : UINT32_MAX;
	for (size_t i = 0; i < in->n_objects; i++) {
		max_sections += in->objects[i].n_sections;
		max_names += in->objects[i].n_free;
	}
	/* Allocated once and never moved, because sections point to it. Memory that is not touched costs nothing. */
	l->sections = arena_allocate(&in->arena, error, max_sections, sizeof *l->sections);
	if (!l->sections ||
	    table_make(&j.table, sizeof(struct joint), sizeof(struct joint_key), max_names, in->n_objects, &in->arena,
	               error))
		return -1;
	workqueue_run(queue, in->n_objects, join_sections, &j);
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
	notes_free(&l->notes); /* the rest is in the inputs' arena */
}
