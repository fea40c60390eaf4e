/* SPDX-License-Identifier: MIT */
/*
 * How far the address range of an output can be stored to, and how far it was: growth behind
 * the mapping, from any thread.
 */
#ifndef OUTBUF_LIB_HEAP_H
#define OUTBUF_LIB_HEAP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "memory/space.h"

struct heap {
	/* Guards ob__space_reserve() and growth; writers in usable memory never take it, nor do short Views. */
	pthread_mutex_t lock;
	/* Constant once base is set, until ob__heap_free(); set under lock. */
	struct space space;
	/*
	 * Offsets below this can be stored to: whole pages, or the limit. Grows under lock, stored
	 * with release order after the memory is there; read by any thread with acquire order.
	 */
	_Atomic uint64_t usable;
	/*
	 * What can be reserved is, and offsets up to this can be had: `limit`, or less if the system
	 * has no room. 0: nothing is. Set under lock, with release order after `space`.
	 */
	_Atomic uint64_t room;
	/* End of the last byte that counts as written. Raised by any thread. */
	_Atomic uint64_t high;
	/* Times that growth was needed. Written under lock. */
	_Atomic uint64_t grown;
	/*
	 * What the output may grow to: the caller's wish or, once the range is reserved, the
	 * default. The range is smaller where the system has no room. Set under lock.
	 */
	uint64_t limit;
};

int ob__heap_init(struct heap *h, uint64_t max_size);
void ob__heap_destroy(struct heap *h);

/*
 * Have an address range that holds `size` bytes; the first call makes it, with room to grow.
 * Any thread. 0, -EFBIG (beyond the limit, or no address can say it), -ENOMEM (no room).
 */
int ob__heap_reserve(struct heap *h, uint64_t size);

/* Bytes reserved, 0 if nothing is. Any thread. */
uint64_t ob__heap_reserved(struct heap *h);

/* Where Views must end: what is reserved, or less if that was rounded up. After ob__heap_reserve(). */
uint64_t ob__heap_limit(struct heap *h);

/* Make [0, end) usable, at least. Any thread. 0, -EFBIG, -ENOMEM. */
int ob__heap_make_usable(struct heap *h, uint64_t end);

/* The bytes below `end` count as written. Any thread. */
void ob__heap_note_written(struct heap *h, uint64_t end);

/*
 * Nothing from `size` on counts as written any more, and it is zero. The file is mapped up to
 * `mapped_end`. No other thread may be using the output.
 */
void ob__heap_truncate(struct heap *h, uint64_t size, uint64_t mapped_end);

/*
 * [from, to) of the range is now a mapping of the file's same offsets. No other thread may be
 * using the output. 0 or the kernel's errno; *lost says that all from `from` on is no more.
 */
int ob__heap_map_file(struct heap *h, int fd, uint64_t from, uint64_t to, int *lost);

/* Give the memory back; what counts as written stays known. No other thread may be using it. */
void ob__heap_free(struct heap *h);

#endif
