/* SPDX-License-Identifier: MIT */
/*
 * A free list under a mutex. The block that was released last is acquired first: its bytes are most likely still in a
 * processor's cache, and its pages have been touched. There are never more blocks than Views that had one at the same
 * time. Blocks are freed only by ob__blocks_destroy().
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
	/* Not aligned_alloc(): a block may share a page with the allocator's header, which costs nothing. */
	return block != NULL ? block : malloc(b->size);
}

void ob__blocks_release(struct blocks *b, void *block)
{
	pthread_mutex_lock(&b->lock);
	*(void **)block = b->free;
	b->free = block;
	pthread_mutex_unlock(&b->lock);
}
