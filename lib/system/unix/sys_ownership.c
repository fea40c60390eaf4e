/* SPDX-License-Identifier: MIT */
/*
 * Whose is a file, and who else has it?
 *
 * Before an old file is written over it must be known that nobody looks at it. Linux answers that
 * with a lease: F_WRLCK is granted to the owner of a file that is open nowhere else, not run, and not
 * mapped, even by a descriptor long closed (fcntl(2); tried on ext4, xfs, tmpfs). It is given back at
 * once: it is the answer that is wanted. But a lease also promises a signal when somebody opens
 * the file meanwhile, SIGIO, of which a process dies that does not expect it. So the signal is
 * directed to this thread, which blocks it for these two calls, and takes it away.
 *
 * That two of our own kind do not take the same file is what flock(2) is for: it ends with the
 * process, whatever ends that.
 */
#include "config.h"

#include "system/unix/sys_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "system/unix/sys_table.h"
#ifdef HAVE_VM
#include "system/unix/sys_vm.h"
#endif

int ob__sys_lock(int fd, int wait)
{
	int r;

	do
		r = ob__sys_table.flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0 ? -errno : 0;
	while (r == -EINTR);
	return r;
}

void ob__sys_consume_signal(int signal)
{
	sigset_t one, pending;
	int got;

	sigemptyset(&one);
	sigaddset(&one, signal);
	if (sigpending(&pending) == 0 && sigismember(&pending, signal))
		sigwait(&one, &got);
}

int ob__sys_sigaction(int signal, const struct sigaction *now, struct sigaction *before)
{
	return ob__sys_table.sigaction(signal, now, before) < 0 ? -errno : 0;
}

#ifdef F_SETLEASE

static int command(int fd, int what, void *arg)
{
	return ob__sys_table.fcntl(fd, what, arg) < 0 ? -errno : 0;
}

int ob__sys_is_sole_user(int fd)
{
	struct f_owner_ex me = { .type = F_OWNER_TID, .pid = (pid_t)syscall(SYS_gettid) };
	sigset_t io, before, pending;
	int r;

	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &io, &before);
	r = command(fd, F_SETOWN_EX, &me);
	if (r == 0)
		r = command(fd, F_SETLEASE, (void *)(intptr_t)F_WRLCK);
	if (r == 0) {
		r = command(fd, F_SETLEASE, (void *)(intptr_t)F_UNLCK);
		if (!sigismember(&pending, SIGIO))
			ob__sys_consume_signal(SIGIO);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

#else

int ob__sys_is_sole_user(int fd)
{
	(void)fd;
	return -ENOSYS;
}

#endif

/* Names and values that take more than this are taken for different. */
#define ATTRIBUTES_MAX 4096

static int same_value(int a, int b, const char *name)
{
	char one[ATTRIBUTES_MAX], other[ATTRIBUTES_MAX];
	ssize_t n = ob__sys_table.fgetxattr(a, name, one, sizeof one), m;

	if (n < 0)
		return -errno;
	m = ob__sys_table.fgetxattr(b, name, other, sizeof other);
	if (m < 0)
		return -errno;
	return n == m && memcmp(one, other, (size_t)n) == 0;
}

int ob__sys_same_attributes(int a, int b)
{
	char names[ATTRIBUTES_MAX], others[ATTRIBUTES_MAX];
	const char *name;
	ssize_t n = ob__sys_table.flistxattr(a, names, sizeof names), m;
	int r = 1;

	if (n < 0)
		return errno == EOPNOTSUPP || errno == ENOSYS ? 1 : -errno;
	m = ob__sys_table.flistxattr(b, others, sizeof others);
	if (m < 0)
		return -errno;
	if (n != m || memcmp(names, others, (size_t)n) != 0)
		return 0;
	for (name = names; r == 1 && name < names + n; name += strlen(name) + 1)
		r = same_value(a, b, name);
	return r;
}

int ob__sys_resident(int fd, uint64_t n, uint64_t *bytes)
{
	uint64_t pages;
	int r = ob__sys_table.cachestat(fd, n, &pages) < 0 ? -errno : 0;
	long page = sysconf(_SC_PAGESIZE);

	*bytes = 0;
	if (r == 0) {
		*bytes = pages * (uint64_t)(page > 0 ? page : 4096);
		return 0;
	}
#ifdef HAVE_VM
	return ob__sys_mincore_resident(fd, n, bytes);
#else
	return -ENOSYS;
#endif
}
