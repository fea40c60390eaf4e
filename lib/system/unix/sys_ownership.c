/* SPDX-License-Identifier: MIT */
/*
 * Whose is a file, and who else uses it?
 *
 * Problem: before an old file is written over, it must be known that no process uses it.
 *
 * Choice: Linux answers that by a lease. The owner of a file gets a lease F_WRLCK only if the file is open nowhere
 * else, is not being run, and is not mapped, even by a descriptor that was closed long ago (fcntl(2); tried on ext4,
 * xfs, tmpfs). The lease is released at once, as only the answer is needed.
 *
 * Cost: while there is a lease, the system sends SIGIO when somebody opens the file. SIGIO ends a process that does
 * not expect it. So the signal is directed to this thread. The thread blocks it during these calls, and takes it if it
 * is pending afterwards (sys_signal.c). The program's own SIGIO stays.
 *
 * flock(2) keeps two processes that use this library from recycling the same file. Such a lock ends with its process,
 * however that ends.
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

static int call_flock(int fd, int operation)
{
	int r;

	do
		r = ob__sys_table.flock(fd, operation) < 0 ? -errno : 0;
	while (r == -EINTR);
	return r;
}

int ob__sys_lock(int fd, int wait)
{
	int r = call_flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));

	/* virtiofs locks, but does not wait for a lock. */
	if (wait && r == -EOPNOTSUPP) {
		while ((r = call_flock(fd, LOCK_EX | LOCK_NB)) == -EWOULDBLOCK)
			ob__sys_poll_pause();
	}
	return r;
}

void ob__sys_unlock(int fd)
{
	call_flock(fd, LOCK_UN);
}

#ifdef F_SETLEASE

static int call_fcntl(int fd, int command, void *arg)
{
	return ob__sys_table.fcntl(fd, command, arg) < 0 ? -errno : 0;
}

int ob__sys_is_sole_user(int fd)
{
	struct f_owner_ex this_thread = { .type = F_OWNER_TID, .pid = (pid_t)syscall(SYS_gettid) };
	struct sys_signals signals;
	int r;

	ob__sys_signals_hold(&signals, SIGIO, SIGIO);
	r = call_fcntl(fd, F_SETOWN_EX, &this_thread);
	/* SIGIO is sent anyway. But if it is asked for, it tells the descriptor, and so can be told from others. */
	if (r == 0)
		r = call_fcntl(fd, F_SETSIG, (void *)(intptr_t)SIGIO);
	if (r == 0)
		r = call_fcntl(fd, F_SETLEASE, (void *)(intptr_t)F_WRLCK);
	if (r == 0) {
		r = call_fcntl(fd, F_SETLEASE, (void *)(intptr_t)F_UNLCK);
		ob__sys_signals_take(&signals, SIGIO, fd);
	}
	ob__sys_signals_restore(&signals);
	return r;
}

#else

int ob__sys_is_sole_user(int fd)
{
	(void)fd;
	return -ENOSYS;
}

#endif

/*
 * In bytes. If the names or a value of extended attributes need more, ob__sys_same_attributes() returns -ERANGE, which
 * its caller treats as a difference.
 */
#define ATTRIBUTES_MAX 4096

/* 1 if this attribute has the same value in both files, 0 if not, or a negative errno. */
static int same_value(int a, int b, const char *name)
{
	char value[ATTRIBUTES_MAX], other_value[ATTRIBUTES_MAX];
	ssize_t n = ob__sys_table.fgetxattr(a, name, value, sizeof value), other_n;

	if (n < 0)
		return -errno;
	other_n = ob__sys_table.fgetxattr(b, name, other_value, sizeof other_value);
	if (other_n < 0)
		return -errno;
	return n == other_n && memcmp(value, other_value, (size_t)n) == 0;
}

int ob__sys_same_attributes(int a, int b)
{
	char names[ATTRIBUTES_MAX], other_names[ATTRIBUTES_MAX];
	const char *name;
	ssize_t n = ob__sys_table.flistxattr(a, names, sizeof names), other_n;
	int r = 1;

	if (n < 0)
		return errno == EOPNOTSUPP || errno == ENOSYS ? 1 : -errno;
	other_n = ob__sys_table.flistxattr(b, other_names, sizeof other_names);
	if (other_n < 0)
		return -errno;
	if (n != other_n || memcmp(names, other_names, (size_t)n) != 0)
		return 0;
	for (name = names; r == 1 && name < names + n; name += strlen(name) + 1)
		r = same_value(a, b, name);
	return r;
}

int ob__sys_resident(int fd, uint64_t n, uint64_t *bytes)
{
	uint64_t pages;
	int r = ob__sys_table.cachestat(fd, n, &pages) < 0 ? -errno : 0;
	long page_size = sysconf(_SC_PAGESIZE);

	*bytes = 0;
	if (r == 0) {
		*bytes = pages * (uint64_t)(page_size > 0 ? page_size : 4096);
		return 0;
	}
#ifdef HAVE_VM
	return ob__sys_mincore_resident(fd, n, bytes);
#else
	return -ENOSYS;
#endif
}
