/* SPDX-License-Identifier: MIT */
/*
 * The table of system calls, which tests replace.
 *
 * Problem: tests must be able to let any system call fail. --wrap of the linker or an interposed library cannot do
 * that. With _FILE_OFFSET_BITS=64 the names in the object files are pwrite64, fallocate64 and so on. _FORTIFY_SOURCE
 * renames open. --wrap does not reach a shared library or a call within one file. The mocks of cmocka are per thread,
 * but a flush runs on several threads.
 *
 * Choice: a table of pointers. Cost: one indirect call for each system call, which cannot be measured beside the call
 * itself.
 */
#include "config.h"

#include "system/unix/sys_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#endif
#include <unistd.h>
#ifdef HAVE_GETRANDOM
#include <sys/random.h>
#endif

#include "system/unix/sys_names.h"

#ifndef RENAME_EXCHANGE /* of renameat2(2); only glibc's <stdio.h> defines it */
#define RENAME_EXCHANGE 2
#endif

#if defined HAVE_STATX && defined STATX_ATTR_MOUNT_ROOT
#define ATTR_MOUNT_ROOT STATX_ATTR_MOUNT_ROOT
#else
#define ATTR_MOUNT_ROOT 0x2000 /* Linux 5.8 */
#endif

#ifdef STATX_MNT_ID_UNIQUE
#define UNIQUE_MOUNT STATX_MNT_ID_UNIQUE
#else
#define UNIQUE_MOUNT 0x4000u /* Linux 6.8 */
#endif

/* Functions for the slots of the table. The calls that are variadic, or that a system may not have, need one. */

static int real_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return openat(dirfd, path, flags, mode);
}

/* What the library looks at of a struct stat, from a struct statx. */
#ifdef HAVE_STATX
static void take_statx(struct stat *st, const struct statx *from)
{
	*st = (struct stat){
		.st_dev = makedev(from->stx_dev_major, from->stx_dev_minor),
		.st_ino = (ino_t)from->stx_ino,
		.st_mode = from->stx_mode,
		.st_nlink = (nlink_t)from->stx_nlink,
		.st_uid = from->stx_uid,
		.st_gid = from->stx_gid,
		.st_size = (off_t)from->stx_size,
		.st_blocks = (blkcnt_t)from->stx_blocks,
	};
}
#endif

static int real_stat_name(int dirfd, const char *path, struct stat *st, struct sys_name_info *info)
{
#ifdef HAVE_STATX
	struct statx x;

	*info = (struct sys_name_info){ .traits = 0 };
	if (statx(dirfd, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_BASIC_STATS | UNIQUE_MOUNT, &x) == 0) {
		take_statx(st, &x);
		if (x.stx_attributes & STATX_ATTR_IMMUTABLE)
			info->traits |= SYS_IMMUTABLE;
		if (x.stx_attributes & STATX_ATTR_APPEND)
			info->traits |= SYS_APPEND_ONLY;
		if (x.stx_attributes & ATTR_MOUNT_ROOT)
			info->traits |= SYS_MOUNT_POINT;
#ifdef HAVE_STRUCT_STATX_STX_MNT_ID
		if (x.stx_mask & UNIQUE_MOUNT)
			info->mount = x.stx_mnt_id;
#endif
		return 0;
	}
	/* Sandboxes refuse what they do not know; where nobody does, the second answer is the same. */
	if (errno != ENOSYS && errno != EPERM && errno != EACCES && errno != EINVAL)
		return -1;
#endif
	*info = (struct sys_name_info){ .traits = 0 };
	return *path == '\0' ? fstat(dirfd, st) : fstatat(dirfd, path, st, AT_SYMLINK_NOFOLLOW);
}

static ssize_t real_copy_range(int from, off_t *at, int to, size_t n)
{
#ifdef HAVE_COPY_FILE_RANGE
	return copy_file_range(from, at, to, NULL, n, 0);
#else
	(void)from, (void)at, (void)to, (void)n;
	errno = ENOSYS;
	return -1;
#endif
}

static int real_fallocate(int fd, int mode, off_t offset, off_t length)
{
#ifdef HAVE_FALLOCATE
	return fallocate(fd, mode, offset, length);
#else
	/*
	 * Not posix_fallocate(3): where the file system cannot allocate blocks, glibc writes a byte into each block
	 * instead, 1 s for 1.7 GB (reviews.llvm.org/D38295).
	 */
	(void)fd, (void)mode, (void)offset, (void)length;
	errno = ENOSYS;
	return -1;
#endif
}

static ssize_t real_getrandom(void *data, size_t n, unsigned flags)
{
#ifdef HAVE_GETRANDOM
	return getrandom(data, n, flags);
#else
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, data, n);
	(void)flags;
	if (fd >= 0)
		close(fd);
	return got;
#endif
}

static int real_fcntl(int fd, int command, void *arg)
{
	return fcntl(fd, command, arg);
}

static int real_dup(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, SYS_FIRST_DESCRIPTOR);
}

static int real_dup_over(int fd, int other)
{
#ifdef HAVE_DUP3
	return dup3(fd, other, O_CLOEXEC);
#else
	int r = dup2(fd, other);

	if (r >= 0)
		fcntl(other, F_SETFD, FD_CLOEXEC);
	return r;
#endif
}

/* Some sandboxes forbid the older of two calls that do the same. */
static int real_renameat(int fromdir, const char *from, int todir, const char *to)
{
	int r = renameat(fromdir, from, todir, to);

#ifdef SYS_renameat2
	if (r < 0 && (errno == ENOSYS || errno == EPERM || errno == EACCES)) {
		int error = errno;

		r = (int)syscall(SYS_renameat2, fromdir, from, todir, to, 0);
		if (r < 0)
			errno = error;
	}
#endif
	return r;
}

static int real_exchange(int dirfd, const char *a, const char *b)
{
#ifdef HAVE_RENAMEAT2
	return renameat2(dirfd, a, dirfd, b, RENAME_EXCHANGE);
#elif defined(SYS_renameat2)
	/* The musl of Debian 12 (1.2.3) has no wrapper. */
	return (int)syscall(SYS_renameat2, dirfd, a, dirfd, b, RENAME_EXCHANGE);
#else
	(void)dirfd, (void)a, (void)b;
	errno = ENOSYS;
	return -1;
#endif
}

/*
 * cachestat(2) came with Linux 6.5, which is too new for a wrapper in glibc and for the headers of some systems. Its
 * number is the same on all machines but one, Alpha.
 */
#if defined(__linux__) && !defined(SYS_cachestat) && !defined(__alpha__)
#define SYS_cachestat 451
#endif

static int real_cachestat(int fd, uint64_t length, uint64_t *pages)
{
#ifdef SYS_cachestat
	struct {
		uint64_t offset, length;
	} range = { 0, length };
	struct {
		uint64_t cached, dirty, writeback, evicted, recently_evicted;
	} counts;
	long r = syscall(SYS_cachestat, fd, &range, &counts, 0);

	*pages = r == 0 ? counts.cached : 0;
	return (int)r;
#else
	(void)fd, (void)length, (void)pages;
	errno = ENOSYS;
	return -1;
#endif
}

static ssize_t real_flistxattr(int fd, char *names, size_t n)
{
#ifdef __linux__
	return flistxattr(fd, names, n);
#else
	(void)fd, (void)names, (void)n;
	errno = ENOSYS;
	return -1;
#endif
}

static ssize_t real_fgetxattr(int fd, const char *name, void *value, size_t n)
{
#ifdef __linux__
	return fgetxattr(fd, name, value, n);
#else
	(void)fd, (void)name, (void)value, (void)n;
	errno = ENOSYS;
	return -1;
#endif
}

struct sys_table ob__sys_table = {
	.openat = real_openat,
	.close = close,
	.dup = real_dup,
	.dup_over = real_dup_over,
	.fcntl = real_fcntl,
	.fstat = fstat,
	.fstatat = fstatat,
	.stat_name = real_stat_name,
	.copy_range = real_copy_range,
	.ftruncate = ftruncate,
	.fallocate = real_fallocate,
#ifdef __linux__
	.fstatfs = fstatfs,
#endif
	.pwrite = pwrite,
	.pread = pread,
	.write = write,
	.poll = poll,
	.fdatasync = fdatasync,
	.fsync = fsync,
	.fchmod = fchmod,
	.flock = flock,
	.cachestat = real_cachestat,
	.flistxattr = real_flistxattr,
	.fgetxattr = real_fgetxattr,
	.readlinkat = readlinkat,
	.linkat = linkat,
	.renameat = real_renameat,
	.exchange = real_exchange,
	.unlinkat = unlinkat,
	.getrandom = real_getrandom,
	.sigaction = sigaction,
};
