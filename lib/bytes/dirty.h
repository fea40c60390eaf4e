/* SPDX-License-Identifier: MIT */
/*
 * Which copy of a byte of the heap is the authoritative one: that in memory, which is *dirty* then, or that in the
 * file?
 */
#ifndef OUTBUF_LIB_DIRTY_H
#define OUTBUF_LIB_DIRTY_H

#include <pthread.h>
#include <stdatomic.h>

#include "bytes/ranges.h"

struct dirty {
	/*
	 * 1: the members below tell for each byte which copy is authoritative. 0: nothing but flushes writes to the
	 * file, so memory has the authoritative copy of all bytes. Constant from the first use; set by the caller
	 * after ob__dirty_init().
	 */
	int tracks_ranges;
	_Atomic int any_stored; /* if !tracks_ranges: 1 if bytes were stored since the last flush; set by any thread */

	/* The rest is used if `tracks_ranges`. */
	pthread_mutex_t lock; /* guards the members below */
	struct ranges memory; /* dirty: the copy in memory is authoritative, the file's is stale or does not exist */
	struct ranges file;   /* the file's copy is authoritative, memory does not have these bytes */
	uint64_t memory_end;  /* no byte of the heap's memory from here on was ever claimed */
	uint64_t file_end;    /* heap bytes below this were, or were about to be, written to the file */
};

/* Read a range of the file into its place in memory. 0 or a negative errno. */
typedef int dirty_load(void *arg, struct range range);

int ob__dirty_init(struct dirty *d);
void ob__dirty_destroy(struct dirty *d);

/*
 * Memory has the authoritative copy of the range from now on; what only the file has is loaded first. Any thread. 0,
 * -ENOMEM, or what `load` returned. Ranges are exact to the byte: others may use the rest of the same pages.
 */
int ob__dirty_claim_memory(struct dirty *d, struct range range, dirty_load *load, void *arg);

/*
 * Where must a write of these bytes go? *part is the lowest part of the range that goes to one place: to memory if
 * *in_memory, because that is authoritative there, else to the file, which counts as authoritative from now on. Any
 * thread; only if `tracks_ranges`. 0 or -ENOMEM.
 */
int ob__dirty_route_write(struct dirty *d, struct range range, struct range *part, int *in_memory);

/*
 * The lowest dirty range from `offset` on. Dirty ranges that follow less than `gap` bytes behind are joined to it, if
 * the bytes between were never written, and so are zero. Length 0: nothing is dirty. Any thread.
 */
struct range ob__dirty_next(struct dirty *d, uint64_t offset, uint64_t gap);

/* Is anything dirty? Any thread. */
int ob__dirty_any(struct dirty *d);

/* The dirty bytes of the range were written to the file, whose copy is authoritative now. Any thread. 0 or -ENOMEM. */
int ob__dirty_mark_clean(struct dirty *d, struct range range);

/* Where the authoritative copy of a byte is. */
enum dirty_place { DIRTY_NOWHERE /* it was never written, and is zero */, DIRTY_MEMORY, DIRTY_FILE };

/* Where the first byte of the range is, and how many of those that follow are there, too: *part. Any thread. */
enum dirty_place ob__dirty_find_copy(struct dirty *d, struct range range, struct range *part);

/* The bytes of the range count as never written. No View is open. 0 or -ENOMEM. */
int ob__dirty_forget(struct dirty *d, struct range range);

#endif
