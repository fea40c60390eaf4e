/* SPDX-License-Identifier: MIT */
/* Which ranges were given to Views, and whether two of them overlap. */
#ifndef OUTBUF_LIB_COVERAGE_H
#define OUTBUF_LIB_COVERAGE_H

#include <pthread.h>
#include <stdint.h>

struct coverage_range {
	uint64_t offset;
	uint64_t length; /* > 0 in a set; offset + length does not wrap */
};

struct coverage {
	pthread_mutex_t lock; /* guards all else */
	/* Search trees (tsearch) of ranges that do not overlap among themselves. */
	void *given; /* every range an ordinary View was given */
	void *open;  /* ranges of the Views open now, of either kind */
	int conflicts; /* found so far; the first is */
	struct coverage_range range, other;
};

int coverage_init(struct coverage *c);
void coverage_destroy(struct coverage *c);

/*
 * A View begins on the range. Any thread. 0; -ENOMEM; -EEXIST if it overlaps what it must
 * not: for an ordinary View any range given before or open for editing, for an editing
 * one those open now.
 */
int coverage_begin(struct coverage *c, struct coverage_range range, int editing);

/* The View on exactly this range ended. Any thread. */
void coverage_end(struct coverage *c, struct coverage_range range);

/* Bytes from `size` on were given to nobody. No View is open. */
void coverage_cut(struct coverage *c, uint64_t size);

/* 1 and the first conflict: the range refused, the one that was there. Else 0. Any thread. */
int coverage_conflict(struct coverage *c, struct coverage_range *range,
                      struct coverage_range *other);

#endif
