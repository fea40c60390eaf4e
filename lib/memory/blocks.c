/* SPDX-License-Identifier: MIT */
/*
 * A free list. The block given back last is taken first: it is in some cache, and its pages
 * are there. As many exist as Views were in the middle of a block at once, at most.
 */
#include "config.h"

#include "memory/blocks.h"

#include <stdlib.h>

int ob__blocks_init(struct blocks *b)
{
	*b = (struct blocks){ .free = NULL };
	return -pthread_mutex_init(&b->lock, NULL);
}

void ob__blocks_destroy(struct blocks *b)
{
	while (b->free != NULL) {
		void *block = b->free;

		b->free = *(void **)block;
		free(block);
	}
	pthread_mutex_destroy(&b->lock);
}

void *ob__blocks_acquire(struct blocks *b)
{
	void *block;

	pthread_mutex_lock(&b->lock);
	block = b->free;
	if (block != NULL)
		b->free = *(void **)block;
	pthread_mutex_unlock(&b->lock);
	/* Not aligned_alloc(): pages are shared with the allocator's header, which costs nothing. */
	return block != NULL ? block : malloc(b->size);
}

void ob__blocks_release(struct blocks *b, void *block)
{
	pthread_mutex_lock(&b->lock);
	*(void **)block = b->free;
	b->free = block;
	pthread_mutex_unlock(&b->lock);
}
