/* SPDX-License-Identifier: MIT */
/* outbuf_error_text(): what a person reads of each kind of failure. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

static struct outbuf *open_checking(const struct sandbox *s)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;

	options.check_complete = options.check_overlap = 1;
	options.max_size = 1 << 20;
	return open_with(s->path, &options);
}

/* The text is the path, ": ", and this. In memory there is no path. */
static void assert_text(const struct sandbox *s, struct outbuf *ob, const char *want)
{
	char text[800], whole[800];
	const char *path = getenv("OUTBUF_TEST_MEMORY") != NULL ? "output" : s->path;
	size_t n = outbuf_error_text(ob, text, sizeof text);

	snprintf(whole, sizeof whole, "%s: %s", path, want);
	assert_string_equal(text, whole);
	assert_int_equal(n, strlen(whole));
}

static void end(struct outbuf *ob)
{
	assert_int_equal(outbuf_close(ob), 0);
}

static void test_views(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf *ob = open_checking(s);
	struct outbuf_view v, w;

	assert_text(s, ob, "no error");
	outbuf_view(ob, &v, 4096, 4096);
	assert_text(s, ob, "no error");
	assert_int_equal(outbuf_flush(ob), -EBUSY);
	assert_text(s, ob, "1 view is still open: [4096, 8192)");
	outbuf_view(ob, &w, 10000, OUTBUF_UNBOUNDED);
	assert_text(s, ob, "2 views are still open: [4096, 8192), [10000, ...)");
	outbuf_view_end(&v);
	assert_int_equal(commit(ob), -EBUSY);
	assert_text(s, ob, "1 view is still open: [10000, ...)");
	outbuf_view_end(&w);
	outbuf_view(ob, &v, 0, 4096);
	outbuf_seek(&v, 4094);
	assert_int_equal(outbuf_write(&v, "0123456789abc", 13), -ERANGE);
	outbuf_view_end(&v);
	assert_text(s, ob, "view [0, 4096): a write of 13 bytes at 4094 passes its end");
	/* The first one stays. */
	outbuf_view(ob, &v, 0, 10);
	assert_text(s, ob, "view [0, 4096): a write of 13 bytes at 4094 passes its end");
	end(ob);

	ob = open_checking(s);
	outbuf_view(ob, &v, 10, 10);
	outbuf_view_end(&v);
	outbuf_view(ob, &v, 15, 20);
	assert_text(s, ob, "view [15, 35) overlaps [10, 20)");
	end(ob);

	ob = open_checking(s);
	outbuf_view(ob, &v, 10, 10);
	assert_int_equal(outbuf_seek(&v, 5), -ERANGE);
	outbuf_view_end(&v);
	assert_text(s, ob, "view [10, 20): moving to 5: outside of it");
	end(ob);

	ob = open_checking(s);
	assert_int_equal(outbuf_view(ob, &v, 1 << 20, 100), -EFBIG);
	assert_text(s, ob, "view [1048576, 1048676): larger than the output, the file or the process's limit allows");
	end(ob);
}

static void test_whole_output(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf *ob = open_checking(s);
	struct outbuf_view v;
	char reason[200];

	/* Of the owner's calls that changed nothing, the last. */
	assert_int_equal(outbuf_map(ob, 2 << 20), -EFBIG);
	assert_text(s, ob, "planning 2097152 bytes: larger than the output, the file or the process's limit allows");
	assert_int_equal(outbuf_map(ob, 20), 0);
	assert_int_equal(outbuf_map(ob, 10), -EINVAL);
	assert_text(s, ob, "planning 10 bytes: not possible in this state, or a wrong argument");
	outbuf_view(ob, &v, 0, 15);
	outbuf_view_end(&v);
	assert_int_equal(commit(ob), -ENODATA);
	assert_text(s, ob, "nobody wrote [15, 20)");
	end(ob);

	ob = open_checking(s);
	outbuf_fail(ob, EPROTO);
	snprintf(reason, sizeof reason, "the program gave it up: %s", strerror(EPROTO));
	assert_text(s, ob, reason);
	end(ob);

	ob = open_checking(s);
	outbuf_discard(ob);
	assert_text(s, ob, "it was discarded");
	end(ob);
}

/* The last call that failed decides, whether or not the error is sticky. */
static void test_last_call(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf *ob = open_checking(s);
	struct outbuf_view v;
	char text[200];
	void *data;

	outbuf_view(ob, &v, 0, 10);
	assert_int_equal(outbuf_data(ob, 2 << 20, 10, &data), -EFBIG);
	assert_text(s, ob, "memory of [2097152, 2097162): larger than the output, the file or the process's limit allows");
	assert_int_equal(outbuf_data(ob, UINT64_MAX - 5, 10, &data), -EFBIG);
	assert_text(s, ob,
	            "memory of [18446744073709551610, ...): larger than the output, the file or the process's limit allows");
	assert_int_equal(outbuf_release(ob, UINT64_MAX - 5, 10), -EFBIG);
	assert_text(s, ob,
	            "releasing [18446744073709551610, ...): larger than the output, the file or the process's limit allows");
	assert_int_equal(outbuf_flush(ob), -EBUSY);
	assert_text(s, ob, "1 view is still open: [0, 10)");
	/* It has ended by the time somebody asks. */
	assert_int_equal(commit(ob), -EBUSY);
	outbuf_view_end(&v);
	assert_text(s, ob, "completing the file: a View was still open");
	assert_int_equal(commit(ob), 0);
	assert_int_equal(commit(ob), -EINVAL);
	assert_text(s, ob, "completing the file: not possible in this state, or a wrong argument");
	assert_int_equal(outbuf_map(ob, 10), -EINVAL);
	assert_text(s, ob, "planning 10 bytes: not possible in this state, or a wrong argument");
	end(ob);

	/* No View of the output: the program's own words for its own trouble, and rename(2)'s for a mount point. */
	ob = open_checking(s);
	outbuf_fail(ob, -EBUSY);
	snprintf(text, sizeof text, "the program gave it up: %s", strerror(EBUSY));
	assert_text(s, ob, text);
	end(ob);
}

/* As snprintf(3): cut, ended by NUL, and how long it would be. */
static void test_buffers(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf *ob = open_checking(s);
	char text[800], small[8];
	size_t n = outbuf_error_text(ob, text, sizeof text);

	assert_int_equal(n, strlen(text));
	memset(small, 'x', sizeof small);
	assert_int_equal(outbuf_error_text(ob, small, 5), n);
	assert_int_equal(strncmp(small, text, 4), 0);
	assert_int_equal(small[4], '\0');
	assert_int_equal(small[5], 'x');
	assert_int_equal(outbuf_error_text(ob, small, 1), n);
	assert_int_equal(small[0], '\0');
	assert_int_equal(outbuf_error_text(ob, NULL, 0), n);
	end(ob);
	assert_int_equal(outbuf_error_text(NULL, text, sizeof text), strlen("no output"));
	assert_string_equal(text, "no output");
}

/* No option is needed for it. Of more than three it names three. */
static void test_many_views(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	struct outbuf_view v[20];
	unsigned i, kept;

	for (i = 0; i < 20; i++)
		assert_int_equal(outbuf_view(ob, &v[i], 10 * i, 10), 0);
	assert_int_equal(commit(ob), -EBUSY);
	assert_text(s, ob, "20 views are still open: [0, 10), [10, 20), [20, 30) and 17 more");
	/* Whichever it is that was forgotten. */
	for (kept = 0; kept < 20; kept++) {
		char want[100];

		for (i = 0; i < 20; i++) {
			if (i != kept)
				outbuf_view_end(&v[i]);
		}
		assert_int_equal(commit(ob), -EBUSY);
		snprintf(want, sizeof want, "1 view is still open: [%u, %u)", 10 * kept, 10 * kept + 10);
		assert_text(s, ob, want);
		for (i = 0; i < 20; i++) {
			if (i != kept)
				assert_int_equal(outbuf_view(ob, &v[i], 10 * i, 10), 0);
		}
	}
	for (i = 0; i < 20; i++)
		outbuf_view_end(&v[i]);
	assert_int_equal(commit(ob), 0);
	end(ob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_views),
		sandbox_test(test_many_views),
		sandbox_test(test_whole_output),
		sandbox_test(test_last_call),
		sandbox_test(test_buffers),
	};

	return cmocka_run_group_tests_name("error text", tests, NULL, NULL);
}
