/* SPDX-License-Identifier: MIT */
/* An output written by Views of every kind: a long one, short ones, one without end that leaves the plan behind. */
#ifndef TESTS_MIXED_H
#define TESTS_MIXED_H

#include "support/support.h"

#define MIXED_SIZE ((size_t)150003)
#define MIXED_PLANNED ((size_t)100001)

/* The bytes it has then; mixed_make() makes them, and can be a group's setup. */
extern unsigned char mixed_want[MIXED_SIZE];
int mixed_make(void **state);

/* Map it and write all of it; 0 or an error. */
int mixed_emit(struct outbuf *ob);

#endif
