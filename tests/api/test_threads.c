/* SPDX-License-Identifier: MIT */
/*
 * Many threads, many Views: the same bytes as one thread writes. ThreadSanitizer runs this too.
 */
#include "config.h"

#include "support/support.h"
#ifndef _WIN32
#include "system/unix/sys_table.h"
#endif

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 16
#define VIEWS_PER_THREAD 1000
#define SECTIONS (THREADS * VIEWS_PER_THREAD)

/*
 * Sections of odd lengths, laid out one behind the other; the first three fifths are
 * planned, the rest lies past the mapping. Section i belongs to thread i % THREADS, so at any
 * time the threads are side by side, and those past the mapping grow the heap at once.
 */
struct layout {
	struct outbuf *ob;
	uint64_t offset[SECTIONS + 1];
};

static void lay_out(struct layout *l)
{
	uint64_t seed = 42;
	unsigned i;

	l->offset[0] = 0;
	for (i = 0; i < SECTIONS; i++)
		l->offset[i + 1] = l->offset[i] + 1 + random_below(&seed, i % 50 == 0 ? 9000 : 400);
}

static unsigned char content(unsigned section, uint64_t i)
{
	return (unsigned char)(section * 31 + i * 7 + (i >> 8));
}

static int write_section(struct layout *l, unsigned section)
{
	uint64_t from = l->offset[section], length = l->offset[section + 1] - from, i;
	int unbounded = section % 3 == 0;
	struct outbuf_view v;
	int r;

	r = outbuf_view(l->ob, &v, from, unbounded ? OUTBUF_UNBOUNDED : length);
	if (r < 0)
		return r;
	if (section % 5 == 0) {
		void *ref;

		r = outbuf_reserve(&v, length, &ref);
		for (i = 0; r == 0 && i < length; i++)
			((unsigned char *)ref)[i] = content(section, i);
	} else {
		for (i = 0; i < length; i++)
			outbuf_write8(&v, content(section, i));
	}
	if (outbuf_tell(&v) != from + length)
		r = -EPROTO;
	if (!unbounded && outbuf_seek(&v, from) < 0)
		r = -EPROTO;
	return r < 0 ? r : outbuf_view_end(&v);
}

static int write_share(void *arg, unsigned thread)
{
	struct layout *l = arg;
	unsigned i;
	int r = 0;

	for (i = 0; i < VIEWS_PER_THREAD && r == 0; i++)
		r = write_section(l, i * THREADS + thread);
	return r;
}

static void run(const struct sandbox *s, uint32_t map, unsigned threads, int check)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct layout *l = calloc(1, sizeof *l);
	unsigned char *want;
	uint64_t size, i;
	unsigned section;

	assert_non_null(l);
	options.map = map;
	options.check_overlap = (uint32_t)check;
	l->ob = open_with(s->path, &options);
	lay_out(l);
	size = l->offset[SECTIONS];
	want = malloc(size);
	assert_non_null(want);
	for (section = 0; section < SECTIONS; section++)
		for (i = l->offset[section]; i < l->offset[section + 1]; i++)
			want[i] = content(section, i - l->offset[section]);

	assert_int_equal(outbuf_map(l->ob, l->offset[SECTIONS / 5 * 3] + 13), 0);
	if (threads > 1) {
		assert_int_equal(run_threads(threads, write_share, l), 0);
	} else {
		for (section = 0; section < THREADS; section++)
			assert_int_equal(write_share(l, section), 0);
	}
	assert_int_equal(outbuf_size(l->ob), size);
	assert_int_equal(stats_of(l->ob).views, SECTIONS);
	assert_true(stats_of(l->ob).heap_grown >= (can_map() ? 1 : 0));
	assert_int_equal(commit(l->ob), 0);
	outbuf_close(l->ob);
	assert_file(s->path, want, size);
	assert_int_equal(sandbox_entries(s), 1);
	free(want);
	free(l);
}

static void test_serial(void **state)
{
	run(*state, OUTBUF_AUTO, 1, 0);
}

static void test_sixteen_threads_mapped(void **state)
{
	run(*state, OUTBUF_AUTO, THREADS, 0);
}

static void test_sixteen_threads_heap(void **state)
{
	run(*state, OUTBUF_NO, THREADS, 0);
}

static void test_sixteen_threads_checked(void **state)
{
	run(*state, OUTBUF_AUTO, THREADS, 1);
}

/*
 * Nothing planned, nothing reserved: all threads begin at once, so they race for the
 * reservation itself, and then each straddles what another one has made usable.
 */
static int grow_at_once(void *arg, unsigned i)
{
	struct outbuf *ob = arg;
	struct outbuf_view v;
	uint64_t words = fewer(750000, 20), length = 4 * words + 1;
	unsigned k;

	outbuf_view(ob, &v, i * length, i % 2 ? length : OUTBUF_UNBOUNDED);
	for (k = 0; k < words; k++)
		outbuf_write32le(&v, k ^ i);
	outbuf_write8(&v, (uint8_t)i);
	return outbuf_view_end(&v);
}

static void test_growing_at_once(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	const size_t words = fewer(750000, 20), size = 8 * (4 * words + 1);
	unsigned char *want = malloc(size), *to = want;
	unsigned i, k;

	assert_non_null(want);
	for (i = 0; i < 8; i++) {
		for (k = 0; k < words; k++, to += 4) {
			to[0] = (unsigned char)(k ^ i);
			to[1] = (unsigned char)((k ^ i) >> 8);
			to[2] = (unsigned char)((k ^ i) >> 16);
			to[3] = 0;
		}
		*to++ = (unsigned char)i;
	}
	assert_int_equal(run_threads(8, grow_at_once, ob), 0);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, want, size);
	free(want);
}

/* The first error wins, whoever else fails, and every thread may ask. */
static int fail_somehow(void *arg, unsigned i)
{
	struct outbuf *ob = arg;
	struct outbuf_view v;

	if (i % 2)
		return outbuf_fail(ob, -EIO) < 0 ? 0 : 1;
	outbuf_view(ob, &v, i, 1);
	outbuf_write16(&v, 0);
	return outbuf_view_end(&v) == -ERANGE && outbuf_error(ob) < 0 ? 0 : 1;
}

static void test_failing_at_once(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	int error;

	assert_int_equal(run_threads(THREADS, fail_somehow, ob), 0);
	error = outbuf_error(ob);
	assert_true(error == -EIO || error == -ERANGE);
	assert_int_equal(commit(ob), error);
	outbuf_close(ob);
	assert_int_equal(sandbox_entries(s), 0);
}

/* Discard while others write: their memory stays, new Views are refused. */
struct discarding {
	struct outbuf *ob;
	_Atomic int started, go_on;
};

static int write_through_discard(void *arg, unsigned i)
{
	struct discarding *d = arg;
	struct outbuf_view v;

	if (i == 0) {
		while (atomic_load(&d->started) != 3)
			continue;
		if (outbuf_discard(d->ob) != 0)
			return __LINE__;
		atomic_store(&d->go_on, 1);
		return 0;
	}
	if (outbuf_view(d->ob, &v, i * 100000, OUTBUF_UNBOUNDED) != 0)
		return __LINE__;
	atomic_fetch_add(&d->started, 1);
	while (!atomic_load(&d->go_on))
		continue;
	if (outbuf_fill(&v, 1, 50000) != 0 || outbuf_view_end(&v) != 0)
		return __LINE__;
	if (outbuf_view(d->ob, &v, 0, 1) != -ECANCELED || outbuf_view_end(&v) != -ECANCELED)
		return __LINE__;
	return 0;
}

static void test_discard_while_writing(void **state)
{
	struct sandbox *s = *state;
	struct discarding d = { .ob = open_with(s->path, NULL) };

	assert_int_equal(outbuf_map(d.ob, 150000), 0);
	assert_int_equal(run_threads(4, write_through_discard, &d), 0);
#ifndef _WIN32 /* there it has its name as long as it is open */
	assert_int_equal(sandbox_entries(s), 0);
#endif
	assert_int_equal(commit(d.ob), -ECANCELED);
	assert_int_equal(outbuf_close(d.ob), 0);
	assert_int_equal(sandbox_entries(s), 0);
}

/* Several outputs at once, each with its own threads, share nothing. */
static int one_of_many(void *arg, unsigned i)
{
	const struct sandbox *s = arg;
	char path[400];
	struct outbuf *ob;
	struct outbuf_view v;
	int r;

	path[0] = '\0';
	strcat(path, s->path);
	strcat(path, (char[]){ '-', (char)('a' + i), '\0' });
	r = open_any(&ob, path, NULL);
	if (r == 0)
		r = outbuf_map(ob, 100000);
	if (r == 0) {
		outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
		outbuf_fill(&v, (uint8_t)i, 3 << 20);
		r = outbuf_view_end(&v);
	}
	if (r == 0)
		r = commit(ob);
	outbuf_close(ob);
	return r;
}

static void test_many_outputs(void **state)
{
	assert_int_equal(run_threads(8, one_of_many, *state), 0);
	assert_int_equal(sandbox_entries(*state), 8);
}

/*
 * An owner who tries too early, again and again: -EBUSY, and nobody else notices. One View stays
 * open all the time, others come and go.
 */
struct impatient {
	struct outbuf *ob;
	_Atomic int stop;
};

static int come_and_go(void *arg, unsigned i)
{
	struct impatient *t = arg;
	struct outbuf_view v;
	int r, k;

	if (i == 0) {
		for (k = 0, r = 0; k < (int)fewer(2000, 10) && r == 0; k++)
			if (commit(t->ob) != -EBUSY || outbuf_map(t->ob, 1 << 20) != -EBUSY ||
			    outbuf_flush(t->ob) != -EBUSY)
				r = __LINE__;
		atomic_store(&t->stop, 1);
		return r;
	}
	do {
		outbuf_view(t->ob, &v, i * 100, 100);
		outbuf_fill(&v, (uint8_t)i, 100);
		r = outbuf_view_end(&v);
	} while (r == 0 && !atomic_load(&t->stop));
	return r;
}

static void test_trying_too_early(void **state)
{
	struct sandbox *s = *state;
	struct impatient t = { .ob = open_with(s->path, NULL) };
	struct outbuf_view held;

	skip_without_file();
	assert_int_equal(outbuf_map(t.ob, 1000), 0);
	assert_int_equal(outbuf_view(t.ob, &held, 0, 100), 0);
	assert_int_equal(run_threads(4, come_and_go, &t), 0);
	assert_int_equal(outbuf_view_end(&held), 0);
	assert_int_equal(outbuf_error(t.ob), 0);
	assert_int_equal(commit(t.ob), 0);
	outbuf_close(t.ob);
}

/*
 * Views that open while the owner maps, flushes and cuts: they wait, and lose nothing. Short ones: with
 * some View open at any time, the owner might never get its turn.
 */
#define MEANWHILE 3000

static int write_meanwhile(void *arg, unsigned i)
{
	struct impatient *t = arg;
	struct outbuf_view v;
	int r = 0, k;

	if (i == 0) {
		for (k = 1; k <= (int)fewer(300, 5) && r == 0; k++) {
			do
				r = k % 2 ? outbuf_map(t->ob, outbuf_size(t->ob)) : outbuf_flush(t->ob);
			while ((r == -EBUSY || r == -EINVAL) && sched_yield() == 0);
		}
		atomic_store(&t->stop, 1);
		return r;
	}
	for (k = 0; r == 0 && (k < 100 || !atomic_load(&t->stop)); k++) {
		outbuf_view_edit(t->ob, &v, i * 10000, MEANWHILE);
		outbuf_fill(&v, (uint8_t)i, MEANWHILE);
		r = outbuf_view_end(&v);
		sched_yield(); /* valgrind runs one thread at a time: let it be with no View open */
	}
	return r;
}

static void test_mapping_while_writing(void **state)
{
	struct sandbox *s = *state;
	struct impatient t = { .ob = open_with(s->path, NULL) };
	static unsigned char want[30000 + MEANWHILE];

	assert_int_equal(run_threads(4, write_meanwhile, &t), 0);
	assert_int_equal(commit(t.ob), 0);
	outbuf_close(t.ob);
	memset(want + 10000, 1, MEANWHILE);
	memset(want + 20000, 2, MEANWHILE);
	memset(want + 30000, 3, MEANWHILE);
	assert_file(s->path, want, sizeof want);
}

#ifndef _WIN32 /* no way to look at the writes of the library */
/* Any number of threads for the flush, also more than there are blocks, or than make sense. */
static struct sys_table real;
static _Atomic int writers, unblocked, expected_writers;

static ssize_t count_writers(int fd, const void *data, size_t n, off_t offset)
{
	static _Thread_local int counted;
	sigset_t mask;
	int waited;

	if (!counted) {
		counted = 1;
		atomic_fetch_add(&writers, 1);
		pthread_sigmask(SIG_BLOCK, NULL, &mask);
		atomic_fetch_add(&unblocked, !sigismember(&mask, SIGUSR1));
	}
	/* Or one thread would have done it all, before the others begin. 5 s at most. */
	for (waited = 0; waited < 2500 && atomic_load(&writers) < atomic_load(&expected_writers); waited++)
		usleep(2000);
	return real.pwrite(fd, data, n, offset);
}

static void test_flush_threads(void **state)
{
	static const uint32_t rows[] = { 1, 2, 3, 64, 1000, UINT32_MAX };
	struct sandbox *s = *state;
	size_t i;

	skip_without_file();
	real = ob__sys_table;
	ob__sys_table.pwrite = count_writers;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct outbuf_options options = OUTBUF_OPTIONS_INIT;
		static unsigned char want[5 << 20];
		struct outbuf_view v;
		struct outbuf *ob;
		int before = atomic_load(&writers), open_before = atomic_load(&unblocked);

		options.map = OUTBUF_NO;
		options.stage = OUTBUF_NO;
		options.flush = OUTBUF_FLUSH_PWRITE;
		options.threads = rows[i];
		atomic_store(&expected_writers, before + (rows[i] > 1));
		ob = open_with(s->path, &options);
		memset(want, (int)i + 1, sizeof want);
		outbuf_view(ob, &v, 0, sizeof want);
		outbuf_write(&v, want, sizeof want);
		outbuf_view_end(&v);
		assert_int_equal(commit(ob), 0);
		outbuf_close(ob);
		assert_file(s->path, want, sizeof want);
		/* The main thread is counted once, in the first round; at most 5 blocks, 5 threads. */
		assert_in_range(atomic_load(&writers) - before, rows[i] > 1, rows[i] < 5 ? rows[i] : 5);
		/* No handler of the program's may run on a thread of ours. */
		assert_int_equal(atomic_load(&unblocked) - open_before, i == 0);
	}
	ob__sys_table = real;

	/* More blocks than threads may be: the cap holds. */
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf_view v;
	struct outbuf *ob;

	options.map = OUTBUF_NO;
	options.threads = UINT32_MAX;
	ob = open_with(s->path, &options);
	outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
	outbuf_fill(&v, 1, 100 << 20);
	outbuf_view_end(&v);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
}

#endif

/* The caller's pool does the flush, each block once. */
struct pool {
	_Atomic unsigned tasks;
	size_t n;
	void (*task)(void *arg, size_t i);
	void *arg;
	int error;
};

static int pool_thread(void *arg, unsigned i)
{
	struct pool *pool = arg;
	size_t k;

	for (k = i; k < pool->n; k += 3) {
		pool->task(pool->arg, k);
		atomic_fetch_add(&pool->tasks, 1);
	}
	return 0;
}

static int pool_run(void *run_arg, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
	struct pool *pool = run_arg;

	if (pool->error != 0)
		return pool->error;
	pool->n = n;
	pool->task = task;
	pool->arg = arg;
	return run_threads(3, pool_thread, pool);
}

static void test_own_pool(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct pool pool = { .error = 0 };
	static unsigned char want[10 << 20];
	struct outbuf_view v;
	struct outbuf *ob;

	skip_without_file();
	options.map = OUTBUF_NO;
	options.stage = OUTBUF_NO;
	options.flush = OUTBUF_FLUSH_PWRITE;
	options.run = pool_run;
	options.run_arg = &pool;
	ob = open_with(s->path, &options);
	memset(want, 9, sizeof want);
	outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
	outbuf_fill(&v, 9, sizeof want);
	outbuf_view_end(&v);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
	assert_int_equal(pool.tasks, 10);
	assert_file(s->path, want, sizeof want);

	/* A pool that fails is an error of the output, and the file there stays. */
	pool.error = -EAGAIN;
	ob = open_with(s->path, &options);
	outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
	outbuf_fill(&v, 8, 100);
	outbuf_view_end(&v);
	assert_int_equal(commit(ob), -EAGAIN);
	outbuf_close(ob);
	assert_file(s->path, want, sizeof want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_serial),
		sandbox_test(test_sixteen_threads_mapped),
		sandbox_test(test_sixteen_threads_heap),
		sandbox_test(test_sixteen_threads_checked),
		sandbox_test(test_growing_at_once),
		sandbox_test(test_failing_at_once),
		sandbox_test(test_discard_while_writing),
		sandbox_test(test_many_outputs),
		sandbox_test(test_trying_too_early),
		sandbox_test(test_mapping_while_writing),
#ifndef _WIN32
		sandbox_test(test_flush_threads),
#endif
		sandbox_test(test_own_pool),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
