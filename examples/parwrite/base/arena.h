/* SPDX-License-Identifier: MIT */
/*
 * arena.h - memory for everything that lives until the job ends
 *
 * A job makes hundreds of thousands of records in some thousand arrays, and frees none of them before it ends. So the
 * arrays are cut off large chunks, and all chunks are freed together. See arena.c.
 */
#ifndef PARWRITE_ARENA_H
#define PARWRITE_ARENA_H

#include <pthread.h>
#include <stddef.h>

struct error;

struct arena {
	pthread_mutex_t lock;
	/* The members below are written by any thread, under the lock. */
	struct chunk *chunks;  /* all chunks, the newest first */
	unsigned char *unused; /* the part of the newest chunk that is not allocated yet */
	size_t unused_size;    /* its bytes */
};

#define ARENA_INIT { .lock = PTHREAD_MUTEX_INITIALIZER }

/*
 * Allocate n records of `size` bytes, all zero and aligned for any type. n may be 0. Any thread. The memory is valid
 * until arena_free(). Returns NULL if memory is exhausted or n * size is too large; `error` has a message then.
 */
void *arena_allocate(struct arena *arena, struct error *error, size_t n, size_t size);

/* Free all memory and destroy the lock. One thread, when no other thread uses the arena or its memory any more. */
void arena_free(struct arena *arena);

#endif
