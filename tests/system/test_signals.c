/* SPDX-License-Identifier: MIT */
/*
 * Calls of the library raise SIGPIPE, SIGXFSZ and SIGIO. Those are taken; the program's own signals of these
 * numbers all reach it, whether they were sent to the process or to the thread, before the call or in the middle of
 * it; and no call waits for one that another thread has taken.
 */
#include "config.h"

#include "inject/faults.h"
#include "support/support.h"
#include "system/unix/sys_table.h"
#include "system/unix/sys_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct sys_table real;

/* A call of the library that may raise `signal`. `raised`: it does, this time. Returns what the library's function did. */
struct call {
	const char *name;
	int signal;
	int (*make)(const struct sandbox *s, int raised);
};

/* What the program does in the middle of the call, on this thread; NULL: nothing. */
static void (*meanwhile)(int signal);
static int meanwhile_signal;

static void in_the_middle(void)
{
	if (meanwhile != NULL)
		meanwhile(meanwhile_signal);
}

/* ------------------------------------------------------------------- the calls */

static int raising;

static ssize_t hooked_write(int fd, const void *data, size_t n)
{
	in_the_middle();
	if (raising)
		return real.write(fd, data, n);
	errno = meanwhile_signal == SIGPIPE ? EPIPE : EFBIG;
	return -1;
}

static int write_to_closed_pipe(const struct sandbox *s, int raised)
{
	int ends[2], r;

	(void)s;
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	raising = raised;
	ob__sys_table.write = hooked_write;
	r = ob__sys_write_all(ends[1], "x", 1);
	close(ends[1]);
	return r == -EPIPE ? 0 : -1;
}

/* The limit is set for the moment of the call alone: this program's messages may go to a file. */
static int write_beyond_limit(const struct sandbox *s, int raised)
{
	struct rlimit before, none = { 0, 0 };
	int r, fd = open(s->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none.rlim_max = before.rlim_max;
	raising = raised;
	ob__sys_table.write = hooked_write;
	setrlimit(RLIMIT_FSIZE, &none);
	r = ob__sys_write_all(fd, "x", 1);
	setrlimit(RLIMIT_FSIZE, &before);
	close(fd);
	return r == -EFBIG ? 0 : -1;
}

#ifdef F_SETLEASE

static char leased[300];

/* While there is a lease, somebody opens the file: that raises the signal. */
static int hooked_fcntl(int fd, int command, void *arg)
{
	int r = real.fcntl(fd, command, arg), other;

	if (command != F_SETLEASE || (intptr_t)arg != F_WRLCK || r < 0)
		return r;
	in_the_middle();
	if (raising) {
		other = open(leased, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		r = other < 0 && errno == EWOULDBLOCK ? 0 : -1;
		if (other >= 0)
			close(other);
	}
	return r;
}

static int ask_for_lease(const struct sandbox *s, int raised)
{
	int r, fd;

	write_file(s->path, "x", 1, 0600);
	memcpy(leased, s->path, sizeof leased);
	fd = open(s->path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	raising = raised;
	ob__sys_table.fcntl = hooked_fcntl;
	r = ob__sys_is_sole_user(fd);
	close(fd);
	return r;
}

#endif

static const struct call calls[] = {
	{ "a closed pipe", SIGPIPE, write_to_closed_pipe },
	{ "a file beyond the limit", SIGXFSZ, write_beyond_limit },
#ifdef F_SETLEASE
	{ "a lease", SIGIO, ask_for_lease },
#endif
};

#define CALLS (sizeof calls / sizeof *calls)

/* ------------------------------------------------ what the program has of its own */

static void to_process(int signal)
{
	kill(getpid(), signal);
}

static void to_thread(int signal)
{
	pthread_kill(pthread_self(), signal);
}

static void to_both(int signal)
{
	to_process(signal);
	to_thread(signal);
}

/* How many of them are pending, each of which is taken here. */
static int take_all(int signal)
{
	const struct timespec at_once = { 0, 0 };
	sigset_t set;
	int n = 0;

	sigemptyset(&set);
	sigaddset(&set, signal);
	while (sigtimedwait(&set, NULL, &at_once) == signal)
		n++;
	return n;
}

/* A kernel or a file system without leases. */
static int is_possible(const struct sandbox *s, const struct call *call)
{
	int r;

	meanwhile = NULL;
	meanwhile_signal = call->signal;
	r = call->make(s, 0);
	if (r < 0)
		print_message("left out: %s: %s\n", call->name, strerror(-r));
	return r == 0;
}

/*
 * Does /proc show what is pending for this thread? An emulator keeps signals of its own there. SIGUSR1 stands for all.
 */
static int proc_tells(void)
{
	char line[256];
	unsigned long long pending = 0;
	sigset_t set, before;
	FILE *f;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	pthread_kill(pthread_self(), SIGUSR1);
	f = fopen("/proc/thread-self/status", "r");
	while (f != NULL && fgets(line, sizeof line, f) != NULL && sscanf(line, "SigPnd: %llx", &pending) != 1)
		continue;
	if (f != NULL)
		fclose(f);
	take_all(SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pending >> (SIGUSR1 - 1) & 1;
}

/*
 * All signals are blocked, as in a program that takes them by sigwait(3). So they stay where they were sent to, and
 * can be counted.
 */
static void test_programs_own(void **state)
{
	static const struct { const char *name; void (*send)(int signal); int n; } rows[] = {
		{ "none", NULL, 0 },
		{ "the process's", to_process, 1 },
		{ "the thread's", to_thread, 1 },
		{ "both", to_both, 2 },
	};
	const size_t n_rows = sizeof rows / sizeof *rows;
	const struct sandbox *s = *state;
	sigset_t all, before;
	size_t c, i, way;

	if (!proc_tells()) {
		print_message("skipped: /proc does not show what is pending for a thread\n");
		skip();
	}
	sigfillset(&all);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &all, &before), 0);
	for (c = 0; c < CALLS; c++)
		for (i = 0; i < n_rows && is_possible(s, &calls[c]); i++)
			for (way = 0; way < 4; way++) {
				int early = way % 2, raised = way / 2 == 1, n;

				meanwhile = early ? NULL : rows[i].send;
				meanwhile_signal = calls[c].signal;
				if (early && rows[i].send != NULL)
					rows[i].send(calls[c].signal);
				assert_int_equal(calls[c].make(s, raised), 0);
				n = take_all(calls[c].signal);
				if (n != rows[i].n)
					fail_msg("%s, %s, %s, %s: %d are pending", calls[c].name, rows[i].name,
					         early ? "before" : "meanwhile", raised ? "raised" : "not raised", n);
			}
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}

/* Where /proc is missing, at least ours is taken, nothing hangs, and the process's stays. */
static int without_proc(int dirfd, const char *path, int flags, mode_t mode)
{
	if (strncmp(path, "/proc", 5) == 0) {
		errno = ENOENT;
		return -1;
	}
	return real.openat(dirfd, path, flags, mode);
}

static void test_without_proc(void **state)
{
	const struct sandbox *s = *state;
	sigset_t all, before;
	size_t c, way;

	sigfillset(&all);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &all, &before), 0);
	ob__sys_table.openat = without_proc;
	for (c = 0; c < CALLS; c++)
		for (way = 0; way < 4 && is_possible(s, &calls[c]); way++) {
			int sent = way % 2, raised = way / 2 == 1;

			meanwhile = sent ? to_process : NULL;
			meanwhile_signal = calls[c].signal;
			assert_int_equal(calls[c].make(s, raised), 0);
			assert_int_equal(take_all(calls[c].signal), sent);
		}
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}

#ifdef F_SETLEASE

static int ready_pipe[2];

/* A descriptor that tells this thread by SIGIO when it is ready, as programs ask for it. */
static void descriptor_is_ready(int signal)
{
	(void)signal;
	if (write(ready_pipe[1], "x", 1) != 1)
		raising = 0;
}

/* The program's SIGIO tells a descriptor, too. It does so afterwards. */
static void test_descriptors_signal(void **state)
{
	const struct timespec at_once = { 0, 0 };
	struct f_owner_ex owner = { .type = F_OWNER_TID, .pid = (pid_t)syscall(SYS_gettid) };
	struct sandbox *s = *state;
	sigset_t set, before;
	siginfo_t info;
	int told, copy;

	if (!is_possible(s, &calls[CALLS - 1]))
		skip();
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &before), 0);
	assert_int_equal(pipe(ready_pipe), 0);
	assert_int_equal(fcntl(ready_pipe[0], F_SETOWN_EX, &owner), 0);
	assert_int_equal(fcntl(ready_pipe[0], F_SETSIG, SIGIO), 0);
	assert_int_equal(fcntl(ready_pipe[0], F_SETFL, O_ASYNC | O_NONBLOCK), 0);
	/* An emulator may not tell the descriptor, with or without the library. */
	descriptor_is_ready(SIGIO);
	assert_int_equal(sigtimedwait(&set, &info, &at_once), SIGIO);
	told = info.si_fd == ready_pipe[0];
	if (told) {
		meanwhile = descriptor_is_ready;
		meanwhile_signal = SIGIO;
		assert_int_equal(ask_for_lease(s, 0), 0);
		assert_int_equal(sigtimedwait(&set, &info, &at_once), SIGIO);
		assert_int_equal(info.si_fd, ready_pipe[0]);
		assert_true(info.si_code > 0);
		assert_int_equal(take_all(SIGIO), 0);
		/* The kernel tells the number that the program asked by, although that is another file now. */
		copy = dup(ready_pipe[0]);
		assert_int_equal(dup2(ready_pipe[1], ready_pipe[0]), ready_pipe[0]);
		assert_int_equal(ask_for_lease(s, 0), 0);
		assert_int_equal(take_all(SIGIO), 1);
		close(copy);
	}
	close(ready_pipe[0]);
	close(ready_pipe[1]);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
	if (!told) {
		print_message("skipped: the signal does not tell the descriptor here\n");
		skip();
	}
}

/* A thread that takes the process's signals while others are asked about a lease. */
static _Atomic int taken, sent, over;

static void *take_signals(void *arg)
{
	const struct timespec moment = { .tv_nsec = 100000000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	while (!atomic_load(&over))
		if (sigtimedwait(&set, NULL, &moment) == SIGIO)
			atomic_fetch_add(&taken, 1);
	return arg;
}

/* One at a time, as two would become one. */
static void *send_signals(void *arg)
{
	uint64_t seed = 1;
	int i;

	for (i = 0; i < *(const int *)arg; i++) {
		uint64_t spins = random_below(&seed, 800);
		time_t start = time(NULL);

		while (spins-- > 0)
			atomic_load(&over);
		kill(getpid(), SIGIO);
		atomic_fetch_add(&sent, 1);
		while (atomic_load(&taken) < atomic_load(&sent) && time(NULL) < start + 10)
			sched_yield();
	}
	atomic_store(&over, 1);
	return NULL;
}

/* In a child, as a hang ends it by SIGALRM. */
static int ask_in_a_storm(void *arg)
{
	int n = (int)fewer(2000, 10), fd = open(arg, O_RDWR | O_CLOEXEC);
	pthread_t taker, sender;
	sigset_t set;

	alarm(60);
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&taker, NULL, take_signals, NULL) != 0 || pthread_create(&sender, NULL, send_signals, &n) != 0)
		return 2;
	while (!atomic_load(&over))
		ob__sys_is_sole_user(fd);
	pthread_join(sender, NULL);
	pthread_join(taker, NULL);
	return atomic_load(&taken) == n ? 0 : 1;
}

static void test_storm(void **state)
{
	struct sandbox *s = *state;

	if (!is_possible(s, &calls[CALLS - 1]))
		skip();
	write_file(s->path, "x", 1, 0600);
	assert_int_equal(in_child(0, ask_in_a_storm, s->path), 0);
}

/* Setting the signal to SIG_IGN discards what is pending, for the process and for each thread. */
static void *discard_signals(void *arg)
{
	const struct sigaction ignored = { .sa_handler = SIG_IGN }, standard = { .sa_handler = SIG_DFL };

	while (!atomic_load(&over)) {
		sigaction(SIGIO, &ignored, NULL);
		sigaction(SIGIO, &standard, NULL);
	}
	return arg;
}

static int ask_while_discarding(void *arg)
{
	int i, n = (int)fewer(20000, 100), fd = open(arg, O_RDWR | O_CLOEXEC);
	pthread_t discarder;
	sigset_t set;

	alarm(60);
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&discarder, NULL, discard_signals, NULL) != 0)
		return 2;
	ob__sys_table.fcntl = hooked_fcntl;
	raising = 0;
	meanwhile = to_process;
	for (i = 0; i < n; i++) {
		ob__sys_is_sole_user(fd);
		take_all(SIGIO);
	}
	atomic_store(&over, 1);
	pthread_join(discarder, NULL);
	return 0;
}

static void test_discarded(void **state)
{
	struct sandbox *s = *state;

	if (!is_possible(s, &calls[CALLS - 1]))
		skip();
	write_file(s->path, "x", 1, 0600);
	assert_int_equal(in_child(0, ask_while_discarding, s->path), 0);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_programs_own),
		fault_test(test_without_proc),
#ifdef F_SETLEASE
		fault_test(test_descriptors_signal),
		fault_test(test_storm),
		fault_test(test_discarded),
#endif
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
