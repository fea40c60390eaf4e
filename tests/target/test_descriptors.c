/* SPDX-License-Identifier: MIT */
/*
 * A program that was started with some of descriptors 0, 1 and 2 closed, and that prints while it writes its output. What
 * it prints fails with EBADF, and is not in the file.
 */
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SIZE 300000

struct start {
	const struct sandbox *s;
	unsigned closed; /* bit n: descriptor n is closed */
	struct outbuf_options options;
};

/* Prints to what is closed. 0 if that fails, and leaves no descriptor there. */
static int print(const struct start *start)
{
	int fd, wrong = 0;

	for (fd = 0; fd < 3; fd++)
		if (start->closed & 1u << fd) {
			wrong |= write(fd, "warning", 7) != -1 || errno != EBADF;
			wrong |= fcntl(fd, F_GETFD) != -1;
		}
	return wrong;
}

/* One output, with messages between all steps. 0, or the number of the step that went wrong. */
static int write_and_print(const struct start *start)
{
	struct outbuf *ob;
	struct outbuf_view v;
	void *at = NULL;
	int wrong = 0;

	if (open_any(&ob, start->s->path, &start->options) < 0)
		return 10;
	wrong |= print(start);
	if (outbuf_map(ob, SIZE) < 0)
		return 11;
	wrong |= print(start);
	outbuf_view(ob, &v, 0, SIZE);
	outbuf_fill(&v, 'n', SIZE / 2);
	wrong |= print(start);
	if (outbuf_write_ref(&v, "n", 1, &at) < 0)
		return 12;
	outbuf_fill(&v, 'n', SIZE - SIZE / 2 - 1);
	if (outbuf_view_end(&v) < 0 || outbuf_flush(ob) < 0)
		return 13;
	wrong |= print(start);
	if (commit(ob) < 0)
		return 14;
	wrong |= print(start);
	outbuf_close(ob);
	return wrong | print(start);
}

/* In a child: its own standard descriptors are closed. Three times, so that the last ones can be recycled. */
static int run_closed(void *arg)
{
	const struct start *start = arg;
	int fd, i, r = 0;

	for (fd = 0; fd < 3; fd++)
		if (start->closed & 1u << fd)
			close(fd);
	for (i = 0; i < 3 && r == 0; i++)
		r = write_and_print(start);
	return r;
}

static void try_all(const struct sandbox *s, const struct outbuf_options *options)
{
	struct start start = { .s = s, .options = *options };
	int r;

	for (start.closed = 1; start.closed < 8; start.closed++) {
		unlink(s->path);
		r = in_child(0, run_closed, &start);
		if (r != 0)
			fail_msg("closed %#x: step %d", start.closed, r);
		assert_filled(s, SIZE);
	}
}

static void test_new_and_over(void **state)
{
	const struct outbuf_options o = OUTBUF_OPTIONS_INIT;

	try_all(*state, &o);
}

static void test_in_place(void **state)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;

	o.replace = OUTBUF_REPLACE_IN_PLACE;
	try_all(*state, &o);
}

static void test_recycled_and_locked(void **state)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;

	o.recycle = 1;
	o.guard = 1;
	o.lock = OUTBUF_LOCK_WAIT;
	o.durability = OUTBUF_DURABLE_FULL;
	try_all(*state, &o);
}

/* If it cannot be had here, pwrite takes its place. */
static void test_uring(void **state)
{
	const struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	const char *before = getenv("OUTBUF_FLUSH");

	setenv("OUTBUF_FLUSH", "uring", 1);
	try_all(*state, &o);
	if (before != NULL)
		setenv("OUTBUF_FLUSH", before, 1);
	else
		unsetenv("OUTBUF_FLUSH");
}

/* All descriptors above are taken: that is an error, not a low one. */
static int run_without_room(void *arg)
{
	const struct start *start = arg;
	struct rlimit few = { 3, 3 };
	struct outbuf *ob;
	int r;

	close(1);
	if (setrlimit(RLIMIT_NOFILE, &few) < 0)
		return 10;
	r = outbuf_open(&ob, start->s->path, NULL);
	return r == -EMFILE && fcntl(1, F_GETFD) == -1 ? 0 : 11;
}

static void test_no_room(void **state)
{
	struct start start = { .s = *state };

	if (getenv("VALGRIND") != NULL) {
		print_message("valgrind has descriptors of its own\n");
		skip();
	}
	assert_int_equal(in_child(0, run_without_room, &start), 0);
	assert_int_equal(sandbox_entries(*state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_new_and_over),
		sandbox_test(test_in_place),
		sandbox_test(test_recycled_and_locked),
		sandbox_test(test_uring),
		sandbox_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
