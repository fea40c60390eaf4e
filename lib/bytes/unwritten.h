/* SPDX-License-Identifier: MIT */
/*
 * Which bytes did nobody write? Asked of a recycled file, where they are stale, still the old output's; and of an
 * output that is checked to be complete, where they are gaps.
 */
#ifndef OUTBUF_LIB_UNWRITTEN_H
#define OUTBUF_LIB_UNWRITTEN_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes/ranges.h"

struct unwritten_block;

struct unwritten {
	/*
	 * Only the first `length` bytes are recorded; 0: nothing is. Written by ob__unwritten_init(), and under the
	 * lock by marking, if `grows`.
	 */
	uint64_t length;
	int grows;                      /* 1: marking bytes beyond `length` makes it larger. Constant after init */
	size_t n;                       /* number of blocks; written as `length` */
	pthread_mutex_t lock;           /* guards the blocks' members, and what grows */
	struct unwritten_block *blocks; /* n of them; written as `length` */
};

/*
 * The first `length` bytes are unwritten. If `grows`, so are all others, but they are recorded only when bytes beyond
 * them are marked. 0 or -ENOMEM.
 */
int ob__unwritten_init(struct unwritten *u, uint64_t length, int grows);
void ob__unwritten_destroy(struct unwritten *u);

/*
 * The range's bytes were written. `in_memory`: they were stored at their place in memory, and not by a write to the
 * file. Any thread. 0 or -ENOMEM.
 */
int ob__unwritten_mark(struct unwritten *u, struct range range, int in_memory);

/*
 * Overwrite a range by zeros. `page_is_mapped`: some bytes of the same block were stored in memory before, so its
 * pages are probably mapped. 0 or a negative errno.
 */
typedef int unwritten_zero(void *arg, struct range range, int page_is_mapped);

/*
 * The unwritten bytes of the range are given to `zero`, piece by piece, and count as written afterwards. Pass NULL
 * for `zero` if the file was shortened and does not have these bytes any more: then they are only removed from the
 * record. Any thread. 0, -ENOMEM, or what `zero` returned.
 */
int ob__unwritten_clear(struct unwritten *u, struct range range, unwritten_zero *zero, void *arg);

/* All bytes from `size` on are unwritten again. No other thread uses *u. 0 or -ENOMEM. */
int ob__unwritten_truncate(struct unwritten *u, uint64_t size);

/* The first gap in [0, size): length 0 if there is none. Any thread. */
struct range ob__unwritten_first(struct unwritten *u, uint64_t size);

#endif
