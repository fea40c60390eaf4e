/* SPDX-License-Identifier: MIT */
/*
 * table.c - a hash table without locks, to which entries are only added
 *
 * The problem: a link looks up a million names. One thread would need more time for that than all threads need for
 * writing the output.
 *
 * The choice: the largest possible number of names is known beforehand. So the slots and the entries are allocated
 * once, for all of them. Nothing ever moves, and memory that is not touched costs nothing. A slot is one 64-bit word:
 * the hash in the upper half, the entry's number plus 1 in the lower half; 0 is an empty slot. A thread that finds an
 * empty slot fills an entry that no other thread can see yet, and publishes it by one compare-and-swap of the slot. A
 * thread whose compare-and-swap fails examines the entry that the other thread published there.
 *
 * The cost is cache misses. A lookup reads the name in the input, the slot, the entry, and the name in the input where
 * the entry's name came from. These lie in four places, and the address of each is known only after the one before it
 * was read. So up to 16 names are looked up at once, all of them one step at a time, and each step prefetches what the
 * next one reads.
 */
#include "config.h"

#include "base/table.h"

#include <sched.h>

#include "base/arena.h"
#include "report/report.h"

/* Entries that a finder reserves at a time. It is more than one so that threads seldom contend for table.used. */
enum { ENTRY_BATCH = 16 };

int table_make(struct table *t, size_t entry_size, size_t key_size, uint64_t names, uint64_t finders,
               struct arena *arena, struct error *error)
{
	/* A finder may leave most of its last batch of entries unused. Of the slots at most four fifths are used. */
	uint64_t entries = names + finders * ENTRY_BATCH, slots = names + names / 4 + 1;

	if (slots > UINT32_MAX || entries >= UINT32_MAX)
		return fail(error, NULL, "more names than a table can hold");
	*t = (struct table){ .n_slots = (uint32_t)slots, .entry_size = entry_size, .key_size = key_size };
	t->slots = arena_allocate(arena, error, (size_t)slots, sizeof *t->slots);
	t->entries = arena_allocate(arena, error, (size_t)entries, entry_size);
	return t->slots && t->entries ? 0 : -1;
}

/* The slot where the search for a hash begins. */
static size_t slot_of(const struct table *t, uint32_t hash)
{
	return (size_t)((uint64_t)hash * t->n_slots >> 32);
}

static struct entry *entry_at(const struct table *t, uint32_t number)
{
	return (struct entry *)(void *)(t->entries + (size_t)number * t->entry_size);
}

static int entry_matches(const struct table *t, const struct entry *e, const struct lookup *l)
{
	return e->length == l->length && !memcmp(e->text, l->text, l->length) &&
	       (t->key_size == 0 || !memcmp(e + 1, l->key, t->key_size));
}

/* An entry with this name that no other thread can see yet. Until the caller publishes it, the next call reuses it. */
static struct entry *prepare_entry(struct finder *f, const struct lookup *l)
{
	struct table *t = f->table;
	struct entry *e;

	if (f->next == f->end) {
		f->next = atomic_fetch_add_explicit(&t->used, ENTRY_BATCH, memory_order_relaxed);
		f->end = f->next + ENTRY_BATCH;
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
			struct entry *e = prepare_entry(f, l);
			uint64_t new_value = (uint64_t)l->hash << 32 | ((uint64_t)f->next + 1);

			if (atomic_compare_exchange_strong_explicit(slot, &value, new_value, memory_order_acq_rel,
			                                            memory_order_acquire)) {
				f->next++;
				return e;
			}
		}
		if (value >> 32 == l->hash) {
			struct entry *e = entry_at(t, (uint32_t)value - 1);

			if (entry_matches(t, e, l))
				return e;
		}
	}
}

/*
 * The entry in the first slot, if its hash matches: most probably the right one. NULL: look further, or there is
 * none.
 */
static struct entry *first_candidate(const struct table *t, const struct lookup *l)
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
		l[i].entry = first_candidate(t, &l[i]);
		if (l[i].entry) /* the two cache lines that hold most of it */
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
	/* Yield, because the thread that holds the entry may have been preempted. */
	do {
		for (int i = 0; i < 100 && atomic_load_explicit(&e->locked, memory_order_relaxed); i++)
			continue;
		if (atomic_load_explicit(&e->locked, memory_order_relaxed))
			sched_yield();
	} while (atomic_exchange_explicit(&e->locked, 1, memory_order_acquire));
}
