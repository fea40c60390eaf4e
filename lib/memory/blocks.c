/* SPDX-License-Identifier: MIT */
/*
 * A free list under a mutex. The block that was released last is acquired first: its bytes are most likely still in a
 * processor's cache, and its pages have been touched. There are never more blocks than Views that had one at the same
 * time. Blocks are freed only by ob__blocks_destroy(). That frees the blocks of abandoned Views as well, so each
 * block has a link behind its bytes, in a list of all.
 */
#include "config.h"

#include "memory/blocks.h"

#include <stdlib.h>

#include "memory/round.h"

struct block_link {
	struct block_link *next;
	void *block;
};

int ob__blocks_init(struct blocks *b)
{
	*b = (struct blocks){ .free = NULL };
	return -pthread_mutex_init(&b->lock, NULL);
}

void ob__blocks_destroy(struct blocks *b)
{
	while (b->all != NULL) {
		void *block = b->all->block;

		b->all = b->all->next;
		free(block);
	}
	pthread_mutex_destroy(&b->lock);
}

static void *new_block(struct blocks *b)
{
	size_t offset = (size_t)round_up(b->size, _Alignof(struct block_link));
	/* Not aligned_alloc(): a block may share a page with the allocator's header, which costs nothing. */
	unsigned char *block = malloc(offset + sizeof(struct block_link));
	struct block_link *link;

	if (block == NULL)
		return NULL;
	link = (struct block_link *)(void *)(block + offset);
	link->block = block;
	pthread_mutex_lock(&b->lock);
	link->next = b->all;
	b->all = link;
	pthread_mutex_unlock(&b->lock);
	return block;
}

void *ob__blocks_acquire(struct blocks *b)
{
	void *block;

	pthread_mutex_lock(&b->lock);
	block = b->free;
	if (block != NULL)
		b->free = *(void **)block;
	pthread_mutex_unlock(&b->lock);
	return block != NULL ? block : new_block(b);
}

void ob__blocks_release(struct blocks *b, void *block)
{
	pthread_mutex_lock(&b->lock);
	*(void **)block = b->free;
	b->free = block;
	pthread_mutex_unlock(&b->lock);
}
