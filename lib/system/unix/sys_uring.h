/* SPDX-License-Identifier: MIT */
/* The io_uring part of sys.h. It is built only where there is liburing. */
#ifndef OUTBUF_LIB_SYS_URING_H
#define OUTBUF_LIB_SYS_URING_H

#include <liburing.h>

/*
 * The table of calls of io_uring: liburing's functions of these names. wait_cqe waits for a second at most, from
 * Linux 5.11 on. They return 0 or a count, or a negative errno.
 */
struct sys_uring_table {
	int (*queue_init)(unsigned entries, struct io_uring *ring, unsigned flags);
	int (*register_probe)(struct io_uring *ring, struct io_uring_probe *probe, unsigned ops);
	int (*submit)(struct io_uring *ring);
	int (*wait_cqe)(struct io_uring *ring, struct io_uring_cqe **cqe);
	int (*peek_cqe)(struct io_uring *ring, struct io_uring_cqe **cqe);
};

/* Written by tests before they start threads; otherwise constant. */
extern struct sys_uring_table ob__sys_uring_table;

/* A ring belongs to one thread at a time; otherwise any thread may call these functions. */

/*
 * Open a ring that can write, close-on-exec. 0 or a negative errno, and then nothing is held: -ENOSYS if the rings of
 * this kernel cannot write.
 */
int ob__sys_uring_open(struct io_uring *ring, unsigned entries);
void ob__sys_uring_close(struct io_uring *ring);
/* Submit what is queued. Returns how many requests the kernel accepted, or a negative errno. Retries EINTR. */
int ob__sys_uring_submit(struct io_uring *ring);
/* Wait for a completion. 0 or a negative errno: -ETIME after a second, from Linux 5.11 on. Retries EINTR. */
int ob__sys_uring_wait(struct io_uring *ring, struct io_uring_cqe **cqe);
/* Get a completion without waiting. Needs no system call if there is one. 0, or -EAGAIN or another errno if not. */
int ob__sys_uring_peek(struct io_uring *ring, struct io_uring_cqe **cqe);

#endif
