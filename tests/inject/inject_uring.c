/* SPDX-License-Identifier: MIT */
/* Calls of io_uring, which return a negative errno; and completions, which may carry one. */
#include "config.h"

#include "inject/inject_plan.h"

#ifdef HAVE_LIBURING

#include <errno.h>

#include "system/unix/sys_uring.h"

static struct sys_uring_table real;

#define SIMPLE(name, params, args)                                 \
	static int i_##name params                                 \
	{                                                          \
		enum act act = next_act(KIND_##name);              \
		int r = act == ACT_FAIL ? -errno : real.name args; \
		if (act == ACT_DIE)                                \
			die();                                     \
		return r;                                          \
	}

SIMPLE(queue_init, (unsigned entries, struct io_uring *ring, unsigned flags), (entries, ring, flags))
SIMPLE(register_probe, (struct io_uring *ring, struct io_uring_probe *probe, unsigned ops), (ring, probe, ops))
SIMPLE(submit, (struct io_uring *ring), (ring))
SIMPLE(peek_cqe, (struct io_uring *ring, struct io_uring_cqe **cqe), (ring, cqe))

/* What was written beyond what it says, is written again. */
static void alter(struct io_uring_cqe *cqe)
{
	enum act act = next_act(KIND_completion);

	if (act == ACT_DIE)
		die();
	if (act == ACT_FAIL)
		cqe->res = -errno;
	else if (act == ACT_PART && cqe->res > 1)
		cqe->res /= 2;
}

static int i_wait_cqe(struct io_uring *ring, struct io_uring_cqe **cqe)
{
	enum act act = next_act(KIND_wait_cqe);
	int r = act == ACT_FAIL ? -errno : real.wait_cqe(ring, cqe);

	if (act == ACT_DIE)
		die();
	if (r == 0)
		alter(*cqe);
	return r;
}

int uring_install(void)
{
	real = ob__sys_uring_table;
	ob__sys_uring_table.queue_init = i_queue_init;
	ob__sys_uring_table.register_probe = i_register_probe;
	ob__sys_uring_table.submit = i_submit;
	ob__sys_uring_table.wait_cqe = i_wait_cqe;
	ob__sys_uring_table.peek_cqe = i_peek_cqe;
	return left_as_it_was(&ob__sys_uring_table, &real, sizeof real) ? -1 : 0;
}

void uring_remove(void)
{
	ob__sys_uring_table = real;
}

#else

int uring_install(void) { return 0; }
void uring_remove(void) {}

#endif
