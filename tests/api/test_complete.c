/* SPDX-License-Identifier: MIT */
/*
 * options.check_complete: a byte of the plan that nobody wrote fails commit, and outbuf_gap() tells which. The record of
 * such bytes (lib/bytes/unwritten.c) against an array with one element per byte.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "bytes/unwritten.h"
#include "support/support.h"

static struct outbuf *open_checking(const struct sandbox *s, int check_overlap)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;

	options.check_complete = 1;
	options.check_overlap = (uint32_t)check_overlap;
	return open_with(s->path, &options);
}

static void write_range(struct outbuf *ob, uint64_t offset, uint64_t length)
{
	struct outbuf_view v;

	assert_int_equal(outbuf_view(ob, &v, offset, length), 0);
	assert_int_equal(outbuf_fill(&v, 'x', (size_t)length), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
}

/* Commit fails for the gap [from, to), or succeeds if there is none. */
static void assert_gap(struct outbuf *ob, uint64_t from, uint64_t to)
{
	uint64_t offset = 1, length = 2;

	assert_int_equal(commit(ob), from < to ? -ENODATA : 0);
	assert_int_equal(outbuf_gap(ob, &offset, &length), from < to);
	if (from < to) {
		assert_int_equal(offset, from);
		assert_int_equal(length, to - from);
	}
	outbuf_close(ob);
}

static void test_gaps(void **state)
{
	const struct sandbox *s = *state;
	uint64_t offset, length;
	struct outbuf *ob;

	/* Nobody wrote anything. */
	ob = open_checking(s, 0);
	assert_int_equal(outbuf_map(ob, 200000), 0);
	assert_int_equal(outbuf_gap(ob, &offset, &length), 0);
	assert_gap(ob, 0, 200000);
	assert_absent(s->path);

	/* A gap at the start, in the middle across blocks of the record, and at the end. */
	ob = open_checking(s, 0);
	assert_int_equal(outbuf_map(ob, 200000), 0);
	write_range(ob, 1, 199999);
	assert_gap(ob, 0, 1);
	ob = open_checking(s, 1);
	assert_int_equal(outbuf_map(ob, 200000), 0);
	write_range(ob, 0, 65000);
	write_range(ob, 131073, 200000 - 131073);
	assert_gap(ob, 65000, 131073);
	ob = open_checking(s, 0);
	assert_int_equal(outbuf_map(ob, 200000), 0);
	write_range(ob, 0, 199999);
	assert_gap(ob, 199999, 200000);

	/* None. */
	ob = open_checking(s, 0);
	assert_int_equal(outbuf_map(ob, 200000), 0);
	write_range(ob, 100000, 100000);
	write_range(ob, 0, 100000);
	assert_gap(ob, 0, 0);
	/* Without a plan nothing is asked. */
	ob = open_checking(s, 0);
	write_range(ob, 100000, 100);
	assert_gap(ob, 0, 0);
	/* What follows the plan may have gaps. */
	ob = open_checking(s, 0);
	assert_int_equal(outbuf_map(ob, 10), 0);
	write_range(ob, 0, 10);
	write_range(ob, 100, 10);
	assert_gap(ob, 0, 0);
}

/* Whatever writes counts, and when. */
static void test_what_counts(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf_view v;
	struct outbuf *ob;
	void *data;

	/* Before the plan; an editing View; a View without a length, as far as it wrote; a pointer. */
	ob = open_checking(s, 0);
	write_range(ob, 0, 10);
	assert_int_equal(outbuf_map(ob, 70000), 0);
	assert_int_equal(outbuf_view_edit(ob, &v, 10, 10), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_view(ob, &v, 20, OUTBUF_UNBOUNDED), 0);
	outbuf_fill(&v, 'y', 10);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_data(ob, 30, 69970, &data), 0);
	memset(data, 'z', 69970);
	assert_gap(ob, 0, 0);

	/* A View without a length that wrote less than was planned. */
	ob = open_checking(s, 0);
	assert_int_equal(outbuf_map(ob, 100), 0);
	assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
	outbuf_fill(&v, 'y', 99);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_gap(ob, 99, 100);

	/* The plan is made larger. */
	ob = open_checking(s, 0);
	assert_int_equal(outbuf_map(ob, 100), 0);
	write_range(ob, 0, 100);
	assert_int_equal(outbuf_map(ob, 300000), 0);
	write_range(ob, 100, 1000);
	assert_gap(ob, 1100, 300000);
}

static void test_set_size(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf *ob;

	/* Planned generously, and cut. */
	ob = open_checking(s, 0);
	assert_int_equal(outbuf_map(ob, 300000), 0);
	write_range(ob, 0, 70000);
	assert_int_equal(outbuf_set_size(ob, 70000), 0);
	assert_gap(ob, 0, 0);
	/* Zeros that were asked for. */
	ob = open_checking(s, 0);
	write_range(ob, 0, 10);
	assert_int_equal(outbuf_set_size(ob, 100000), 0);
	assert_gap(ob, 0, 0);
	/* What is cut off is unwritten, should the plan grow again. */
	ob = open_checking(s, 0);
	assert_int_equal(outbuf_map(ob, 200000), 0);
	write_range(ob, 0, 200000);
	assert_int_equal(outbuf_set_size(ob, 100), 0);
	assert_int_equal(outbuf_map(ob, 200000), 0);
	write_range(ob, 150, 200000 - 150);
	assert_gap(ob, 100, 150);
}

/* The fault that this is for: a worker that nobody waited for, whose -EINVAL is lost. */
static void test_late_worker(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf_view v;
	struct outbuf *ob;

	write_file(s->path, "old", 3, 0666);
	ob = open_checking(s, 0);
	assert_int_equal(outbuf_map(ob, 20), 0);
	write_range(ob, 0, 10);
	assert_int_equal(commit(ob), -ENODATA);
	assert_int_equal(outbuf_view(ob, &v, 10, 10), -ENODATA);
	outbuf_fill(&v, 'x', 10);
	outbuf_view_end(&v);
	outbuf_close(ob);
	assert_file(s->path, "old", 3);
}

/* An earlier error is told, and not that bytes are missing because of it. */
static void test_other_error_first(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf *ob = open_checking(s, 0);
	uint64_t offset, length;

	assert_int_equal(outbuf_map(ob, 20), 0);
	outbuf_fail(ob, -EDOM);
	assert_int_equal(commit(ob), -EDOM);
	assert_int_equal(outbuf_gap(ob, &offset, &length), 0);
	outbuf_close(ob);
}

/* ---------------------------------------------------------------------- the record itself */

#define BYTES 400000u

static unsigned char written[BYTES];

static int same_first(struct unwritten *u, uint64_t size)
{
	struct range gap = ob__unwritten_first(u, size);
	uint64_t from = 0, to;

	while (from < size && written[from])
		from++;
	for (to = from; to < size && !written[to];)
		to++;
	return gap.length == to - from && (gap.length == 0 || gap.offset == from);
}

/* Random marks and cuts; a failure names the seed. */
static void test_record(void **state)
{
	uint64_t seed = 16;
	unsigned i, round;

	(void)state;
	for (round = 0; round < 20; round++) {
		struct unwritten u;

		memset(written, 0, sizeof written);
		assert_int_equal(ob__unwritten_init(&u, 0, 1), 0);
		for (i = 0; i < 300; i++) {
			uint64_t r = random_next(&seed), longest = r % 5 == 0 ? 140000 : 3000;
			uint64_t from = r / 8 % BYTES, n = random_next(&seed) % longest + 1;

			/* Ends of blocks are where things go wrong. */
			if (r % 7 == 0)
				from = from / 65536 * 65536;
			n = n < BYTES - from ? n : BYTES - from;
			if (r % 31 == 0) {
				assert_int_equal(ob__unwritten_truncate(&u, from), 0);
				memset(written + from, 0, BYTES - from);
			} else {
				assert_int_equal(ob__unwritten_mark(&u, (struct range){ from, n }, 0), 0);
				memset(written + from, 1, (size_t)n);
			}
			if (!same_first(&u, BYTES) || !same_first(&u, from) || !same_first(&u, from + n))
				fail_msg("round %u, step %u", round, i);
		}
		ob__unwritten_destroy(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_gaps),       sandbox_test(test_what_counts),
		sandbox_test(test_set_size),   sandbox_test(test_late_worker),
		sandbox_test(test_other_error_first), cmocka_unit_test(test_record),
	};

	return cmocka_run_group_tests_name("complete", tests, NULL, NULL);
}
