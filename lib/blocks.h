/* SPDX-License-Identifier: MIT */
/* Blocks of memory that are used again and again, while they are warm. */
#ifndef OUTBUF_LIB_BLOCKS_H
#define OUTBUF_LIB_BLOCKS_H

#include <pthread.h>
#include <stddef.h>

/*
 * 128 KiB to 1 MiB differ little, 256 KiB was best or second with 1 and 2 threads (ext4, Linux
 * 6.18): it stays in the second level cache.
 */
#define BLOCK_SIZE ((size_t)256 << 10)

struct blocks {
	pthread_mutex_t lock;
	void *free; /* a list through the blocks' first words; under lock */
};

int blocks_init(struct blocks *b);
/* All blocks have been given back. */
void blocks_destroy(struct blocks *b);

/* BLOCK_SIZE bytes that hold anything, or NULL. Any thread. */
void *blocks_get(struct blocks *b);
void blocks_give(struct blocks *b, void *block);

#endif
