/* SPDX-License-Identifier: MIT */
/* A fault inside a mapping becomes an error of its output, not a dead process. */
#ifndef OUTBUF_LIB_GUARD_H
#define OUTBUF_LIB_GUARD_H

#include <stdatomic.h>
#include <stdint.h>

struct guard_slot;

/* One per output. The owner's, while no View is open; 0 is no guard. */
struct guard {
	struct guard_slot *slot; /* NULL: nothing is guarded */
};

/*
 * The mapping of the first `size` bytes of the file behind `fd` at `base` is guarded from now on: a
 * fault there sets *error, if it is 0, and counts in *faults. Both must live until ob__guard_end(). The
 * first guard in the process installs the handler of SIGBUS. Called again, for the same base and file, only
 * the size changes, which cannot fail. 0, -ENOMEM, or an errno of dup(2), sigaction(2); -ENOTSUP where
 * there is nothing to guard.
 */
int ob__guard_begin(struct guard *g, void *base, uint64_t size, int fd, _Atomic int *error,
                _Atomic uint64_t *faults);

/*
 * No longer. The last guard puts the action of SIGBUS back, if it is still ours. Also twice. 0, or what
 * close(2) says of what was written: it says so once, whatever descriptor of the file it is.
 */
int ob__guard_end(struct guard *g);

#endif
