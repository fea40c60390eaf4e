/* SPDX-License-Identifier: MIT */
/*
 * Where the file is written, and that it may be.
 *
 * Linkers that unlink or rename the old output first leave a time with no file at the path, and
 * a failed link loses the last good one. So the new file is written where nobody sees it,
 * in the same directory (rename(2) does not cross file systems), and takes the path's place
 * in one step (publish.c).
 *
 * Best is a file without a name (O_TMPFILE): whatever kills the process, the kernel frees it. Where
 * there are none (NFS, FUSE, vfat, 9p, a missing /proc) it has a hidden name from the start
 * (hidden.c).
 *
 * Permissions are given to open(2) and the kernel applies the umask; reading the umask means
 * changing it, a race in a threaded program. Not the bits that give rights away (setuid, setgid): a
 * write takes them off again, and half a program must not have them. They come last.
 *
 * The directory is held open from the start, so the output lands where open said even if
 * the working directory changes meanwhile.
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

/* Split the path into an open directory and a name. */
static int open_parent(struct target *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	size_t length = slash == NULL ? 0 : (size_t)(slash - path);
	char *dir;

	if (*path == '\0')
		return -ENOENT;
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
 * Never replace what is not a regular file: -o /dev/null must not remove /dev/null. A
 * symbolic link is looked through for this, but not for replacing: one that leads nowhere, or
 * where we may not look, is replaced. -ENOTSUP: it is special.
 */
int ob__target_check_path(const struct target *t, struct stat *st)
{
	struct stat behind, dir;
	int r = ob__sys_fstatat(t->dirfd, t->name, st, AT_SYMLINK_NOFOLLOW);

	if (r < 0) {
		st->st_mode = 0;
		return r == -ENOENT ? 0 : r;
	}
	behind = *st;
	if (S_ISLNK(st->st_mode) && ob__sys_fstatat(t->dirfd, t->name, &behind, 0) < 0)
		behind.st_mode = S_IFREG;
	if (S_ISDIR(behind.st_mode))
		return -EISDIR;
	if (!S_ISREG(behind.st_mode))
		return -ENOTSUP;

	/*
	 * In a sticky directory (/tmp) somebody else's file may not be renamed over: say so
	 * now and not after the work.
	 */
	r = ob__sys_fstat(t->dirfd, &dir);
	if (r == 0 && t->kind != TARGET_IN_PLACE && (dir.st_mode & S_ISVTX) && geteuid() != 0 &&
	    st->st_uid != geteuid() && dir.st_uid != geteuid())
		return -EPERM;
	return r;
}

/*
 * In a directory like /tmp anybody may have put something where our output is to be: do not be led by a
 * link of somebody else's to a file, device or descriptor, and write to no file or FIFO of
 * theirs. The rules of fs.protected_symlinks and its sisters, which are not everywhere, do
 * not know of links that are read and not followed, and trust directories that are not sticky. A group
 * that shares one of these is trusted here too. 0, -EPERM, or why it cannot be told.
 */
static int check_whose(const struct target *t, const struct stat *st)
{
	struct stat dir;
	int r = ob__sys_fstat(t->dirfd, &dir);

	if (r < 0 || !(dir.st_mode & (dir.st_mode & S_ISVTX ? S_IWGRP | S_IWOTH : S_IWOTH)))
		return r;
	return st->st_uid == geteuid() || st->st_uid == dir.st_uid ? 0 : -EPERM;
}

static int check_who_leads(const struct target *t)
{
	struct stat st;

	if (ob__sys_fstatat(t->dirfd, t->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
		return 0;
	return check_whose(t, &st);
}

/* Write to what is there: a pipe, a device, a terminal. Waits for a FIFO's reader, as a shell does. */
static int open_special(struct target *t, const struct stat *there)
{
	struct stat st;
	int r = check_whose(t, there);

	if (r < 0)
		return r;
	t->kind = TARGET_SPECIAL;
	t->fd = ob__sys_openat(t->dirfd, t->name, O_WRONLY | (S_ISLNK(there->st_mode) ? 0 : O_NOFOLLOW), 0);
	if (t->fd < 0)
		return t->fd;
	/* Somebody may have put a file there meanwhile, which must not be written over. */
	r = ob__sys_fstat(t->fd, &st);
	return r == 0 && S_ISREG(st.st_mode) ? -ENOTSUP : r;
}

/* Open the file of the path itself. */
static int open_in_place(struct target *t, const struct stat *there)
{
	struct stat st;
	int r, follow = S_ISLNK(there->st_mode) ? 0 : O_NOFOLLOW;

	if (there->st_mode != 0 && (r = check_whose(t, there)) < 0)
		return r;
	/* O_EXCL tells whether it was there, which discard has to know. */
	t->fd = ob__sys_openat(t->dirfd, t->name, O_RDWR | O_CREAT | O_EXCL, t->request.mode & 0777);
	t->created = t->fd >= 0;
	t->old_content = !t->created;
	if (t->fd == -EEXIST)
		t->fd = ob__sys_openat(t->dirfd, t->name, O_RDWR | O_CREAT | follow, t->request.mode & 0777);
	if (t->fd < 0)
		return t->fd;
	/* Once more, for what came between: a file of somebody else's is not touched. */
	if (t->created || follow == 0)
		return 0;
	r = ob__sys_fstat(t->fd, &st);
	if (r < 0)
		return r;
	return S_ISREG(st.st_mode) ? check_whose(t, &st) : -ENOTSUP;
}

static int open_named(struct target *t)
{
	int try, r = -EEXIST;

	for (try = 0; try < HIDDEN_TRIES && r == -EEXIST; try++) {
		r = ob__hidden_name(t->name, try, &t->hidden);
		if (r < 0)
			return r;
		t->fd = ob__sys_openat(t->dirfd, t->hidden, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
		                   t->request.mode & 0777);
		/* What a crash left there is in nobody's way but ours. */
		if (t->fd == -EEXIST && try == 0 && ob__hidden_remove_leftover(t->dirfd, t->hidden) == 0)
			t->fd = ob__sys_openat(t->dirfd, t->hidden,
			                   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, t->request.mode & 0777);
		r = t->fd < 0 ? t->fd : ob__hidden_lock_created(t->dirfd, t->hidden, t->fd);
		/* Ours, and if that is no use, to be removed: ob__target_abandon(). */
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
 * Open a nameless file, or say that there is none to be had: EOPNOTSUPP from the file system,
 * EISDIR from kernels before 3.11, ENOENT from some FUSE servers, EINVAL from old glibc
 * emulations. Other errors would hit the named way as well, which then reports them.
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

static int open_file(struct target *t, const struct stat *there)
{
	const struct fspolicy *fs = ob__fspolicy_of_file(t->dirfd);
	int r;

	if (t->request.in_place)
		return open_in_place(t, there);
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
 * The directory itself is open by O_PATH, which cannot be synced. That it cannot be shows now. An exchange
 * must be on the disk before the next run writes over what was exchanged, or after a power failure the path
 * leads to that.
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

/* What is wanted of the file at `name`, in the open directory. */
static int open_there(struct target *t)
{
	struct stat there;
	int r = ob__target_check_path(t, &there);

	if (r == -ENOTSUP)
		return open_special(t, &there);
	if (r == 0)
		r = open_for_sync(t);
	if (r == 0)
		r = ob__lock_acquire(t);
	if (r == 0)
		r = open_file(t, &there);
	if (r == 0)
		t->fs = ob__fspolicy_of_file(t->fd);
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
		r = check_who_leads(t);
		ob__target_abandon(t);
		return r < 0 ? r : ob__target_open_descriptor(t, fd);
	}
	if (r == 0)
		r = open_there(t);
	if (r < 0)
		ob__target_abandon(t);
	return r;
}

/* In place: only what we created, and only if the name still leads to it. */
static void remove_created(struct target *t)
{
	struct stat st;

	if (t->created && t->fd >= 0 && ob__sys_fstat(t->fd, &st) == 0 &&
	    ob__hidden_names_file(t->dirfd, t->name, &st) == 1)
		ob__sys_unlinkat(t->dirfd, t->name);
	t->created = 0;
}

/* Unless the name is known to be another's by now. */
static void remove_hidden(struct target *t)
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
	/* Before the lock goes, which is what makes the name ours. */
	remove_hidden(t);
	if (t->fd >= 0 && !t->borrowed)
		ob__sys_redirect_to_null(t->fd);
}

void ob__target_abandon(struct target *t)
{
	if (t->borrowed)
		t->fd = -1;
	remove_created(t);
	/* First the name, then the lock, which goes with the descriptor. */
	remove_hidden(t);
	ob__target_close_fd(&t->fd);
	ob__lock_release(t);
	ob__target_close_fd(&t->syncfd);
	ob__target_close_fd(&t->dirfd);
	free(t->name);
	t->name = NULL;
}
