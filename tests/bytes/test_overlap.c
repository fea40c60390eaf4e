/* SPDX-License-Identifier: MIT */
/* options.check_overlap: two Views on the same bytes are reported with both ranges. */
#include "config.h"

#include "support/support.h"

#include <errno.h>
#include <string.h>

static struct outbuf *open_checking(const struct sandbox *s)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	options.check_overlap = 1;
	ob = open_with(s->path, &options);
	assert_int_equal(outbuf_map(ob, 1000), 0);
	return ob;
}

static void assert_overlap(struct outbuf *ob, uint64_t offset, uint64_t length, uint64_t other,
                           uint64_t other_length)
{
	struct outbuf_overlap o;

	assert_int_equal(outbuf_overlap(ob, &o), 1);
	assert_int_equal(o.offset, offset);
	assert_int_equal(o.length, length);
	assert_int_equal(o.other_offset, other);
	assert_int_equal(o.other_length, other_length);
	assert_int_equal(outbuf_error(ob), -EEXIST);
	assert_int_equal(commit(ob), -EEXIST);
	assert_int_equal(outbuf_close(ob), 0);
}

struct row {
	uint64_t offset, length;
	int overlaps; /* with [100, 200) */
};

static const struct row rows[] = {
	{ 0, 100, 0 },   { 0, 101, 1 },   { 99, 1, 0 },    { 99, 2, 1 },   { 100, 1, 1 },
	{ 100, 100, 1 }, { 120, 10, 1 },  { 50, 500, 1 },  { 199, 1, 1 },  { 199, 50, 1 },
	{ 200, 1, 0 },   { 200, 5000, 0 }, { 150, 0, 0 },  { 100, 0, 0 },
};

/* Whether the first View is still open makes no difference. */
static void test_two_views(void **state)
{
	size_t i;
	int ended;

	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		for (ended = 0; ended < 2; ended++) {
			struct outbuf *ob = open_checking(*state);
			struct outbuf_view a, b;

			assert_int_equal(outbuf_view(ob, &a, 100, 100), 0);
			if (ended)
				assert_int_equal(outbuf_view_end(&a), 0);
			assert_int_equal(outbuf_view(ob, &b, rows[i].offset, rows[i].length),
			                 rows[i].overlaps ? -EEXIST : 0);
			assert_int_equal(outbuf_view_end(&b), rows[i].overlaps ? -EEXIST : 0);
			if (!ended)
				assert_int_equal(outbuf_view_end(&a), 0);
			if (rows[i].overlaps) {
				assert_overlap(ob, rows[i].offset, rows[i].length, 100, 100);
			} else {
				struct outbuf_overlap none;

				assert_int_equal(outbuf_overlap(ob, &none), 0);
				assert_int_equal(commit(ob), 0);
				outbuf_close(ob);
			}
		}
}

/* An unbounded View's range is known when it ends. */
static void test_unbounded(void **state)
{
	struct outbuf *ob = open_checking(*state);
	struct outbuf_view a, b;

	assert_int_equal(outbuf_view(ob, &a, 100, 100), 0);
	assert_int_equal(outbuf_view(ob, &b, 50, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_fill(&b, 1, 50), 0);
	assert_int_equal(outbuf_view_end(&b), 0);
	assert_int_equal(outbuf_view(ob, &b, 0, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_fill(&b, 1, 51), 0);
	assert_int_equal(outbuf_view_end(&b), -EEXIST);
	assert_int_equal(outbuf_view_end(&a), 0);
	assert_overlap(ob, 0, 51, 50, 50);
}

static void test_edits(void **state)
{
	struct outbuf *ob = open_checking(*state);
	struct outbuf_view a, b, c;

	/* Over what was written: as often as one likes. */
	assert_int_equal(outbuf_view(ob, &a, 0, 1000), 0);
	assert_int_equal(outbuf_view_end(&a), 0);
	assert_int_equal(outbuf_view_edit(ob, &a, 10, 100), 0);
	assert_int_equal(outbuf_view_edit(ob, &b, 200, 100), 0);
	assert_int_equal(outbuf_view_end(&a), 0);
	assert_int_equal(outbuf_view_edit(ob, &a, 10, 100), 0);
	/* Two at once on the same bytes race. */
	assert_int_equal(outbuf_view_edit(ob, &c, 299, 1), -EEXIST);
	assert_int_equal(outbuf_view_end(&a), 0);
	assert_int_equal(outbuf_view_end(&b), 0);
	assert_overlap(ob, 299, 1, 200, 100);

	/* So does one at once with a View that is not an edit, in either order. */
	ob = open_checking(*state);
	assert_int_equal(outbuf_view_edit(ob, &a, 10, 10), 0);
	assert_int_equal(outbuf_view(ob, &b, 0, 11), -EEXIST);
	assert_int_equal(outbuf_view_end(&a), 0);
	assert_overlap(ob, 0, 11, 10, 10);
	ob = open_checking(*state);
	assert_int_equal(outbuf_view(ob, &b, 0, 11), 0);
	assert_int_equal(outbuf_view_edit(ob, &a, 10, 10), -EEXIST);
	assert_int_equal(outbuf_view_end(&b), 0);
	assert_overlap(ob, 10, 10, 0, 11);
}

/* The first overlap is the one that is told; what was cut off may be given again. */
static void test_first_and_cut(void **state)
{
	struct outbuf *ob = open_checking(*state);
	struct outbuf_view a, b;

	assert_int_equal(outbuf_view(ob, &a, 100, 100), 0);
	assert_int_equal(outbuf_view_end(&a), 0);
	assert_int_equal(outbuf_view(ob, &a, 300, 10), 0);
	assert_int_equal(outbuf_view_end(&a), 0);
	assert_int_equal(outbuf_set_size(ob, 150), 0);
	assert_int_equal(outbuf_view(ob, &a, 150, 200), 0);
	assert_int_equal(outbuf_view(ob, &b, 149, 1), -EEXIST);
	assert_int_equal(outbuf_view(ob, &b, 160, 1), -EEXIST);
	assert_int_equal(outbuf_view_end(&a), 0);
	assert_overlap(ob, 149, 1, 100, 50);

	/* An unbounded View's own error is the overlap, though the output failed before. */
	ob = open_checking(*state);
	assert_int_equal(outbuf_view(ob, &a, 0, 10), 0);
	assert_int_equal(outbuf_view(ob, &b, 0, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_fill(&b, 1, 5), 0);
	assert_int_equal(outbuf_fail(ob, -EIO), -EIO);
	assert_int_equal(outbuf_view_end(&b), -EEXIST);
	assert_int_equal(outbuf_view_end(&a), 0);
	assert_int_equal(commit(ob), -EIO);
	outbuf_close(ob);
}

/* Whoever comes second is refused, so of 8 threads on one range 7 are. */
static int open_same(void *arg, unsigned i)
{
	struct outbuf_view v;
	int r = outbuf_view(arg, &v, 500, 10);

	(void)i;
	if (r == 0)
		outbuf_view_end(&v);
	return r == 0 || r == -EEXIST ? 0 : r;
}

static void test_threads(void **state)
{
	struct outbuf *ob = open_checking(*state);

	assert_int_equal(run_threads(8, open_same, ob), 0);
	assert_int_equal(stats_of(ob).views, 1);
	assert_overlap(ob, 500, 10, 500, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_two_views),
		sandbox_test(test_unbounded),
		sandbox_test(test_edits),
		sandbox_test(test_first_and_cut),
		sandbox_test(test_threads),
	};

	return cmocka_run_group_tests_name("overlap", tests, NULL, NULL);
}
