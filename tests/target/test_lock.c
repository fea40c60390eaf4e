/* SPDX-License-Identifier: MIT */
/*
 * One writer of a path at a time, for those who want it: by threads, by processes, by what is
 * planted where the lock is. Nobody is waited for by the clock: who is second says so by what it finds.
 */
#include "config.h"

#include "inject/faults.h"
#include "rigs/spare.h"
#include "support/files.h"
#include "system/unix/sys_table.h"
#include "target/hidden_name.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sys_table real;

static void lock_path(const struct sandbox *s, char path[600])
{
	char *hidden;

	assert_int_equal(ob__hidden_lock_name("out", &hidden), 0);
	beside(s, hidden, path);
	free(hidden);
}

static int open_locked(struct outbuf **ob, const char *path, uint32_t lock)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;

	options.lock = lock;
	return outbuf_open(ob, path, &options);
}

/* The whole directory: the output if `out`, and the lock's file if `locked`. */
static void assert_there(const struct sandbox *s, int out, int locked)
{
	char path[600];
	struct stat st;

	lock_path(s, path);
	assert_int_equal(lstat(path, &st) == 0, locked);
	assert_int_equal(lstat(s->path, &st) == 0, out);
}

static void test_try(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob, *other;
	unsigned fds;
	int way;

	for (way = 0; way < 4; way++) {
		assert_int_equal(open_locked(&ob, s->path, OUTBUF_LOCK_TRY), 0);
		assert_there(s, 0, 1);
		fds = count_fds();
		assert_int_equal(open_locked(&other, s->path, OUTBUF_LOCK_TRY), -EBUSY);
		assert_null(other);
		assert_int_equal(count_fds(), fds);
		assert_there(s, 0, 1);
		/* Who does not ask is not stopped, and another path is another lock. */
		assert_int_equal(open_locked(&other, s->path, OUTBUF_LOCK_NONE), 0);
		outbuf_close(other);
		assert_int_equal(open_locked(&other, s->dir, OUTBUF_LOCK_TRY), -EISDIR);
		/* What ends it. */
		assert_int_equal(fill_some(ob, 'n', 100), 0);
		if (way == 0)
			assert_int_equal(outbuf_commit(ob), 0);
		if (way == 1)
			assert_int_equal(outbuf_discard(ob), 0);
		if (way == 2) {
			outbuf_fail(ob, -EILSEQ);
			assert_int_equal(outbuf_commit(ob), -EILSEQ);
		}
		if (way == 3)
			assert_int_equal(outbuf_close(ob), 0);
		assert_there(s, way == 0, 0);
		assert_int_equal(open_locked(&other, s->path, OUTBUF_LOCK_TRY), 0);
		outbuf_close(other);
		if (way < 3)
			outbuf_close(ob);
		unlink(s->path);
		assert_int_equal(sandbox_entries(s), 0);
	}
}

/* In place, and to a name that cannot be opened: the lock is let go again. */
static void test_open_fails(void **state)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct sandbox *s = *state;
	struct outbuf *ob, *other;
	char path[600];

	options.lock = OUTBUF_LOCK_TRY;
	options.replace = OUTBUF_REPLACE_IN_PLACE;
	assert_int_equal(outbuf_open(&ob, s->path, &options), 0);
	assert_int_equal(outbuf_open(&other, s->path, &options), -EBUSY);
	assert_there(s, 1, 1);
	outbuf_close(ob);
	assert_int_equal(sandbox_entries(s), 0);

	options.replace = OUTBUF_REPLACE_ATOMIC;
	options.flush = OUTBUF_FLUSH_STREAM;
	options.stage = OUTBUF_REQUIRE;
	assert_int_equal(outbuf_open(&ob, s->path, &options), -ENOTSUP);
	assert_int_equal(sandbox_entries(s), 0);

	/* What cannot be locked is an error; nothing is left open. */
	options = (struct outbuf_options)OUTBUF_OPTIONS_INIT;
	options.lock = OUTBUF_LOCK_TRY;
	lock_path(s, path);
	need(symlink("nowhere", path));
	assert_int_equal(outbuf_open(&ob, s->path, &options), -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(outbuf_open(&ob, s->path, &options), -EISDIR);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(outbuf_open(&ob, s->path, &options), -EPERM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sandbox_entries(s), 0);
}

/* A file there is locked and removed, never written, whosever it is. */
static void test_planted_file(void **state)
{
	struct sandbox *s = *state;
	struct victim victim;
	char path[600], other[600];
	struct outbuf *ob;

	need_hard_links(s);
	need_permissions(s);
	lock_path(s, path);
	beside(s, "other", other);
	victim_make(&victim, other, 1000, 0644);
	need(link(other, path));
	assert_int_equal(open_locked(&ob, s->path, OUTBUF_LOCK_TRY), 0);
	assert_untouched(&victim);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_untouched(&victim);
	assert_there(s, 1, 0);
	if (geteuid() == 0) {
		victim_make(&victim, path, 1000, 0600);
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_int_equal(open_locked(&ob, s->path, OUTBUF_LOCK_TRY), 0);
		assert_int_equal(lstat(path, &victim.st), 0);
		assert_untouched(&victim);
		outbuf_close(ob);
	}
}

/* ------------------------------------------------------------------------- waiting */

static _Atomic int first_done, second_saw;

/* The second has the lock only after the first let it go. */
static void *second(void *arg)
{
	const struct sandbox *s = arg;
	struct outbuf *ob;

	if (open_locked(&ob, s->path, OUTBUF_LOCK_WAIT) != 0)
		return (void *)1;
	second_saw = first_done;
	if (fill_some(ob, '2', 50) != 0 || outbuf_commit(ob) != 0)
		return (void *)2;
	outbuf_close(ob);
	return NULL;
}

static _Atomic int waits; /* calls of flock(2) that are to wait */

static int count_flock(int fd, int operation)
{
	if (!(operation & LOCK_NB))
		waits++;
	return real.flock(fd, operation);
}

static void wait_for(int n)
{
	while (waits < n)
		usleep(100);
}

static void test_wait(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	pthread_t thread;
	void *result;
	int way;

	ob__sys_table.flock = count_flock;
	for (way = 0; way < 3; way++) {
		first_done = 0;
		second_saw = -1;
		waits = 0;
		assert_int_equal(open_locked(&ob, s->path, OUTBUF_LOCK_TRY), 0);
		assert_int_equal(pthread_create(&thread, NULL, second, s), 0);
		wait_for(1);
		usleep(2000); /* would be through by now, if it did not wait; nothing is proven by it */
		assert_int_equal(fill_some(ob, '1', 100), 0);
		first_done = 1;
		if (way == 0)
			assert_int_equal(outbuf_commit(ob), 0);
		if (way == 1)
			assert_int_equal(outbuf_discard(ob), 0);
		outbuf_close(ob);
		pthread_join(thread, &result);
		assert_null(result);
		assert_int_equal(second_saw, 1);
		assert_all(s->path, '2', 50);
		assert_int_equal(sandbox_entries(s), 1);
	}
}

/* The lock's file goes while somebody waits for it: then it is another that counts. */
static void test_removed_meanwhile(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *third;
	char path[600];
	pthread_t thread;
	void *result;
	int fd;

	need_removing_open(s);
	lock_path(s, path);
	ob__sys_table.flock = count_flock;
	waits = 0;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	assert_int_equal(real.flock(fd, LOCK_EX | LOCK_NB), 0);
	second_saw = -1;
	first_done = 0;
	assert_int_equal(pthread_create(&thread, NULL, second, s), 0);
	wait_for(1);
	/* A third one takes the name, so the second has what nobody asks for, and waits again. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(open_locked(&third, s->path, OUTBUF_LOCK_TRY), 0);
	close(fd);
	wait_for(2);
	assert_int_equal(second_saw, -1);
	assert_there(s, 0, 1);
	first_done = 1;
	assert_int_equal(fill_some(third, '3', 10), 0);
	assert_int_equal(outbuf_commit(third), 0);
	outbuf_close(third);
	pthread_join(thread, &result);
	assert_null(result);
	assert_int_equal(second_saw, 1);
	assert_all(s->path, '2', 50);
	assert_int_equal(sandbox_entries(s), 1);
}

/* ------------------------------------------------- file systems that lock in other ways */

static int smb_flock(int fd, int operation)
{
	int r = real.flock(fd, operation);

	if (r < 0 && errno == EWOULDBLOCK)
		errno = EACCES;
	return r;
}

static int only_tries; /* 0: flock(2) does not even try */

/* virtiofs: a lock can be tried for, and not be waited for. */
static int virtiofs_flock(int fd, int operation)
{
	waits++;
	if (only_tries && (operation & LOCK_NB)) {
		int r = real.flock(fd, operation);

		/* Also if the test runs on SMB. */
		if (r < 0 && errno == EACCES)
			errno = EWOULDBLOCK;
		return r;
	}
	errno = EOPNOTSUPP;
	return -1;
}

static void test_other_answers(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob, *other;
	pthread_t thread;
	void *result;

	assert_int_equal(open_locked(&ob, s->path, OUTBUF_LOCK_TRY), 0);
	ob__sys_table.flock = smb_flock;
#ifdef __linux__
	pretend_file_system(0xfe534d42);
	assert_int_equal(open_locked(&other, s->path, OUTBUF_LOCK_TRY), -EBUSY);
	pretend_file_system(0x12345);
#endif
	/* Elsewhere that is a sandbox, and nobody has the lock. */
	assert_int_equal(open_locked(&other, s->path, OUTBUF_LOCK_TRY), -EACCES);
	only_tries = 1;
	first_done = waits = 0;
	second_saw = -1;
	ob__sys_table.flock = virtiofs_flock;
	assert_int_equal(pthread_create(&thread, NULL, second, s), 0);
	/* It asks to wait, and then again and again. */
	wait_for(4);
	first_done = 1;
	outbuf_close(ob);
	pthread_join(thread, &result);
	assert_null(result);
	assert_int_equal(second_saw, 1);
	only_tries = 0;
	assert_int_equal(open_locked(&ob, s->path, OUTBUF_LOCK_WAIT), -EOPNOTSUPP);
	assert_int_equal(open_locked(&ob, s->path, OUTBUF_LOCK_TRY), -EOPNOTSUPP);
}

static int forbidden_flock(int fd, int operation)
{
	(void)fd, (void)operation;
	errno = EACCES;
	return -1;
}

/* A sandbox without locks: files with hidden names are written nevertheless, and none is left. */
static void test_forbidden(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	int round;

	/* SMB's client answers so if somebody else has the lock. */
	if (strcmp(file_system_of(s->dir), "cifs") == 0) {
		print_message("EACCES means something else here\n");
		skip();
	}
	ob__sys_table.flock = forbidden_flock;
	for (round = 0; round < 2; round++) {
		ob__sys_table.openat = round ? no_nameless : real.openat;
		ob = open_with(s->path, NULL);
		assert_int_equal(fill_some(ob, 'n', 5000), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_all(s->path, 'n', 5000);
		assert_int_equal(sandbox_entries(s), 1);
	}
}

/* The lock's file is removed between two calls, as the server sees it: so many times. */
static _Atomic int gone_times;
static int gone_error, gone_in_open;

static int is_lock_name(const char *path)
{
	char *name;
	int r = ob__hidden_lock_name("out", &name) == 0 && strcmp(path, name) == 0;

	free(name);
	return r;
}

static int f_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	if (gone_in_open && is_lock_name(path) && gone_times > 0) {
		gone_times--;
		errno = gone_error;
		return -1;
	}
	return real.openat(dirfd, path, flags, mode);
}

static int f_fstat(int fd, struct stat *st)
{
	/* Not of the directory. */
	if (!gone_in_open && gone_times > 0 && real.fstat(fd, st) == 0 && S_ISREG(st->st_mode)) {
		gone_times--;
		errno = gone_error;
		return -1;
	}
	return real.fstat(fd, st);
}

static void test_gone(void **state)
{
	static const int errors[] = { ENOENT, ESTALE };
	struct sandbox *s = *state;
	struct outbuf *ob;
	unsigned fds = count_fds();
	int i;

	for (i = 0; i < 4; i++) {
		gone_error = errors[i / 2];
		gone_in_open = i % 2;
		gone_times = 5;
		ob__sys_table.openat = f_openat;
		ob__sys_table.fstat = f_fstat;
		assert_int_equal(open_locked(&ob, s->path, i % 2 ? OUTBUF_LOCK_WAIT : OUTBUF_LOCK_TRY), 0);
		assert_int_equal(gone_times, 0);
		outbuf_close(ob);
		assert_int_equal(count_fds(), fds);
	}
	/* For good: an error after 2 s, and no endless loop. */
	if (one_in() == 1) {
		gone_in_open = 1;
		gone_times = INT_MAX;
		assert_int_equal(open_locked(&ob, s->path, OUTBUF_LOCK_WAIT), -ESTALE);
		assert_true(gone_times > 0);
		gone_times = 0;
		assert_int_equal(count_fds(), fds);
	}
}

/* ----------------------------------------------------------------- other processes */

static int told[2];

static int lock_and_tell(const struct sandbox *s)
{
	struct outbuf *ob;

	if (open_locked(&ob, s->path, OUTBUF_LOCK_TRY) != 0)
		return 1;
	if (fill_some(ob, 'k', 1000) != 0 || write(told[1], "x", 1) != 1)
		return 2;
	pause();
	return 3;
}

/* However a process ends, its lock does too, and what it left is in nobody's way. */
static void test_killed(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	int status;
	pid_t pid;
	char c;

	assert_int_equal(pipe(told), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(lock_and_tell(s));
	assert_int_equal(read(told[0], &c, 1), 1);
	close(told[0]);
	close(told[1]);
	assert_int_equal(open_locked(&ob, s->path, OUTBUF_LOCK_TRY), -EBUSY);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_there(s, 0, 1);
	assert_int_equal(open_locked(&ob, s->path, OUTBUF_LOCK_WAIT), 0);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_all(s->path, 'n', 10);
	assert_int_equal(sandbox_entries(s), 1);
}

#define ROUNDS 25

/* Each adds one byte to what it finds: none is lost, if there is never but one. */
static int add_one(const struct sandbox *s)
{
	int round;

	for (round = 0; round < ROUNDS; round++) {
		struct outbuf *ob;
		struct stat st;

		if (open_locked(&ob, s->path, OUTBUF_LOCK_WAIT) != 0)
			return 1;
		st.st_size = 0;
		if (stat(s->path, &st) < 0 && errno != ENOENT)
			return 2;
		if (fill_some(ob, 'a', (size_t)st.st_size + 1) != 0 || outbuf_commit(ob) != 0)
			return 3;
		outbuf_close(ob);
	}
	return 0;
}

static void test_processes(void **state)
{
	struct sandbox *s = *state;
	pid_t pids[3];
	int i, status;

	for (i = 0; i < 3; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			_exit(add_one(s));
	}
	for (i = 0; i < 3; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_all(s->path, 'a', 3 * ROUNDS);
	assert_int_equal(sandbox_entries(s), 1);
}

static int add_as_thread(void *arg, unsigned i)
{
	(void)i;
	return add_one(arg);
}

static void test_threads(void **state)
{
	struct sandbox *s = *state;

	assert_int_equal(run_threads(3, add_as_thread, s), 0);
	assert_all(s->path, 'a', 3 * ROUNDS);
	assert_int_equal(sandbox_entries(s), 1);
}

/* ------------------------------------------------------------------------- without */

static int on_smb;

static int write_unlocked(void *arg, unsigned i)
{
	const struct sandbox *s = arg;
	int round, r;

	for (round = 0; round < ROUNDS; round++) {
		struct outbuf *ob;

		if (open_locked(&ob, s->path, OUTBUF_LOCK_NONE) != 0)
			return 1;
		if (fill_some(ob, (uint8_t)('a' + i), 100000) != 0)
			return 2;
		r = outbuf_commit(ob);
		outbuf_close(ob);
		/* As outbuf.h says of file systems that have no file without a name and lock in their own way. */
		if (r != 0 && !(on_smb && (r == -ENOENT || r == -ESTALE || r == -EACCES)))
			return r;
	}
	return 0;
}

static void test_unlocked(void **state)
{
	struct sandbox *s = *state;
	unsigned char first;
	int fd;

	on_smb = strcmp(file_system_of(s->dir), "cifs") == 0;
	assert_int_equal(run_threads(3, write_unlocked, s), 0);
	fd = open(s->path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, &first, 1), 1);
	close(fd);
	assert_in_range(first, 'a', 'c');
	assert_all(s->path, first, 100000);
	assert_int_equal(sandbox_entries(s), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_try),
		fault_test(test_open_fails),
		fault_test(test_planted_file),
		fault_test(test_wait),
		fault_test(test_removed_meanwhile),
		fault_test(test_killed),
		fault_test(test_processes),
		fault_test(test_threads),
		fault_test(test_unlocked),
		fault_test(test_other_answers),
		fault_test(test_forbidden),
		fault_test(test_gone),
	};

	/* Who waits for ever where it must not is to fail, not to hang. */
	alarm(250);
	real = ob__sys_table;
	return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
