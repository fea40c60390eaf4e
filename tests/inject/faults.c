/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "inject/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#ifdef __linux__
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#endif

#include "support/support.h"
#include "system/unix/sys_table.h"
#ifdef HAVE_VM
#include "system/unix/sys_vm.h"

static struct sys_vm_table real_vm;
#endif

static struct sys_table real;

static struct {
	_Atomic int calls;   /* any thread */
	int from, error, once; /* constant while threads run */
} plan;

int call_fails(void)
{
	int call = atomic_fetch_add(&plan.calls, 1) + 1;

	if (plan.error == 0 || call < plan.from || (plan.once && call > plan.from))
		return 0;
	errno = plan.error;
	return 1;
}

void arm(int from, int error, int once)
{
	atomic_store(&plan.calls, 0);
	plan.from = from;
	plan.error = error;
	plan.once = once;
}

int calls_made(void)
{
	return atomic_load(&plan.calls);
}

int no_nameless(int dirfd, const char *path, int flags, mode_t mode)
{
#ifdef O_TMPFILE
	if ((flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
#endif
	return real.openat(dirfd, path, flags, mode);
}

#ifdef __linux__
static uint32_t pretended; /* constant while threads run */

static int pretending(int fd, struct statfs *st)
{
	int r = real.fstatfs(fd, st);

	/* As a kernel that extends the sign: the highest bit of CIFS' is set. */
	st->f_type = (__typeof__(st->f_type))(int32_t)pretended;
	return r;
}

/* A disk's device number for what has none: tmpfs, overlay, btrfs. */
static int with_disk(int r, struct stat *st)
{
	if (r == 0 && major(st->st_dev) == 0)
		st->st_dev = makedev(200, minor(st->st_dev));
	return r;
}

static int fstat_of_disk(int fd, struct stat *st) { return with_disk(real.fstat(fd, st), st); }

static int fstatat_of_disk(int dirfd, const char *path, struct stat *st, int flags)
{
	return with_disk(real.fstatat(dirfd, path, st, flags), st);
}

void pretend_file_system(uint32_t magic)
{
	pretended = magic;
	ob__sys_table.fstatfs = pretending;
	ob__sys_table.fstat = fstat_of_disk;
	ob__sys_table.fstatat = fstatat_of_disk;
}
#endif

static int interrupted(void)
{
	int call = calls_made();

	call_fails();
	errno = EINTR;
	return call % 3 == 0;
}

ssize_t short_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	return interrupted() ? -1 : real.pwrite(fd, data, n > 1000 ? n / 3 : n, offset);
}

ssize_t short_pread(int fd, void *data, size_t n, off_t offset)
{
	return interrupted() ? -1 : real.pread(fd, data, n > 1000 ? n / 3 : n, offset);
}

ssize_t zero_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	(void)fd, (void)data, (void)n, (void)offset;
	return 0;
}

int faults_begin(void **state)
{
	real = ob__sys_table;
#ifdef HAVE_VM
	real_vm = ob__sys_vm_table;
#endif
	arm(0, 0, 0);
	return sandbox_make(state);
}

int faults_end(void **state)
{
	ob__sys_table = real;
#ifdef HAVE_VM
	ob__sys_vm_table = real_vm;
#endif
	return sandbox_remove(state);
}
