/* SPDX-License-Identifier: MIT */
/* A fault inside a mapping (SIGBUS) becomes the sticky error of its output, instead of the end of the process. */
#ifndef OUTBUF_LIB_GUARD_H
#define OUTBUF_LIB_GUARD_H

#include <stdatomic.h>
#include <stdint.h>

struct guard_slot;

/* One per output. All zero: nothing is guarded. */
struct guard {
	struct guard_slot *slot; /* NULL: nothing is guarded. Written by the owner, exclusively */
};

/*
 * Guard the first `size` bytes of the file behind `fd`, which are mapped at `base` or will be. From now on a fault
 * there sets *error to a negative errno, unless it is set already, and increments *faults. Both must live until
 * ob__guard_end(). The handler of SIGBUS is installed if it is not the current action (handler.h). If the output is
 * guarded already, only the size changes, which cannot fail; base and file must be those of the first call. Owner,
 * exclusively. 0, -ENOMEM, or a negative errno of dup(2) or sigaction(2). On Windows it does nothing and returns 0.
 */
int ob__guard_begin(struct guard *g, void *base, uint64_t size, int fd, _Atomic int *error,
                _Atomic uint64_t *faults);

/*
 * Stop guarding. The last guard in the process restores the previous action of SIGBUS, unless the program has
 * installed another one since. Does nothing if nothing is guarded. Owner. 0, or a negative errno of close(2): the
 * guard has a descriptor of its own, and an error of write-back is reported only once, by whichever descriptor of the
 * file is closed first.
 */
int ob__guard_end(struct guard *g);

#endif
