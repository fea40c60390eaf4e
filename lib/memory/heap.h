/* SPDX-License-Identifier: MIT */
/*
 * How far the address range of an output is usable, how far the output was written, and how the heap extension grows
 * behind the mapping, on any thread.
 */
#ifndef OUTBUF_LIB_HEAP_H
#define OUTBUF_LIB_HEAP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "memory/space.h"

struct heap {
	/*
	 * Guards reserving the range and growth. A writer below `usable_end` does not take it, nor does a thread that
	 * opens a View which ends below `limit`.
	 */
	pthread_mutex_t lock;
	/*
	 * The address range. Set by any thread under `lock`, while its base is NULL. From then on only its end moves
	 * while Views may be open: up, by any thread under `lock`. Otherwise changed exclusively by
	 * ob__heap_map_file(), ob__heap_cut(), ob__heap_truncate() and ob__heap_free().
	 */
	struct space space;
	/*
	 * Offsets below this can be stored to. A multiple of the page size, or max_size. Grows on any thread under
	 * `lock`, stored with release order once the memory exists; read by any thread with acquire order. Only
	 * ob__heap_map_file(), ob__heap_cut(), ob__heap_truncate() and ob__heap_free() lower it, exclusively.
	 */
	_Atomic uint64_t usable_end;
	/*
	 * The largest end that the output can reach in memory before the range must be extended: max_size, or the bytes
	 * reserved if these are fewer. 0: nothing is reserved. Set by any thread under `lock`, with release order after
	 * `space`, and exclusively by the functions that change `space`. Read by any thread with acquire order.
	 */
	_Atomic uint64_t limit;
	/* End of the last byte that counts as written. Raised by any thread, lowered by ob__heap_truncate(). */
	_Atomic uint64_t written_end;
	/* How many times growth was needed. Written by any thread under `lock`. */
	_Atomic uint64_t grown;
	/*
	 * The size that the output may grow to, in bytes: what ob__heap_init() was given, or, if that was 0, a default
	 * that reserving the range sets, under `lock`. The range itself is smaller until it has grown so far, or where
	 * the system has too few addresses. Constant once the range is reserved; 0 again if ob__heap_undo_reserve()
	 * takes that back.
	 */
	uint64_t max_size;
	/* How much of the reserved range is counted in `reserved_by_all` (heap.c). As `space`. */
	uint64_t counted;
};

/*
 * Nothing is reserved yet. max_size is the largest size of the output in bytes; 0: the default. Owner. 0, or a
 * negative errno of pthread_mutex_init(3).
 */
int ob__heap_init(struct heap *h, uint64_t max_size);

/* Free the memory and the range. No other thread may be using the output. */
void ob__heap_destroy(struct heap *h);

/*
 * Ensure that the address range holds `size` bytes. The first call reserves it, with room to grow; later ones extend
 * it. Any thread. 0; -EFBIG if `size` is beyond max_size, or more than an address can express; -ENOMEM if there are not
 * so many free addresses, or not behind the range. An error changes nothing: the next call may be the first.
 */
int ob__heap_reserve(struct heap *h, uint64_t size);

/*
 * What the caller reserved the range for has failed: release it, as if ob__heap_reserve() had not been called. `before`
 * is what max_size was before that. No other thread may know of the range: the caller is exclusive, or holds `lock` and
 * has not set `limit`.
 */
void ob__heap_undo_reserve(struct heap *h, uint64_t before);

/* Bytes reserved, 0 if nothing is. Any thread. */
uint64_t ob__heap_reserved(struct heap *h);

/*
 * The largest end of a View that has addresses now: max_size, which may be less than the reserved bytes because these
 * are whole pages, or the reserved bytes if these are fewer; ob__heap_reserve() may raise it. Any thread, after
 * ob__heap_reserve().
 */
uint64_t ob__heap_limit(struct heap *h);

/* Make at least [0, end) usable; reserves the range if need be. Any thread. 0, or -EFBIG, -ENOMEM as above. */
int ob__heap_make_usable(struct heap *h, uint64_t end);

/* The bytes below `end` count as written. Any thread. */
void ob__heap_note_written(struct heap *h, uint64_t end);

/*
 * Take everything from `from` on, whole pages, out of use, mapped or not: its bytes are gone, and will be zero if it is
 * made usable again. No page is touched. No other thread may be using the output. 0, or a negative errno: nothing has
 * changed (space.h: ob__space_cut()).
 */
int ob__heap_cut(struct heap *h, uint64_t from);

/*
 * The bytes from `size` on no longer count as written, and are zero if they are used again. The file is mapped up to
 * `mapped_end`. `mapping_is_zero`: those in the mapping are zero already, and are not touched. No other thread may be
 * using the output.
 */
void ob__heap_truncate(struct heap *h, uint64_t size, uint64_t mapped_end, int mapping_is_zero);

/*
 * Replace [from, to) of the range by a mapping of the same offsets of the file. No other thread may be using the
 * output. 0 or a negative errno of the system. *lost is 1 if the call failed and all of the range from `from` on is
 * gone; else a failure has changed nothing.
 */
int ob__heap_map_file(struct heap *h, int fd, uint64_t from, uint64_t to, int *lost);

/*
 * Free the memory and the range; `written_end` keeps its value. `stored`: only bytes below this were stored to; or
 * UINT64_MAX if somebody may have a pointer into the memory, or part of it was mapped from a file. No other thread may
 * be using the output.
 */
void ob__heap_free(struct heap *h, uint64_t stored);

#endif
