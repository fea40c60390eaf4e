/* SPDX-License-Identifier: MIT */
/* Which ranges were given to Views, and whether two of them overlap. */
#ifndef OUTBUF_LIB_COVERAGE_H
#define OUTBUF_LIB_COVERAGE_H

#include <pthread.h>
#include <stdint.h>

#include "bytes/ranges.h"

struct coverage {
	pthread_mutex_t lock; /* guards all else */
	struct ranges given; /* every range that an ordinary View was given, ended or not */
	struct ranges open;  /* the ranges of the Views that are open now, ordinary and editing */
	int conflicts;       /* how many were found so far */
	struct range range;  /* of the first conflict: the View that was refused */
	struct range other;  /* and the range that had its bytes before */
};

int ob__coverage_init(struct coverage *c);
void ob__coverage_destroy(struct coverage *c);

/*
 * A View is opened on the range. Any thread. 0, -ENOMEM, or -EEXIST. An ordinary View conflicts with every range that
 * was given before and with every View that is open. An editing View conflicts with Views that are open.
 */
int ob__coverage_begin(struct coverage *c, struct range range, int editing);

/* The View on exactly this range has ended. Any thread. */
void ob__coverage_end(struct coverage *c, struct range range);

/* Bytes from `size` on count as given to no View. No View is open. */
void ob__coverage_truncate(struct coverage *c, uint64_t size);

/*
 * Return 1 and the first conflict: the range that was refused, and the one before it. 0 if there was none. Any
 * thread.
 */
int ob__coverage_conflict(struct coverage *c, struct range *range,
                      struct range *other);

#endif
