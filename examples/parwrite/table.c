/* SPDX-License-Identifier: MIT */
/*
 * table.c - a hash table in 256 parts, each with a lock of its own
 *
 * A million symbols are looked up; one thread would need longer for it than all of them for
 * writing the output. With 256 locks two of 16 threads want the same one in 6 % of the cases, and hold it
 * for a cache miss or two.
 *
 * A slot has the hash beside the entry's number, so that other names on the way are passed over without
 * looking at them. Entries are in blocks that never move, since others keep pointers to them while the
 * table grows.
 */
#include "config.h"

#include "table.h"

#include <pthread.h>
#include <stdlib.h>

#include "arena.h"
#include "report.h"

enum { SHARDS = 256, BLOCK = 16, FIRST_SLOTS = 16 };

struct slot {
	uint32_t hash, number; /* of the entry, plus 1; 0: empty */
};

/* All under the lock. */
struct shard {
	pthread_mutex_t lock;
	struct slot *slots;
	uint32_t mask, n;
	unsigned char **blocks;
	size_t n_blocks;
};

static struct shard *shard_of(const struct table *t, uint32_t hash)
{
	return &t->shards[hash >> 24];
}

static struct entry *entry_at(const struct table *t, const struct shard *s, uint32_t number)
{
	return (struct entry *)(void *)(s->blocks[number / BLOCK] + number % BLOCK * t->entry_size);
}

int table_make(struct table *t, size_t entry_size, size_t key_size, struct arena *arena, struct error *error)
{
	t->arena = arena;
	t->error = error;
	t->entry_size = entry_size;
	t->key_size = key_size;
	t->shards = allocate(error, SHARDS, sizeof *t->shards);
	if (!t->shards)
		return -1;
	for (int i = 0; i < SHARDS; i++)
		pthread_mutex_init(&t->shards[i].lock, NULL);
	return 0;
}

static int is_it(const struct table *t, const struct entry *e, const char *text, uint32_t length, const void *key)
{
	return e->length == length && !memcmp(e->text, text, length) &&
	       (t->key_size == 0 || !memcmp(e + 1, key, t->key_size));
}

/* Twice as many slots. Returns 0, or -1 without memory. */
static int more_slots(struct shard *s)
{
	uint32_t n = s->slots ? (s->mask + 1) * 2 : FIRST_SLOTS;
	struct slot *slots = n > 0 ? calloc(n, sizeof *slots) : NULL;

	if (!slots)
		return -1;
	for (uint32_t i = 0; s->slots && i <= s->mask; i++) {
		uint32_t at = s->slots[i].hash;

		if (!s->slots[i].number)
			continue;
		while (slots[at & (n - 1)].number)
			at++;
		slots[at & (n - 1)] = s->slots[i];
	}
	free(s->slots);
	s->slots = slots;
	s->mask = n - 1;
	return 0;
}

/* A new entry, or NULL. */
static struct entry *more_entries(const struct table *t, struct shard *s)
{
	if (s->n == s->n_blocks * BLOCK) {
		unsigned char **blocks = s->blocks;

		/* The array of blocks grows by powers of two. */
		if ((s->n_blocks & (s->n_blocks - 1)) == 0)
			blocks = realloc(s->blocks, (s->n_blocks ? s->n_blocks * 2 : 1) * sizeof *blocks);
		if (!blocks)
			return NULL;
		s->blocks = blocks;
		blocks[s->n_blocks] = arena_allocate(t->arena, t->error, BLOCK, t->entry_size);
		if (!blocks[s->n_blocks])
			return NULL;
		s->n_blocks++;
	}
	return entry_at(t, s, s->n++);
}

static struct entry *find_or_add(struct table *t, struct shard *s, const char *text, uint32_t length,
                                 uint32_t hash, const void *key)
{
	struct entry *e;
	uint32_t at;

	if ((!s->slots || s->n > s->mask / 2) && more_slots(s))
		return NULL;
	for (at = hash; s->slots[at & s->mask].number; at++) {
		const struct slot *slot = &s->slots[at & s->mask];

		if (slot->hash != hash)
			continue;
		e = entry_at(t, s, slot->number - 1);
		if (is_it(t, e, text, length, key))
			return e;
	}
	e = more_entries(t, s);
	if (!e)
		return NULL;
	e->text = text;
	e->length = length;
	e->hash = hash;
	if (t->key_size > 0)
		memcpy(e + 1, key, t->key_size);
	s->slots[at & s->mask] = (struct slot){ .hash = hash, .number = s->n };
	return e;
}

void *table_lock(struct table *t, const char *text, uint32_t length, uint32_t hash, const void *key)
{
	struct shard *s = shard_of(t, hash);
	struct entry *e;

	pthread_mutex_lock(&s->lock);
	e = find_or_add(t, s, text, length, hash, key);
	if (!e)
		pthread_mutex_unlock(&s->lock);
	return e;
}

void table_unlock(struct table *t, const void *entry)
{
	pthread_mutex_unlock(&shard_of(t, ((const struct entry *)entry)->hash)->lock);
}

void table_free(struct table *t)
{
	for (int i = 0; t->shards && i < SHARDS; i++) {
		struct shard *s = &t->shards[i];

		free(s->blocks);
		free(s->slots);
		pthread_mutex_destroy(&s->lock);
	}
	free(t->shards);
	t->shards = NULL;
}
