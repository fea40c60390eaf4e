/* SPDX-License-Identifier: MIT */
/*
 * Faults in a mapping: which output's they are, and what becomes of it and the thread. Whose handler is called
 * is in test_handler.c.
 *
 * A full disk needs a disk of its own (test_full.c). But SIGBUS is also raised where a file has been
 * truncated while it is mapped, which any process may do at any time, and here the test does it.
 */
#include "config.h"

#include "output/output.h"
#include "rigs/guarded.h"
#include "system/unix/sys_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct sys_table real;

/* --------------------------------------------------------------- one output */

static void test_truncated(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	void *p;
	size_t i;

	skip_unguardable();
	write_file(s->path, "old", 3, 0644);
	ob = guarded_open(s->path, 64 << 20);
	assert_int_equal(fill_some(ob, 'n', GUARDED_SIZE), 0);
	guarded_truncate(ob, GUARDED_SIZE / 2);
	assert_int_equal(outbuf_data(ob, 0, 64 << 20, &p), 0);
	for (i = 0; i < 64 << 20; i += 4096)
		guarded_store(p, i + 1);
	/* What is there of the file can still be read, and what was stored since. */
	for (i = 0; i < GUARDED_SIZE / 2; i += 4096)
		assert_int_equal(((volatile char *)p)[i], 'n');
	for (i = 0; i < 64 << 20; i += 4096)
		assert_int_equal(((volatile char *)p)[i + 1], 'x');
	assert_int_equal(outbuf_error(ob), -EIO);
	/* 16,384 pages, of which 15,872 are gone: 2 for the first, then 1, 2, 4, 8, 16, 32 MiB. */
	print_message("%llu faults\n", (unsigned long long)stats_of(ob).faults);
	assert_in_range(stats_of(ob).faults, 1, 10);
	/* Nobody is told that it is on the disk, or may be mapped again. */
	assert_int_equal(outbuf_flush(ob), -EIO);
	assert_int_equal(outbuf_sync(ob), -EIO);
	assert_int_equal(outbuf_unmap(ob), -EIO);
	assert_int_equal(outbuf_is_mapped(ob), 1);
	assert_int_equal(outbuf_commit(ob), -EIO);
	outbuf_close(ob);
	assert_file(s->path, "old", 3);
	assert_int_equal(sandbox_entries(s), 1);
}

/* Nothing of it reaches the file any more: the last good bytes in place are not made worse. */
static void test_private_from_then_on(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;
	void *p;
	char got[1];

	skip_unguardable();
	o.map = OUTBUF_REQUIRE;
	o.replace = OUTBUF_REPLACE_IN_PLACE;
	o.stage = OUTBUF_NO;
	o.guard = 1;
	ob = open_with(s->path, &o);
	assert_int_equal(outbuf_map(ob, GUARDED_SIZE), 0);
	assert_int_equal(outbuf_data(ob, 0, GUARDED_SIZE, &p), 0);
	((volatile char *)p)[5] = 'a';
	guarded_truncate(ob, 4096);
	guarded_store(p, GUARDED_SIZE - 1);
	((volatile char *)p)[5] = 'b';
	assert_int_equal(pread(ob->target.fd, got, 1, 5), 1);
	assert_int_equal(got[0], 'a');
	assert_int_equal(((volatile char *)p)[5], 'b');
	outbuf_close(ob);
}

/* After discard the descriptor is gone, and threads may still store. */
static void test_after_discard(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	struct outbuf_view v;
	int fd;

	skip_unguardable();
	ob = guarded_open(s->path, GUARDED_SIZE);
	fd = dup(ob->target.fd);
	assert_true(fd >= 0);
	outbuf_view(ob, &v, 0, GUARDED_SIZE);
	outbuf_write8(&v, 1);
	assert_int_equal(outbuf_discard(ob), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	outbuf_fill(&v, 'x', GUARDED_SIZE - 1);
	outbuf_view_end(&v);
	assert_true(stats_of(ob).faults > 0);
	outbuf_close(ob);
	assert_int_equal(sandbox_entries(s), 0);
}

/* Unmapped and mapped again, larger: the new mapping is guarded, the old one no more. */
static void test_mapped_again(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	void *p;

	skip_unguardable();
	ob = guarded_open(s->path, GUARDED_SIZE);
	assert_int_equal(outbuf_map(ob, 2 * GUARDED_SIZE), 0);
	assert_int_equal(outbuf_unmap(ob), 0);
	assert_int_equal(outbuf_map(ob, 3 * GUARDED_SIZE), 0);
	assert_int_equal(outbuf_data(ob, 0, 3 * GUARDED_SIZE, &p), 0);
	guarded_truncate(ob, 0);
	guarded_store(p, 3 * GUARDED_SIZE - 1);
	assert_int_equal(outbuf_error(ob), -EIO);
	outbuf_close(ob);
}

/* Cut, and grown over again, mapped and not: the guard is for what is mapped. */
static void test_cut(void **state)
{
	struct sandbox *s = *state;
	int again;

	skip_unguardable();
	for (again = 0; again < 2; again++) {
		struct outbuf *ob = guarded_open(s->path, 3 * GUARDED_SIZE);
		void *p;

		assert_int_equal(outbuf_set_size(ob, GUARDED_SIZE), 0);
		if (again)
			assert_int_equal(outbuf_map(ob, 3 * GUARDED_SIZE), 0);
		assert_int_equal(outbuf_data(ob, 0, 3 * GUARDED_SIZE, &p), 0);
		guarded_truncate(ob, 0);
		/* The heap is in no danger. */
		guarded_store(p, 2 * GUARDED_SIZE);
		assert_int_equal(outbuf_error(ob), again ? -EIO : 0);
		guarded_store(p, GUARDED_SIZE - 1);
		assert_int_equal(outbuf_error(ob), -EIO);
		assert_int_equal(((volatile char *)p)[2 * GUARDED_SIZE], 'x');
		assert_int_equal(outbuf_commit(ob), -EIO);
		outbuf_close(ob);
	}
	assert_int_equal(sandbox_entries(s), 0);
}

static int no_dup(int fd)
{
	(void)fd;
	errno = EMFILE;
	return -1;
}

/* It cannot be guarded: then it is not mapped, and all is as before. A guard that is there grows. */
static void test_cannot_guard(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	uint64_t first;

	skip_unguardable();
	o.map = OUTBUF_REQUIRE;
	o.stage = OUTBUF_NO;
	o.guard = 1;
	for (first = 0; first <= GUARDED_SIZE; first += GUARDED_SIZE) {
		struct outbuf *ob = open_with(s->path, &o);

		assert_int_equal(outbuf_map(ob, first), 0);
		real = ob__sys_table;
		ob__sys_table.dup = no_dup;
		assert_int_equal(outbuf_map(ob, 3 * GUARDED_SIZE), first == 0 ? -EMFILE : 0);
		ob__sys_table = real;
		assert_int_equal(outbuf_is_mapped(ob), first > 0);
		assert_int_equal(outbuf_size(ob), first == 0 ? 0 : 3 * GUARDED_SIZE);
		assert_int_equal(outbuf_set_size(ob, 0), 0);
		assert_int_equal(outbuf_error(ob), 0);
		assert_int_equal(fill_some(ob, 'n', 2 * GUARDED_SIZE), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_filled(s, 2 * GUARDED_SIZE);
	}
}

/* -------------------------------------------------------------------- reasons */

static volatile int answer; /* what reserving the missing block says */
static volatile int asked;

static int f_fallocate(int fd, int mode, off_t offset, off_t length)
{
	(void)fd, (void)mode, (void)offset, (void)length;
	asked++;
	errno = answer;
	return answer == 0 ? 0 : -1;
}

static volatile int read_answer; /* what reading the page says */

static ssize_t f_pread(int fd, void *data, size_t n, off_t offset)
{
	(void)fd, (void)data, (void)offset;
	errno = read_answer;
	return read_answer == 0 ? (ssize_t)n : -1;
}

static volatile int mended_fd;

/* Somebody else makes the file whole again between the fault and the question. */
static int mend_and_stat(int fd, struct stat *st)
{
	if (ftruncate(mended_fd, GUARDED_SIZE) != 0)
		return -1;
	return real.fstat(fd, st);
}

static int long_stat(int fd, struct stat *st)
{
	int r = real.fstat(fd, st);

	st->st_size = GUARDED_SIZE;
	return r;
}

static void test_reasons(void **state)
{
	/* Of reserving, of reading, how often at most it is asked, and what it comes to. */
	static const int answers[][4] = {
		{ ENOSPC, 0, 1, -ENOSPC }, { EDQUOT, 0, 1, -EDQUOT }, { EIO, 0, 1, -EIO }, { EFBIG, 0, 1, -EFBIG },
		{ ENOSPC, EIO, 1, -ENOSPC }, /* a page that has no block is not read from anywhere */
		{ EOPNOTSUPP, 0, 1, -ENOSPC }, { EOPNOTSUPP, EIO, 1, -EIO },
		{ 0, EIO, 1, -EIO }, { 0, EUCLEAN, 1, -EIO }, /* a bad disk: told at once */
		{ 0, 0, 100, -ENOSPC }, /* success again and again, and still it faults */
	};
	struct sandbox *s = *state;
	size_t i;

	skip_unguardable();
	real = ob__sys_table;
	for (i = 0; i < sizeof answers / sizeof *answers; i++) {
		struct outbuf *ob = guarded_open(s->path, GUARDED_SIZE);
		void *p;

		assert_int_equal(outbuf_data(ob, 0, GUARDED_SIZE, &p), 0);
		guarded_truncate(ob, 0);
		ob__sys_table.fstat = long_stat;
		ob__sys_table.fallocate = f_fallocate;
		ob__sys_table.pread = f_pread;
		answer = answers[i][0];
		read_answer = answers[i][1];
		asked = 0;
		guarded_store(p, 100);
		ob__sys_table = real;
		assert_in_range(asked, 1, answers[i][2]);
		assert_int_equal(outbuf_error(ob), answers[i][3]);
		assert_int_equal(((volatile char *)p)[100], 'x');
		assert_int_equal(outbuf_commit(ob), answers[i][3]);
		outbuf_close(ob);
	}
	assert_int_equal(sandbox_entries(s), 0);
}

/* The store works the second time: no harm was done. */
static void test_passing(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	char *want = calloc(1, GUARDED_SIZE);
	size_t i;
	void *p;

	skip_unguardable();
	real = ob__sys_table;
	ob = guarded_open(s->path, GUARDED_SIZE);
	assert_int_equal(outbuf_data(ob, 0, GUARDED_SIZE, &p), 0);
	mended_fd = ob->target.fd;
	/* As often as 40 threads would that meet one shortage. */
	for (i = 0; i < 40; i++) {
		guarded_truncate(ob, 0);
		ob__sys_table.fstat = mend_and_stat;
		guarded_store(p, GUARDED_SIZE - 7 - i * 65536);
		ob__sys_table = real;
		assert_int_equal(outbuf_error(ob), 0);
		assert_int_equal(stats_of(ob).faults, i + 1);
	}
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_non_null(want);
	want[GUARDED_SIZE - 7 - 39 * 65536] = 'x'; /* the others were cut off again */
	assert_file(s->path, want, GUARDED_SIZE);
	free(want);
}

/* ------------------------------------------------------------ many at once */

static struct outbuf *many[8];

static int store_all(void *arg, unsigned i)
{
	struct outbuf_view v;

	(void)arg;
	outbuf_view(many[i / 2], &v, i % 2 * (GUARDED_SIZE / 2), GUARDED_SIZE / 2);
	outbuf_fill(&v, 'n', GUARDED_SIZE / 2);
	return outbuf_view_end(&v) == 0 || i / 2 % 2 == 1 ? 0 : -1;
}

/* 8 outputs, 16 threads; every other output is truncated, and only those fail. */
static void test_many(void **state)
{
	struct sandbox *s = *state;
	char path[320];
	unsigned i;

	skip_unguardable();
	for (i = 0; i < 8; i++) {
		snprintf(path, sizeof path, "%s-%u", s->path, i);
		many[i] = guarded_open(path, GUARDED_SIZE);
		if (i % 2 == 1)
			guarded_truncate(many[i], 4096 * i);
	}
	assert_int_equal(run_threads(16, store_all, NULL), 0);
	for (i = 0; i < 8; i++) {
		assert_int_equal(outbuf_commit(many[i]), i % 2 == 1 ? -EIO : 0);
		outbuf_close(many[i]);
		if (i % 2 == 0) {
			struct sandbox one = *s;

			assert_true((size_t)snprintf(one.path, sizeof one.path, "%s-%u", s->path, i) <
			            sizeof one.path);
			assert_filled(&one, GUARDED_SIZE);
		}
	}
	assert_int_equal(sandbox_entries(s), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_truncated),
		sandbox_test(test_private_from_then_on),
		sandbox_test(test_after_discard),
		sandbox_test(test_mapped_again),
		sandbox_test(test_cut),
		sandbox_test(test_cannot_guard),
		sandbox_test(test_reasons),
		sandbox_test(test_passing),
		sandbox_test(test_many),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
