/* SPDX-License-Identifier: MIT */
/*
 * Files that are freed in the background take room until they are: a call that finds the disk full, or no descriptor
 * free, waits for them and is made once more, but only then. The process waits for them when it exits.
 */
#include "config.h"

#include "inject/faults.h"
#include "support/support.h"
#include "system/unix/sys_table.h"
#include "system/unix/sys_unix.h"
#include "target/target.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct sys_table real;

/* A close in the background takes this long. */
#define CLOSE_MS 10

static _Atomic int watched = -1; /* the descriptor whose close frees room */
static _Atomic int closed;
static _Atomic int calls; /* of the function that needs room */
static int needs_room;    /* 1: it succeeds once `closed`, 0: never; constant while threads run */
static int error;         /* what it fails with; likewise */

static void sleep_ms(long ms)
{
	const struct timespec duration = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&duration, NULL);
}

static int slow_close(int fd)
{
	int r, was = fd == atomic_load(&watched);

	if (was)
		sleep_ms(CLOSE_MS);
	r = real.close(fd);
	if (was) {
		atomic_store(&watched, -1);
		atomic_store(&closed, 1);
	}
	return r;
}

/* Begin to close a descriptor in the background. */
static void begin_closing(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	atomic_store(&closed, 0);
	atomic_store(&calls, 0);
	atomic_store(&watched, fd);
	assert_int_equal(ob__sys_close_later(fd), 0);
}

static void wait_until_closed(void)
{
	int i;

	for (i = 0; i < 10000 && !atomic_load(&closed); i++)
		sleep_ms(1);
	assert_int_equal(closed, 1);
}

/* Longer than a close that has ended counts as one that made room. */
static void wait_until_long_ago(void)
{
	wait_until_closed();
	sleep_ms(1100);
}

static int is_full(void)
{
	atomic_fetch_add(&calls, 1);
	if (needs_room && atomic_load(&closed))
		return 0;
	errno = error;
	return 1;
}

#define FULL(name, type, params, args)                          \
	static type full_##name params                          \
	{                                                       \
		return is_full() ? (type)-1 : real.name args;   \
	}

FULL(openat, int, (int dirfd, const char *path, int flags, mode_t mode), (dirfd, path, flags, mode))
FULL(dup, int, (int fd), (fd))
FULL(fallocate, int, (int fd, int mode, off_t offset, off_t length), (fd, mode, offset, length))
FULL(ftruncate, int, (int fd, off_t size), (fd, size))
FULL(pwrite, ssize_t, (int fd, const void *data, size_t n, off_t offset), (fd, data, n, offset))
FULL(write, ssize_t, (int fd, const void *data, size_t n), (fd, data, n))
FULL(linkat, int, (int fromdir, const char *from, int todir, const char *to, int flags),
     (fromdir, from, todir, to, flags))
FULL(renameat, int, (int fromdir, const char *from, int todir, const char *to), (fromdir, from, todir, to))
FULL(exchange, int, (int dirfd, const char *a, const char *b), (dirfd, a, b))

static int dir, file; /* the sandbox's directory, and the file "a" in it */

static int close_if_open(int fd)
{
	return fd < 0 ? fd : ob__sys_close(fd);
}

static int call_openat(void) { return close_if_open(ob__sys_openat(dir, "a", O_RDONLY, 0)); }
static int call_dup(void) { return close_if_open(ob__sys_dup(file)); }
static int call_fallocate(void) { return ob__sys_fallocate(file, 0, 4096); }
static int call_ftruncate(void) { return ob__sys_ftruncate(file, 100); }
static int call_pwrite(void) { return ob__sys_pwrite_all(file, "x", 1, 0); }
static int call_write(void) { return ob__sys_write_all(file, "x", 1); }
static int call_linkat(void) { return ob__sys_link_fd(file, dir, "linked"); }
static int call_renameat(void) { return ob__sys_renameat(dir, "b", "c"); }
static int call_exchange(void) { return ob__sys_exchange(dir, "a", "d"); }

#define ROW(name) { #name, offsetof(struct sys_table, name), (void (*)(void))full_##name, call_##name }

static const struct {
	const char *name;
	size_t at; /* in the table */
	void (*full)(void);
	int (*call)(void);
} rows[] = {
	ROW(openat), ROW(dup), ROW(fallocate), ROW(ftruncate), ROW(pwrite), ROW(write), ROW(linkat), ROW(renameat),
	ROW(exchange),
};

#define ROWS (sizeof rows / sizeof *rows)

static void make_files(const struct sandbox *s)
{
	static const char *const names[] = { "a", "b", "d" };
	size_t i;

	dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	for (i = 0; i < 3; i++) {
		int fd = openat(dir, names[i], O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		assert_true(fd >= 0);
		if (i == 0)
			file = fd;
		else
			close(fd);
	}
}

/* Let row i's function fail as is_full() says. */
static void let_fail(size_t i)
{
	ob__sys_table = real;
	ob__sys_table.close = slow_close;
	memcpy((char *)&ob__sys_table + rows[i].at, &rows[i].full, sizeof rows[i].full);
}

/* Can this system do it at all? fallocate(2) and exchanging may be missing, links too. */
static int works(size_t i)
{
	int r = rows[i].call();

	if (r < 0)
		print_message("left out: %s: %s\n", rows[i].name, strerror(-r));
	unlinkat(dir, "linked", 0);
	renameat(dir, "c", dir, "b");
	return r == 0;
}

static void test_waits(void **state)
{
	static const int errors[] = { ENOSPC, EDQUOT, EMFILE, ENFILE };
	size_t i, e;

	make_files(*state);
	for (i = 0; i < ROWS; i++)
		for (e = 0; e < 4; e++) {
			int r;

			ob__sys_table = real;
			if (!works(i))
				break;
			error = errors[e];
			needs_room = 1;
			let_fail(i);
			begin_closing();
			r = rows[i].call();
			if (r != 0 || calls != 2 || !closed)
				fail_msg("%s: %s after %d calls", rows[i].name, strerror(-r), calls);
			ob__sys_table = real;
			unlinkat(dir, "linked", 0);
			renameat(dir, "c", dir, "b");
		}
	close(file);
	close(dir);
}

/* Each is made twice at most; once if nothing is pending, or if the disk is not what it lacks. */
static void test_repeats_once(void **state)
{
	size_t i;

	make_files(*state);
	error = ENOSPC;
	needs_room = 0;
	for (i = 0; i < ROWS; i++) {
		let_fail(i);
		begin_closing();
		assert_int_equal(rows[i].call(), -ENOSPC);
		assert_int_equal(calls, 2);
		assert_int_equal(closed, 1);
	}
	/* What ended just now may have ended after the call. */
	let_fail(0);
	begin_closing();
	wait_until_closed();
	assert_int_equal(rows[0].call(), -ENOSPC);
	assert_int_equal(calls, 2);
	wait_until_long_ago();
	for (i = 0; i < ROWS; i++) {
		let_fail(i);
		calls = 0;
		assert_int_equal(rows[i].call(), -ENOSPC);
		assert_int_equal(calls, 1);
	}
	error = EIO;
	for (i = 0; i < ROWS; i++) {
		let_fail(i);
		begin_closing();
		assert_int_equal(rows[i].call(), -EIO);
		assert_int_equal(calls, 1);
		wait_until_closed();
	}
	close(file);
	close(dir);
}

#ifdef __linux__

#include <sys/vfs.h>

static int room_later(int fd, struct statfs *st)
{
	int r = real.fstatfs(fd, st);

	atomic_fetch_add(&calls, 1);
	st->f_blocks = 1000;
	st->f_bavail = atomic_load(&closed) ? 500 : 0;
	return r;
}

/* How much is free is asked again, too. */
static void test_free_space(void **state)
{
	struct fspolicy fs = *ob__fspolicy_of_magic(0);
	struct target t;

	make_files(*state);
	fs.free_is_exact = 1;
	ob__target_init(&t, TARGET_NAMED, file);
	t.fs = &fs;
	ob__sys_table.close = slow_close;
	ob__sys_table.fstatfs = room_later;
	begin_closing();
	assert_int_equal(ob__target_check_space(&t, 1000), 0);
	assert_int_equal(calls, 2);
	begin_closing();
	assert_int_equal(ob__target_check_space(&t, (uint64_t)1 << 60), -ENOSPC);
	assert_int_equal(calls, 2);
	close(file);
	close(dir);
}

#endif

static int ends[2];

/* Writes a byte when the close is over. */
static int telling_close(int fd)
{
	int was = fd == atomic_load(&watched), r = slow_close(fd);

	if (was && write(ends[1], "x", 1) != 1)
		_exit(9);
	return r;
}

/* What is buffered for standard output must not be written twice, by a child that calls exit(3). */
static int in_exiting_child(int (*fn)(void *arg))
{
	fflush(NULL);
	return in_child(0, fn, NULL);
}

/* exit(3), and not _exit(2): that runs destructors. */
static int exit_while_closing(void *arg)
{
	(void)arg;
	alarm(30);
	ob__sys_table.close = telling_close;
	begin_closing();
	exit(3);
}

/* As a plug-in that is unloaded: no thread runs when the destructors have returned. */
static void test_exit(void **state)
{
	char c;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(in_exiting_child(exit_while_closing), 3);
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 1);
	close(ends[0]);
}

/* It has none of its parent's threads: nothing is pending there, now and when it exits. */
static int full_in_child(void *arg)
{
	(void)arg;
	alarm(5);
	if (rows[0].call() != -ENOSPC || calls != 1)
		return 1;
	/* But it may have its own. */
	begin_closing();
	if (rows[0].call() != -ENOSPC || calls != 2)
		return 2;
	exit(3);
}

static void *nothing(void *arg)
{
	return arg;
}

/* In a child, which says nothing: "Bail out!", as qemu-user says, would end the test for the harness. */
static int start_a_thread(void *arg)
{
	int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pthread_t thread;

	alarm(5);
	if (quiet < 0 || dup2(quiet, STDOUT_FILENO) < 0 || dup2(quiet, STDERR_FILENO) < 0)
		return 2;
	return pthread_create(&thread, NULL, nothing, arg) == 0 ? pthread_join(thread, NULL) : 1;
}

static void test_fork(void **state)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	/* gcc 12's AddressSanitizer waits for a lock in the child that another thread had when the process forked. */
	(void)state;
	print_message("sanitizers end a child that starts a thread, or hang in it\n");
	skip();
#endif
	make_files(*state);
	error = ENOSPC;
	needs_room = 0;
	let_fail(0);
	begin_closing();
	/* qemu-user 7.2 ends a child that starts a thread, by an assertion of its own. */
	if (in_child(0, start_a_thread, NULL) == 0)
		assert_int_equal(in_exiting_child(full_in_child), 3);
	else
		print_message("left out: a child cannot start a thread here\n");
	wait_until_closed();
	close(file);
	close(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: at exit(3) ThreadSanitizer wants all threads joined, also those that only the parent had. */
		fault_test(test_exit),
		fault_test(test_waits),
		fault_test(test_repeats_once),
#ifdef __linux__
		fault_test(test_free_space),
#endif
		fault_test(test_fork),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("background", tests, NULL, NULL);
}
