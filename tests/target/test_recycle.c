/* SPDX-License-Identifier: MIT */
/*
 * Recycled outputs from outside: which run writes over what, which file stands where after it, and
 * what is left if it comes to nothing. The path has a complete file at every moment. Which spares are
 * refused is in test_spare.c, whose bytes are whose in test_stale.c.
 */
#include "config.h"

#include "inject/faults.h"
#include "output/output.h"
#include "policy/fspolicy.h"
#include "rigs/spare.h"
#include "system/unix/sys_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sys_table real;

static ino_t inode(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_ino;
}

/* The first has nothing to keep, the second keeps the first, the third is written over it. */
static void test_life(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_stats stats;
	char spare[600];
	ino_t first, second;
	int round;

	skip_unrecycled(s);
	spare_path(s, spare);
	stats = run_once(s, 1, 50000);
	assert_not_recycled(&stats, "no spare yet");
	assert_int_equal(sandbox_entries(s), 1);
	first = inode(s->path);

	stats = run_once(s, 2, 60001);
	assert_not_recycled(&stats, "no spare yet");
	assert_int_equal(sandbox_entries(s), 2);
	assert_int_equal(inode(spare), first);
	second = inode(s->path);

	/* From now on two files change places, whatever their lengths. */
	for (round = 0; round < 6; round++) {
		stats = run_once(s, (uint8_t)(3 + round), (size_t)(70000 - round * 10000));
		assert_recycled(&stats);
		assert_int_equal(sandbox_entries(s), 2);
		assert_int_equal(inode(s->path), round % 2 == 0 ? first : second);
		assert_int_equal(inode(spare), round % 2 == 0 ? second : first);
	}
	/* Nobody asked for it: a new file, and what was kept is cleared away. */
	struct outbuf *ob = open_with(s->path, NULL);

	assert_string_not_equal(stats_of(ob).placement, "recycled");
	assert_null(stats_of(ob).recycle_why);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_int_equal(sandbox_entries(s), 1);
}

/* Where it cannot be, nobody notices: the same bytes, and it says why. */
static void test_everywhere(void **state)
{
	struct sandbox *s = *state;
	int round;

	for (round = 0; round < 4; round++) {
		struct outbuf_stats stats = run_once(s, (uint8_t)round, 50000);

		if (strcmp(stats.placement, "recycled") == 0)
			assert_recycled(&stats);
		else
			assert_non_null(stats.recycle_why);
		/* Where it never will be, nothing is kept for it. */
		if (stats.recycle_why != NULL && (strcmp(stats.recycle_why, "not on this file system") == 0 ||
		                                  strcmp(stats.recycle_why, "no nameless files") == 0))
			assert_int_equal(sandbox_entries(s), 1);
		assert_in_range(sandbox_entries(s), 1, 2);
	}
}

/* While it is written the path has the old file; given up, it still has, and the spare is gone. */
static void test_given_up(void **state)
{
	struct outbuf_options options = recycling();
	struct sandbox *s = *state;
	int way;

	skip_unrecycled(s);
	for (way = 0; way < 4; way++) {
		struct victim old;
		struct outbuf_view v;
		struct outbuf *ob;

		spare_plant(s, 200000);
		victim_make(&old, s->path, 100000, 0640);
		ob = open_with(s->path, &options);
		assert_string_equal(stats_of(ob).placement, "recycled");
		assert_int_equal(outbuf_map(ob, 100000), 0);
		assert_int_equal(fill_some(ob, 'n', 150000), 0);
		if (!in_order())
			assert_int_equal(outbuf_flush(ob), 0);
		assert_untouched(&old);
		assert_int_equal(sandbox_entries(s), 2);
		if (way == 0)
			assert_int_equal(outbuf_discard(ob), 0);
		if (way == 1) {
			outbuf_fail(ob, -EILSEQ);
			assert_int_equal(outbuf_commit(ob), -EILSEQ);
		}
		if (way == 2) {
			/* Its name goes at once, though a View may still write. */
			outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
			assert_int_equal(outbuf_discard(ob), 0);
			assert_int_equal(sandbox_entries(s), 1);
			outbuf_fill(&v, 'x', 300000);
			outbuf_view_end(&v);
		}
		assert_int_equal(outbuf_close(ob), 0);
		assert_int_equal(sandbox_entries(s), 1);
		assert_untouched(&old);
		unlink(s->path);
	}
}

/* ----------------------------------------------------- where two names cannot change places */

static int exchange_error;

static int f_exchange(int dirfd, const char *a, const char *b)
{
	(void)dirfd, (void)a, (void)b;
	errno = exchange_error;
	return -1;
}

static void test_no_exchange(void **state)
{
	static const int errors[] = { ENOSYS, EINVAL, EPERM };
	struct sandbox *s = *state;
	size_t i;

	skip_unrecycled(s);
	ob__sys_table.exchange = f_exchange;
	for (i = 0; i < sizeof errors / sizeof *errors; i++) {
		struct outbuf_stats stats;

		exchange_error = errors[i];
		write_file(s->path, "old", 3, 0644);
		/* New, and written over: in both cases it replaces what is there. */
		stats = run_once(s, 'n', 1000);
		assert_not_recycled(&stats, "no spare yet");
		assert_int_equal(sandbox_entries(s), 1);
		spare_plant(s, 2000);
		stats = run_once(s, 'm', 1000);
		assert_recycled(&stats);
		assert_int_equal(sandbox_entries(s), 1);
	}
}

/* What the table says, and nothing else, decides where it is tried. */
static void test_policy(void **state)
{
#ifdef __linux__
	static const struct { uint32_t magic; int recycles; } rows[] = {
		{ 0xef53, 1 },     { 0x58465342, 1 }, { 0x01021994, 1 }, { 0x9123683e, 0 },
		{ 0x794c7630, 0 }, { 0x65735546, 0 }, { 0x6969, 0 },     { 0x12345, 0 },
		{ 0x01021997, 0 }, { 0xf2f52010, 0 },
	};
	struct sandbox *s = *state;
	struct outbuf_stats stats;
	size_t i;

	skip_unrecycled(s);
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(ob__fspolicy_of_magic(rows[i].magic)->recycle, rows[i].recycles);
		pretend_file_system(rows[i].magic);
		write_file(s->path, "old", 3, 0644);
		spare_plant(s, 10000);
		stats = run_once(s, 'n', 9000);
		if (rows[i].recycles)
			assert_recycled(&stats);
		else
			assert_not_recycled(&stats, "not on this file system");
		ob__sys_table = real;
	}
	unlink(s->path);
	spare_plant(s, 10000);
	ob__sys_table.openat = no_nameless;
	stats = run_once(s, 'n', 9000);
	assert_not_recycled(&stats, "no nameless files");
	assert_string_equal(stats.placement, "named");
#else
	(void)state;
	skip();
#endif
}

/* ------------------------------------------------------------------- the path meanwhile */

static struct victim victim;

/* What may come to the path while the output is written, or in the last moment. */
enum comes { NOTHING, LINK, DIRECTORY, FIFO };

static const struct { enum comes what; int result; } comers[] = {
	{ NOTHING, 0 }, { LINK, 0 }, { DIRECTORY, -EISDIR }, { FIFO, -ENOTSUP },
};

static int come(const char *path, enum comes what)
{
	if (unlink(path) < 0)
		return -1;
	switch (what) {
	case LINK:
		return symlink(victim.path, path);
	case DIRECTORY:
		return mkdir(path, 0700);
	case FIFO:
		return mkfifo(path, 0600);
	case NOTHING:
		break;
	}
	return 0;
}

static enum comes coming;
static const char *coming_to;
static int came;

/* Between the last look at the path and the exchange. */
static int late_exchange(int dirfd, const char *a, const char *b)
{
	if (coming_to != NULL)
		came = come(coming_to, coming);
	coming_to = NULL;
	return real.exchange(dirfd, a, b);
}

static void meanwhile(const struct sandbox *s, size_t i, int late)
{
	struct outbuf_options options = recycling();
	struct outbuf *ob;
	struct stat st;

	write_file(s->path, "old", 3, 0644);
	spare_plant(s, 30000);
	ob = open_with(s->path, &options);
	assert_string_equal(stats_of(ob).placement, "recycled");
	assert_int_equal(fill_some(ob, 'n', 20000), 0);
	if (late) {
		coming = comers[i].what;
		coming_to = s->path;
		came = -1;
	} else {
		came = come(s->path, comers[i].what);
	}
	assert_int_equal(outbuf_commit(ob), comers[i].result);
	assert_int_equal(came, 0);
	assert_int_equal(outbuf_error(ob), comers[i].result);
	outbuf_close(ob);

	if (comers[i].result == 0) {
		assert_all(s->path, 'n', 20000);
		assert_int_equal(unlink(s->path), 0);
	} else if (comers[i].what == DIRECTORY) {
		assert_int_equal(rmdir(s->path), 0);
	} else {
		assert_int_equal(lstat(s->path, &st), 0);
		assert_true(S_ISFIFO(st.st_mode));
		assert_int_equal(unlink(s->path), 0);
	}
	/* Nothing but the victim: neither the spare nor what came. */
	assert_untouched(&victim);
	assert_int_equal(sandbox_entries(s), 1);
}

static void test_path_meanwhile(void **state)
{
	struct sandbox *s = *state;
	char path[600];
	size_t i;

	skip_unrecycled(s);
	beside(s, "victim", path);
	victim_make(&victim, path, 5000, 0600);
	for (i = 0; i < sizeof comers / sizeof *comers; i++)
		meanwhile(s, i, 0);
	ob__sys_table.exchange = late_exchange;
	for (i = 0; i < sizeof comers / sizeof *comers; i++)
		meanwhile(s, i, 1);
}

/* ------------------------------------------------------------------- two writers at once */

#define WRITER_SIZE ((size_t)150000)

static _Atomic int recycled;

/* Several runs, each of another length; 0, or the line that failed. */
static int write_often(void *arg, unsigned i)
{
	const struct sandbox *s = arg;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	int round;

	options.recycle = 1;
	for (round = 0; round < 60; round++) {
		struct outbuf_stats stats = { .size = sizeof stats };
		size_t n = WRITER_SIZE + (size_t)(i * 1000);
		struct outbuf *ob;

		if (outbuf_open(&ob, s->path, &options) != 0)
			return __LINE__;
		if (outbuf_map(ob, n / 2) != 0 || fill_some(ob, (uint8_t)('a' + i), n) != 0)
			return __LINE__;
		if (outbuf_commit(ob) != 0 || outbuf_stats(ob, &stats) != 0)
			return __LINE__;
		atomic_fetch_add(&recycled, stats.recycle_why == NULL);
		outbuf_close(ob);
	}
	return 0;
}

/* 0 if the file is all of one writer, or is not there. */
static int look(const char *path)
{
	static unsigned char data[WRITER_SIZE + 5000];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, data, sizeof data), i;

	if (fd < 0)
		return errno == ENOENT ? 0 : __LINE__;
	close(fd);
	if (n < (ssize_t)WRITER_SIZE || (size_t)n != WRITER_SIZE + (size_t)(data[0] - 'a') * 1000)
		return __LINE__;
	for (i = 1; i < n; i++)
		if (data[i] != data[0])
			return __LINE__;
	return 0;
}

static int write_or_look(void *arg, unsigned i)
{
	const struct sandbox *s = arg;
	int r = 0, round;

	if (i < 2)
		return write_often(arg, i);
	/* Not all the time: who looks at a file keeps it from being recycled. */
	for (round = 0; r == 0 && round < 30; round++) {
		usleep(1000);
		r = look(s->path);
	}
	return r;
}

static void test_two_threads(void **state)
{
	struct sandbox *s = *state;

	skip_unrecycled(s);
	assert_int_equal(run_threads(3, write_or_look, s), 0);
	assert_int_equal(look(s->path), 0);
	assert_true(recycled > 0);
	/* What two left, one clears away: nothing but the output and its spare. */
	run_once(s, 'x', 1000);
	assert_in_range(sandbox_entries(s), 1, 2);
}

static void test_two_processes(void **state)
{
	struct sandbox *s = *state;
	pid_t pids[2];
	int i, status, looked = 0;

	skip_unrecycled(s);
	for (i = 0; i < 2; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			_exit(write_often(s, (unsigned)i) != 0);
	}
	for (i = 0; i < 30 && looked == 0; i++) {
		usleep(1000);
		looked = look(s->path);
	}
	for (i = 0; i < 2; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(looked, 0);
	assert_int_equal(look(s->path), 0);
	assert_in_range(sandbox_entries(s), 1, 2);
}

/* While it is written over, another writer gets the spare's name: its half a file stays where it is. */
static void test_spare_taken(void **state)
{
	struct outbuf_options options = recycling();
	struct sandbox *s = *state;
	char spare[600];
	int taken;

	skip_unrecycled(s);
	spare_path(s, spare);
	for (taken = 0; taken < 2; taken++) {
		struct outbuf *ob;

		spare_plant(s, 100000);
		write_file(s->path, "old", 3, 0644);
		ob = open_with(s->path, &options);
		assert_string_equal(stats_of(ob).placement, "recycled");
		/* Its writes wait, as those of any file. */
		assert_int_equal(fcntl(ob->target.fd, F_GETFL) & O_NONBLOCK, 0);
		assert_int_equal(fill_some(ob, 'n', 5000), 0);
		assert_int_equal(unlink(spare), 0);
		if (taken)
			write_file(spare, "half", 4, 0644);
		assert_int_equal(outbuf_commit(ob), taken ? -ESTALE : -ENOENT);
		outbuf_close(ob);
		assert_file(s->path, "old", 3);
		if (taken) {
			assert_file(spare, "half", 4);
			unlink(spare);
		}
		assert_int_equal(sandbox_entries(s), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_life),
		fault_test(test_everywhere),
		fault_test(test_given_up),
		fault_test(test_no_exchange),
		fault_test(test_policy),
		fault_test(test_path_meanwhile),
		fault_test(test_two_threads),
		fault_test(test_two_processes),
		fault_test(test_spare_taken),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("recycle", tests, NULL, NULL);
}
