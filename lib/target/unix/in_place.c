/* SPDX-License-Identifier: MIT */
/*
 * Writing the file at the path itself: because the caller wants that, or because the file cannot be replaced.
 *
 * Some files can be written and not replaced: one that is mounted by itself (containers do that; rename(2) fails with
 * EBUSY), one in a directory that we may not write to, one on a file system without rename(2). cp(1), ld(1) and others
 * write over it. OUTBUF_REPLACE_ELSE_IN_PLACE does so, too, but only when all bytes are in the temporary file, and are
 * open for reading. So what fails before that leaves the old file. If the file must grow, its blocks are reserved
 * before the first byte of the old content goes. A crash or an error of the disk while bytes are copied leaves half a
 * file.
 *
 * Cost: the bytes are copied, and the disk holds them twice for that time.
 */
#include "config.h"

#include "target/unix/in_place.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "system/unix/sys_unix.h"
#include "target/unix/hidden.h"
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
static int open_either_way(struct target *t, const struct stat *at_path, int flags)
{
	int fd = ob__sys_openat(t->dirfd, t->name, O_RDWR | flags, t->request.mode & 0777);

	if (!ob__order_is_one_way(fd) && (fd != -EACCES || (flags & O_EXCL)))
		return fd;
	t->in_order = 1;
	/* A server may have created the file, and then refused to open it. */
	if ((flags & O_EXCL) && at_path->st_mode == 0)
		ob__sys_unlinkat(t->dirfd, t->name);
	return ob__sys_openat(t->dirfd, t->name, O_WRONLY | flags, t->request.mode & 0777);
}

int ob__in_place_open(struct target *t, const struct stat *at_path)
{
	int r;

	t->kind = TARGET_IN_PLACE;
	if (at_path->st_mode != 0 && (r = ob__in_place_check_owner(t, at_path)) < 0)
		return r;
	/* O_EXCL tells whether the file existed before. Discard removes it only if it did not. */
	t->fd = open_either_way(t, at_path, O_CREAT | O_EXCL);
	t->created = t->fd >= 0;
	t->old_content = !t->created;
	if (t->fd == -EEXIST)
		t->fd = open_either_way(t, at_path, O_CREAT | follow(at_path));
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

/* Empty the file behind the descriptor, which is returned, or another one of the same file; or a negative errno. */
static int empty_file(int fd)
{
	int r = ob__sys_ftruncate(fd, 0), again;

	if (r == 0)
		return fd;
	/* Some file systems of FUSE have no ftruncate(2), but open(2) empties a file. */
	again = ob__sys_reopen(fd, O_WRONLY | O_TRUNC);
	ob__sys_close(fd);
	return again < 0 ? r : again;
}

int ob__target_empty(struct target *t, int error)
{
	int fd = ob__sys_reopen(t->fd, O_WRONLY | O_TRUNC);
	struct stat st;

	if (fd < 0)
		return error;
	ob__sys_close(fd);
	return ob__sys_fstat(t->fd, &st) == 0 && st.st_size == 0 ? 0 : error;
}

int ob__in_place_check(struct target *t, const struct stat *at_path)
{
	int fd = open_existing(t, at_path, 0);

	return fd < 0 ? fd : ob__sys_close(fd);
}

/* Is `from`, which was opened by the hidden name, our file? */
static int is_our_file(const struct target *t, int from)
{
	struct stat st, ours = { .st_dev = t->closed_dev, .st_ino = t->closed_ino };

	if (t->no_inodes)
		return 1;
	return ob__sys_fstat(from, &st) == 0 && (t->fd < 0 || ob__sys_fstat(t->fd, &ours) == 0) &&
	       st.st_dev == ours.st_dev && st.st_ino == ours.st_ino;
}

/*
 * The finished file, open for reading: t->fd itself, if it can be read. Some servers read nothing that is open for
 * writing; there it is opened again, by its hidden name. A descriptor, or a negative errno; -ESTALE: somebody else has
 * the name.
 */
static int open_finished(const struct target *t)
{
	char byte;
	int from;

	if (t->fd >= 0 && ob__sys_pread_all(t->fd, &byte, 1, 0) == 0)
		return t->fd;
	if (t->hidden == NULL)
		return -EBADF;
	from = ob__sys_openat(t->dirfd, t->hidden, O_RDONLY | O_NOFOLLOW, 0);
	if (from >= 0 && !is_our_file(t, from)) {
		ob__sys_close(from);
		return -ESTALE;
	}
	return from;
}

/*
 * Copy the finished file over the one that is open as *to, which may become another descriptor of it. What is longer is
 * cut at the end, so that a reader of the old file finds bytes as long as possible. 0 or a negative errno.
 */
static int copy_over(const struct target *t, int from, int *to)
{
	struct stat old;
	int r = ob__sys_fstat(*to, &old);

	if (r < 0)
		return r;
	/* Reserved first, while nothing is lost. Where that is not possible, writing will show if there is room. */
	if ((uint64_t)old.st_size < t->size) {
		r = t->fs->remote ? 0 : ob__sys_fallocate(*to, 0, t->size);
		if (r == -ENOSPC || r == -EDQUOT || r == -EFBIG) {
			ob__sys_ftruncate(*to, (uint64_t)old.st_size);
			return r;
		}
	} else if (t->in_order) {
		*to = empty_file(*to);
		if (*to < 0)
			return *to;
		old.st_size = 0;
	}
	r = ob__sys_copy(from, *to, t->size);
	if (r < 0 || (uint64_t)old.st_size <= t->size || ob__sys_ftruncate(*to, t->size) == 0)
		return r;
	*to = empty_file(*to);
	return *to < 0 ? *to : ob__sys_copy(from, *to, t->size);
}

/* The hidden file has served. While it is open its name is ours, so the name is removed now. */
static void remove_copied(struct target *t)
{
	if (t->hidden != NULL && ob__sys_unlinkat(t->dirfd, t->hidden) == 0)
		ob__hidden_forget(t);
}

/* Write the finished file, open as `from`, to the path. 0 or a negative errno. */
static int write_to_path(struct target *t, const struct stat *at_path, int from)
{
	mode_t special = t->request.mode & 07000;
	int created = at_path->st_mode == 0;
	int fd, closed, r;

	fd = created ? ob__sys_openat(t->dirfd, t->name, O_WRONLY | O_CREAT | O_EXCL, t->request.mode & 0777)
	             : open_existing(t, at_path, 0);
	/* rclone opens no file for writing that is not to be emptied. */
	if (!created && t->in_order && fd < 0)
		fd = open_existing(t, at_path, O_TRUNC);
	if (fd < 0)
		return fd;
	r = copy_over(t, from, &fd);
	if (r == 0 && created && special != 0)
		r = ob__sys_add_special_bits(fd, special);
	if (r == 0 && t->request.durability != OUTBUF_DURABLE_NONE)
		r = ob__sys_fsync(fd);
	closed = fd < 0 ? 0 : ob__sys_close(fd);
	r = r < 0 ? r : closed;
	if (r < 0 && created)
		ob__sys_unlinkat(t->dirfd, t->name);
	return r;
}

int ob__in_place_overwrite(struct target *t, const struct stat *at_path)
{
	int from = open_finished(t), r = from < 0 ? from : write_to_path(t, at_path, from);

	if (r == 0)
		remove_copied(t);
	if (from >= 0 && from != t->fd)
		ob__sys_close(from);
	return r;
}
