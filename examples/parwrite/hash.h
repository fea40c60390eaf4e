/* SPDX-License-Identifier: MIT */
/*
 * hash.h - numbers found by name: open addressing in a table that never grows
 *
 * Both users (sections by name, symbols by name) know an upper bound before the first name
 * comes, so the table is made twice as large and never full. A slot holds the number of an
 * entry plus one; 0 is an empty slot, which calloc() gives for nothing.
 */
#ifndef PARWRITE_HASH_H
#define PARWRITE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "report.h"

struct hash {
	uint32_t *slots;
	size_t mask;
};

static inline int hash_make(struct hash *h, size_t entries, struct error *error)
{
	size_t n = 16;

	while (n < entries * 2)
		n *= 2;
	h->mask = n - 1;
	h->slots = allocate(error, n, sizeof *h->slots);
	return h->slots ? 0 : -1;
}

static inline void hash_free(struct hash *h)
{
	free(h->slots);
}

/* FNV-1a, with a last mix as only low bits are used. */
static inline uint32_t hash_name(const char *name)
{
	uint64_t x = 0xcbf29ce484222325u;

	for (; *name; name++)
		x = (x ^ (unsigned char)*name) * 0x100000001b3u;
	return (uint32_t)(x ^ x >> 32);
}

#endif
