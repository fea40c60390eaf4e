/* SPDX-License-Identifier: MIT */
/*
 * table.c - a hash table that only grows fuller, without locks
 *
 * A million names are looked up; one thread would need longer for it than all of them for writing the output.
 *
 * How many names there can be is known before, so slots and entries are made once, for all of them: nothing ever
 * moves, and memory that is not touched costs nothing. A slot is one word, the hash beside the entry's number plus 1;
 * 0 is empty. Who finds an empty slot fills an entry that nobody sees yet and puts it there by one compare-and-swap;
 * who loses looks at what the other one put there.
 *
 * What takes time is waiting for memory: the name in the input, the slot, the entry, the name in the input that the
 * entry is from, each in another place and each known only from the one before. So up to 16 names are looked for at
 * once, a step at a time, and the processor is told to fetch what the next step reads.
 */
#include "config.h"

#include "base/table.h"

#include <sched.h>

#include "base/arena.h"
#include "report/report.h"

/* Entries that a finder takes at a time, so that threads seldom meet in table.used. */
enum { TAKE = 16 };

int table_make(struct table *t, size_t entry_size, size_t key_size, uint64_t names, uint64_t finders,
               struct arena *arena, struct error *error)
{
	uint64_t entries = names + finders * TAKE, slots = names + names / 4 + 1; /* four fifths used at most */

	if (slots > UINT32_MAX || entries >= UINT32_MAX)
		return fail(error, NULL, "more names than a table can hold");
	*t = (struct table){ .n_slots = (uint32_t)slots, .entry_size = entry_size, .key_size = key_size };
	t->slots = arena_allocate(arena, error, (size_t)slots, sizeof *t->slots);
	t->entries = arena_allocate(arena, error, (size_t)entries, entry_size);
	return t->slots && t->entries ? 0 : -1;
}

/* Where to look first. */
static size_t slot_of(const struct table *t, uint32_t hash)
{
	return (size_t)((uint64_t)hash * t->n_slots >> 32);
}

static struct entry *entry_at(const struct table *t, uint32_t number)
{
	return (struct entry *)(void *)(t->entries + (size_t)number * t->entry_size);
}

static int is_it(const struct table *t, const struct entry *e, const struct lookup *l)
{
	return e->length == l->length && !memcmp(e->text, l->text, l->length) &&
	       (t->key_size == 0 || !memcmp(e + 1, l->key, t->key_size));
}

/* An entry that only this finder knows; the next call returns the same if it stays so. */
static struct entry *spare_entry(struct finder *f, const struct lookup *l)
{
	struct table *t = f->table;
	struct entry *e;

	if (f->next == f->end) {
		f->next = atomic_fetch_add_explicit(&t->used, TAKE, memory_order_relaxed);
		f->end = f->next + TAKE;
	}
	e = entry_at(t, f->next);
	e->text = l->text;
	e->length = l->length;
	if (t->key_size > 0)
		memcpy(e + 1, l->key, t->key_size);
	return e;
}

static struct entry *find_or_add(struct finder *f, const struct lookup *l)
{
	struct table *t = f->table;

	for (size_t at = slot_of(t, l->hash);; at = at + 1 < t->n_slots ? at + 1 : 0) {
		_Atomic uint64_t *slot = &t->slots[at];
		uint64_t value = atomic_load_explicit(slot, memory_order_acquire);

		if (value == 0) {
			struct entry *e = spare_entry(f, l);
			uint64_t mine = (uint64_t)l->hash << 32 | ((uint64_t)f->next + 1);

			if (atomic_compare_exchange_strong_explicit(slot, &value, mine, memory_order_acq_rel,
			                                            memory_order_acquire)) {
				f->next++;
				return e;
			}
		}
		if (value >> 32 == l->hash) {
			struct entry *e = entry_at(t, (uint32_t)value - 1);

			if (is_it(t, e, l))
				return e;
		}
	}
}

/* The entry that it probably is; NULL: there is none, or it is further on. */
static struct entry *guess(const struct table *t, const struct lookup *l)
{
	uint64_t value = atomic_load_explicit(&t->slots[slot_of(t, l->hash)], memory_order_acquire);

	return value != 0 && value >> 32 == l->hash ? entry_at(t, (uint32_t)value - 1) : NULL;
}

void table_find(struct finder *f, struct lookup *l, size_t n)
{
	const struct table *t = f->table;

	for (size_t i = 0; i < n; i++)
		__builtin_prefetch(l[i].text);
	for (size_t i = 0; i < n; i++) {
		l[i].hash = hash_bytes(l[i].text, l[i].length);
		if (t->key_size > 0)
			l[i].hash ^= hash_bytes(l[i].key, t->key_size);
		__builtin_prefetch(&t->slots[slot_of(t, l[i].hash)]);
	}
	for (size_t i = 0; i < n; i++) {
		l[i].entry = guess(t, &l[i]);
		if (l[i].entry) /* two lines, in which most of it is */
			__builtin_prefetch(l[i].entry), __builtin_prefetch((const char *)l[i].entry + 64);
	}
	for (size_t i = 0; i < n; i++) {
		if (l[i].entry)
			__builtin_prefetch(((const struct entry *)l[i].entry)->text);
	}
	for (size_t i = 0; i < n; i++)
		l[i].entry = find_or_add(f, &l[i]);
}

void entry_wait(struct entry *e)
{
	/* Its holder may have lost its processor. */
	do {
		for (int i = 0; i < 100 && atomic_load_explicit(&e->locked, memory_order_relaxed); i++)
			continue;
		if (atomic_load_explicit(&e->locked, memory_order_relaxed))
			sched_yield();
	} while (atomic_exchange_explicit(&e->locked, 1, memory_order_acquire));
}
