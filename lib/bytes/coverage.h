/* SPDX-License-Identifier: MIT */
/* Which ranges were given to Views, and whether two of them overlap. */
#ifndef OUTBUF_LIB_COVERAGE_H
#define OUTBUF_LIB_COVERAGE_H

#include <pthread.h>
#include <stdint.h>

#include "bytes/ranges.h"

struct coverage {
	pthread_mutex_t lock; /* guards all else */
	struct ranges given; /* every range an ordinary View was given */
	struct ranges open;  /* ranges of the Views open now, of either kind */
	int conflicts; /* found so far; the first is */
	struct range range, other;
};

int ob__coverage_init(struct coverage *c);
void ob__coverage_destroy(struct coverage *c);

/*
 * A View begins on the range. Any thread. 0; -ENOMEM; -EEXIST if it overlaps what it must
 * not: for an ordinary View any range given before or open for editing, for an editing
 * one those open now.
 */
int ob__coverage_begin(struct coverage *c, struct range range, int editing);

/* The View on exactly this range ended. Any thread. */
void ob__coverage_end(struct coverage *c, struct range range);

/* Bytes from `size` on were given to nobody. No View is open. */
void ob__coverage_truncate(struct coverage *c, uint64_t size);

/* 1 and the first conflict: the range refused, the one that was there. Else 0. Any thread. */
int ob__coverage_conflict(struct coverage *c, struct range *range,
                      struct range *other);

#endif
