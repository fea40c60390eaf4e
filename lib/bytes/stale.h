/* SPDX-License-Identifier: MIT */
/* Which bytes of a recycled file are stale: still the old output's? */
#ifndef OUTBUF_LIB_STALE_H
#define OUTBUF_LIB_STALE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes/ranges.h"

struct stale_block;

struct stale {
	uint64_t length;            /* bytes from here on never were stale; 0: not recycled. Constant after init */
	size_t n;                   /* number of blocks. Constant after init */
	pthread_mutex_t lock;       /* guards the blocks' members */
	struct stale_block *blocks; /* n of them. Constant after init */
};

/* The first `length` bytes are stale. 0 or -ENOMEM. */
int ob__stale_init(struct stale *s, uint64_t length);
void ob__stale_destroy(struct stale *s);

/*
 * The range's bytes were written, so they are not stale. `in_memory`: they were stored at their place in memory, and
 * not by a write to the file. Any thread. 0 or -ENOMEM.
 */
int ob__stale_mark_written(struct stale *s, struct range range, int in_memory);

/*
 * Overwrite a range by zeros. `page_is_mapped`: some bytes of the same block were stored in memory before, so its
 * pages are probably mapped. 0 or a negative errno.
 */
typedef int stale_zero_bytes(void *arg, struct range range, int page_is_mapped);

/*
 * The stale bytes of the range are given to `zero`, piece by piece, and are not stale afterwards. Pass NULL for
 * `zero` if the file was shortened and does not have these bytes any more: then they are only removed from the
 * record. Any thread. 0, -ENOMEM, or what `zero` returned.
 */
int ob__stale_zero(struct stale *s, struct range range, stale_zero_bytes *zero, void *arg);

#endif
