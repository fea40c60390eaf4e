/* SPDX-License-Identifier: MIT */
/* One writer of a path at a time. */
#ifndef OUTBUF_LIB_LOCK_H
#define OUTBUF_LIB_LOCK_H

#include "target.h"

/*
 * Take the lock of t->name as t->wish.lock says. 0; -EBUSY: somebody has it, and waiting is not
 * wanted; or an errno of open(2), flock(2).
 */
int lock_take(struct target *t);

/* Also twice, and without one. */
void lock_release(struct target *t);

#endif
