/* SPDX-License-Identifier: MIT */
/* Calls of io_uring: wrappers around liburing's functions, and the table through which they call them. */
#include "config.h"

#include "system/unix/sys_uring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "system/unix/sys_table.h"
#include "system/unix/sys_unix.h"

/*
 * Wait for a completion, at most one second. Before Linux 5.11 liburing implements the timeout by a request of its
 * own, and submits that together with what the caller has queued. So on these kernels the wait has no timeout.
 */
static int wait_cqe(struct io_uring *ring, struct io_uring_cqe **cqe)
{
	struct __kernel_timespec one_second = { .tv_sec = 1 };

	if (!(ring->features & IORING_FEAT_EXT_ARG))
		return io_uring_wait_cqe(ring, cqe);
	return io_uring_wait_cqe_timeout(ring, cqe, &one_second);
}

struct sys_uring_table ob__sys_uring_table = {
	.queue_init = io_uring_queue_init,
	.register_probe = io_uring_register_probe,
	.submit = io_uring_submit,
	.wait_cqe = wait_cqe,
	.peek_cqe = io_uring_peek_cqe,
};

/*
 * Can the kernel write through a ring? 0, -ENOSYS if not, or another negative errno. Linux 5.1 has rings; this
 * operation, and the call that asks for it, came with 5.6.
 */
static int check_write_supported(struct io_uring *ring)
{
	enum { OPS = IORING_OP_WRITE + 1 };
	struct io_uring_probe *probe = calloc(1, sizeof *probe + OPS * sizeof *probe->ops);
	int r;

	if (probe == NULL)
		return -ENOMEM;
	r = ob__sys_uring_table.register_probe(ring, probe, OPS);
	if (r >= 0)
		r = io_uring_opcode_supported(probe, IORING_OP_WRITE) ? 0 : -ENOSYS;
	free(probe);
	return r;
}

/*
 * Counts rings that were closed, for ThreadSanitizer. liburing maps and unmaps rings without calling the C library,
 * so ThreadSanitizer does not see that. If the ring of one thread lies at the addresses of another thread's earlier
 * ring, it takes both for the same memory, and reports a race. But the earlier ring was unmapped before this one was
 * mapped. The counter tells ThreadSanitizer about that order: it is incremented (release) before unmapping, and read
 * (acquire) after mapping.
 */
static _Atomic unsigned rings_closed;

/*
 * A ring whose descriptor is not one of the standard ones. liburing opens it, so the free ones of these are taken
 * first, by what can be neither read nor written.
 */
static int init_above_standard(unsigned entries, struct io_uring *ring)
{
	int taken[SYS_FIRST_DESCRIPTOR], n = 0, fd = 0, r;

	while (n < SYS_FIRST_DESCRIPTOR && (fd = ob__sys_table.openat(AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0)) >= 0 &&
	       fd < SYS_FIRST_DESCRIPTOR)
		taken[n++] = fd;
	r = ob__sys_uring_table.queue_init(entries, ring, 0);
	if (fd >= SYS_FIRST_DESCRIPTOR)
		ob__sys_close(fd);
	while (n > 0)
		ob__sys_close(taken[--n]);
	return r;
}

int ob__sys_uring_open(struct io_uring *ring, unsigned entries)
{
	int r = ob__sys_uring_table.queue_init(entries, ring, 0);

	if (r == 0 && ring->ring_fd < SYS_FIRST_DESCRIPTOR) {
		ob__sys_uring_close(ring);
		r = init_above_standard(entries, ring);
	}
	if (r < 0)
		return r;
	(void)atomic_load_explicit(&rings_closed, memory_order_acquire);
	r = check_write_supported(ring);
	if (r < 0)
		ob__sys_uring_close(ring);
	return r;
}

void ob__sys_uring_close(struct io_uring *ring)
{
	atomic_fetch_add_explicit(&rings_closed, 1, memory_order_release);
	io_uring_queue_exit(ring);
}

int ob__sys_uring_submit(struct io_uring *ring)
{
	int r;

	do
		r = ob__sys_uring_table.submit(ring);
	while (r == -EINTR);
	return r;
}

int ob__sys_uring_wait(struct io_uring *ring, struct io_uring_cqe **cqe)
{
	int r;

	do
		r = ob__sys_uring_table.wait_cqe(ring, cqe);
	while (r == -EINTR);
	return r;
}

int ob__sys_uring_peek(struct io_uring *ring, struct io_uring_cqe **cqe)
{
	return ob__sys_uring_table.peek_cqe(ring, cqe);
}
