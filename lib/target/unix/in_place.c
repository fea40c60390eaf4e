/* SPDX-License-Identifier: MIT */
/*
 * Writing the file at the path itself: because the caller wants that, or because the file cannot be replaced.
 *
 * Some files can be written and not replaced: one that is mounted by itself (containers do that; rename(2) fails with
 * EBUSY), one in a directory that we may not write to, one on a file system without rename(2). cp(1), ld(1) and others
 * write over it. OUTBUF_REPLACE_ELSE_IN_PLACE does so, too, but only when all bytes are in the temporary file. So a run
 * that fails leaves the old file, and only a crash while bytes are copied can leave half a file.
 *
 * Cost: the bytes are copied, and the disk holds them twice for that time.
 */
#include "config.h"

#include "target/unix/in_place.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "system/unix/sys_unix.h"
#include "target/unix/order.h"
#include "outbuf.h"

/*
 * In a directory like /tmp any user may have put something at our path. A link of another user's must not lead us to
 * a file, a device or a descriptor, and a file or FIFO of another user's must not be written to. The kernel has such
 * rules (fs.protected_symlinks, fs.protected_fifos and others), but not every system enables them. They do not apply
 * to a link that is read and not followed, and they trust directories that are not sticky.
 *
 * If only the directory's owner may write to it, every file in it is trusted. So is every file if the directory is
 * not sticky and only its owner and its group may write to it: the group that shares it is trusted. In other
 * directories, our own files and those of the directory's owner are trusted.
 */
int ob__in_place_check_owner(const struct target *t, const struct stat *st)
{
	struct stat dir;
	int r = ob__sys_fstat(t->dirfd, &dir);

	if (r < 0 || !(dir.st_mode & (dir.st_mode & S_ISVTX ? S_IWGRP | S_IWOTH : S_IWOTH)))
		return r;
	return st->st_uid == geteuid() || st->st_uid == dir.st_uid ? 0 : -EPERM;
}

/* A link is followed, if its owner is trusted; nothing else that comes to the path meanwhile is. */
static int follow(const struct stat *at_path)
{
	return S_ISLNK(at_path->st_mode) ? 0 : O_NOFOLLOW;
}

/* Check again, as the file may have changed since the first check: another user's file is not touched. */
static int check_opened(const struct target *t, int fd, const struct stat *at_path)
{
	struct stat st;
	int r;

	if (follow(at_path) == 0)
		return 0;
	r = ob__sys_fstat(fd, &st);
	if (r < 0)
		return r;
	return S_ISREG(st.st_mode) ? ob__in_place_check_owner(t, &st) : -ENOTSUP;
}

/*
 * Open the file at the path for reading and writing. If it may only be written (0222, some servers), nothing can be
 * mapped or loaded: t->in_order. The descriptor, or a negative errno.
 */
static int open_either_way(struct target *t, int flags)
{
	int fd = ob__sys_openat(t->dirfd, t->name, O_RDWR | flags, t->request.mode & 0777);

	if (!ob__order_is_one_way(fd) && (fd != -EACCES || (flags & O_EXCL)))
		return fd;
	t->in_order = 1;
	return ob__sys_openat(t->dirfd, t->name, O_WRONLY | flags, t->request.mode & 0777);
}

int ob__in_place_open(struct target *t, const struct stat *at_path)
{
	int r;

	t->kind = TARGET_IN_PLACE;
	if (at_path->st_mode != 0 && (r = ob__in_place_check_owner(t, at_path)) < 0)
		return r;
	/* O_EXCL tells whether the file existed before. Discard removes it only if it did not. */
	t->fd = open_either_way(t, O_CREAT | O_EXCL);
	t->created = t->fd >= 0;
	t->old_content = !t->created;
	if (t->fd == -EEXIST)
		t->fd = open_either_way(t, O_CREAT | follow(at_path));
	if (t->fd < 0)
		return t->fd;
	return t->created ? 0 : check_opened(t, t->fd, at_path);
}

/* Open the file that is at the path for writing. The descriptor, or a negative errno. */
static int open_existing(const struct target *t, const struct stat *at_path, int flags)
{
	int fd, r = ob__in_place_check_owner(t, at_path);

	if (r < 0)
		return r;
	fd = ob__sys_openat(t->dirfd, t->name, O_WRONLY | flags | follow(at_path), 0);
	r = fd < 0 ? fd : check_opened(t, fd, at_path);
	if (r < 0 && fd >= 0)
		ob__sys_close(fd);
	return r < 0 ? r : fd;
}

int ob__target_empty(struct target *t, int error)
{
	int fd = ob__sys_openat(t->dirfd, t->name, O_WRONLY | O_TRUNC | O_NOFOLLOW, 0);
	struct stat st;

	if (fd < 0)
		return error;
	ob__sys_close(fd);
	return ob__sys_fstat(t->fd, &st) == 0 && st.st_size == 0 ? 0 : error;
}

/* The same, and the file is empty then. Some file systems of FUSE have no ftruncate(2), but open(2) empties a file. */
static int open_empty(const struct target *t, const struct stat *at_path)
{
	int fd = open_existing(t, at_path, 0);

	if (fd < 0 || ob__sys_ftruncate(fd, 0) == 0)
		return fd;
	ob__sys_close(fd);
	return open_existing(t, at_path, O_TRUNC);
}

int ob__in_place_check(struct target *t, const struct stat *at_path)
{
	int fd = open_existing(t, at_path, 0);

	return fd < 0 ? fd : ob__sys_close(fd);
}

/* Copy the finished file. Some file systems of FUSE do not read what is open for writing, so it is opened again. */
static int copy_finished(const struct target *t, int to)
{
	int from = t->hidden == NULL ? -1 : ob__sys_openat(t->dirfd, t->hidden, O_RDONLY | O_NOFOLLOW, 0);
	int r = from < 0 && t->fd < 0 ? from : ob__sys_copy(from < 0 ? t->fd : from, to, t->size);

	if (from >= 0)
		ob__sys_close(from);
	return r;
}

int ob__in_place_overwrite(struct target *t, const struct stat *at_path)
{
	mode_t special = t->request.mode & 07000;
	int created = at_path->st_mode == 0;
	int fd, closed, r;

	fd = created ? ob__sys_openat(t->dirfd, t->name, O_WRONLY | O_CREAT | O_EXCL, t->request.mode & 0777)
	             : open_empty(t, at_path);
	if (fd < 0)
		return fd;
	r = copy_finished(t, fd);
	if (r == 0 && created && special != 0)
		r = ob__sys_add_special_bits(fd, special);
	if (r == 0 && t->request.durability != OUTBUF_DURABLE_NONE)
		r = ob__sys_fsync(fd);
	closed = ob__sys_close(fd);
	r = r < 0 ? r : closed;
	if (r < 0 && created)
		ob__sys_unlinkat(t->dirfd, t->name);
	return r;
}
