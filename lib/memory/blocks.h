/* SPDX-License-Identifier: MIT */
/* The write buffers of staged Views: blocks of memory that are used again and again, so that they stay in the cache. */
#ifndef OUTBUF_LIB_BLOCKS_H
#define OUTBUF_LIB_BLOCKS_H

#include <pthread.h>
#include <stddef.h>

/*
 * The size of a block: BLOCKS_REMOTE where the file system sends each write to a server (fspolicy.remote),
 * BLOCKS_LOCAL elsewhere. GB/s by size of block, with 1 and 2 threads:
 *
 *                 128 KiB   256 KiB   512 KiB    1 MiB
 *     ext4        4.3 5.5   4.3 5.8   4.3 5.7   4.3 5.5
 *
 * A block of 256 KiB stays in the second level cache. With a server (bindfs with direct I/O, 2 threads), blocks of 1
 * MiB reached 0.95 to 0.97 of the fastest handwritten method, and blocks of 256 KiB 0.82 to 0.87.
 */
#define BLOCKS_LOCAL ((size_t)256 << 10)
#define BLOCKS_REMOTE ((size_t)1 << 20)

struct block_link;

struct blocks {
	size_t size;          /* bytes of each block; set by the owner after ob__blocks_init(), then constant */
	pthread_mutex_t lock; /* guards the lists */
	void *free;           /* released blocks, each points to the next by its first word; any thread, under `lock` */
	struct block_link *all; /* every block, by a link behind its bytes; the same */
};

/* `size` is 0 afterwards; the caller sets it. Owner. 0, or a negative errno of pthread_mutex_init(3). */
int ob__blocks_init(struct blocks *b);

/* Free all blocks, also those that were not released. Owner. */
void ob__blocks_destroy(struct blocks *b);

/* A block of `size` bytes with undefined content, or NULL if there is no memory. Any thread. */
void *ob__blocks_acquire(struct blocks *b);

/* Return a block that ob__blocks_acquire() gave. Any thread. */
void ob__blocks_release(struct blocks *b, void *block);

#endif
