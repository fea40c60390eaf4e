/* SPDX-License-Identifier: MIT */
/* Overwriting by zeros what an earlier output left in a recycled file. Both return 0 or a negative errno. */
#ifndef OUTBUF_LIB_ZERO_STALE_H
#define OUTBUF_LIB_ZERO_STALE_H

#include "output/output.h"

/*
 * Zero all bytes of the output that nobody wrote. Owner, exclusively. Call it before the heap is written back: what is
 * dirty in memory overwrites the zeros then.
 */
int ob__zero_stale(struct outbuf *ob);

/*
 * A pointer to these bytes is about to be handed out: they must hold zeros, or what Views stored. `filled`: the caller
 * stores to all of them, so nobody sees what they hold, and nothing has to be zeroed. Any thread.
 */
int ob__zero_stale_for_pointer(struct outbuf *ob, uint64_t offset, uint64_t n, int filled);

#endif
