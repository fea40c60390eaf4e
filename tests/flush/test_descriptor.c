/* SPDX-License-Identifier: MIT */
/*
 * Outputs to descriptors: the caller's, which stay open and where they are; FIFOs and terminals opened
 * by name; standard output. Readers that go away, calls that are interrupted, limits.
 */
#include "config.h"

#include "inject/faults.h"
#include "rigs/rig.h"
#include "support/support.h"
#include "system/unix/sys_table.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct sys_table real;

static int begin(void **state)
{
	real = ob__sys_table;
	return rig_make_want(state);
}

/* ----------------------------------------------------------- readers that go away */

/* 1: SIGPIPE waits for this thread. */
static int pipe_is_pending(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigpending(&set);
	return sigismember(&set, SIGPIPE);
}

enum before { DEFAULT, IGNORED, BLOCKED, PENDING };

static void reader_goes_away(struct sandbox *s, const struct kind *kind, enum before before)
{
	sigset_t pipe, mask, after;
	struct outbuf *ob;
	struct rig rig;
	int signal_number;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	signal(SIGPIPE, before == IGNORED ? SIG_IGN : SIG_DFL);
	if (before == BLOCKED || before == PENDING)
		pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	if (before == PENDING)
		raise(SIGPIPE);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);

	assert_int_equal(rig_begin_short(&rig, kind, s, 1000), 0);
	assert_int_equal(kind->open(&ob, &rig, NULL), 0);
	assert_int_equal(rig_emit(ob), 0);
	assert_int_equal(outbuf_commit(ob), -EPIPE);
	assert_int_equal(outbuf_error(ob), -EPIPE);
	assert_int_equal(outbuf_commit(ob), -EPIPE);
	outbuf_close(ob);
	assert_int_equal(rig_end(&rig), 1000);

	pthread_sigmask(SIG_BLOCK, NULL, &after);
	assert_int_equal(sigismember(&after, SIGPIPE), sigismember(&mask, SIGPIPE));
	assert_int_equal(sigismember(&after, SIGINT), sigismember(&mask, SIGINT));
	assert_int_equal(pipe_is_pending(), before == PENDING);
	if (before == PENDING)
		sigwait(&pipe, &signal_number);
	pthread_sigmask(SIG_UNBLOCK, &pipe, NULL);
	signal(SIGPIPE, SIG_DFL);
}

static void test_reader_goes_away(void **state)
{
	static const char *const names[] = { "a pipe", "a FIFO", "a pipe that does not block", "a socket" };
	enum before before;
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++)
		for (before = DEFAULT; before <= PENDING; before++)
			reader_goes_away(*state, rig_kind(names[i]), before);
}

/* A signal of the caller's own, with a handler that does not restart calls. */
static _Atomic int handled;

static void handle(int number)
{
	(void)number;
	atomic_fetch_add(&handled, 1);
}

static _Thread_local volatile int own;

static void *leave_one(void *arg)
{
	own = 1;
	return arg;
}

/* In a child: after a signal, is a thread's own memory still its own? */
static int keeps_its_own(void *arg)
{
	const struct sigaction action = { .sa_handler = handle };
	pthread_t thread;

	(void)arg;
	own = 5;
	if (sigaction(SIGUSR1, &action, NULL) != 0 || pthread_create(&thread, NULL, leave_one, NULL) != 0)
		return 1;
	pthread_join(thread, NULL);
	raise(SIGUSR1);
	return own == 5 ? 0 : 2;
}

static _Atomic int writes;

static ssize_t interrupted_write(int fd, const void *data, size_t n)
{
	if (atomic_fetch_add(&writes, 1) % 2 == 0) {
		errno = EINTR;
		return -1;
	}
	return real.write(fd, data, n > 9999 ? n / 3 : n);
}

static ssize_t zero_write(int fd, const void *data, size_t n)
{
	(void)fd, (void)data, (void)n;
	return 0;
}

static void test_interrupted(void **state)
{
	struct sigaction action = { .sa_handler = handle }, before;
	struct outbuf *ob;
	struct rig rig;

	/* qemu-i386 7.2 comes back from a handler with the memory of the thread that was begun last. */
	if (in_child(0, keeps_its_own, NULL) != 0) {
		print_message("a signal's handler takes a thread's own memory away\n");
		skip();
	}
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	assert_int_equal(rig_begin(&rig, rig_kind("a slow pipe"), *state), 0);
	ob__sys_table.write = interrupted_write;
	atomic_store(&writes, 0);
	assert_int_equal(rig.kind->open(&ob, &rig, NULL), 0);
	assert_int_equal(rig_emit(ob), 0);
	raise(SIGUSR1);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_true(atomic_load(&writes) > 5 && atomic_load(&handled) == 1);
	assert_int_equal(rig_end(&rig), RIG_PLANNED + RIG_TAIL);
	sigaction(SIGUSR1, &before, NULL);

	/* No progress is an error and not an endless loop. */
	assert_int_equal(rig_begin(&rig, rig_kind("a pipe"), *state), 0);
	ob__sys_table.write = zero_write;
	assert_int_equal(rig.kind->open(&ob, &rig, NULL), 0);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(outbuf_commit(ob), -EIO);
	outbuf_close(ob);
	assert_int_equal(rig_end(&rig), 0);
}

static int fail_close(int fd)
{
	real.close(fd);
	errno = EIO;
	return -1;
}

/* What close(2) says of a descriptor of ours counts; one of the caller's is not closed. */
static void test_close_fails(void **state)
{
	static const char *const names[] = { "a FIFO", "a pipe" };
	size_t i;

	for (i = 0; i < 2; i++) {
		struct outbuf *ob;
		struct rig rig;

		assert_int_equal(rig_begin(&rig, rig_kind(names[i]), *state), 0);
		assert_int_equal(rig.kind->open(&ob, &rig, NULL), 0);
		assert_int_equal(rig_emit(ob), 0);
		ob__sys_table.close = fail_close;
		assert_int_equal(outbuf_commit(ob), i == 0 ? -EIO : 0);
		ob__sys_table = real;
		outbuf_close(ob);
		assert_int_equal(rig_end(&rig), RIG_PLANNED + RIG_TAIL);
	}
}

/* -------------------------------------------------------------------- descriptors */

static void test_open_fd_arguments(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = (struct outbuf *)s;
	int fd;

	assert_int_equal(outbuf_open_fd(NULL, 1, NULL), -EINVAL);
	assert_int_equal(outbuf_open_fd(&ob, -1, NULL), -EBADF);
	assert_null(ob);
	write_file(s->path, "old", 3, 0644);
	fd = open(s->path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(outbuf_open_fd(&ob, fd, NULL), -EBADF);
	assert_null(ob);
	assert_true(fcntl(fd, F_GETFL) >= 0);
	close(fd);
	assert_int_equal(outbuf_open_fd(&ob, fd, NULL), -EBADF);
	assert_int_equal(outbuf_open_fd(&ob, INT32_MAX, NULL), -EBADF);
	fd = open(s->dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(outbuf_open_fd(&ob, fd, NULL), -EBADF);
	close(fd);
	assert_file(s->path, "old", 3);
}

/* A regular file, from where its descriptor stands: neither truncated nor closed. */
static void test_fd_of_a_file(void **state)
{
	struct sandbox *s = *state;
	int append, round;

	for (append = 0; append < 2; append++)
		for (round = 0; round < 3; round++) {
			static const struct kind by[] = {
				{ .name = "fd", .open = rig_open_fd },
				{ .name = "proc", .open = rig_open_proc },
				{ .name = "dev", .open = rig_open_dev_fd },
			};
			struct rig rig = { .kind = &by[round], .s = s };
			struct outbuf *ob;

			write_file(s->path, "0123456789", 10, 0644);
			rig.fd = open(s->path, O_RDWR | (append ? O_APPEND : 0));
			assert_int_equal(lseek(rig.fd, 3, SEEK_SET), 3);
			assert_int_equal(by[round].open(&ob, &rig, NULL), 0);
			assert_string_equal(stats_of(ob).placement, "descriptor");
			assert_int_equal(outbuf_map(ob, 2), 0);
			assert_int_equal(outbuf_is_mapped(ob), 0);
			assert_int_equal(fill_some(ob, 'n', 4), 0);
			assert_int_equal(outbuf_flush(ob), 0);
			assert_file(s->path, "0123456789", 10);
			assert_int_equal(outbuf_sync(ob), 0);
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			/* And what is written next stands behind it. */
			assert_int_equal(write(rig.fd, "!", 1), 1);
			assert_int_equal(lseek(rig.fd, 0, SEEK_CUR), append ? 15 : 8);
			assert_int_equal(close(rig.fd), 0);
			if (append)
				assert_file(s->path, "0123456789nnnn!", 15);
			else
				assert_file(s->path, "012nnnn!89", 10);
		}
}

/* Standard output, in a child whose is a file: `(echo a; program -o NAME; echo d) > f`. */
struct standard {
	const char *path, *name;
	int flags;
};

static int write_standard_output(void *arg)
{
	const struct standard *standard = arg;
	int fd = open(standard->path, O_WRONLY | O_CREAT | O_TRUNC | standard->flags, 0600);
	struct stat before, after;
	struct outbuf *ob;
	unsigned fds;
	/* The entries of /proc change with what the descriptor is. */
	int links = lstat(standard->name, &before) == 0 && strstr(standard->name, "/fd/") == NULL;

	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || write(STDOUT_FILENO, "a", 1) != 1)
		return 1;
	fds = count_fds();
	if (outbuf_open(&ob, standard->name, NULL) != 0 || fill_some(ob, 'n', 3) != 0)
		return 2;
	if (outbuf_commit(ob) != 0)
		return 3;
	outbuf_close(ob);
	if (count_fds() != fds || write(STDOUT_FILENO, "d", 1) != 1)
		return 4;
	if (links && (lstat(standard->name, &after) < 0 || after.st_ino != before.st_ino ||
	              (after.st_mode & S_IFMT) != (before.st_mode & S_IFMT)))
		return 5;
	return 0;
}

static int close_standard_output(void *arg)
{
	const struct standard *standard = arg;
	struct outbuf *ob = NULL;

	close(STDOUT_FILENO);
	return outbuf_open(&ob, standard->name, NULL) == -EBADF && ob == NULL ? 0 : 1;
}

static void test_standard_output(void **state)
{
	struct sandbox *s = *state;
	char name[400];
	/* The last one only after a link as that: should it be replaced, let it not be the machine's. */
	const char *const names[] = { "-", "/dev/fd/1", "/proc/self/fd/1", name, "/dev/stdout" };
	size_t i;

	snprintf(name, sizeof name, "%s/stdout", s->dir);
	if (symlink("/proc/self/fd/1", name) < 0) {
		print_message("no links here\n");
		skip();
	}
	fflush(stdout);
	for (i = 0; i < sizeof names / sizeof *names; i++) {
		struct standard standard = { .path = s->path, .name = names[i] };

		assert_int_equal(in_child(0, write_standard_output, &standard), 0);
		assert_file(s->path, "annnd", 5);
		standard.flags = O_APPEND;
		assert_int_equal(in_child(0, write_standard_output, &standard), 0);
		assert_file(s->path, "annnd", 5);
		assert_int_equal(in_child(0, close_standard_output, &standard), 0);
	}
}

/* `ulimit -f` behind a descriptor: an error, and not the signal. */
static int write_too_much(void *arg)
{
	const struct sandbox *s = arg;
	struct rlimit limit = { .rlim_cur = 64 << 10, .rlim_max = 64 << 10 };
	struct outbuf *ob;
	sigset_t pending;
	int fd = open(s->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0 || outbuf_open_fd(&ob, fd, NULL) != 0)
		return 1;
	if (fill_some(ob, 'n', 100000) != 0 || outbuf_commit(ob) != -EFBIG)
		return 2;
	outbuf_close(ob);
	return sigpending(&pending) != 0 || sigismember(&pending, SIGXFSZ) ? 3 : 0;
}

static void test_limit_of_a_descriptor(void **state)
{
	assert_int_equal(in_child(0, write_too_much, *state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_reader_goes_away),
		fault_test(test_interrupted),
		fault_test(test_close_fails),
		fault_test(test_open_fd_arguments),
		fault_test(test_fd_of_a_file),
		fault_test(test_standard_output),
		fault_test(test_limit_of_a_descriptor),
	};

	return cmocka_run_group_tests_name("descriptor", tests, begin, rig_free_want);
}
