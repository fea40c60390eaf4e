/* SPDX-License-Identifier: MIT */
/*
 * Opening the file of an output on Unix.
 *
 * Problem: linkers that first unlink or rename the old output leave a time during which no file is at the path, and a
 * failed link loses the last good output.
 *
 * Choice: the new file is written under no name or under a hidden name, where no other process uses it. It is in the
 * same directory, because rename(2) does not cross file systems. Commit moves it to the path in one step (publish.c).
 *
 * A file without a name (O_TMPFILE) is best: however the process ends, the kernel frees the file. Some file systems
 * have no O_TMPFILE (NFS, FUSE, vfat, 9p), and giving the file a name needs /proc. Where one of these is missing, the
 * file has a hidden name from the start (hidden.c).
 *
 * Permissions are given to open(2), and the kernel applies the umask. Reading the umask means changing it, which is a
 * race in a threaded program. The bits that grant rights (setuid, setgid) are not given to open(2): a write would
 * clear them, and half a program must not have them. They are set last (publish.c).
 *
 * The directory is held open from the start. So the output gets to the directory that was meant when it was opened,
 * even if the working directory changes meanwhile.
 */
#include "config.h"

#include "target/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "system/unix/sys_unix.h"
#include "target/hidden_name.h"
#include "target/unix/descriptor.h"
#include "target/unix/hidden.h"
#include "target/unix/lock.h"
#include "target/unix/recycle.h"
#include "outbuf.h"

/* Split the path into an open directory, t->dirfd, and a name, t->name. 0 or a negative errno. */
static int open_parent(struct target *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	size_t length = slash == NULL ? 0 : (size_t)(slash - path);
	char *dir;

	if (*path == '\0')
		return -ENOENT;
	/* As open(2): else others could not open what this makes. */
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EISDIR;
	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	dir = slash == NULL ? strdup(".") : strndup(path, length == 0 ? 1 : length);
	t->name = strdup(name);
	if (dir == NULL || t->name == NULL) {
		free(dir);
		return -ENOMEM;
	}
	t->dirfd = ob__sys_open_dir(AT_FDCWD, dir);
	free(dir);
	return t->dirfd < 0 ? t->dirfd : 0;
}

/*
 * Never replace what is not a regular file: `-o /dev/null` must not remove /dev/null. For this check a symbolic link
 * is followed. It is not followed for replacing: the link itself is replaced. A link that leads nowhere, or to where
 * we may not look, counts as a regular file.
 */
int ob__target_check_path(const struct target *t, struct stat *st)
{
	struct stat pointed_to, dir;
	int r = ob__sys_fstatat(t->dirfd, t->name, st, AT_SYMLINK_NOFOLLOW);

	if (r < 0) {
		st->st_mode = 0;
		return r == -ENOENT ? 0 : r;
	}
	pointed_to = *st;
	if (S_ISLNK(st->st_mode) && ob__sys_fstatat(t->dirfd, t->name, &pointed_to, 0) < 0)
		pointed_to.st_mode = S_IFREG;
	if (S_ISDIR(pointed_to.st_mode))
		return -EISDIR;
	if (!S_ISREG(pointed_to.st_mode))
		return -ENOTSUP;

	/*
	 * In a sticky directory (/tmp) rename(2) may not replace another user's file. Find that out now and not after
	 * all the work.
	 */
	r = ob__sys_fstat(t->dirfd, &dir);
	if (r == 0 && t->kind != TARGET_IN_PLACE && (dir.st_mode & S_ISVTX) && geteuid() != 0 &&
	    st->st_uid != geteuid() && dir.st_uid != geteuid())
		return -EPERM;
	return r;
}

/*
 * May we write to the file, or follow the link, that *st describes? This depends on its owner and on the directory.
 *
 * In a directory like /tmp any user may have put something at our path. A link of another user's must not lead us to
 * a file, a device or a descriptor, and a file or FIFO of another user's must not be written to. The kernel has such
 * rules (fs.protected_symlinks, fs.protected_fifos and others), but not every system enables them. They do not apply
 * to a link that is read and not followed, and they trust directories that are not sticky.
 *
 * If only the directory's owner may write to it, every file in it is trusted. So is every file if the directory is
 * not sticky and only its owner and its group may write to it: the group that shares it is trusted. In other
 * directories, our own files and those of the directory's owner are trusted.
 *
 * 0, -EPERM, or the errno of fstat(2).
 */
static int check_owner(const struct target *t, const struct stat *st)
{
	struct stat dir;
	int r = ob__sys_fstat(t->dirfd, &dir);

	if (r < 0 || !(dir.st_mode & (dir.st_mode & S_ISVTX ? S_IWGRP | S_IWOTH : S_IWOTH)))
		return r;
	return st->st_uid == geteuid() || st->st_uid == dir.st_uid ? 0 : -EPERM;
}

/* If the path is a symbolic link: check_owner() of the link. Else 0. */
static int check_link_owner(const struct target *t)
{
	struct stat st;

	if (ob__sys_fstatat(t->dirfd, t->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
		return 0;
	return check_owner(t, &st);
}

/*
 * Write to the pipe, device or terminal at the path. Opening a FIFO waits for its reader, as a shell's redirection
 * does.
 */
static int open_special(struct target *t, const struct stat *at_path)
{
	struct stat st;
	int r = check_owner(t, at_path);

	if (r < 0)
		return r;
	t->kind = TARGET_SPECIAL;
	t->fd = ob__sys_openat(t->dirfd, t->name, O_WRONLY | (S_ISLNK(at_path->st_mode) ? 0 : O_NOFOLLOW), 0);
	if (t->fd < 0)
		return t->fd;
	/* Another process may have replaced it by a regular file since the check; that must not be written over. */
	r = ob__sys_fstat(t->fd, &st);
	return r == 0 && S_ISREG(st.st_mode) ? -ENOTSUP : r;
}

/* Open the file at the path itself. */
static int open_in_place(struct target *t, const struct stat *at_path)
{
	struct stat st;
	int r, follow = S_ISLNK(at_path->st_mode) ? 0 : O_NOFOLLOW;

	if (at_path->st_mode != 0 && (r = check_owner(t, at_path)) < 0)
		return r;
	/* O_EXCL tells whether the file existed before. Discard removes it only if it did not. */
	t->fd = ob__sys_openat(t->dirfd, t->name, O_RDWR | O_CREAT | O_EXCL, t->request.mode & 0777);
	t->created = t->fd >= 0;
	t->old_content = !t->created;
	if (t->fd == -EEXIST)
		t->fd = ob__sys_openat(t->dirfd, t->name, O_RDWR | O_CREAT | follow, t->request.mode & 0777);
	/* It may be written, but not read (0222): nothing can be mapped or loaded then. */
	if (t->fd == -EACCES) {
		t->fd = ob__sys_openat(t->dirfd, t->name, O_WRONLY | follow, 0);
		t->in_order = 1;
	}
	if (t->fd < 0)
		return t->fd;
	/* Check again, as the file may have changed since the first check: another user's file is not touched. */
	if (t->created || follow == 0)
		return 0;
	r = ob__sys_fstat(t->fd, &st);
	if (r < 0)
		return r;
	return S_ISREG(st.st_mode) ? check_owner(t, &st) : -ENOTSUP;
}

/* Create the file with the hidden name. 0 or a negative errno. */
static int create_hidden(struct target *t)
{
	t->fd = ob__sys_openat(t->dirfd, t->hidden, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, t->request.mode & 0777);
	return t->fd < 0 ? t->fd : 0;
}

/*
 * Create a temporary file with a hidden name, and lock it (hidden.c). Files that a crash left under the known names are
 * removed. 0 or a negative errno.
 */
static int open_named(struct target *t)
{
	int try, r = -EEXIST;

	for (try = 0; try < HIDDEN_TRIES && r == -EEXIST; try++) {
		r = ob__hidden_name(t->name, try, &t->hidden);
		if (r < 0)
			return r;
		r = create_hidden(t);
		if (r == -EEXIST && try < HIDDEN_KNOWN && ob__hidden_remove_leftover(t->dirfd, t->hidden) == 0)
			r = create_hidden(t);
		if (r == 0)
			r = ob__hidden_lock_created(t->dirfd, t->hidden, t->fd);
		if (r == 0)
			ob__hidden_remove_behind(t->dirfd, t->name, try);
		/* The name is ours. If locking failed nevertheless, ob__target_abandon() removes the file. */
		if (r == 0 || (t->fd >= 0 && r != -EEXIST))
			return r;
		if (t->fd >= 0)
			ob__sys_close(t->fd);
		t->fd = -1;
		free(t->hidden);
		t->hidden = NULL;
	}
	return r;
}

/*
 * Open a file without a name. A negative errno says that this is not possible: EOPNOTSUPP from the file system,
 * EISDIR from kernels before 3.11, ENOENT from some FUSE servers, EINVAL from old glibc emulations. The caller then
 * tries open_named() after any error. An error with another cause occurs there as well, and is reported.
 */
static int open_tmpfile(struct target *t)
{
	t->fd = ob__sys_open_tmpfile(t->dirfd, ".", t->request.mode & 0777);
	if (t->fd < 0)
		return t->fd;
	if (ob__sys_link_fd_works(t->fd) == 0)
		return 0;
	ob__sys_close(t->fd);
	t->fd = -1;
	return -EOPNOTSUPP;
}

/* Open a regular file: in place, recycled, without a name, or with a hidden name. 0 or a negative errno. */
static int open_file(struct target *t, const struct stat *at_path)
{
	const struct fspolicy *fs;
	int r;

	if (t->request.in_place)
		return open_in_place(t, at_path);
	r = ob__fspolicy_of_file(t->dirfd, &fs);
	if (r < 0)
		return r;
	r = fs->tmpfile ? open_tmpfile(t) : -EOPNOTSUPP;
	if (r < 0) {
		t->kind = TARGET_NAMED;
		r = open_named(t);
	}
	if (r == 0 && t->request.recycle)
		ob__recycle_try(t, fs);
	return r;
}

/*
 * Open the directory a second time, for fsync(2), if durability needs that: t->dirfd is open by O_PATH, and fsync(2)
 * refuses such a descriptor. It is opened now, so that an error shows before the work. 0 or a negative errno.
 *
 * Recycling needs it too, unless there is no durability at all. An exchange (publish.c) must be on the disk before
 * the next run writes over the file that it moved away from the path. Otherwise, after a power failure, the path
 * might lead to that file. If the directory cannot be opened for this, recycling is turned off.
 */
static int open_for_sync(struct target *t)
{
	if (t->request.durability == OUTBUF_DURABLE_NONE ||
	    (t->request.durability == OUTBUF_DURABLE_DATA && (!t->request.recycle || t->request.in_place)))
		return 0;
	t->syncfd = ob__sys_openat(t->dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (t->syncfd >= 0 || t->request.durability == OUTBUF_DURABLE_FULL)
		return t->syncfd < 0 ? t->syncfd : 0;
	t->request.recycle = 0;
	t->recycle_why = "the directory cannot be synced";
	return 0;
}

/* Open what t->request asks for, or the special file at the path. 0 or a negative errno. */
static int open_as_requested(struct target *t)
{
	struct stat at_path;
	int r = ob__target_check_path(t, &at_path);

	if (r == -ENOTSUP)
		return open_special(t, &at_path);
	if (r == 0)
		r = open_for_sync(t);
	if (r == 0)
		r = ob__lock_acquire(t);
	if (r == 0)
		r = open_file(t, &at_path);
	if (r == 0)
		r = ob__fspolicy_of_file(t->fd, &t->fs);
	return r;
}

int ob__target_open(struct target *t, const char *path, const struct target_request *request)
{
	int r, fd;

	if (strcmp(path, "-") == 0)
		return ob__target_open_descriptor(t, STDOUT_FILENO);
	ob__target_init(t, request->in_place ? TARGET_IN_PLACE : TARGET_TMPFILE, -1);
	t->request = *request;
	r = open_parent(t, path);
	fd = r == 0 ? ob__descriptor_number(t->dirfd, t->name) : -1;
	if (fd >= 0) {
		r = check_link_owner(t);
		ob__target_abandon(t);
		return r < 0 ? r : ob__target_open_descriptor(t, fd);
	}
	if (r == 0)
		r = open_as_requested(t);
	if (r < 0)
		ob__target_abandon(t);
	return r;
}

/* In place: remove the file if this output created it, and if the name still leads to it. */
static void remove_created(struct target *t)
{
	struct stat st;

	if (t->created && t->fd >= 0 && ob__sys_fstat(t->fd, &st) == 0 &&
	    ob__hidden_names_file(t->dirfd, t->name, &st) == 1)
		ob__sys_unlinkat(t->dirfd, t->name);
	t->created = 0;
}

/* Remove the hidden name, unless it is known to lead to another file by now. */
static void remove_hidden_name(struct target *t)
{
	struct stat st;

	if (t->hidden != NULL &&
	    (ob__sys_fstat(t->fd, &st) < 0 || ob__hidden_names_file(t->dirfd, t->hidden, &st) != 0))
		ob__sys_unlinkat(t->dirfd, t->hidden);
	free(t->hidden);
	t->hidden = NULL;
}

void ob__target_remove(struct target *t)
{
	remove_created(t);
	/* The name is removed before the descriptor is redirected: that ends the lock, which makes the name ours. */
	remove_hidden_name(t);
	if (t->fd >= 0 && !t->borrowed)
		ob__sys_redirect_to_null(t->fd);
}

void ob__target_abandon(struct target *t)
{
	if (t->borrowed)
		t->fd = -1;
	remove_created(t);
	/* The name is removed before the descriptor is closed: closing ends the lock, which makes the name ours. */
	remove_hidden_name(t);
	ob__target_close_fd(&t->fd);
	ob__lock_release(t);
	ob__target_close_fd(&t->syncfd);
	ob__target_close_fd(&t->dirfd);
	free(t->name);
	t->name = NULL;
}
