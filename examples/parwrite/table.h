/* SPDX-License-Identifier: MIT */
/*
 * table.h - one entry per name, found and made by many threads at once
 *
 * Symbols, group signatures and sections are joined by their names; see table.c. An entry stays where it is,
 * in an arena, also when the table is freed. Which of two threads makes it is chance, so nothing may follow from it: what
 * entries say must not depend on the order in which it was said (lowest, largest, either), and numbers are
 * given later, in the order of the inputs.
 */
#ifndef PARWRITE_TABLE_H
#define PARWRITE_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct arena;
struct error;

/* What every entry begins with. The table's, constant once it is there. */
struct entry {
	const char *text; /* in an input */
	uint32_t length, hash;
};

struct table {
	struct shard *shards;
	size_t entry_size, key_size;
	struct arena *arena; /* where entries are */
	struct error *error;
};

/* Entries of that size, of which the key_size bytes behind struct entry are part of the name. */
int table_make(struct table *t, size_t entry_size, size_t key_size, struct arena *arena, struct error *error);

/*
 * The entry for a name, zero if it is new, with the lock of its part of the table held until
 * table_unlock(). NULL: out of memory, and nothing is held. `key` may be NULL if key_size is 0.
 */
void *table_lock(struct table *t, const char *text, uint32_t length, uint32_t hash, const void *key);

void table_unlock(struct table *t, const void *entry);

void table_free(struct table *t);

/*
 * Eight bytes at a time, as C++ has names of hundreds. The last multiplication spreads what the bits above
 * have gathered, as low bits choose the slot and high ones the shard.
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
