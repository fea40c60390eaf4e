/* SPDX-License-Identifier: MIT */
/* The io_uring part of sys.h: built only where there is liburing. */
#ifndef OUTBUF_LIB_SYS_URING_H
#define OUTBUF_LIB_SYS_URING_H

#include <liburing.h>

/* As liburing's functions of these names (wait_cqe: with a timeout): 0 or a count, or a negative errno. */
struct sys_uring_table {
	int (*queue_init)(unsigned entries, struct io_uring *ring, unsigned flags);
	int (*register_probe)(struct io_uring *ring, struct io_uring_probe *probe, unsigned ops);
	int (*submit)(struct io_uring *ring);
	int (*wait_cqe)(struct io_uring *ring, struct io_uring_cqe **cqe);
	int (*peek_cqe)(struct io_uring *ring, struct io_uring_cqe **cqe);
};

/* Written by tests, before they start threads; constant otherwise. */
extern struct sys_uring_table ob__sys_uring_table;

/* A ring that can write, close-on-exec, or nothing held: -ENOSYS if the kernel's cannot write. */
int ob__sys_uring_open(struct io_uring *ring, unsigned entries);
void ob__sys_uring_close(struct io_uring *ring);
/* How many of what is queued the kernel took; retries EINTR. */
int ob__sys_uring_submit(struct io_uring *ring);
/* Wait for a completion; retries EINTR. -ETIME after a second. */
int ob__sys_uring_wait(struct io_uring *ring, struct io_uring_cqe **cqe);
/* Is there a completion? Needs no system call if there is; -EAGAIN, or another error, if not. */
int ob__sys_uring_peek(struct io_uring *ring, struct io_uring_cqe **cqe);

#endif
