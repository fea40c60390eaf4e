/* SPDX-License-Identifier: MIT */
/*
 * numbers.c - the numbers of the output's symbols, and the offsets of their names in the string table
 *
 * This takes three passes over all symbols. Each pass runs on all threads, with one task per stretch (symbols.h):
 *
 *     count    count the local symbols of each stretch, the global symbols whose first occurrence is in it, and the
 *              bytes of the names whose first occurrence is in it
 *     number   give these symbols their numbers, and these names their offsets
 *     map      store the numbers of the global symbols in each object's symbol_map
 *
 * Between the first two passes, one thread turns the counts into the numbers and offsets at which each stretch starts.
 * This takes a few additions per stretch of 12,288 symbols. Symbol numbers have 32 bits here, as in relocations;
 * counts_to_starts() checks that they are enough.
 */
#include "config.h"

#include "layout/layout.h"
#include "report/report.h"
#include "symbols/symbols.h"
#include "workqueue.h"

/* Given to all tasks; the members are constant. */
struct numbering {
	struct symbols *symbols;
	struct inputs *in;
	struct layout *layout;
	struct error *error;
};

int stretch_next(const struct stretch *stretch, const struct inputs *in, size_t i, uint32_t *from, uint32_t *to)
{
	const struct object *o = &in->objects[i];
	uint64_t base;

	if (i >= in->n_objects || o->first_symbol >= stretch->to)
		return 0;
	base = o->first_symbol;
	*from = (uint32_t)(stretch->from > base ? stretch->from - base : 0);
	*to = stretch->to - base < o->n_symbols ? (uint32_t)(stretch->to - base) : o->n_symbols;
	if (*from == 0 && *to > 0)
		*from = 1; /* symbol 0 of an object is empty */
	return 1;
}

/* Pass 1: count what belongs to a stretch. */
static int count_task(void *arg, size_t task)
{
	struct numbering *r = arg;
	struct stretch *s = &r->symbols->stretches[task];
	uint32_t from, to;

	for (size_t i = s->object; stretch_next(s, r->in, i, &from, &to); i++) {
		const struct object *o = &r->in->objects[i];

		for (uint32_t j = from; j < to; j++) {
			const struct name *n = o->names[j];

			symbols_prefetch(o, j, to);
			s->locals += o->symbol_map[j] == SYMBOL_LOCAL;
			if (!n)
				continue;
			s->globals += n->first_global_rank == symbol_rank(o, j);
			if (n->first_rank == symbol_rank(o, j))
				s->names += (uint64_t)n->entry.length + 1;
		}
	}
	return 0;
}

/*
 * Replace the counts of each stretch by the numbers and the offset at which its part starts. Number the symbols of
 * sections. One thread, between passes 1 and 2. Returns 0, or -1 with a message: too many symbols or names.
 */
static int counts_to_starts(struct numbering *r)
{
	struct symbols *symbols = r->symbols;
	struct layout *l = r->layout;
	uint64_t next = 1, names = 1, local;

	for (size_t i = 0; i < l->n_sections; i++) {
		if (atomic_load_explicit(&l->sections[i].wants_symbol, memory_order_relaxed))
			l->sections[i].symbol = (uint32_t)next++;
	}
	symbols->first_local = (uint32_t)next;
	for (size_t i = 0; i < symbols->n_stretches; i++) {
		struct stretch *s = &symbols->stretches[i];

		local = s->locals;
		s->locals = next;
		next += local;
	}
	symbols->first_global = (uint32_t)next;
	for (size_t i = 0; i < symbols->n_stretches; i++) {
		struct stretch *s = &symbols->stretches[i];
		uint64_t globals = s->globals, size = s->names;

		s->globals = next;
		s->names = names;
		next += globals;
		names += size;
	}
	if (next > UINT32_MAX)
		return fail(r->error, NULL, "the output would have more than 4,294,967,295 symbols");
	if (names > UINT32_MAX)
		return fail(r->error, NULL, "the names of symbols are longer than 4 GiB");
	symbols->total = (uint32_t)next;
	symbols->names_size = names;
	return 0;
}

/*
 * Pass 2: number the local symbols and those of sections in symbol_map; number the global symbols, and give offsets to
 * the names, that occur first in this stretch. No other task writes these.
 */
static int number_task(void *arg, size_t task)
{
	struct numbering *r = arg;
	const struct stretch *s = &r->symbols->stretches[task];
	uint32_t local = (uint32_t)s->locals, global = (uint32_t)s->globals, names = (uint32_t)s->names;
	uint32_t from, to;

	for (size_t i = s->object; stretch_next(s, r->in, i, &from, &to); i++) {
		struct object *o = &r->in->objects[i];

		for (uint32_t j = from; j < to; j++) {
			struct name *n = o->names[j];

			symbols_prefetch(o, j, to);
			if (o->symbol_map[j] == SYMBOL_LOCAL) {
				o->symbol_map[j] = local++;
			} else if (o->symbol_map[j] == SYMBOL_SECTION) {
				struct symbol symbol = object_symbol(o, j);

				o->symbol_map[j] = o->sections[symbol.section].out->symbol;
			}
			if (n && n->first_global_rank == symbol_rank(o, j))
				n->number = global++;
			if (n && n->first_rank == symbol_rank(o, j)) {
				n->offset = names;
				names += n->entry.length + 1;
			}
		}
	}
	return 0;
}

/* Pass 3: map global symbols to their numbers. */
static int map_task(void *arg, size_t task)
{
	struct numbering *r = arg;
	const struct stretch *s = &r->symbols->stretches[task];
	uint32_t from, to;

	for (size_t i = s->object; stretch_next(s, r->in, i, &from, &to); i++) {
		struct object *o = &r->in->objects[i];

		for (uint32_t j = from > o->first_global ? from : o->first_global; j < to; j++) {
			symbols_prefetch(o, j, to);
			o->symbol_map[j] = o->names[j] ? o->names[j]->number : 0;
		}
	}
	return 0;
}

/* The header of a section group refers to the symbol that is its signature, so the output must have that symbol. */
static int check_groups(const struct layout *l, struct error *error)
{
	for (size_t i = 0; i < l->n_groups; i++) {
		const struct output_group *g = &l->groups[i];

		if (g->object->symbol_map[g->group->symbol] == 0)
			return fail(error, g->object->name, "section group %.200s: its symbol is left out",
			            g->group->name);
	}
	return 0;
}

int numbers_give(struct symbols *symbols, struct inputs *in, struct layout *layout, struct workqueue *queue,
                 struct error *error)
{
	struct numbering r = { .symbols = symbols, .in = in, .layout = layout, .error = error };

	if (workqueue_run(queue, symbols->n_stretches, count_task, &r) || counts_to_starts(&r) ||
	    workqueue_run(queue, symbols->n_stretches, number_task, &r) ||
	    workqueue_run(queue, symbols->n_stretches, map_task, &r))
		return -1;
	return check_groups(layout, error);
}
