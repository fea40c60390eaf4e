/* SPDX-License-Identifier: MIT */
/*
 * What the system is asked about a spare, and what becomes of each answer: who else has it, how much
 * of it is in memory, what attributes it has. The answers are made up here, but for the last.
 */
#include "config.h"

#include "inject/faults.h"
#include "rigs/spare.h"
#include "system/unix/sys_table.h"
#include "system/unix/sys_unix.h"
#ifdef HAVE_VM
#include <sys/mman.h>

#include "system/unix/sys_vm.h"
#endif

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 100

static struct sys_table real;

static struct outbuf_stats run(const struct sandbox *s)
{
	write_file(s->path, "old", 3, 0644);
	spare_plant(s, (size_t)PAGES * 4096);
	return run_once(s, 'n', 30000);
}

#ifdef F_SETLEASE
static int failing_command, failing_error;

static int f_fcntl(int fd, int command, void *arg)
{
	if (command == failing_command) {
		errno = failing_error;
		return -1;
	}
	return real.fcntl(fd, command, arg);
}

static void test_lease(void **state)
{
	static const char silent[] = "the system does not say if the spare is in use";
	static const struct { int command, error; const char *why; } rows[] = {
		{ F_SETLEASE, EAGAIN, "the spare is in use" }, { F_SETLEASE, EINVAL, silent },
		{ F_SETLEASE, EACCES, silent },                { F_SETOWN_EX, EINVAL, silent },
	};
	struct sandbox *s = *state;
	size_t i;

	skip_unrecycled(s);
	ob__sys_table.fcntl = f_fcntl;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct outbuf_stats stats;

		failing_command = rows[i].command;
		failing_error = rows[i].error;
		stats = run(s);
		assert_not_recycled(&stats, rows[i].why);
		/* It was ours, and is gone: the next finds a better one. */
		failing_command = -1;
		stats = run_once(s, 'm', 30000);
		assert_recycled(&stats);
	}
}

static char spare[600];
static int opened;

/* Somebody opens the file just while we have the lease: the kernel sends us SIGIO. */
static int opened_meanwhile(int fd, int command, void *arg)
{
	int r = real.fcntl(fd, command, arg);

	if (command == F_SETLEASE && (intptr_t)arg == F_WRLCK && r == 0) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(open(spare, O_RDONLY | O_NONBLOCK) < 0 && errno == EWOULDBLOCK ? 5 : 6);
		waitpid(pid, &opened, 0);
	}
	return r;
}

/* By default a process dies of SIGIO; one that is waiting for it already must still get it. */
static void test_signal(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_stats stats;
	sigset_t set, before, now;
	int got;

	skip_unrecycled(s);
	spare_path(s, spare);
	ob__sys_table.fcntl = opened_meanwhile;
	stats = run(s);
	assert_int_equal(WEXITSTATUS(opened), 5);
	assert_recycled(&stats);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
	assert_int_equal(sigismember(&now, SIGIO), 0);

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	stats = run(s);
	assert_recycled(&stats);
	sigpending(&now);
	assert_int_equal(sigismember(&now, SIGIO), 0);
	raise(SIGIO);
	stats = run(s);
	assert_recycled(&stats);
	sigpending(&now);
	assert_int_equal(sigismember(&now, SIGIO), 1);
	sigwait(&set, &got);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
#endif

static int flock_error;

static int f_flock(int fd, int operation)
{
	(void)fd, (void)operation;
	errno = flock_error;
	return -1;
}

static void test_lock(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_stats stats;
	char path[600];
	int fd;

	skip_unrecycled(s);
	ob__sys_table.flock = f_flock;
	flock_error = ENOLCK;
	stats = run(s);
	assert_not_recycled(&stats, "the spare cannot be opened");
	ob__sys_table.flock = real.flock;
	/* Another writer at the same path. */
	spare_path(s, path);
	spare_plant(s, 40960);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(ob__sys_lock(fd, 0), 0);
	stats = run_once(s, 'm', 20000);
	assert_not_recycled(&stats, "the spare is being run or written");
	assert_all(path, OLD, 40960);
	close(fd);
	stats = run_once(s, 'n', 20000);
	assert_recycled(&stats);
}

static char moved[600], published[600];
static int moves;

/* Between opening and locking its writer publishes it, and another puts its own there. */
static int late_flock(int fd, int operation)
{
	if (moves-- > 0) {
		rename(moved, published);
		write_file(moved, "another's", 9, 0600);
	}
	return real.flock(fd, operation);
}

static void test_moved(void **state)
{
	struct outbuf_options options = recycling();
	struct sandbox *s = *state;
	struct outbuf *ob;
	int named;

	skip_unrecycled(s);
	spare_path(s, moved);
	snprintf(published, sizeof published, "%s", s->path);
	ob__sys_table.flock = late_flock;
	for (named = 0; named < 2; named++) {
		if (named)
			unlink(moved);
		else
			spare_plant(s, 10000);
		ob__sys_table.openat = named ? no_nameless : real.openat;
		moves = 1;
		ob = open_with(s->path, &options);
		assert_true(moves <= 0);
		assert_string_equal(stats_of(ob).placement, named ? "named" : "nameless");
		if (!named)
			assert_string_equal(stats_of(ob).recycle_why, "no spare yet");
		assert_int_equal(fill_some(ob, 'n', 20000), 0);
		assert_file(moved, "another's", 9);
		if (named)
			assert_int_equal(sandbox_entries(s), 3);
		outbuf_close(ob);
		assert_file(moved, "another's", 9);
	}
}

static int held, removed;

/* Whoever removes its file still has it locked: else it might be another's by now. */
static int look_unlinkat(int dirfd, const char *path, int flags)
{
	int fd = real.openat(dirfd, path, O_RDONLY | O_CLOEXEC, 0);

	if (fd >= 0) {
		removed++;
		held += real.flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
		close(fd);
	}
	return real.unlinkat(dirfd, path, flags);
}

static void test_name_goes_first(void **state)
{
	struct outbuf_options options = recycling();
	struct sandbox *s = *state;
	int way;

	skip_unrecycled(s);
	ob__sys_table.unlinkat = look_unlinkat;
	options.lock = OUTBUF_LOCK_TRY;
	for (way = 0; way < 4; way++) {
		struct outbuf *ob;

		held = removed = 0;
		ob__sys_table.openat = way % 2 ? no_nameless : real.openat;
		if (way % 2 == 0)
			spare_plant(s, 10000);
		ob = open_with(s->path, &options);
		assert_string_equal(stats_of(ob).placement, way % 2 ? "named" : "recycled");
		if (way < 2) {
			outbuf_fail(ob, -EILSEQ);
			assert_int_equal(outbuf_commit(ob), -EILSEQ);
		}
		outbuf_close(ob);
		/* The output's, and that of the lock. */
		assert_int_equal(removed, 2);
		assert_int_equal(held, 2);
	}
}

/* ---------------------------------------------------------------- how much is in memory */

static int cached = -1; /* pages */

static int f_cachestat(int fd, uint64_t length, uint64_t *pages)
{
	(void)fd;
	assert_int_equal(length, (uint64_t)PAGES * 4096);
	*pages = (uint64_t)cached;
	errno = ENOSYS;
	return cached < 0 ? -1 : 0;
}

#ifdef HAVE_VM
static int resident;

static int f_mincore(void *at, size_t n, unsigned char *pages)
{
	size_t i;

	(void)at;
	for (i = 0; i * 4096 < n; i++)
		pages[i] = (unsigned char)(i < (size_t)resident ? 1 : 0xfe);
	return 0;
}
#endif

static void test_resident(void **state)
{
	static const char why[] = "the spare is not in memory";
	struct sandbox *s = *state;
	struct outbuf_stats stats;

	skip_unrecycled(s);
	if (sysconf(_SC_PAGESIZE) != 4096) {
		print_message("pages are not of 4 KiB\n");
		skip();
	}
	ob__sys_table.cachestat = f_cachestat;
	cached = 75;
	stats = run(s);
	assert_recycled(&stats);
	cached = 74;
	stats = run(s);
	assert_not_recycled(&stats, why);
	cached = 0;
	stats = run(s);
	assert_not_recycled(&stats, why);
	/* Older kernels have another call, which needs a mapping. */
	cached = -1;
#ifdef HAVE_VM
	ob__sys_vm_table.mincore = f_mincore;
	resident = 75;
	stats = run(s);
	assert_recycled(&stats);
	resident = 74;
	stats = run(s);
	assert_not_recycled(&stats, why);
#else
	stats = run(s);
	assert_not_recycled(&stats, "the system does not say if the spare is in memory");
#endif
}

#ifdef HAVE_VM
static int no_cachestat(int fd, uint64_t length, uint64_t *pages)
{
	(void)fd, (void)length, (void)pages;
	errno = ENOSYS;
	return -1;
}

/*
 * Before cachestat(2), of Linux 6.5: a last block that is smaller than a page is in memory, and its page is not, says
 * mincore(2).
 */
static void test_last_block(void **state)
{
	static const struct { size_t size; int resident, recycled; } sizes[] = {
		{ 100, 0, 1 }, { 3 * 4096 + 100, 3, 1 }, { 3 * 4096 + 100, 0, 0 }, { 4096, 0, 0 }, { 4096, 1, 1 },
	};
	struct sandbox *s = *state;
	size_t i;

	skip_unrecycled(s);
	if (sysconf(_SC_PAGESIZE) != 4096) {
		print_message("pages are not of 4 KiB\n");
		skip();
	}
	ob__sys_table.cachestat = no_cachestat;
	ob__sys_vm_table.mincore = f_mincore;
	for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct outbuf_stats stats;

		write_file(s->path, "old", 3, 0644);
		spare_plant(s, sizes[i].size);
		resident = sizes[i].resident;
		stats = run_once(s, 'n', 30000);
		if (sizes[i].recycled)
			assert_recycled(&stats);
		else
			assert_not_recycled(&stats, "the spare is not in memory");
	}
}
#endif

/* A spare that was dropped from memory. The next is hot. */
static void test_cold(void **state)
{
	const size_t n = 8 << 20;
	struct sandbox *s = *state;
	struct outbuf_stats stats;
	char path[600];
	uint64_t bytes;
	int fd;

	skip_unrecycled(s);
	spare_path(s, path);
	write_file(s->path, "old", 3, 0644);
	spare_plant(s, n);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(ob__sys_resident(fd, n, &bytes), 0);
	assert_int_equal(bytes, n);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(ob__sys_resident(fd, n, &bytes), 0);
	close(fd);
	if (bytes > n / 4) {
		print_message("the file stays in memory\n");
		skip();
	}
	stats = run_once(s, 'n', n);
	assert_not_recycled(&stats, "the spare is not in memory");
	stats = run_once(s, 'm', n);
	assert_recycled(&stats);
}

/* ---------------------------------------------------------------- attributes */

/* Names and one value for each file, told apart by who is asked first. */
static const char *names[2], *values[2];
static int asked, list_error, get_error;

static ssize_t f_flistxattr(int fd, char *to, size_t n)
{
	const char *from = names[asked++ % 2];
	size_t length = 0;

	(void)fd;
	if (list_error != 0) {
		errno = list_error;
		return -1;
	}
	while (from[length] != '\0')
		length += strlen(from + length) + 1;
	assert_true(length <= n);
	memcpy(to, from, length);
	return (ssize_t)length;
}

static ssize_t f_fgetxattr(int fd, const char *name, void *to, size_t n)
{
	const char *from = values[asked++ % 2];

	(void)fd, (void)n;
	/* Names in capitals have the same value everywhere. */
	if (*name < 'a')
		from = "same";
	if (get_error != 0) {
		errno = get_error;
		return -1;
	}
	memcpy(to, from, strlen(from));
	return (ssize_t)strlen(from);
}

static void test_attributes(void **state)
{
	static const struct { const char *names[2], *values[2]; int list, get, same; } rows[] = {
		{ { "a\0b\0", "a\0b\0" }, { "x", "x" }, 0, 0, 1 },
		{ { "a\0", "b\0" }, { "x", "x" }, 0, 0, 0 },
		{ { "a\0", "a\0b\0" }, { "x", "x" }, 0, 0, 0 },
		{ { "a\0", "" }, { "x", "x" }, 0, 0, 0 },
		{ { "", "a\0" }, { "x", "x" }, 0, 0, 0 },
		{ { "a\0", "a\0" }, { "x", "y" }, 0, 0, 0 },
		{ { "a\0", "a\0" }, { "x", "xx" }, 0, 0, 0 },
		{ { "A\0b\0", "A\0b\0" }, { "x", "y" }, 0, 0, 0 },
		{ { "a\0", "a\0" }, { "x", "x" }, EOPNOTSUPP, 0, 1 },
		{ { "a\0", "a\0" }, { "x", "x" }, ENOSYS, 0, 1 },
		{ { "a\0", "a\0" }, { "x", "x" }, ERANGE, 0, 0 },
		{ { "a\0", "a\0" }, { "x", "x" }, 0, ERANGE, 0 },
	};
	struct sandbox *s = *state;
	size_t i;

	skip_unrecycled(s);
	ob__sys_table.flistxattr = f_flistxattr;
	ob__sys_table.fgetxattr = f_fgetxattr;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct outbuf_stats stats;

		memcpy(names, rows[i].names, sizeof names);
		memcpy(values, rows[i].values, sizeof values);
		list_error = rows[i].list;
		get_error = rows[i].get;
		asked = 0;
		stats = run(s);
		if (rows[i].same)
			assert_recycled(&stats);
		else
			assert_not_recycled(&stats, "the spare has other attributes");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef F_SETLEASE
		fault_test(test_lease),
		fault_test(test_signal),
#endif
		fault_test(test_lock),
		fault_test(test_moved),
		fault_test(test_name_goes_first),
		fault_test(test_resident),
#ifdef HAVE_VM
		fault_test(test_last_block),
#endif
		fault_test(test_cold),
		fault_test(test_attributes),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("claim", tests, NULL, NULL);
}
