/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "system/unix/sys_uring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Linux before 5.11 would take what is queued along with a timeout of its own: there it is waited for ever. */
static int wait_cqe(struct io_uring *ring, struct io_uring_cqe **cqe)
{
	struct __kernel_timespec second = { .tv_sec = 1 };

	if (!(ring->features & IORING_FEAT_EXT_ARG))
		return io_uring_wait_cqe(ring, cqe);
	return io_uring_wait_cqe_timeout(ring, cqe, &second);
}

struct sys_uring_table ob__sys_uring_table = {
	.queue_init = io_uring_queue_init,
	.register_probe = io_uring_register_probe,
	.submit = io_uring_submit,
	.wait_cqe = wait_cqe,
	.peek_cqe = io_uring_peek_cqe,
};

/* Linux 5.1 has rings, but 5.6 has this operation, and the question. */
static int can_write(struct io_uring *ring)
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
 * liburing maps and unmaps without the C library. ThreadSanitizer does not see it, and takes a
 * ring of one thread where another thread's was before for the same memory. That one was gone
 * before this one came: counted before unmapping, read after mapping, this says so.
 */
static _Atomic unsigned rings_gone;

int ob__sys_uring_open(struct io_uring *ring, unsigned entries)
{
	int r = ob__sys_uring_table.queue_init(entries, ring, 0);

	if (r < 0)
		return r;
	(void)atomic_load_explicit(&rings_gone, memory_order_acquire);
	r = can_write(ring);
	if (r < 0)
		ob__sys_uring_close(ring);
	return r;
}

void ob__sys_uring_close(struct io_uring *ring)
{
	atomic_fetch_add_explicit(&rings_gone, 1, memory_order_release);
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
