/* SPDX-License-Identifier: MIT */
/*
 * groups.c - COMDAT groups: if several objects have the same one, only the first is kept
 *
 * An inline function of C++ is compiled into every object that calls it. Each time it is in a section group, and all
 * these groups have the same *signature*, which is a symbol's name. A linker keeps one of the groups. It discards all
 * members of the others, with their relocations and local symbols. Their global symbols become references to the symbol
 * of the group that is kept.
 *
 * The group of the object that is first on the command line is kept. Tasks go through the objects in any order, so this
 * takes two passes. The first one stores in each signature the lowest rank of all groups that have it. A group's *rank*
 * is its position in the sequence of all groups of all inputs, in the order of the command line. The second pass keeps
 * a group if the rank in its signature is its own.
 */
#include "config.h"

#include "symbols/groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "input/input.h"
#include "report/report.h"
#include "workqueue.h"

/* Written under the lock of its entry by find_groups(), constant afterwards. */
struct signature {
	struct entry entry;
	uint64_t first_rank; /* the lowest rank of the groups that have it, see group_rank(); 0: none was seen yet */
};

struct resolving {
	struct inputs *in;
	struct table table; /* of struct signature */
};

/* The object's number in the upper 32 bits, the group's number in the lower ones, plus 1. */
static uint64_t group_rank(size_t object, uint32_t group)
{
	return ((uint64_t)object << 32 | group) + 1;
}

/*
 * Look up n signatures at once, because that is faster (table.c). l[i] is the lookup for group numbers[i] of object
 * `o`, which is number `object`.
 */
static void find_some_groups(struct finder *f, size_t object, struct object *o, const uint32_t *numbers,
                             struct lookup *l, size_t n)
{
	table_find(f, l, n);
	for (size_t i = 0; i < n; i++) {
		struct signature *s = l[i].entry;

		entry_lock(&s->entry);
		if (s->first_rank == 0 || s->first_rank > group_rank(object, numbers[i]))
			s->first_rank = group_rank(object, numbers[i]);
		entry_unlock(&s->entry);
		o->groups[numbers[i]].signature = s;
	}
}

/* Pass 1, one task per object: record its COMDAT groups in their signatures. */
static int find_groups(void *arg, size_t i)
{
	struct resolving *r = arg;
	struct object *o = &r->in->objects[i];
	struct finder finder = { .table = &r->table };
	struct lookup lookups[LOOKUPS];
	uint32_t numbers[LOOKUPS];
	size_t n = 0;

	for (uint32_t j = 0; j < o->n_groups; j++) {
		const struct group *g = &o->groups[j];

		if (!(g->flags & GRP_COMDAT))
			continue;
		numbers[n] = j;
		lookups[n++] = (struct lookup){ .text = g->name, .length = g->name_length };
		if (n == LOOKUPS) {
			find_some_groups(&finder, i, o, numbers, lookups, n);
			n = 0;
		}
	}
	find_some_groups(&finder, i, o, numbers, lookups, n);
	return 0;
}

static void discard(struct object *o, struct group *g)
{
	g->discarded = 1;
	for (uint32_t i = 0; i < g->n_members; i++)
		o->sections[o->members[g->first_member + i]].kind = SECTION_DISCARDED;
	if (g->section)
		o->sections[g->section].kind = SECTION_DISCARDED;
}

/*
 * Discard sections that are ordered by a discarded one (SHF_LINK_ORDER): its unwind table, or its list of patchable
 * entries.
 */
static void discard_ordered(struct object *o)
{
	for (uint32_t i = 1; i < o->n_sections; i++) {
		struct section *s = &o->sections[i];

		if (s->kind == SECTION_CONTENT && s->flags & SHF_LINK_ORDER && s->link &&
		    o->sections[s->link].kind == SECTION_DISCARDED)
			s->kind = SECTION_DISCARDED;
	}
}

/* Discard the relocations of discarded sections, whether they are members of the group or not. */
static void discard_relocations(struct object *o)
{
	for (uint32_t i = 1; i < o->n_sections; i++) {
		struct section *s = &o->sections[i];

		if (s->kind == SECTION_RELOCATIONS && o->sections[s->info].kind == SECTION_DISCARDED)
			s->kind = SECTION_DISCARDED;
	}
}

/* Pass 2, one task per object: discard the groups that are not the first of their signature. */
static int discard_duplicates(void *arg, size_t i)
{
	struct resolving *r = arg;
	struct object *o = &r->in->objects[i];
	int any = 0;

	for (uint32_t j = 0; j < o->n_groups; j++) {
		struct group *g = &o->groups[j];

		if (g->signature && g->signature->first_rank != group_rank(i, j)) {
			discard(o, g);
			any = 1;
		}
	}
	if (any) {
		discard_ordered(o);
		discard_relocations(o);
	}
	return 0;
}

const struct section *groups_kept(const struct inputs *in, const struct object *o, const struct section *s)
{
	const struct group *g = s->group ? &o->groups[s->group - 1] : NULL, *kept;
	uint64_t first;

	if (!g || !g->discarded)
		return NULL;
	first = g->signature->first_rank - 1;
	o = &in->objects[first >> 32];
	kept = &o->groups[(uint32_t)first];
	for (uint32_t i = 0; i < kept->n_members; i++) {
		const struct section *other = &o->sections[o->members[kept->first_member + i]];

		if (other->kind == SECTION_CONTENT && other->size == s->size && other->name_length == s->name_length &&
		    !memcmp(other->name, s->name, s->name_length))
			return other;
	}
	return NULL;
}

int groups_resolve(struct inputs *in, struct workqueue *queue, struct error *error)
{
	struct resolving r = { .in = in };
	uint64_t n = 0;

	for (size_t i = 0; i < in->n_objects; i++)
		n += in->objects[i].n_groups;
	if (table_make(&r.table, sizeof(struct signature), 0, n, in->n_objects, &in->arena, error))
		return -1;
	workqueue_run(queue, in->n_objects, find_groups, &r);
	/* This reads what all tasks of the first pass have written. */
	workqueue_run(queue, in->n_objects, discard_duplicates, &r);
	return 0;
}
