/* SPDX-License-Identifier: MIT */
/*
 * select.c - what of the inputs is wanted
 *
 * Members of archives, with --no-whole-archive: a member comes in if it defines a name that an object which
 * is in refers to, strongly, and no object does so before it. Its own references then count, too. Unlike
 * GNU ld's, and as ld.lld's, the result does not depend on where an archive stands among the inputs: of
 * several members that define a name the first counts.
 *
 * Who defines what is asked on all threads; following the references is one thread's, as each step depends
 * on the one before.
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

struct provider {
	struct entry entry;
	/* Under its lock. */
	size_t first; /* the lazy object of the lowest number that defines it, plus 1; 0: none */
	int defined;  /* by an object that is in */
};

struct selecting {
	struct inputs *in;
	struct table table;
	struct error *error;
	/* One thread. */
	size_t *queue; /* objects whose references are to be followed */
	size_t n_queue;
};

static int is_definition(const struct symbol *symbol)
{
	return symbol->section || symbol->special != SHN_UNDEF;
}

/* *names adds up their lengths, as they may share their ends: see too_many_names() in symbols.c. */
static struct provider *provider_of(struct selecting *s, struct finder *f, const struct object *o,
                                    const struct symbol *symbol, uint64_t *names, size_t order)
{
	const char *name = object_symbol_name(o, symbol);
	size_t length = strlen(name);
	struct lookup l = { .text = name, .length = (uint32_t)length };

	*names += length;
	if (*names > UINT32_MAX) {
		fail_at(s->error, order, o->name, "the names of its symbols are longer than 4 GiB");
		return NULL;
	}
	table_find(f, &l, 1);
	return l.entry;
}

/* Tell the table what an object defines: what it would, while it is lazy. */
static int offer(void *arg, size_t i)
{
	struct selecting *s = arg;
	const struct object *o = &s->in->objects[i];
	struct finder finder = { .table = &s->table };
	uint64_t names = 0;

	for (uint32_t j = o->first_global ? o->first_global : 1; j < o->n_symbols; j++) {
		struct symbol symbol = object_symbol(o, j);
		struct provider *p;

		if (!is_definition(&symbol))
			continue;
		p = provider_of(s, &finder, o, &symbol, &names, i);
		if (!p)
			return -1;
		entry_lock(&p->entry);
		if (!o->lazy)
			p->defined = 1;
		else if (p->first == 0 || p->first > i + 1)
			p->first = i + 1;
		entry_unlock(&p->entry);
	}
	return 0;
}

/* The object is in: so is what it refers to, and what is not there yet. */
static int follow(struct selecting *s, const struct object *o)
{
	struct finder finder = { .table = &s->table };
	uint64_t names = 0;

	for (uint32_t j = o->first_global ? o->first_global : 1; j < o->n_symbols; j++) {
		struct symbol symbol = object_symbol(o, j);
		size_t by;
		struct provider *p;

		if (is_definition(&symbol) || ELF64_ST_BIND(symbol.info) == STB_WEAK)
			continue;
		p = provider_of(s, &finder, o, &symbol, &names, 0);
		if (!p)
			return -1;
		by = p->defined ? 0 : p->first;
		if (by == 0 || !s->in->objects[by - 1].lazy)
			continue;
		s->in->objects[by - 1].lazy = 0;
		s->queue[s->n_queue++] = by - 1;
		if (offer(s, by - 1))
			return -1;
	}
	return 0;
}

static int select_all(struct selecting *s)
{
	struct inputs *in = s->in;
	size_t n = 0;

	for (size_t i = 0; i < in->n_objects; i++)
		if (!in->objects[i].lazy)
			s->queue[s->n_queue++] = i;
	for (size_t i = 0; i < s->n_queue; i++)
		if (follow(s, &in->objects[s->queue[i]]))
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
	uint64_t names = 0;
	int any = 0;

	for (size_t i = 0; i < in->n_objects; i++) {
		any |= in->objects[i].lazy;
		names += in->objects[i].n_symbols;
	}
	if (!any)
		return 0;
	s.queue = arena_allocate(&in->arena, error, in->n_objects, sizeof *s.queue);
	/* Finders: each object offers what it defines, once more when it is chosen, and follows what it refers to. */
	if (!s.queue ||
	    table_make(&s.table, sizeof(struct provider), 0, names, 3 * (uint64_t)in->n_objects, &in->arena, error))
		return -1;
	return workqueue_run(queue, in->n_objects, offer, &s) || select_all(&s) ? -1 : 0;
}

/* ------------------------------------------------------------- symbols that stay */

static int mark(void *arg, size_t i)
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

	return workqueue_run(queue, in->n_objects, mark, &s) ? -1 : 0;
}
