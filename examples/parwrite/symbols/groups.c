/* SPDX-License-Identifier: MIT */
/*
 * groups.c - COMDAT: of what several objects have, the first one's is kept
 *
 * An inline function of C++ is compiled into every object that calls it, each time in a section group
 * whose *signature*, a symbol's name, is the same. A linker keeps one. Of the others all members
 * are discarded, and with them their relocations and local symbols; a global symbol becomes a reference to
 * the one that is kept.
 *
 * First is who comes first on the command line. Threads go through the objects in any order, so each group
 * leaves the lowest place that it was seen at, and when all have, a group is kept if that is its own.
 */
#include "config.h"

#include "symbols/groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "input/input.h"
#include "report/report.h"
#include "workqueue.h"

/* Under its lock; constant when all objects have been there. */
struct signature {
	struct entry entry;
	uint64_t first; /* object's number and group's, plus 1 */
};

struct resolving {
	struct inputs *in;
	struct table table;
};

static uint64_t place(size_t object, uint32_t group)
{
	return ((uint64_t)object << 32 | group) + 1;
}

/* The lookups' groups, and their numbers. */
static void meet_some(struct finder *f, size_t object, struct object *o, const uint32_t *numbers, struct lookup *l, size_t n)
{
	table_find(f, l, n);
	for (size_t i = 0; i < n; i++) {
		struct signature *s = l[i].entry;

		entry_lock(&s->entry);
		if (s->first == 0 || s->first > place(object, numbers[i]))
			s->first = place(object, numbers[i]);
		entry_unlock(&s->entry);
		o->groups[numbers[i]].signature = s;
	}
}

static int meet(void *arg, size_t i)
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
			meet_some(&finder, i, o, numbers, lookups, n);
			n = 0;
		}
	}
	meet_some(&finder, i, o, numbers, lookups, n);
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

/* What is ordered by a discarded section (its unwind table, its list of patchable entries) goes with it. */
static void discard_ordered(struct object *o)
{
	for (uint32_t i = 1; i < o->n_sections; i++) {
		struct section *s = &o->sections[i];

		if (s->kind == SECTION_CONTENT && s->flags & SHF_LINK_ORDER && s->link &&
		    o->sections[s->link].kind == SECTION_DISCARDED)
			s->kind = SECTION_DISCARDED;
	}
}

/* And what relocates it, be it in the group or not. */
static void discard_relocations(struct object *o)
{
	for (uint32_t i = 1; i < o->n_sections; i++) {
		struct section *s = &o->sections[i];

		if (s->kind == SECTION_RELOCATIONS && o->sections[s->info].kind == SECTION_DISCARDED)
			s->kind = SECTION_DISCARDED;
	}
}

static int part(void *arg, size_t i)
{
	struct resolving *r = arg;
	struct object *o = &r->in->objects[i];
	int any = 0;

	for (uint32_t j = 0; j < o->n_groups; j++) {
		struct group *g = &o->groups[j];

		if (g->signature && g->signature->first != place(i, j)) {
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
	first = g->signature->first - 1;
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
	workqueue_run(queue, in->n_objects, meet, &r);
	workqueue_run(queue, in->n_objects, part, &r); /* reads what meet() left */
	return 0;
}
