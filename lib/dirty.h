/* SPDX-License-Identifier: MIT */
/*
 * Where are the bytes of the heap true: in memory, or already in the file? Used where a backend
 * can put blocks into the file while Views are being written.
 */
#ifndef OUTBUF_LIB_DIRTY_H
#define OUTBUF_LIB_DIRTY_H

#include <pthread.h>

#include "ranges.h"

struct dirty {
	pthread_mutex_t lock;  /* guards all else */
	struct ranges memory;  /* true in memory; what the file has there, if anything, is old */
	struct ranges file;    /* true in the file; not loaded into memory */
	uint64_t file_end;     /* end of the last byte ever put into the file this way */
};

/* Load a range of the file into memory. 0 or a negative errno. */
typedef int dirty_load(void *arg, struct range range);

int dirty_init(struct dirty *d);
void dirty_destroy(struct dirty *d);

/*
 * The range is true in memory from now on: what the file has is loaded first. Any thread. 0, -ENOMEM,
 * or what load returned. Others may use the rest of the same pages: ranges are exact.
 */
int dirty_take(struct dirty *d, struct range range, dirty_load *load, void *arg);

/*
 * The lowest part of the range that is to be put into one and the same place: *in_memory says which.
 * Where it is the file, it counts as being there from now on. Any thread. 0 or -ENOMEM.
 */
int dirty_split(struct dirty *d, struct range range, struct range *part, int *in_memory);

/*
 * The lowest range from `offset` on that is true in memory and not in the file, together with those
 * that follow less than `gap` bytes behind, where what lies between was never written (and is zero).
 * Length 0: there is none. Any thread.
 */
struct range dirty_next(struct dirty *d, uint64_t offset, uint64_t gap);

/* What is true in memory, of the range, is true in the file as well, and counts as being there. Any thread. 0 or -ENOMEM. */
int dirty_clean(struct dirty *d, struct range range);

/* Where a byte is true. */
enum dirty_place { DIRTY_NOWHERE /* it is zero */, DIRTY_MEMORY, DIRTY_FILE };

/* Where the first bytes of the range are, and how many of them: *part. Any thread. */
enum dirty_place dirty_where(struct dirty *d, struct range range, struct range *part);

/* Bytes of the range are in neither place. No View is open. 0 or -ENOMEM. */
int dirty_forget(struct dirty *d, struct range range);

#endif
