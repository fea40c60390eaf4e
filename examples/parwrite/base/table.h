/* SPDX-License-Identifier: MIT */
/*
 * table.h - one entry per name, found and made by many threads at once
 *
 * Symbols, group signatures and sections are joined by their names; see table.c. An entry stays where it is, in
 * an arena. Which of two threads makes it is chance, so nothing may follow from it: what
 * entries say must not depend on the order in which it was said (lowest, largest, either), and numbers are
 * given later, in the order of the inputs.
 */
#ifndef PARWRITE_TABLE_H
#define PARWRITE_TABLE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct arena;
struct error;

/* What every entry begins with. The table's, constant once it is there, but the lock. */
struct entry {
	const char *text; /* in an input */
	uint32_t length;
	_Atomic uint32_t locked; /* any thread, see entry_lock() */
};

/* Constant once it is made, but what is atomic. */
struct table {
	_Atomic uint64_t *slots; /* any thread, see table.c */
	uint32_t n_slots;
	unsigned char *entries;
	_Atomic uint32_t used; /* any thread: of the entries */
	size_t entry_size, key_size;
};

/* What is looked for, and what was found. */
struct lookup {
	const char *text;
	const void *key; /* may be NULL if key_size is 0 */
	uint32_t length;
	uint32_t hash; /* the table's */
	void *entry;
};

/* One thread's way into a table; a task has one of its own. */
struct finder {
	struct table *table;
	uint32_t next, end; /* entries that it may make */
};

/* More at once gain nothing. */
enum { LOOKUPS = 16 };

/*
 * A table for at most that many different names, found by so many finders. Entries are of that size, of which the
 * key_size bytes behind struct entry are part of the name. Returns 0 or -1.
 */
int table_make(struct table *t, size_t entry_size, size_t key_size, uint64_t names, uint64_t finders,
               struct arena *arena, struct error *error);

/* Set l[].entry to the entries for these names, zero if they are new. n is LOOKUPS at most. */
void table_find(struct finder *f, struct lookup *l, size_t n);

/* For what threads say of an entry. Held for some 10 ns, too short for a lock that can sleep. */
void entry_wait(struct entry *e);

static inline void entry_lock(struct entry *e)
{
	if (atomic_exchange_explicit(&e->locked, 1, memory_order_acquire))
		entry_wait(e);
}

static inline void entry_unlock(struct entry *e)
{
	atomic_store_explicit(&e->locked, 0, memory_order_release);
}

/*
 * Eight bytes at a time, as C++ has names of hundreds. The last multiplication spreads what the bits above
 * have gathered, as high ones choose the slot.
 */
static inline uint32_t hash_bytes(const void *data, size_t n)
{
	const uint64_t k = 0x9e3779b97f4a7c15u;
	const unsigned char *p = data;
	uint64_t h = n * k, x;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&x, p, 8);
		h = (h ^ x) * k;
		h ^= h >> 32;
	}
	for (x = 0; n > 0; n--)
		x = x << 8 | p[n - 1];
	h = (h ^ x) * k;
	h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(h >> 32);
}

#endif
