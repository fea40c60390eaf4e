/* SPDX-License-Identifier: MIT */
/*
 * Views that carry their bytes to the file (lib/output/window.c) when that fails: pwrite(2) and pread(2) that
 * fail, are short or interrupted, a limit to the file's size, and an output that is given up while
 * blocks are on their way.
 */
#include "config.h"

#include "inject/faults.h"
#include "support/abilities.h"
#include "support/support.h"
#include "system/unix/sys_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct sys_table real;

/* --------------------------------------------------------------------- what goes wrong */

static ssize_t f_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	return call_fails() ? -1 : real.pwrite(fd, data, n, offset);
}

static ssize_t f_pread(int fd, void *data, size_t n, off_t offset)
{
	return call_fails() ? -1 : real.pread(fd, data, n, offset);
}

/* Staged by pwrite, and nothing else. */
static struct outbuf *open_by_pwrite(const struct sandbox *s, uint32_t map)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;

	o.map = map;
	o.stage = OUTBUF_REQUIRE;
	o.flush = OUTBUF_FLUSH_PWRITE;
	return open_with(s->path, &o);
}

static void test_put_fails(void **state)
{
	static const int errors[] = { ENOSPC, EDQUOT, EIO, EFBIG };
	static const char bytes[300000];
	struct sandbox *s = *state;
	uint32_t map;
	size_t i;
	int nth, way;

	write_file(s->path, "old", 3, 0644);
	ob__sys_table.pwrite = f_pwrite;
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++)
		for (i = 0; i < sizeof errors / sizeof *errors; i++)
			for (nth = 1; nth <= 3; nth++)
				for (way = 0; way < 3; way++) {
					struct outbuf *ob = open_by_pwrite(s, map);
					struct outbuf_view v, other;
					int calls;

					assert_int_equal(outbuf_map(ob, 9 << 20), 0);
					arm(nth, errors[i], 0);
					assert_int_equal(outbuf_view(ob, &v, 7, 8 << 20), 0);
					/* By blocks, straight, by seeking away. */
					for (calls = 0; calls < 80 && calls_made() < nth; calls++)
						if (way == 0)
							outbuf_fill(&v, 'x', 100000);
						else if (way == 1)
							outbuf_write(&v, bytes, 100000);
						else if (outbuf_fill(&v, 'y', 70000) == 0)
							outbuf_seek(&v, 100 + (uint64_t)calls * 1000);
					assert_int_equal(calls_made(), nth);
					assert_int_equal(outbuf_error(ob), -errors[i]);
					/* It sticks to the View, */
					assert_int_equal(outbuf_write8(&v, 1), -errors[i]);
					assert_int_equal(outbuf_seek(&v, 7), -errors[i]);
					assert_int_equal(outbuf_view_end(&v), -errors[i]);
					/* and nothing is tried any more, by anybody. */
					calls = calls_made();
					outbuf_view(ob, &other, 0, 3 << 20);
					outbuf_fill(&other, 'z', 3 << 20);
					outbuf_view_end(&other);
					assert_int_equal(calls_made(), calls);
					arm(0, 0, 0);
					assert_int_equal(outbuf_commit(ob), -errors[i]);
					outbuf_close(ob);
					assert_file(s->path, "old", 3);
					assert_int_equal(sandbox_entries(s), 1);
				}
}

/* The last piece of a View is put by its end. */
static void test_end_fails(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_by_pwrite(s, OUTBUF_NO);
	struct outbuf_view v;

	ob__sys_table.pwrite = f_pwrite;
	arm(1, ENOSPC, 0);
	assert_int_equal(outbuf_view(ob, &v, 0, 100000), 0);
	assert_int_equal(outbuf_fill(&v, 'n', 50000), 0);
	assert_int_equal(outbuf_error(ob), 0);
	assert_int_equal(outbuf_view_end(&v), -ENOSPC);
	assert_int_equal(outbuf_error(ob), -ENOSPC);
	arm(0, 0, 0);
	assert_int_equal(outbuf_commit(ob), -ENOSPC);
	outbuf_close(ob);
	assert_int_equal(sandbox_entries(s), 0);
}

static void test_short_calls(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_by_pwrite(s, OUTBUF_NO);
	unsigned char *want = malloc(900000);
	void *data;

	assert_non_null(want);
	memset(want, 'n', 900000);
	ob__sys_table.pwrite = short_pwrite;
	ob__sys_table.pread = short_pread;
	arm(0, 0, 0);
	assert_int_equal(fill_some(ob, 'n', 900000), 0);
	assert_true(calls_made() > 20);
	arm(0, 0, 0);
	assert_int_equal(outbuf_data(ob, 100, 800000, &data), 0);
	assert_true(calls_made() > 5);
	assert_memory_equal(data, want, 800000);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, want, 900000);
	free(want);

	/* No progress is an error and not an endless loop. */
	ob = open_by_pwrite(s, OUTBUF_NO);
	ob__sys_table.pwrite = zero_pwrite;
	assert_int_equal(fill_some(ob, 'x', 900000), -EIO);
	assert_int_equal(outbuf_commit(ob), -EIO);
	outbuf_close(ob);
	assert_filled(s, 900000);
}

/* Bytes that must come back into memory, and do not. */
static void test_load_fails(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_by_pwrite(s, OUTBUF_NO);
	struct outbuf_view v;
	void *data, *ref = s;
	int way;

	/* Asked for by outbuf_data(): it does not stick, and can be had later. */
	assert_int_equal(fill_some(ob, 'n', 600000), 0);
	ob__sys_table.pread = f_pread;
	arm(1, EIO, 1);
	data = s;
	assert_int_equal(outbuf_data(ob, 1000, 100000, &data), -EIO);
	assert_null(data);
	assert_int_equal(outbuf_error(ob), 0);
	assert_int_equal(outbuf_data(ob, 1000, 100000, &data), 0);
	assert_memory_equal(data, "nnnn", 4);
	/* Once there, it is not read again. */
	arm(1, EIO, 0);
	assert_int_equal(outbuf_data(ob, 1000, 100000, &data), 0);
	assert_int_equal(calls_made(), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_filled(s, 600000);

	/* By a View it sticks: a short one needs its place in memory, as does a pointer. */
	for (way = 0; way < 3; way++) {
		arm(0, 0, 0);
		ob = open_by_pwrite(s, OUTBUF_NO);
		assert_int_equal(fill_some(ob, 'x', 600000), 0);
		arm(1, EIO, 0);
		if (way == 0) {
			assert_int_equal(outbuf_view(ob, &v, 5000, 100), -EIO);
		} else {
			assert_int_equal(outbuf_view(ob, &v, 5000, 100000), 0);
			if (way == 1) {
				assert_int_equal(outbuf_write_ref(&v, "ref", 3, &ref), -EIO);
				assert_null(ref);
			} else {
				/* Too few bytes for the file. */
				outbuf_write_string(&v, "few");
				outbuf_seek(&v, 9000);
			}
			assert_int_equal(outbuf_view_end(&v), -EIO);
		}
		arm(0, 0, 0);
		assert_int_equal(outbuf_commit(ob), -EIO);
		outbuf_close(ob);
		assert_filled(s, 600000);
	}
	assert_int_equal(sandbox_entries(s), 1);
}

/* RLIMIT_FSIZE: an error, and not the death by SIGXFSZ. */
static int write_to_the_limit(void *arg)
{
	const struct sandbox *s = arg;
	const struct rlimit limit = { 1 << 20, 1 << 20 };
	uint32_t map;

	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 1;
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++) {
		struct outbuf_options o = OUTBUF_OPTIONS_INIT;
		static const char bytes[300000];
		struct outbuf_view v;
		struct outbuf *ob;
		int r = 0, straight;

		o.map = map;
		o.stage = OUTBUF_REQUIRE;
		if (outbuf_open(&ob, s->path, &o) != 0)
			return 2;
		/* All there may be. */
		if (fill_some(ob, 'n', 1 << 20) != 0 || outbuf_commit(ob) != 0)
			return 3;
		outbuf_close(ob);
		for (straight = 0; straight < 2; straight++) {
			if (outbuf_open(&ob, s->path, &o) != 0)
				return 4;
			outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
			while (r == 0 && outbuf_tell(&v) < (3 << 20))
				r = straight ? outbuf_write(&v, bytes, sizeof bytes)
				             : outbuf_fill(&v, 'x', 100000);
			if (r != -EFBIG || outbuf_view_end(&v) != -EFBIG || outbuf_commit(ob) != -EFBIG)
				return 5;
			r = 0;
			outbuf_close(ob);
		}
	}
	return 0;
}

static void test_file_size_limit(void **state)
{
	struct sandbox *s = *state;

	assert_int_equal(in_child(0, write_to_the_limit, s), 0);
	assert_filled(s, 1 << 20);
	assert_int_equal(sandbox_entries(s), 1);
}

/* --------------------------------------------------------------- discarded meanwhile */

enum { RUNNING, PUTTING, DISCARDED };
static _Atomic int moment;

static void wait_until(int what)
{
	const struct timespec pause = { .tv_nsec = 100000 };

	while (atomic_load(&moment) < what)
		nanosleep(&pause, NULL);
}

/* A block is on its way, its descriptor known, when the output is given up. */
static ssize_t put_too_late(int fd, const void *data, size_t n, off_t offset)
{
	int running = RUNNING;

	/* Where a file is made longer by its last byte (SMB) that is no block. */
	if (n == 1)
		return real.pwrite(fd, data, n, offset);
	atomic_compare_exchange_strong(&moment, &running, PUTTING);
	wait_until(DISCARDED);
	return real.pwrite(fd, data, n, offset);
}

static int fill_view(void *arg, unsigned i)
{
	struct outbuf_view v;
	int r = outbuf_view(arg, &v, (uint64_t)i << 21, 2 << 20);

	if (r == 0)
		outbuf_fill(&v, 'x', 2 << 20);
	if (r == 0)
		outbuf_view_end(&v);
	return 0;
}

#define THEIRS 40

struct discarding {
	struct outbuf *ob;
	const struct sandbox *s;
	int theirs[THEIRS];
};

/* The owner: gives up, and opens files, which may get any number that is free. */
static int discard_and_open(struct discarding *d)
{
	int i, bad;
	char path[400];

	wait_until(PUTTING);
	bad = outbuf_discard(d->ob) != 0;
	for (i = 0; i < THEIRS; i++) {
		snprintf(path, sizeof path, "%s/theirs-%d", d->s->dir, i);
		d->theirs[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		bad |= d->theirs[i] < 0;
	}
	atomic_store(&moment, DISCARDED);
	return bad;
}

static int write_or_discard(void *arg, unsigned i)
{
	struct discarding *d = arg;

	return i == 0 ? discard_and_open(d) : fill_view(d->ob, i);
}

static void test_discard_while_putting(void **state)
{
	struct sandbox *s = *state;
	struct stat st;
	char path[400];
	int in_place, round, i;

	need_removing_open(s);
	ob__sys_table.pwrite = put_too_late;
	for (round = 0; round < 4; round++)
		for (in_place = 0; in_place < 2; in_place++) {
			struct outbuf_options o = OUTBUF_OPTIONS_INIT;
			struct discarding d = { .s = s };

			o.stage = OUTBUF_REQUIRE;
			o.flush = OUTBUF_FLUSH_PWRITE;
			o.map = round % 2 ? OUTBUF_AUTO : OUTBUF_NO;
			o.replace = in_place ? OUTBUF_REPLACE_IN_PLACE : OUTBUF_REPLACE_ATOMIC;
			assert_int_equal(outbuf_open(&d.ob, s->path, &o), 0);
			assert_int_equal(outbuf_map(d.ob, 3 << 20), 0);
			atomic_store(&moment, RUNNING);
			assert_int_equal(run_threads(4, write_or_discard, &d), 0);
			/* Its file is gone before its close. */
			assert_absent(s->path);
			assert_int_equal(outbuf_commit(d.ob), -ECANCELED);
			assert_int_equal(outbuf_close(d.ob), 0);
			for (i = 0; i < THEIRS; i++) {
				snprintf(path, sizeof path, "%s/theirs-%d", s->dir, i);
				assert_int_equal(close(d.theirs[i]), 0);
				assert_int_equal(stat(path, &st), 0);
				assert_int_equal(st.st_size, 0);
				unlink(path);
			}
			assert_int_equal(sandbox_entries(s), 0);
		}
}

/* The same without a script, for ThreadSanitizer. */
static int write_until_refused(void *arg, unsigned i)
{
	struct outbuf *ob = arg;
	struct outbuf_view v;
	int n;

	if (i == 0) {
		const struct timespec pause = { .tv_nsec = 2000000 };

		nanosleep(&pause, NULL);
		return outbuf_discard(ob);
	}
	for (n = 0; n < 100000; n++) {
		if (outbuf_view(ob, &v, (uint64_t)i << 20, 1 << 20) != 0)
			return 0;
		outbuf_fill(&v, (uint8_t)n, 1 << 20);
		outbuf_view_end(&v);
	}
	return 1;
}

static void test_discard_while_writing(void **state)
{
	struct sandbox *s = *state;
	uint32_t map;
	int round;

	need_removing_open(s);
	for (round = 0; round < 6; round++)
		for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++) {
			struct outbuf_options o = OUTBUF_OPTIONS_INIT;
			struct outbuf *ob;

			o.map = map;
			o.stage = OUTBUF_REQUIRE;
			ob = open_with(s->path, &o);
			assert_int_equal(outbuf_map(ob, 2 << 20), 0);
			assert_int_equal(run_threads(4, write_until_refused, ob), 0);
			assert_int_equal(outbuf_close(ob), 0);
			assert_int_equal(sandbox_entries(s), 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_put_fails),
		fault_test(test_end_fails),
		fault_test(test_short_calls),
		fault_test(test_load_fails),
		fault_test(test_file_size_limit),
		fault_test(test_discard_while_putting),
		fault_test(test_discard_while_writing),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("stage_faults", tests, NULL, NULL);
}
