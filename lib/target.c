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

#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptor.h"
#include "hidden.h"
#include "lock.h"
#include "outbuf.h"
#include "recycle.h"
#include "sys_unix.h"

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
	t->dirfd = sys_open_dir(AT_FDCWD, dir);
	free(dir);
	return t->dirfd < 0 ? t->dirfd : 0;
}

/*
 * Never replace what is not a regular file: -o /dev/null must not remove /dev/null. A
 * symbolic link is looked through for this, but not for replacing: one that leads nowhere, or
 * where we may not look, is replaced. -ENOTSUP: it is special.
 */
int target_check(const struct target *t, struct stat *st)
{
	struct stat behind, dir;
	int r = sys_fstatat(t->dirfd, t->name, st, AT_SYMLINK_NOFOLLOW);

	if (r < 0) {
		st->st_mode = 0;
		return r == -ENOENT ? 0 : r;
	}
	behind = *st;
	if (S_ISLNK(st->st_mode) && sys_fstatat(t->dirfd, t->name, &behind, 0) < 0)
		behind.st_mode = S_IFREG;
	if (S_ISDIR(behind.st_mode))
		return -EISDIR;
	if (!S_ISREG(behind.st_mode))
		return -ENOTSUP;

	/*
	 * In a sticky directory (/tmp) somebody else's file may not be renamed over: say so
	 * now and not after the work.
	 */
	r = sys_fstat(t->dirfd, &dir);
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
	int r = sys_fstat(t->dirfd, &dir);

	if (r < 0 || !(dir.st_mode & (dir.st_mode & S_ISVTX ? S_IWGRP | S_IWOTH : S_IWOTH)))
		return r;
	return st->st_uid == geteuid() || st->st_uid == dir.st_uid ? 0 : -EPERM;
}

static int check_who_leads(const struct target *t)
{
	struct stat st;

	if (sys_fstatat(t->dirfd, t->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
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
	t->fd = sys_openat(t->dirfd, t->name, O_WRONLY | (S_ISLNK(there->st_mode) ? 0 : O_NOFOLLOW), 0);
	if (t->fd < 0)
		return t->fd;
	/* Somebody may have put a file there meanwhile, which must not be written over. */
	r = sys_fstat(t->fd, &st);
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
	t->fd = sys_openat(t->dirfd, t->name, O_RDWR | O_CREAT | O_EXCL, t->wish.mode & 0777);
	t->created = t->fd >= 0;
	t->old_content = !t->created;
	if (t->fd == -EEXIST)
		t->fd = sys_openat(t->dirfd, t->name, O_RDWR | O_CREAT | follow, t->wish.mode & 0777);
	if (t->fd < 0)
		return t->fd;
	/* Once more, for what came between: a file of somebody else's is not touched. */
	if (t->created || follow == 0)
		return 0;
	r = sys_fstat(t->fd, &st);
	if (r < 0)
		return r;
	return S_ISREG(st.st_mode) ? check_whose(t, &st) : -ENOTSUP;
}

static int open_named(struct target *t)
{
	int try, r = -EEXIST;

	for (try = 0; try < HIDDEN_TRIES && r == -EEXIST; try++) {
		r = hidden_name(t->name, try, &t->hidden);
		if (r < 0)
			return r;
		t->fd = sys_openat(t->dirfd, t->hidden, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
		                   t->wish.mode & 0777);
		/* What a crash left there is in nobody's way but ours. */
		if (t->fd == -EEXIST && try == 0 && hidden_clear(t->dirfd, t->hidden) == 0)
			t->fd = sys_openat(t->dirfd, t->hidden,
			                   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, t->wish.mode & 0777);
		r = t->fd < 0 ? t->fd : hidden_claim(t->dirfd, t->hidden, t->fd);
		/* Ours, and if that is no use, to be removed: target_abandon(). */
		if (r == 0 || (t->fd >= 0 && r != -EEXIST))
			return r;
		if (t->fd >= 0)
			sys_close(t->fd);
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
static int open_nameless(struct target *t)
{
	t->fd = sys_open_nameless(t->dirfd, ".", t->wish.mode & 0777);
	if (t->fd < 0)
		return t->fd;
	if (sys_link_fd_works(t->fd) == 0)
		return 0;
	sys_close(t->fd);
	t->fd = -1;
	return -EOPNOTSUPP;
}

static int open_file(struct target *t, const struct stat *there)
{
	const struct fspolicy *fs = fspolicy_of(t->dirfd);
	int r;

	if (t->wish.in_place)
		return open_in_place(t, there);
	r = fs->nameless ? open_nameless(t) : -EOPNOTSUPP;
	if (r < 0) {
		t->kind = TARGET_NAMED;
		r = open_named(t);
	}
	if (r == 0 && t->wish.recycle)
		recycle(t, fs);
	return r;
}

/*
 * The directory itself is open by O_PATH, which cannot be synced. That it cannot be shows now. An exchange
 * must be on the disk before the next run writes over what was exchanged, or after a power failure the path
 * leads to that.
 */
static int open_for_sync(struct target *t)
{
	if (t->wish.durability == OUTBUF_DURABLE_NONE ||
	    (t->wish.durability == OUTBUF_DURABLE_DATA && (!t->wish.recycle || t->wish.in_place)))
		return 0;
	t->syncfd = sys_openat(t->dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (t->syncfd >= 0 || t->wish.durability == OUTBUF_DURABLE_FULL)
		return t->syncfd < 0 ? t->syncfd : 0;
	t->wish.recycle = 0;
	t->recycle_why = "the directory cannot be synced";
	return 0;
}

/* What is wanted of the file at `name`, in the open directory. */
static int open_there(struct target *t)
{
	struct stat there;
	int r = target_check(t, &there);

	if (r == -ENOTSUP)
		return open_special(t, &there);
	if (r == 0)
		r = open_for_sync(t);
	if (r == 0)
		r = lock_take(t);
	if (r == 0)
		r = open_file(t, &there);
	if (r == 0)
		t->fs = fspolicy_of(t->fd);
	return r;
}

int target_open(struct target *t, const char *path, const struct target_wish *wish)
{
	int r, fd;

	if (strcmp(path, "-") == 0)
		return target_borrow(t, STDOUT_FILENO);
	target_init(t, wish->in_place ? TARGET_IN_PLACE : TARGET_NAMELESS, -1);
	t->wish = *wish;
	r = open_parent(t, path);
	fd = r == 0 ? descriptor_of(t->dirfd, t->name) : -1;
	if (fd >= 0) {
		r = check_who_leads(t);
		target_abandon(t);
		return r < 0 ? r : target_borrow(t, fd);
	}
	if (r == 0)
		r = open_there(t);
	if (r < 0)
		target_abandon(t);
	return r;
}

/* In place: only what we created, and only if the name still leads to it. */
static void remove_created(struct target *t)
{
	struct stat st;

	if (t->created && t->fd >= 0 && sys_fstat(t->fd, &st) == 0 &&
	    hidden_leads_to(t->dirfd, t->name, &st) == 1)
		sys_unlinkat(t->dirfd, t->name);
	t->created = 0;
}

/* Unless the name is known to be another's by now. */
static void remove_hidden(struct target *t)
{
	struct stat st;

	if (t->hidden != NULL &&
	    (sys_fstat(t->fd, &st) < 0 || hidden_leads_to(t->dirfd, t->hidden, &st) != 0))
		sys_unlinkat(t->dirfd, t->hidden);
	free(t->hidden);
	t->hidden = NULL;
}

void target_remove(struct target *t)
{
	remove_created(t);
	/* Before the lock goes, which is what makes the name ours. */
	remove_hidden(t);
	if (t->fd >= 0 && !t->borrowed)
		sys_lead_nowhere(t->fd);
}

void target_abandon(struct target *t)
{
	if (t->borrowed)
		t->fd = -1;
	remove_created(t);
	/* First the name, then the lock, which goes with the descriptor. */
	remove_hidden(t);
	target_close_fd(&t->fd);
	lock_release(t);
	target_close_fd(&t->syncfd);
	target_close_fd(&t->dirfd);
	free(t->name);
	t->name = NULL;
}
