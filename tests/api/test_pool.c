/* SPDX-License-Identifier: MIT */
/*
 * The caller's thread pool (options.run), when it does not do what it should, and when tasks of the program's run in it.
 * What a good pool does is in test_threads.c.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "support/support.h"
#include "system/pool.h"

#define SIZE ((size_t)3 << 20)

static int zero(void *arg, size_t n, void (*task)(void *arg, size_t i), void *task_arg)
{
	(void)arg, (void)n, (void)task, (void)task_arg;
	return 0;
}

/* As pthread functions report. */
static int positive(void *arg, size_t n, void (*task)(void *arg, size_t i), void *task_arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < n; i++)
		task(task_arg, i);
	return EAGAIN;
}

static int without_last(void *arg, size_t n, void (*task)(void *arg, size_t i), void *task_arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i + 1 < n; i++)
		task(task_arg, i);
	return 0;
}

/* n calls, but not of each task. */
static int first_twice(void *arg, size_t n, void (*task)(void *arg, size_t i), void *task_arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < n; i++)
		task(task_arg, i > 0 ? i - 1 : 0);
	return 0;
}

/* Tasks that do not exist, and the others twice: nothing is missing. */
static int too_many(void *arg, size_t n, void (*task)(void *arg, size_t i), void *task_arg)
{
	size_t i;

	(void)arg;
	for (i = 2 * n + 40; i > 0; i--)
		task(task_arg, (i - 1) % (n + 20));
	return 0;
}

static void test_wrong_pools(void **state)
{
	static const struct {
		pool_function *run;
		int error;
	} pools[] = { { zero, -EIO }, { positive, -EINVAL }, { without_last, -EIO }, { first_twice, -EIO }, { too_many, 0 } };
	static unsigned char want[SIZE];
	const struct sandbox *s = *state;
	size_t i;

	skip_without_file();
	memset(want, 'x', sizeof want);
	for (i = 0; i < sizeof pools / sizeof *pools; i++) {
		struct outbuf_options options = OUTBUF_OPTIONS_INIT;
		struct outbuf_view v;
		struct outbuf *ob;

		write_file(s->path, "old", 3, 0666);
		options.map = options.stage = OUTBUF_NO;
		options.flush = OUTBUF_FLUSH_PWRITE;
		options.run = pools[i].run;
		ob = open_with(s->path, &options);
		assert_int_equal(outbuf_view(ob, &v, 0, SIZE), 0);
		outbuf_write(&v, want, sizeof want);
		assert_int_equal(outbuf_view_end(&v), 0);
		assert_int_equal(commit(ob), pools[i].error);
		outbuf_close(ob);
		assert_file(s->path, pools[i].error ? (const void *)"old" : want, pools[i].error ? 3 : SIZE);
	}
}

/* ---------------------------------------------------------- returns before its tasks have run */

struct early {
	void (*task)(void *arg, size_t i);
	void *arg;
	_Atomic int in_task, may_end, ran;
	pthread_t thread;
};

static void slow_task(void *arg, size_t i)
{
	struct early *early = arg;

	(void)i;
	atomic_store(&early->in_task, 1);
	while (!atomic_load(&early->may_end))
		continue;
	atomic_fetch_add(&early->ran, 1);
}

static void *first_task(void *arg)
{
	struct early *early = arg;

	early->task(early->arg, 0);
	return NULL;
}

/* After a while, in which ob__pool_run() would return if it did not wait. */
static void *let_end(void *arg)
{
	const struct timespec moment = { .tv_nsec = 50000000 };
	struct early *early = arg;

	while (!atomic_load(&early->in_task))
		continue;
	nanosleep(&moment, NULL);
	atomic_store(&early->may_end, 1);
	return NULL;
}

/* Task 0 is under way on another thread when this returns; task 1 is not begun. */
static int run_early(void *arg, size_t n, void (*task)(void *arg, size_t i), void *task_arg)
{
	struct early *early = arg;

	(void)n;
	early->task = task;
	early->arg = task_arg;
	if (pthread_create(&early->thread, NULL, first_task, early) != 0)
		return -EAGAIN;
	while (!atomic_load(&early->in_task))
		continue;
	return 0;
}

static void test_returns_early(void **state)
{
	struct early early = { .ran = 0 };
	pthread_t helper;

	(void)state;
	/* It waits for the task that is under way: somebody must let that end. */
	assert_int_equal(pthread_create(&helper, NULL, let_end, &early), 0);
	assert_int_equal(ob__pool_run(run_early, &early, 2, slow_task, &early), -EIO);
	assert_int_equal(atomic_load(&early.ran), 1);
	pthread_join(helper, NULL);
	pthread_join(early.thread, NULL);
	/* And what comes later does nothing. */
	early.task(early.arg, 1);
	assert_int_equal(atomic_load(&early.ran), 1);
}

/* ---------------------------------------------------------- tasks of the program's inside run() */

struct stolen {
	struct outbuf *ob;
	const char *other_path;
	int done;
	int view, data, release, other; /* what the calls inside returned */
};

static int write_other(const char *path)
{
	struct outbuf *other;
	struct outbuf_view v;
	int r = outbuf_open(&other, path, NULL);

	if (r < 0)
		return r;
	outbuf_view(other, &v, 0, 3);
	outbuf_write(&v, "abc", 3);
	outbuf_view_end(&v);
	r = outbuf_commit(other);
	outbuf_close(other);
	return r;
}

static int steals(void *arg, size_t n, void (*task)(void *arg, size_t i), void *task_arg)
{
	struct stolen *stolen = arg;
	struct outbuf_view v;
	void *data;
	size_t i;

	if (!stolen->done) {
		stolen->done = 1;
		/* Another output first: being inside that one must not make this thread forget the first. */
		stolen->other = write_other(stolen->other_path);
		stolen->data = outbuf_data(stolen->ob, 0, 1, &data);
		stolen->release = outbuf_release(stolen->ob, 0, 1);
		stolen->view = outbuf_view(stolen->ob, &v, 1, 1);
	}
	for (i = 0; i < n; i++)
		task(task_arg, i);
	return 0;
}

static void test_view_inside_run(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct stolen stolen = { .view = 1 };
	struct outbuf_view v;
	char other_path[400];

	skip_without_file();
	snprintf(other_path, sizeof other_path, "%s2", s->path);
	stolen.other_path = other_path;
	options.map = options.stage = OUTBUF_NO;
	options.flush = OUTBUF_FLUSH_PWRITE;
	options.run = steals;
	options.run_arg = &stolen;
	stolen.ob = open_with(s->path, &options);
	outbuf_view(stolen.ob, &v, 0, SIZE);
	outbuf_fill(&v, 'x', SIZE);
	assert_int_equal(outbuf_view_end(&v), 0);
	/* A View that was refused is an error of the output, as ever. */
	assert_int_equal(outbuf_flush(stolen.ob), -EDEADLK);
	assert_int_equal(stolen.other, 0);
	assert_int_equal(stolen.data, -EDEADLK);
	assert_int_equal(stolen.release, -EDEADLK);
	assert_int_equal(stolen.view, -EDEADLK);
	/* Outside it is refused for the error alone, and nobody waits. */
	assert_int_equal(commit(stolen.ob), -EDEADLK);
	outbuf_close(stolen.ob);
	assert_absent(s->path);
	assert_file(other_path, "abc", 3);
}

static void observe(void *arg, enum outbuf_phase phase, int done, uint64_t bytes)
{
	struct stolen *stolen = arg;
	struct outbuf_view v;

	(void)phase, (void)done, (void)bytes;
	stolen->view = outbuf_view(stolen->ob, &v, 0, 1);
}

/* Any other callback of the owner's thread: that it must not call into the output is said, and it need not hang. */
static void test_view_inside_observer(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct stolen stolen = { .view = 1 };

	options.observe = observe;
	options.observe_arg = &stolen;
	stolen.ob = open_with(s->path, &options);
	assert_int_equal(outbuf_map(stolen.ob, 10), 0);
	assert_int_equal(stolen.view, -EDEADLK);
	assert_int_equal(commit(stolen.ob), -EDEADLK);
	outbuf_close(stolen.ob);
}

/* ------------------------------------------------------------------------------ outbuf_fail */

/* Whoever says that his work failed gets a failed commit, whatever the sign. */
static void test_fail_by_any_number(void **state)
{
	static const struct {
		int error, want;
	} numbers[] = { { -ENOSPC, -ENOSPC }, { EIO, -EIO }, { 0, -EIO }, { 1, -1 }, { INT32_MAX, -INT32_MAX } };
	const struct sandbox *s = *state;
	size_t i;

	for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		struct outbuf *ob = open_with(s->path, NULL);

		assert_int_equal(outbuf_fail(ob, numbers[i].error), numbers[i].want);
		/* The first one stays. */
		assert_int_equal(outbuf_fail(ob, -EPERM), numbers[i].want);
		assert_int_equal(outbuf_error(ob), numbers[i].want);
		assert_int_equal(commit(ob), numbers[i].want);
		outbuf_close(ob);
		assert_absent(s->path);
	}
	assert_int_equal(outbuf_fail(NULL, -EIO), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_wrong_pools),
		sandbox_test(test_returns_early),
		sandbox_test(test_view_inside_run),
		sandbox_test(test_view_inside_observer),
		sandbox_test(test_fail_by_any_number),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
