/* SPDX-License-Identifier: MIT */
/*
 * arena.h - memory for all that lives as long as the job
 *
 * A job makes 100,000s of records in some thousand arrays and frees none of them before its end. So they are cut
 * off large chunks, which are freed as a whole; see arena.c.
 */
#ifndef PARWRITE_ARENA_H
#define PARWRITE_ARENA_H

#include <pthread.h>
#include <stddef.h>

struct error;

struct arena {
	pthread_mutex_t lock;
	/* Any thread, under the lock. */
	struct chunk *chunks;
	unsigned char *at;
	size_t left;
};

#define ARENA_INIT { .lock = PTHREAD_MUTEX_INITIALIZER }

/* n records of that size, all zero, aligned for any of them; n may be 0. NULL: out of memory, with a message. */
void *arena_allocate(struct arena *arena, struct error *error, size_t n, size_t size);

void arena_free(struct arena *arena);

#endif
