/* SPDX-License-Identifier: MIT */
/*
 * Hidden names, and removing the files that a crash left under them.
 *
 * A new output has a hidden name for a moment before it gets to the path. Where the file system has no O_TMPFILE, it
 * has one for its whole life. A spare (recycle.c) has one between two runs. hidden_name.c makes the names.
 *
 * Problem: a random name is safe, as nobody can guess it. But a file that a killed process leaves under a random name
 * stays for ever. To find it, each output would have to read the directory: 1 to 2 ms for 10,000 names.
 *
 * Choice: the first names that are tried, HIDDEN_KNOWN of them, are hashes of NAME and of the number of the try. If a
 * file has such a name already, the question is whose it is. A writer keeps its file locked (flock(2)), and a lock ends
 * with the process. So a regular file of ours that has one name and no lock was left over by a crash, and is removed.
 * In all other cases somebody is writing the same path at this moment, or has planted a file there. Then the next name
 * is used, and a random one only if none of these is free. Where flock(2) is missing nothing is removed.
 *
 * A file can be left under any of these names while the ones before it are free: its writer was killed, and others who
 * wrote the same path at that time were not. So of those who need a hidden name, one in four or five looks at one of
 * the other known names, too, each time at another one: one call of fstatat(2). If there is a sign of trouble (a
 * leftover, or names that are in use), all of them are looked at.
 *
 * Some file systems show every file as another user's (NFS's all_squash, vfat, bindfs). The owner that a file of ours
 * gets there is known when it is created. Then the names before it are looked at, too.
 *
 * Some remove no file that is open. There the name is removed once more after closing.
 *
 * It is no danger that these names can be guessed. The file is created by O_EXCL or linkat(2), which neither
 * follow a link nor overwrite a file, and a user who can list the directory sees any name. A process id would not do
 * as a name: it is unique only within one container.
 */
#include "config.h"

#include "target/unix/hidden.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/fspolicy.h"
#include "system/unix/sys_unix.h"
#include "target/hidden_name.h"
#include "target/unix/background.h"
#include "target/unix/evidence.h"
#include "target/unix/temporary.h"

int ob__hidden_is_locked(int dirfd, int error)
{
	const struct fspolicy *fs;

	return error == -EWOULDBLOCK ||
	       (error == -EACCES && ob__fspolicy_of_file(dirfd, &fs) == 0 && fs->locks_by_eacces);
}

/* Can the file be nobody else's? 0, or the error of ob__hidden_open_locked(). */
static int check_ownership(const struct target *t, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return -EBADF;
	if (st->st_uid != (t->has_owner ? t->owner : geteuid()))
		return -EPERM;
	return st->st_nlink != 1 ? -EMLINK : 0;
}

/* Does the name still lead to the file *st? 1, 0, or a negative errno. */
static int still_leads_to(const struct target *t, const char *hidden, const struct stat *st)
{
	struct stat now;
	int r = ob__sys_fstatat(t->dirfd, hidden, &now, AT_SYMLINK_NOFOLLOW);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return t->no_inodes || (now.st_dev == st->st_dev && now.st_ino == st->st_ino);
}

int ob__hidden_open_locked(const struct target *t, const char *hidden, int flags, struct stat *st)
{
	int fd, r = ob__sys_fstatat(t->dirfd, hidden, st, AT_SYMLINK_NOFOLLOW);

	/* Checked before it is opened: opening a device may have an effect, and opening a FIFO may wait. */
	if (r == 0)
		r = check_ownership(t, st);
	if (r < 0)
		return r;
	fd = ob__sys_openat(t->dirfd, hidden, flags | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd == -ETXTBSY ? -EBUSY : fd == -ELOOP ? -EBADF : fd == -EPERM ? -EACCES : fd;
	r = ob__sys_lock(fd, 0);
	if (ob__hidden_is_locked(t->dirfd, r))
		r = -EBUSY;
	if (r == 0)
		r = ob__sys_fstat(fd, st);
	if (r == 0)
		r = check_ownership(t, st);
	/*
	 * Between opening and locking, its writer may have published it. Then the name leads to another file, or to
	 * none.
	 */
	if (r == 0)
		r = still_leads_to(t, hidden, st);
	if (r > 0)
		return fd;
	r = r == 0 ? -ENOENT : r;
	ob__sys_close(fd);
	return r;
}

int ob__hidden_lock_created(struct target *t)
{
	struct stat st;
	int r = ob__sys_lock(t->fd, 0);

	/* Another process has locked it as a leftover, and is about to remove it. */
	if (ob__hidden_is_locked(t->dirfd, r))
		return -EEXIST;
	if (r < 0)
		return 0;
	if (ob__sys_fstat(t->fd, &st) == 0 && st.st_uid != geteuid()) {
		t->owner = st.st_uid;
		t->has_owner = 1;
	}
	r = ob__evidence_is_ours(t, t->hidden, t->fd);
	return r == 0 || r == -ENOENT ? -EEXIST : r < 0 ? r : 0;
}

/*
 * Open by O_RDONLY: while another process has a file open for writing, a program cannot be run, and the file might be
 * published in this moment. Only if that does not do: on NFS flock(2) refuses such a descriptor by EBADF, and some
 * outputs may be written but not read.
 */
static int open_leftover(const struct target *t, const char *hidden, struct stat *st)
{
	int fd = ob__hidden_open_locked(t, hidden, O_RDONLY, st);

	return fd == -EBADF || fd == -EACCES ? ob__hidden_open_locked(t, hidden, O_WRONLY, st) : fd;
}

int ob__hidden_remove_leftover(const struct target *t, const char *hidden)
{
	struct stat st;
	int fd = open_leftover(t, hidden, &st);
	int r;

	if (fd < 0)
		return fd;
	r = ob__sys_unlinkat(t->dirfd, hidden);
	if (r == 0) {
		ob__background_close(fd, &st);
		return 0;
	}
	ob__sys_close(fd);
	return ob__sys_unlinkat(t->dirfd, hidden);
}

/* One output in four or five looks at one of the other names. */
#define TURNS (4 * HIDDEN_KNOWN)

static void remove_known(const struct target *t, int try)
{
	char *hidden;

	if (ob__hidden_name(t->name, try, &hidden) < 0)
		return;
	ob__hidden_remove_leftover(t, hidden);
	free(hidden);
}

void ob__hidden_remove_others(const struct target *t, int try, int trouble)
{
	int i, turn;

	if (!trouble && try == 0 && !t->has_owner) {
		/* The clock chooses: it does not matter which one it is, as long as all have their turn. */
		turn = (int)(ob__sys_now() / 1024 % TURNS);
		if (turn > 0 && turn < HIDDEN_KNOWN)
			remove_known(t, turn);
		return;
	}
	for (i = t->has_owner ? 0 : try + 1; i < HIDDEN_KNOWN; i++)
		if (i != try)
			remove_known(t, i);
}

void ob__hidden_forget(struct target *t)
{
	ob__temporary_forget(t->noted);
	t->noted = NULL;
	free(t->hidden);
	t->hidden = NULL;
}
