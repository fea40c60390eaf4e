/* SPDX-License-Identifier: MIT */
/* System calls for files: wrappers that return a negative errno, and retry EINTR where that is right. */
#include "config.h"

#include "system/unix/sys_table.h"
#include "system/unix/sys_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif
#include <unistd.h>

#ifndef O_PATH
#define O_PATH O_RDONLY
#endif

/* What a system call returned, or the negative errno if it failed. */
static int result_or_errno(int r)
{
	return r < 0 ? -errno : r;
}

/*
 * Is the call, which returned r, to be made once more? Yes if it failed for want of room, and room has been made.
 * *waited is 0 before the first attempt, as there is one such repetition.
 */
static int has_room_now(int r, int *waited)
{
	if (r >= 0 || *waited || !ob__sys_wait_for_room(r))
		return 0;
	*waited = 1;
	return 1;
}

/*
 * Programs print to descriptors 1 and 2. A program that was started with these closed (by cron, or as a daemon) would
 * get them for its next files, and its messages would be written into the output. So no descriptor of ours is one of
 * them.
 */
static int move_up(int fd)
{
	int moved;

	if (fd < 0 || fd >= SYS_FIRST_DESCRIPTOR)
		return fd;
	moved = ob__sys_dup(fd);
	ob__sys_close(fd);
	return moved;
}

int ob__sys_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd, waited = 0;

	/* On a slow file system a signal can interrupt open(2). */
	do
		fd = result_or_errno(ob__sys_table.openat(dirfd, path, flags | O_CLOEXEC | O_NOCTTY, mode));
	while (fd == -EINTR || has_room_now(fd, &waited));
	return move_up(fd);
}

int ob__sys_open_tmpfile(int dirfd, const char *path, mode_t mode)
{
#ifdef O_TMPFILE
	return ob__sys_openat(dirfd, path, O_TMPFILE | O_RDWR, mode);
#else
	(void)dirfd, (void)path, (void)mode;
	return -EOPNOTSUPP;
#endif
}

int ob__sys_open_dir(int dirfd, const char *path)
{
	return ob__sys_openat(dirfd, path, O_PATH | O_DIRECTORY, 0);
}

int ob__sys_close(int fd)
{
	int r = result_or_errno(ob__sys_table.close(fd));

	return r == -EINTR ? 0 : r;
}

int ob__sys_dup(int fd)
{
	int r, waited = 0;

	do
		r = result_or_errno(ob__sys_table.dup(fd));
	while (has_room_now(r, &waited));
	/* RLIMIT_NOFILE allows no number that is high enough. */
	return r == -EINVAL ? -EMFILE : r;
}

void ob__sys_redirect_to_null(int fd)
{
	int null = ob__sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);

	if (null < 0)
		return;
	ob__sys_table.dup_over(null, fd);
	ob__sys_close(null);
}

int ob__sys_is_writable(int fd)
{
	int flags = result_or_errno(ob__sys_table.fcntl(fd, F_GETFL, NULL));

	if (flags < 0)
		return flags;
	return (flags & O_ACCMODE) == O_RDONLY ? -EBADF : 0;
}

void ob__sys_set_blocking(int fd)
{
	int flags = result_or_errno(ob__sys_table.fcntl(fd, F_GETFL, NULL));

	if (flags >= 0 && (flags & O_NONBLOCK))
		ob__sys_table.fcntl(fd, F_SETFL, (void *)(intptr_t)(flags & ~O_NONBLOCK));
}

int ob__sys_fs(int fd, uint32_t *magic, uint64_t *room)
{
	*magic = 0;
	*room = UINT64_MAX;
#ifdef __linux__
	struct statfs st;
	int r = result_or_errno(ob__sys_table.fstatfs(fd, &st));

	if (r < 0)
		return r;
	*magic = (uint32_t)st.f_type;
	/* A tmpfs that has no size limit reports 0 blocks. */
	if (st.f_blocks > 0)
		*room = (uint64_t)st.f_bavail * (uint64_t)st.f_bsize;
	return 0;
#else
	(void)fd;
	return -ENOSYS;
#endif
}

int ob__sys_readlinkat(int dirfd, const char *path, char *to, size_t n)
{
	ssize_t got = ob__sys_table.readlinkat(dirfd, path, to, n - 1);

	if (got < 0)
		return -errno;
	to[got] = '\0';
	return 0;
}

int ob__sys_fstat(int fd, struct stat *st)
{
	return result_or_errno(ob__sys_table.fstat(fd, st));
}

int ob__sys_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	return result_or_errno(ob__sys_table.fstatat(dirfd, path, st, flags));
}

int ob__sys_stat_name(int dirfd, const char *path, struct stat *st, struct sys_name_info *info)
{
	return result_or_errno(ob__sys_table.stat_name(dirfd, path, st, info));
}

int ob__sys_ftruncate(int fd, uint64_t size)
{
	int r, waited = 0;

	do
		r = result_or_errno(ob__sys_table.ftruncate(fd, (off_t)size));
	while (r == -EINTR || has_room_now(r, &waited));
	return r;
}

int ob__sys_fallocate(int fd, uint64_t offset, uint64_t length)
{
	int r, waited = 0;

	/*
	 * The mode is the constant 0, and not an argument. Go's linker passed the file's permissions here and got
	 * EOPNOTSUPP, which is rightly ignored; so it ran for years without allocated blocks.
	 */
	do
		r = result_or_errno(ob__sys_table.fallocate(fd, 0, (off_t)offset, (off_t)length));
	while (has_room_now(r, &waited));
	return r;
}

int ob__sys_pwrite_all(int fd, const void *data, size_t n, uint64_t offset)
{
	const unsigned char *from = data;
	int waited = 0;

	while (n > 0) {
		ssize_t written = ob__sys_table.pwrite(fd, from, n, (off_t)offset);
		if (written < 0) {
			int r = -errno;

			if (r == -EINTR || has_room_now(r, &waited))
				continue;
			return r;
		}
		/* 0 bytes would be retried for ever, as gold does. */
		if (written == 0)
			return -EIO;
		from += written;
		offset += (uint64_t)written;
		n -= (size_t)written;
	}
	return 0;
}

int ob__sys_pread_all(int fd, void *data, size_t n, uint64_t offset)
{
	unsigned char *to = data;

	while (n > 0) {
		ssize_t got = ob__sys_table.pread(fd, to, n, (off_t)offset);
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

int ob__sys_fdatasync(int fd)
{
	int r;

	do
		r = result_or_errno(ob__sys_table.fdatasync(fd));
	while (r == -EINTR);
	return r;
}

int ob__sys_fsync(int fd)
{
	int r;

	do
		r = result_or_errno(ob__sys_table.fsync(fd));
	while (r == -EINTR);
	return r;
}

int ob__sys_fchmod(int fd, mode_t mode)
{
	return result_or_errno(ob__sys_table.fchmod(fd, mode));
}

int ob__sys_add_special_bits(int fd, mode_t special)
{
	struct stat st;
	int r = ob__sys_fstat(fd, &st);

	if (r == 0)
		r = ob__sys_fchmod(fd, (st.st_mode & 0777) | special);
	if (r == 0)
		r = ob__sys_fstat(fd, &st);
	return r < 0 ? r : (special & ~st.st_mode & S_ISGID) ? -EPERM : 0;
}

/*
 * The path of a descriptor in /proc. linkat(fd, "", ..., AT_EMPTY_PATH) needs CAP_DAC_READ_SEARCH before Linux 6.10.
 * linkat(2) of this path, which open(2) describes for O_TMPFILE, needs nothing but /proc.
 */
static void proc_path(char path[32], const char *process, int fd)
{
	snprintf(path, 32, "/proc/%s/fd/%d", process, fd);
}

int ob__sys_reopen(int fd, int flags)
{
	char path[32];

	proc_path(path, "self", fd);
	return ob__sys_openat(AT_FDCWD, path, flags, 0);
}

static int link_at(int fromdir, const char *from, int todir, const char *to, int flags)
{
	int r, waited = 0;

	do
		r = result_or_errno(ob__sys_table.linkat(fromdir, from, todir, to, flags));
	while (has_room_now(r, &waited));
	return r;
}

/* By the path in /proc. 0 or a negative errno. */
static int link_by_path(int fd, int todir, const char *to)
{
	char path[32];
	int r;

	proc_path(path, "self", fd);
	r = link_at(AT_FDCWD, path, todir, to, AT_SYMLINK_FOLLOW);
	/* If the main thread has ended by pthread_exit(3), "self" has no descriptors (tried on Linux 6.18). */
	if (r == -ENOENT) {
		proc_path(path, "thread-self", fd);
		r = link_at(AT_FDCWD, path, todir, to, AT_SYMLINK_FOLLOW);
	}
	return r;
}

#ifdef AT_EMPTY_PATH
/* By the descriptor itself, which takes 0.7 us less. ENOENT: this is not allowed, and is not tried again. */
static int link_by_descriptor(int fd, int todir, const char *to)
{
	static _Atomic int is_refused;
	int r;

	if (atomic_load_explicit(&is_refused, memory_order_relaxed))
		return -ENOENT;
	r = link_at(fd, "", todir, to, AT_EMPTY_PATH);
	if (r == -ENOENT)
		atomic_store_explicit(&is_refused, 1, memory_order_relaxed);
	return r;
}
#else
static int link_by_descriptor(int fd, int todir, const char *to)
{
	(void)fd, (void)todir, (void)to;
	return -ENOENT;
}
#endif

int ob__sys_link_fd(int fd, int todir, const char *to)
{
	int r = link_by_descriptor(fd, todir, to);

	return r == -ENOENT ? link_by_path(fd, todir, to) : r;
}

/*
 * Asked by link(2) itself, to a name that always exists: the kernel says EEXIST after it has found the file, and before
 * it looks at the directory.
 */
int ob__sys_link_fd_works(int fd)
{
	int r = ob__sys_link_fd(fd, AT_FDCWD, ".");

	return r == -EEXIST ? 0 : r == 0 ? -EPERM : r;
}

int ob__sys_renameat(int dirfd, const char *from, const char *to)
{
	int r, waited = 0;

	do
		r = result_or_errno(ob__sys_table.renameat(dirfd, from, dirfd, to));
	while (has_room_now(r, &waited));
	return r;
}

int ob__sys_exchange(int dirfd, const char *a, const char *b)
{
	int r, waited = 0;

	do
		r = result_or_errno(ob__sys_table.exchange(dirfd, a, b));
	while (has_room_now(r, &waited));
	return r;
}

int ob__sys_unlinkat(int dirfd, const char *path)
{
	return result_or_errno(ob__sys_table.unlinkat(dirfd, path, 0));
}
