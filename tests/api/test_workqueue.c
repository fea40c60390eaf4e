/* SPDX-License-Identifier: MIT */
/* What the examples' queue promises (examples/workqueue.h) that their programs do not show. */
#include "config.h"

#include "support/support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "workqueue.h"

#define TASKS 1000

static _Atomic int done[TASKS];

static int note(void *arg, size_t i)
{
	atomic_fetch_add(&done[i], 1);
	return arg != NULL && i >= 300 ? -(int)i : 0;
}

static void test_each_once(void **state)
{
	unsigned threads;
	size_t i;

	(void)state;
	for (threads = 0; threads <= 8; threads += 2) {
		struct workqueue queue = { .threads = threads };

		memset(done, 0, sizeof done);
		assert_int_equal(workqueue_run(&queue, TASKS, note, NULL), 0);
		for (i = 0; i < TASKS; i++)
			assert_int_equal(done[i], 1);
		assert_in_range(queue.used, 1, threads > 0 ? threads : 1);
	}
}

/* The lowest that failed, however many threads there are; and no more are begun. */
static void test_failed(void **state)
{
	unsigned threads;

	for (threads = 1; threads <= 8; threads++) {
		struct workqueue queue = { .threads = threads };

		memset(done, 0, sizeof done);
		assert_int_equal(workqueue_run(&queue, TASKS, note, state), -300);
		assert_int_equal(done[TASKS - 1], 0);
	}
}

#ifndef _WIN32
static pthread_t owner;
static _Atomic int others, fault_blocked, rest_open;

/* A fault that is blocked kills the process, and the guard is not asked. */
static int look_at_mask(void *arg, size_t i)
{
	static const int faults[] = { SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP };
	const struct timespec moment = { .tv_nsec = 200000 };
	sigset_t mask;
	size_t k;

	(void)arg, (void)i;
	nanosleep(&moment, NULL);
	if (pthread_equal(pthread_self(), owner))
		return 0;
	atomic_fetch_add(&others, 1);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	for (k = 0; k < sizeof faults / sizeof *faults; k++)
		atomic_fetch_add(&fault_blocked, sigismember(&mask, faults[k]));
	atomic_fetch_add(&rest_open, !sigismember(&mask, SIGINT) || !sigismember(&mask, SIGTERM));
	return 0;
}

static void test_signals(void **state)
{
	struct workqueue queue = { .threads = 4 };

	(void)state;
	owner = pthread_self();
	assert_int_equal(workqueue_run(&queue, TASKS, look_at_mask, NULL), 0);
	assert_true(others > 0);
	assert_int_equal(fault_blocked, 0);
	assert_int_equal(rest_open, 0);
}

#endif

static void test_blocks(void **state)
{
	/* The most blocks that can be numbered, or the longest file. */
	static const uint64_t most = SIZE_MAX < UINT64_MAX / 2 / WORKQUEUE_BLOCK ? SIZE_MAX * WORKQUEUE_BLOCK : UINT64_MAX / 2;
	const uint64_t sizes[] = {
		0, 1, WORKQUEUE_BLOCK - 1, WORKQUEUE_BLOCK, WORKQUEUE_BLOCK + 1, 2 * WORKQUEUE_BLOCK,
		5 * WORKQUEUE_BLOCK - 1, UINT64_C(5) << 30, most,
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t n = workqueue_blocks(sizes[i]);

		assert_int_equal(n == 0, sizes[i] == 0);
		assert_int_equal(workqueue_block_start(sizes[i], 0), 0);
		assert_int_equal(workqueue_block_start(sizes[i], n), sizes[i]);
		if (n > 0)
			assert_in_range(sizes[i] - workqueue_block_start(sizes[i], n - 1), 1,
			                2 * WORKQUEUE_BLOCK - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_once),
		cmocka_unit_test(test_failed),
#ifndef _WIN32 /* no signals */
		cmocka_unit_test(test_signals),
#endif
		cmocka_unit_test(test_blocks),
	};

	return cmocka_run_group_tests_name("workqueue", tests, NULL, NULL);
}
