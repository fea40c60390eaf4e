/* SPDX-License-Identifier: MIT */
/* Zeros over what an earlier output left in a recycled file. Both return 0 or a negative errno. */
#ifndef OUTBUF_LIB_ZERO_H
#define OUTBUF_LIB_ZERO_H

#include "internal.h"

/* What nobody wrote, in all of the output. Owner, no View open; what is in the heap is not in the file yet. */
int clear_stale(struct outbuf *ob);

/*
 * A pointer to these bytes is about to be handed out: they must be zero or what Views stored. `filled`: they
 * will all be stored to, so nobody sees what they hold. Any thread.
 */
int memory_hand_out(struct outbuf *ob, uint64_t offset, uint64_t n, int filled);

#endif
