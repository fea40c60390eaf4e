/* SPDX-License-Identifier: MIT */
/*
 * select.c - which members of archives are linked, and which local symbols must be kept
 *
 * With --no-whole-archive, a member of an archive is selected if a selected object refers to a name that the member
 * defines. The reference must not be weak, no selected object may define the name already, and no earlier member may
 * define it, either. The references of the new member then count, too. As with ld.lld, and unlike with GNU ld, the
 * result does not depend on where an archive stands on the command line, except that of several members that define a
 * name the first one is selected.
 *
 * All threads collect which object defines which names. One thread follows the references, because each step depends on
 * the one before.
 */
#include "config.h"

#include "input/select.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "input/input.h"
#include "input/relocations.h"
#include "report/report.h"
#include "workqueue.h"

/* A name, and which objects define it. */
struct provider {
	struct entry entry;
	/* Written by any thread, under the entry's lock. Read without it by the thread that follows references. */
	size_t first_lazy; /* the lazy object of the lowest number that defines the name, plus 1; 0: none does */
	int defined;       /* 1: a selected object defines the name */
};

/* The argument of all tasks. */
struct selecting {
	struct inputs *in;
	struct table table; /* of struct provider */
	struct error *error;
	/* Used by the thread that follows references. */
	size_t *queue; /* numbers of the selected objects; their references are followed in this order */
	size_t n_queue;
};

static int is_definition(const struct symbol *symbol)
{
	return symbol->section || symbol->special != SHN_UNDEF;
}

/*
 * Find the provider of a symbol's name. *total_length adds up the lengths of the object's names, which must stay
 * below 4 GiB: names may share their ends, so all of them may be far longer than the file (see symbols.c). `order` is
 * the number of the task. Returns NULL with a message if they are too long.
 */
static struct provider *find_provider(struct selecting *s, struct finder *f, const struct object *o,
                                      const struct symbol *symbol, uint64_t *total_length, size_t order)
{
	const char *name = object_symbol_name(o, symbol);
	size_t length = strlen(name);
	struct lookup l = { .text = name, .length = (uint32_t)length };

	*total_length += length;
	if (*total_length > UINT32_MAX) {
		fail_at(s->error, order, o->name, "the names of its symbols are longer than 4 GiB");
		return NULL;
	}
	table_find(f, &l, 1);
	return l.entry;
}

/* Enter the names that object i defines, or would define if it were selected, into the table. Returns 0 or -1. */
static int add_definitions(void *arg, size_t i)
{
	struct selecting *s = arg;
	const struct object *o = &s->in->objects[i];
	struct finder finder = { .table = &s->table };
	uint64_t total_length = 0;

	for (uint32_t j = o->first_global ? o->first_global : 1; j < o->n_symbols; j++) {
		struct symbol symbol = object_symbol(o, j);
		struct provider *p;

		if (!is_definition(&symbol))
			continue;
		p = find_provider(s, &finder, o, &symbol, &total_length, i);
		if (!p)
			return -1;
		entry_lock(&p->entry);
		if (!o->lazy)
			p->defined = 1;
		else if (p->first_lazy == 0 || p->first_lazy > i + 1)
			p->first_lazy = i + 1;
		entry_unlock(&p->entry);
	}
	return 0;
}

/* The object is selected: select the members that define the names that it refers to. Returns 0 or -1. */
static int follow_references(struct selecting *s, const struct object *o)
{
	struct finder finder = { .table = &s->table };
	uint64_t total_length = 0;

	for (uint32_t j = o->first_global ? o->first_global : 1; j < o->n_symbols; j++) {
		struct symbol symbol = object_symbol(o, j);
		size_t member; /* the object to select, plus 1; 0: none */
		struct provider *p;

		if (is_definition(&symbol) || ELF64_ST_BIND(symbol.info) == STB_WEAK)
			continue;
		p = find_provider(s, &finder, o, &symbol, &total_length, 0);
		if (!p)
			return -1;
		member = p->defined ? 0 : p->first_lazy;
		if (member == 0 || !s->in->objects[member - 1].lazy)
			continue;
		s->in->objects[member - 1].lazy = 0;
		s->queue[s->n_queue++] = member - 1;
		if (add_definitions(s, member - 1))
			return -1;
	}
	return 0;
}

/* Follow all references, then remove the objects that are not selected. Returns 0 or -1. */
static int select_all(struct selecting *s)
{
	struct inputs *in = s->in;
	size_t n = 0;

	for (size_t i = 0; i < in->n_objects; i++)
		if (!in->objects[i].lazy)
			s->queue[s->n_queue++] = i;
	for (size_t i = 0; i < s->n_queue; i++)
		if (follow_references(s, &in->objects[s->queue[i]]))
			return -1;
	for (size_t i = 0; i < in->n_objects; i++) {
		if (in->objects[i].lazy)
			object_free(&in->objects[i]);
		else
			in->objects[n++] = in->objects[i];
	}
	in->n_objects = n;
	return n > 0 ? 0 : fail(s->error, NULL, "no objects: all are members of archives that nothing refers to");
}

int select_members(struct inputs *in, struct workqueue *queue, struct error *error)
{
	struct selecting s = { .in = in, .error = error };
	uint64_t max_names = 0;
	int any_lazy = 0;

	for (size_t i = 0; i < in->n_objects; i++) {
		any_lazy |= in->objects[i].lazy;
		max_names += in->objects[i].n_symbols;
	}
	if (!any_lazy)
		return 0;
	s.queue = arena_allocate(&in->arena, error, in->n_objects, sizeof *s.queue);
	/*
	 * Each object has up to three finders: for its definitions, for these again when it is selected, for its
	 * references.
	 */
	if (!s.queue ||
	    table_make(&s.table, sizeof(struct provider), 0, max_names, 3 * (uint64_t)in->n_objects, &in->arena, error))
		return -1;
	return workqueue_run(queue, in->n_objects, add_definitions, &s) || select_all(&s) ? -1 : 0;
}

/* ------------------------------------------------------- symbols that must be kept */

/* Mark the symbols of object i that its relocations and groups refer to. Returns 0, or -1: out of memory. */
static int mark_needed(void *arg, size_t i)
{
	struct selecting *s = arg;
	struct object *o = &s->in->objects[i];

	o->needed = arena_allocate(o->arena, s->error, o->n_symbols, 1);
	if (!o->needed)
		return -1;
	for (uint32_t j = 0; j < o->n_groups; j++)
		o->needed[o->groups[j].symbol] = 1;
	for (uint32_t j = 1; j < o->n_sections; j++) {
		const struct section *section = &o->sections[j];
		unsigned record = relocation_size(&o->format, section->type == SHT_RELA);

		if (section->kind != SECTION_RELOCATIONS)
			continue;
		for (uint64_t at = 0; at < section->size; at += record) {
			uint32_t symbol = get_relocation(&o->format, section->data + at, 0).symbol;

			if (symbol < o->n_symbols)
				o->needed[symbol] = 1;
		}
	}
	return 0;
}

int select_needed(struct inputs *in, struct workqueue *queue, struct error *error)
{
	struct selecting s = { .in = in, .error = error };

	return workqueue_run(queue, in->n_objects, mark_needed, &s) ? -1 : 0;
}
