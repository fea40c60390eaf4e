/* SPDX-License-Identifier: MIT */
/* Outputs of one directory have one descriptor of it, and each gets to the directory that was meant. */
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTPUTS 40

static struct outbuf *open_in(const struct sandbox *s, const char *name, uint32_t durability)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	char path[400];

	o.durability = durability;
	o.map = OUTBUF_NO;
	snprintf(path, sizeof path, "%s/%s", s->dir, name);
	return open_with(path, &o);
}

static void make_directory(const struct sandbox *s, const char *name)
{
	char path[400];

	snprintf(path, sizeof path, "%s/%s", s->dir, name);
	assert_int_equal(mkdir(path, 0777), 0);
}

static void assert_holds(const struct sandbox *s, const char *name, const char *text)
{
	char path[400];

	snprintf(path, sizeof path, "%s/%s", s->dir, name);
	assert_file(path, text, strlen(text));
}

static int finish(struct outbuf *ob, char byte)
{
	int r = fill_some(ob, (uint8_t)byte, 1);

	if (r == 0)
		r = outbuf_commit(ob);
	outbuf_close(ob);
	return r;
}

/* On Linux 6.8 and later, and where no server is behind the files: then the second output costs one descriptor. */
static int can_share(const struct sandbox *s)
{
	struct outbuf *first = open_in(s, "first", OUTBUF_DURABLE_NONE), *second;
	unsigned before = count_fds(), after;

	second = open_in(s, "second", OUTBUF_DURABLE_NONE);
	after = count_fds();
	outbuf_close(first);
	outbuf_close(second);
	return after - before == 1;
}

static void need_sharing(const struct sandbox *s)
{
	if (can_share(s))
		return;
	print_message("the system does not tell mounts apart, or a server is behind them\n");
	skip();
}

static void test_one_for_all(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *all[OUTPUTS];
	unsigned before, i;
	char name[20];

	need_sharing(s);
	before = count_fds();
	for (i = 0; i < OUTPUTS; i++) {
		snprintf(name, sizeof name, "out%u", i);
		all[i] = open_in(s, name, OUTBUF_DURABLE_NONE);
		assert_int_equal(count_fds() - before, i + 2);
	}
	/* The one that opened it goes first, the others in another order. */
	for (i = 0; i < OUTPUTS; i++) {
		unsigned which = i * 7 % OUTPUTS;

		assert_int_equal(finish(all[which], (char)('a' + which % 26)), 0);
		assert_int_equal(count_fds() - before, i == OUTPUTS - 1 ? 0 : OUTPUTS - i);
	}
	assert_int_equal(sandbox_entries(s), OUTPUTS);
	assert_holds(s, "out27", "b");
}

/* Each waits for the disk by its own: an error is told once for an open directory. */
static void test_durable(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *first = open_in(s, "first", OUTBUF_DURABLE_FULL), *second;
	unsigned before = count_fds();

	second = open_in(s, "second", OUTBUF_DURABLE_FULL);
	assert_int_equal(count_fds() - before, 2);
	assert_int_equal(finish(first, '1'), 0);
	assert_int_equal(finish(second, '2'), 0);
	assert_holds(s, "first", "1");
	assert_holds(s, "second", "2");
}

/* By the directory, not by its name: that may be another one's meanwhile. */
static void test_renamed(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *first, *second, *third;
	char from[400], to[400];

	make_directory(s, "d");
	first = open_in(s, "d/out", OUTBUF_DURABLE_NONE);
	snprintf(from, sizeof from, "%s/d", s->dir);
	snprintf(to, sizeof to, "%s/moved", s->dir);
	assert_int_equal(rename(from, to), 0);
	make_directory(s, "d");
	second = open_in(s, "d/out", OUTBUF_DURABLE_NONE);
	third = open_in(s, "moved/third", OUTBUF_DURABLE_NONE);
	assert_int_equal(finish(first, '1'), 0);
	assert_int_equal(finish(second, '2'), 0);
	assert_int_equal(finish(third, '3'), 0);
	assert_holds(s, "moved/out", "1");
	assert_holds(s, "d/out", "2");
	assert_holds(s, "moved/third", "3");
	assert_int_equal(unlink(strcat(from, "/out")), 0);
	assert_int_equal(unlink(strcat(to, "/out")), 0);
	snprintf(to, sizeof to, "%s/moved/third", s->dir);
	assert_int_equal(unlink(to), 0);
	*strrchr(from, '/') = *strrchr(to, '/') = '\0';
	assert_int_equal(rmdir(from), 0);
	assert_int_equal(rmdir(to), 0);
}

/* A child that closes all it has inherited: the number may lead to another directory then. */
static int run_closed(void *arg)
{
	const struct sandbox *s = arg;
	char path[400];
	struct outbuf *ob;
	int fd;

	for (fd = 3; fd < 100; fd++)
		close(fd);
	snprintf(path, sizeof path, "%s/other", s->dir);
	for (fd = 3; fd < 20; fd++)
		if (open(path, O_RDONLY | O_DIRECTORY) < 0)
			return 1;
	snprintf(path, sizeof path, "%s/child", s->dir);
	if (outbuf_open(&ob, path, NULL) < 0)
		return 2;
	return finish(ob, 'c') == 0 ? 0 : 3;
}

static void test_fork(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_in(s, "parent", OUTBUF_DURABLE_NONE);
	char path[400];

	make_directory(s, "other");
	assert_int_equal(in_child(0, run_closed, s), 0);
	assert_int_equal(finish(ob, 'p'), 0);
	assert_holds(s, "parent", "p");
	assert_holds(s, "child", "c");
	snprintf(path, sizeof path, "%s/other", s->dir);
	assert_int_equal(rmdir(path), 0);
}

/* Some find a descriptor to share, others one that is just being closed. */
static int open_and_close(void *arg, unsigned thread)
{
	const struct sandbox *s = arg;
	unsigned long i, rounds = fewer(1000, 20);
	char path[400];
	int r = 0;

	snprintf(path, sizeof path, "%s/thread%u", s->dir, thread);
	for (i = 0; i < rounds && r == 0; i++) {
		struct outbuf *ob;

		r = outbuf_open(&ob, path, NULL);
		if (r == 0)
			r = finish(ob, (char)('a' + i % 26));
	}
	return r;
}

static void test_threads(void **state)
{
	struct sandbox *s = *state;
	unsigned before = count_fds();
	char last[2] = { (char)('a' + (fewer(1000, 20) - 1) % 26) };

	assert_int_equal(run_threads(4, open_and_close, s), 0);
	assert_int_equal(count_fds(), before);
	assert_int_equal(sandbox_entries(s), 4);
	assert_holds(s, "thread0", last);
	assert_holds(s, "thread3", last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_one_for_all),
		sandbox_test(test_durable),
		sandbox_test(test_renamed),
		sandbox_test(test_fork),
		sandbox_test(test_threads),
	};

	forget_wishes();
	return cmocka_run_group_tests_name("directory", tests, NULL, NULL);
}
