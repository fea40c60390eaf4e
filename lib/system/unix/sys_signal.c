/* SPDX-License-Identifier: MIT */
/*
 * Signals that a system call of ours raises.
 *
 * Problem: write(2) to a closed pipe raises SIGPIPE, one beyond RLIMIT_FSIZE raises SIGXFSZ, and a lease
 * (sys_ownership.c) raises SIGIO. Each of them ends a program that does not expect it, and a library may not change how
 * the process handles signals. But the program may use the same signals itself, and must lose none of its own. Another
 * thread may take a signal of the process at any moment. So "is it pending?" followed by sigwait(3) can wait for ever.
 *
 * Choice: these signals are directed to the thread that made the call. So the thread blocks them, makes the call, and
 * takes what is pending for this thread alone, which no other thread can take. What is pending for the process is the
 * program's, and so is what was pending for this thread before. Only /proc tells the two apart. It is read (17 us) only
 * if such a signal is pending at all. rt_sigtimedwait(2) takes the thread's signals first (Linux), and its time is
 * zero. If the signal that was taken turns out to be another one than that of our call, it is queued again for this
 * thread, with all that it says.
 *
 * Where the system does not tell (no /proc, another kernel, an emulator that keeps signals of its own), the thread
 * sends itself the signal, and then takes one. A signal is pending at most once for a thread, so this adds nothing. And
 * the one that is taken is the thread's, not the process's. This has no time either: another thread may set the signal
 * to SIG_IGN, which discards what is pending, and then nothing would end a wait.
 *
 * Limit: a signal that the program directs to this thread while ours is pending is lost, because the kernel keeps one
 * of each. This is so for all signals below SIGRTMIN.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "system/unix/sys_table.h"
#include "system/unix/sys_unix.h"

int ob__sys_sigaction(int signal, const struct sigaction *now, struct sigaction *before)
{
	return ob__sys_table.sigaction(signal, now, before) < 0 ? -errno : 0;
}

/* Is the signal, which is blocked, pending for this thread or for the process? */
static int is_pending(int signal)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigismember(&pending, signal) == 1;
}

#ifdef __linux__

#define PENDING_FIELD 31 /* of /proc/PID/stat, proc(5): what is pending for the thread, as a decimal bit mask */
#define STAT_MAX 1024    /* bytes; there are 52 fields of at most 20 digits, and 31 of them are read */

/* 1 if the signal is pending for this thread alone, 0 if not, or a negative errno if that is not known. */
static int is_pending_for_thread(int signal)
{
	char text[STAT_MAX], *at;
	int field, r, fd = ob__sys_openat(AT_FDCWD, "/proc/thread-self/stat", O_RDONLY, 0);

	if (fd < 0)
		return fd;
	r = ob__sys_pread_all(fd, text, sizeof text - 1, 0);
	ob__sys_close(fd);
	if (r < 0)
		return r;
	text[sizeof text - 1] = '\0';
	/* Field 2 is the program's name in parentheses, which may hold anything. */
	at = strrchr(text, ')');
	for (field = 2; at != NULL && field < PENDING_FIELD; field++)
		at = strchr(at + 1, ' ');
	return at == NULL ? -EIO : (strtoul(at, NULL, 10) >> (signal - 1) & 1) == 1;
}

/*
 * qemu-user 7.2 takes si_band for an int where it is a long, and so tells the descriptor in its second half. si_fd is
 * what it was before then: 0. The kernel's si_band is less than 65,536, so one of the halves is 0.
 */
static int is_descriptor_in_band(const siginfo_t *info, int fd)
{
	int halves[2];

	if (sizeof info->si_band != sizeof halves || info->si_fd != 0)
		return 0;
	memcpy(halves, &info->si_band, sizeof halves);
	return halves[0] != 0 && halves[1] == fd;
}

/*
 * Is it the signal that a call of ours raised? For a lease it tells the file's descriptor. The others tell that this
 * process raised them; one that another thread has directed to this one (pthread_kill(3)) has a negative code.
 */
static int is_ours(const siginfo_t *info, int fd)
{
	if (fd < 0)
		return info->si_code >= 0;
	return info->si_code > 0 && (info->si_fd == fd || is_descriptor_in_band(info, fd));
}

#ifndef SYS_rt_sigtimedwait /* 32-bit machines that are younger than 2038's problem */
#define SYS_rt_sigtimedwait SYS_rt_sigtimedwait_time64
#endif

/*
 * sigtimedwait(2) with a time of zero, which is zero bytes whatever its type is. glibc's own function changes the code
 * of a signal that pthread_kill(3) sent.
 */
static int take_at_once(int signal, siginfo_t *info)
{
	static const uint64_t no_time[2];
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	return (int)syscall(SYS_rt_sigtimedwait, &set, info, no_time, _NSIG / 8);
}

/* Take the signal if it is pending, for this thread before the process. Never waits. */
static void take_any(int signal)
{
	siginfo_t info;

	while (take_at_once(signal, &info) < 0 && errno == EINTR)
		continue;
}

/* Take the signal, which is pending for this thread, unless it is another than that of our call. */
static void take_from_thread(int signal, int fd)
{
	siginfo_t info = { .si_signo = 0 }; /* all of it 0, for is_descriptor_in_band() */
	int got;

	do
		got = take_at_once(signal, &info);
	while (got < 0 && errno == EINTR);
	if (got == signal && !is_ours(&info, fd) &&
	    syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), signal, &info) < 0)
		pthread_kill(pthread_self(), signal);
}

#else

static int is_pending_for_thread(int signal)
{
	(void)signal;
	return -ENOSYS;
}

static void take_from_thread(int signal, int fd)
{
	(void)signal, (void)fd;
}

/*
 * Not every system has sigtimedwait(2). There it waits if another thread sets the signal to SIG_IGN between the two
 * calls.
 */
static void take_any(int signal)
{
#ifdef HAVE_SIGTIMEDWAIT
	static const struct timespec no_time;
#else
	int got;
#endif
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
#ifdef HAVE_SIGTIMEDWAIT
	sigtimedwait(&set, NULL, &no_time);
#else
	if (is_pending(signal))
		sigwait(&set, &got);
#endif
}

#endif

void ob__sys_signals_hold(struct sys_signals *s, int a, int b)
{
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, a);
	sigaddset(&held, b);
	pthread_sigmask(SIG_BLOCK, &held, &s->before);
	sigemptyset(&s->programs);
	/* Where it is not known whether it is pending for this thread, it counts as the program's, and stays. */
	if (is_pending(a) && is_pending_for_thread(a) != 0)
		sigaddset(&s->programs, a);
	if (b != a && is_pending(b) && is_pending_for_thread(b) != 0)
		sigaddset(&s->programs, b);
}

void ob__sys_signals_take(const struct sys_signals *s, int signal, int fd)
{
	if (sigismember(&s->programs, signal) || !is_pending(signal))
		return;
	if (is_pending_for_thread(signal) == 1) {
		take_from_thread(signal, fd);
		return;
	}
	/*
	 * It is the process's, or that is not known. Once it is pending for this thread too, there is something to
	 * take, which nobody else can take.
	 */
	if (pthread_kill(pthread_self(), signal) == 0)
		take_any(signal);
}

void ob__sys_signals_restore(const struct sys_signals *s)
{
	pthread_sigmask(SIG_SETMASK, &s->before, NULL);
}
