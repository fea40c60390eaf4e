/* SPDX-License-Identifier: MIT */
/*
 * Why a table and not --wrap or an interposed library: with _FILE_OFFSET_BITS=64 the names in
 * the object files are pwrite64, fallocate64 and so on, _FORTIFY_SOURCE renames open,
 * --wrap does not reach a shared library or a call in its own file, and cmocka's mocks
 * are thread-local while our flush runs on threads. One indirect call per system call
 * costs nothing that can be seen beside the call itself.
 */
#include "config.h"

#include "sys_unix.h"
#include "sys_claim.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <sys/vfs.h>
#endif
#include <time.h>
#include <unistd.h>
#ifdef HAVE_GETRANDOM
#include <sys/random.h>
#endif

#ifndef O_PATH
#define O_PATH O_RDONLY
#endif
#ifndef RENAME_EXCHANGE /* renameat2(2); of <stdio.h> with glibc alone */
#define RENAME_EXCHANGE 2
#endif

/* Fixed argument lists for the two calls that are variadic or may be missing. */

static int real_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return openat(dirfd, path, flags, mode);
}

static int real_fallocate(int fd, int mode, off_t offset, off_t length)
{
#ifdef HAVE_FALLOCATE
	return fallocate(fd, mode, offset, length);
#else
	/*
	 * Not posix_fallocate: where the file system cannot reserve, glibc writes a byte into
	 * each block instead, 1 s for 1.7 GB (reviews.llvm.org/D38295).
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
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
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

static int real_exchange(int dirfd, const char *a, const char *b)
{
#ifdef HAVE_RENAMEAT2
	return renameat2(dirfd, a, dirfd, b, RENAME_EXCHANGE);
#elif defined(SYS_renameat2)
	/* The musl of Debian 12, 1.2.3, has no wrapper. */
	return (int)syscall(SYS_renameat2, dirfd, a, dirfd, b, RENAME_EXCHANGE);
#else
	(void)dirfd, (void)a, (void)b;
	errno = ENOSYS;
	return -1;
#endif
}

struct sys_table sys_table = {
	.openat = real_openat,
	.close = close,
	.dup = real_dup,
	.dup_over = real_dup_over,
	.fcntl = real_fcntl,
	.fstat = fstat,
	.fstatat = fstatat,
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
	.cachestat = sys_real_cachestat,
	.flistxattr = sys_real_flistxattr,
	.fgetxattr = sys_real_fgetxattr,
	.readlinkat = readlinkat,
	.linkat = linkat,
	.renameat = renameat,
	.exchange = real_exchange,
	.unlinkat = unlinkat,
	.getrandom = real_getrandom,
	.sigaction = sigaction,
};

static int result(int r)
{
	return r < 0 ? -errno : r;
}

int sys_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd;

	/* A slow file system may be interrupted in open(2). */
	do
		fd = result(sys_table.openat(dirfd, path, flags | O_CLOEXEC | O_NOCTTY, mode));
	while (fd == -EINTR);
	return fd;
}

int sys_open_nameless(int dirfd, const char *path, mode_t mode)
{
#ifdef O_TMPFILE
	return sys_openat(dirfd, path, O_TMPFILE | O_RDWR, mode);
#else
	(void)dirfd, (void)path, (void)mode;
	return -EOPNOTSUPP;
#endif
}

int sys_open_dir(int dirfd, const char *path)
{
	return sys_openat(dirfd, path, O_PATH | O_DIRECTORY, 0);
}

int sys_close(int fd)
{
	int r = result(sys_table.close(fd));

	return r == -EINTR ? 0 : r;
}

int sys_dup(int fd)
{
	return result(sys_table.dup(fd));
}

void sys_lead_nowhere(int fd)
{
	int null = sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);

	if (null < 0)
		return;
	sys_table.dup_over(null, fd);
	sys_close(null);
}

int sys_is_writable(int fd)
{
	int flags = result(sys_table.fcntl(fd, F_GETFL, NULL));

	if (flags < 0)
		return flags;
	return (flags & O_ACCMODE) == O_RDONLY ? -EBADF : 0;
}

void sys_blocks(int fd)
{
	int flags = result(sys_table.fcntl(fd, F_GETFL, NULL));

	if (flags >= 0 && (flags & O_NONBLOCK))
		sys_table.fcntl(fd, F_SETFL, (void *)(intptr_t)(flags & ~O_NONBLOCK));
}

int sys_is_seekable(int fd)
{
	struct stat st;
	int flags, r;

	if (fd < 0) /* no file at all */
		return 0;
	flags = result(sys_table.fcntl(fd, F_GETFL, NULL));
	r = flags < 0 ? flags : sys_fstat(fd, &st);
	/* With O_APPEND, Linux appends whatever the offset (pwrite(2), BUGS). */
	return r < 0 ? r : S_ISREG(st.st_mode) && !(flags & O_APPEND);
}

int sys_fs(int fd, uint32_t *magic, uint64_t *room)
{
	*magic = 0;
	*room = UINT64_MAX;
#ifdef __linux__
	struct statfs st;
	int r = result(sys_table.fstatfs(fd, &st));

	if (r < 0)
		return r;
	*magic = (uint32_t)st.f_type;
	/* A tmpfs without a limit has no blocks at all. */
	if (st.f_blocks > 0)
		*room = (uint64_t)st.f_bavail * (uint64_t)st.f_bsize;
	return 0;
#else
	(void)fd;
	return -ENOSYS;
#endif
}

int sys_readlinkat(int dirfd, const char *path, char *to, size_t n)
{
	ssize_t got = sys_table.readlinkat(dirfd, path, to, n - 1);

	if (got < 0)
		return -errno;
	to[got] = '\0';
	return 0;
}

int sys_fstat(int fd, struct stat *st)
{
	return result(sys_table.fstat(fd, st));
}

int sys_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	return result(sys_table.fstatat(dirfd, path, st, flags));
}

int sys_ftruncate(int fd, uint64_t size)
{
	int r;

	do
		r = result(sys_table.ftruncate(fd, (off_t)size));
	while (r == -EINTR);
	return r;
}

int sys_fallocate(int fd, uint64_t offset, uint64_t length)
{
	int r;

	/*
	 * The mode is 0, and no variable: Go's linker passed the file's permissions here, got
	 * EOPNOTSUPP, which is rightly ignored, and ran unprotected for years.
	 */
	do
		r = result(sys_table.fallocate(fd, 0, (off_t)offset, (off_t)length));
	while (r == -EINTR);
	return r;
}

int sys_pwrite_all(int fd, const void *data, size_t n, uint64_t offset)
{
	const unsigned char *from = data;

	while (n > 0) {
		ssize_t did = sys_table.pwrite(fd, from, n, (off_t)offset);
		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return -errno;
		/* gold loops for ever here. */
		if (did == 0)
			return -EIO;
		from += did;
		offset += (uint64_t)did;
		n -= (size_t)did;
	}
	return 0;
}

int sys_pread_all(int fd, void *data, size_t n, uint64_t offset)
{
	unsigned char *to = data;

	while (n > 0) {
		ssize_t got = sys_table.pread(fd, to, n, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0) {
			memset(to, 0, n);
			break;
		}
		to += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

int sys_fdatasync(int fd)
{
	int r;

	do
		r = result(sys_table.fdatasync(fd));
	while (r == -EINTR);
	return r;
}

int sys_fsync(int fd)
{
	int r;

	do
		r = result(sys_table.fsync(fd));
	while (r == -EINTR);
	return r;
}

int sys_fchmod(int fd, mode_t mode)
{
	return result(sys_table.fchmod(fd, mode));
}

/*
 * linkat(fd, "", ..., AT_EMPTY_PATH) wants CAP_DAC_READ_SEARCH before Linux 6.10; the way over
 * /proc, which open(2) describes for O_TMPFILE, wants nothing but /proc.
 */
static void proc_name(char name[32], const char *who, int fd)
{
	snprintf(name, 32, "/proc/%s/fd/%d", who, fd);
}

int sys_link_fd(int fd, int todir, const char *to)
{
	char name[32];
	int r;

	proc_name(name, "self", fd);
	r = result(sys_table.linkat(AT_FDCWD, name, todir, to, AT_SYMLINK_FOLLOW));
	/* If the main thread has gone by pthread_exit(3), "self" has no descriptors (tried on Linux 6.18). */
	if (r == -ENOENT) {
		proc_name(name, "thread-self", fd);
		r = result(sys_table.linkat(AT_FDCWD, name, todir, to, AT_SYMLINK_FOLLOW));
	}
#ifdef AT_EMPTY_PATH
	/* Or /proc has, by chroot(2). */
	if (r == -ENOENT)
		r = result(sys_table.linkat(fd, "", todir, to, AT_EMPTY_PATH));
#endif
	return r;
}

int sys_link_fd_works(int fd)
{
	struct stat here, there;
	char name[32];
	int r;

	proc_name(name, "self", fd);
	r = sys_fstat(fd, &here);
	if (r == 0)
		r = sys_fstatat(AT_FDCWD, name, &there, 0);
	if (r == 0 && (here.st_ino != there.st_ino || here.st_dev != there.st_dev))
		r = -ENOENT;
	return r;
}

int sys_renameat(int dirfd, const char *from, const char *to)
{
	return result(sys_table.renameat(dirfd, from, dirfd, to));
}

int sys_exchange(int dirfd, const char *a, const char *b)
{
	return result(sys_table.exchange(dirfd, a, b));
}

int sys_unlinkat(int dirfd, const char *path)
{
	return result(sys_table.unlinkat(dirfd, path, 0));
}

int sys_random(uint64_t *bits)
{
	ssize_t got = sys_table.getrandom(bits, sizeof *bits, 0);

	if (got < 0)
		return -errno;
	return got == (ssize_t)sizeof *bits ? 0 : -EIO;
}

uint64_t sys_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

void sys_pause(void)
{
	struct timespec moment = { .tv_nsec = 20000 };

	nanosleep(&moment, NULL);
}

const char *sys_environment(const char *name)
{
#ifdef HAVE_SECURE_GETENV
	return secure_getenv(name);
#else
	return getuid() == geteuid() && getgid() == getegid() ? getenv(name) : NULL;
#endif
}

unsigned sys_cpus(void)
{
	long n;
#ifdef HAVE_SCHED_GETAFFINITY
	/* What a container or taskset leaves us, not what the machine has. */
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		return (unsigned)CPU_COUNT(&set);
#endif
	n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (unsigned)n : 1;
}

uint64_t sys_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
