/* SPDX-License-Identifier: MIT */
/*
 * table.h - a hash table with one entry per name, which many threads fill at once
 *
 * Symbols, group signatures and sections are joined by their names. table.c says how the table works. Entries lie in an
 * arena and never move.
 *
 * Which of two threads makes an entry is chance, so the output must not depend on it. Therefore threads store in an
 * entry only what does not depend on their order: the lowest or the largest of several values, or a flag that any of
 * them sets. Entries get numbers for the output later, in the order of the inputs.
 */
#ifndef PARWRITE_TABLE_H
#define PARWRITE_TABLE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct arena;
struct error;

/*
 * Every entry begins with this. table_find() writes `text` and `length` before other threads can see the entry; both
 * are constant from then on.
 */
struct entry {
	const char *text; /* the name, in an input */
	uint32_t length;  /* of the name, in bytes */
	_Atomic uint32_t locked; /* 1 while a thread holds the entry; any thread, see entry_lock() */
};

/* Constant after table_make(), except for the atomic members, which any thread that has a finder writes. */
struct table {
	_Atomic uint64_t *slots; /* a hash and the number of an entry, or 0; see table.c */
	uint32_t n_slots;
	unsigned char *entries;
	_Atomic uint32_t used; /* entries [0, used) are reserved by finders */
	size_t entry_size, key_size; /* in bytes; see table_make() */
};

/* One name that is looked for, and its entry. Used by one thread. */
struct lookup {
	/* Set by the caller. */
	const char *text;
	const void *key; /* key_size bytes that are part of the name; may be NULL if key_size is 0 */
	uint32_t length; /* of `text`, in bytes */
	/* Set by table_find(). */
	uint32_t hash;
	void *entry;
};

/* One thread's access to a table. Each task has one of its own, which begins with `table` set and the rest 0. */
struct finder {
	struct table *table;
	uint32_t next, end; /* entries [next, end) are reserved for this finder; written by table_find() */
};

/* Names that table_find() looks for at once. With more it is not faster. */
enum { LOOKUPS = 16 };

/*
 * Make a table for at most `names` different names and `finders` finders. An entry has entry_size bytes: struct entry,
 * then key_size bytes that are part of the name, then the caller's members. One thread, before any finder is used. The
 * memory is the arena's. Returns 0, or -1: out of memory, or more names than 32-bit numbers can count; `error` has a
 * message then.
 */
int table_make(struct table *t, size_t entry_size, size_t key_size, uint64_t names, uint64_t finders,
               struct arena *arena, struct error *error);

/*
 * Find the entries of n names and set l[].entry; n is at most LOOKUPS. A name that has no entry gets one, in which
 * the caller's members are zero. Any thread, with a finder of its own. It cannot fail: table_make() made room for all
 * names.
 */
void table_find(struct finder *f, struct lookup *l, size_t n);

/* The slow path of entry_lock(): wait for the thread that holds the entry, then lock it. */
void entry_wait(struct entry *e);

/*
 * Lock an entry, to write the members behind struct entry. Any thread. This is a spin lock: it is held for some 10 ns,
 * which is too short for a lock that can sleep.
 */
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
 * The hash of n bytes. Reads eight bytes at a time, because C++ has names of hundreds of bytes. The slot is chosen by
 * the high bits of the hash. So the last multiplication spreads into them what the shift before it has gathered in
 * the low bits.
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
