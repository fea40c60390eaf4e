/* SPDX-License-Identifier: MIT */
/* options.lock: one writer of a path at a time. */
#ifndef OUTBUF_LIB_LOCK_H
#define OUTBUF_LIB_LOCK_H

#include "target/target.h"

/*
 * Acquire the lock of t->name as t->request.lock says. Owner. 0; -EBUSY: another process has it, and waiting was not
 * asked for; -EPERM: the lock's name is not a regular file's; -ENOMEM; or an errno of open(2), fstat(2), flock(2).
 */
int ob__lock_acquire(struct target *t);

/* Release the lock and remove its file. Does nothing if there is none; may be called twice. Owner. */
void ob__lock_release(struct target *t);

#endif
