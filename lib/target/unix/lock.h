/* SPDX-License-Identifier: MIT */
/* One writer of a path at a time. */
#ifndef OUTBUF_LIB_LOCK_H
#define OUTBUF_LIB_LOCK_H

#include "target/target.h"

/*
 * Take the lock of t->name as t->request.lock says. 0; -EBUSY: somebody has it, and waiting is not
 * wanted; or an errno of open(2), flock(2).
 */
int ob__lock_acquire(struct target *t);

/* Also twice, and without one. */
void ob__lock_release(struct target *t);

#endif
