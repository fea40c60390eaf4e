/* SPDX-License-Identifier: MIT */
/* Which bytes of a recycled file are still the old output's? */
#ifndef OUTBUF_LIB_STALE_H
#define OUTBUF_LIB_STALE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes/ranges.h"

struct stale_block;

struct stale {
	uint64_t length; /* bytes from here on never were; 0: nothing is recycled. Constant while Views are open */
	size_t n;        /* blocks. Constant */
	pthread_mutex_t lock; /* guards what the blocks say */
	struct stale_block *blocks;
};

/* All of the first `length` bytes are old. 0 or -ENOMEM. */
int ob__stale_init(struct stale *s, uint64_t length);
void ob__stale_destroy(struct stale *s);

/* The range's bytes are new from now on: they were stored, at their place in memory if `there`. Any thread. */
int ob__stale_mark_written(struct stale *s, struct range range, int there);

/*
 * Make a range of bytes zero. `there` says that others nearby were stored at their place in memory.
 * 0 or a negative errno.
 */
typedef int stale_zero_bytes(void *arg, struct range range, int there);

/*
 * The same, but those that were old are given to `zero` first; NULL: they are gone anyway. Any
 * thread. 0, -ENOMEM, or what it returned.
 */
int ob__stale_zero(struct stale *s, struct range range, stale_zero_bytes *zero, void *arg);

#endif
