/* SPDX-License-Identifier: MIT */
/*
 * Hidden names, and what a crash left under them.
 *
 * An output needs a name of its own for a moment before it takes the path's place, or for its
 * whole life where the file system has no nameless files; a spare (recycle.c) has one between two
 * runs. hidden_name.c makes it.
 *
 * Names that nobody can guess are safe, but what a killed process leaves under one stays for
 * ever: finding it means reading the directory, 1 to 2 ms for 10,000 names, at each output. So
 * the first one tried is a hash of NAME. If it is taken, by whom? A writer keeps its file
 * locked (flock(2)), and a lock ends with the process. So a file there that is regular, ours, has one
 * name and no lock is left over, and removed. Otherwise, somebody is writing the same path at this
 * moment, or planted something: then the name is a random one, as it is with flock missing.
 *
 * That the first name can be guessed gives nobody anything. It is made by O_EXCL or linkat(2), which
 * follow and overwrite nothing, and who can list the directory sees any name. A
 * process id would not do: it is unique only within one container.
 */
#include "config.h"

#include "target/unix/hidden.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "system/unix/sys_unix.h"
#include "target/unix/background.h"

int ob__hidden_names_file(int dirfd, const char *name, const struct stat *st)
{
	struct stat there;
	int r = ob__sys_fstatat(dirfd, name, &there, AT_SYMLINK_NOFOLLOW);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return there.st_dev == st->st_dev && there.st_ino == st->st_ino;
}

static int check(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return -EBADF;
	if (st->st_uid != geteuid())
		return -EPERM;
	return st->st_nlink != 1 ? -EMLINK : 0;
}

int ob__hidden_open_locked(int dirfd, const char *hidden, int flags, struct stat *st)
{
	int fd, r = ob__sys_fstatat(dirfd, hidden, st, AT_SYMLINK_NOFOLLOW);

	/* Looked at before it is opened: opening a device may do things, and a FIFO waits. */
	if (r == 0)
		r = check(st);
	if (r < 0)
		return r;
	fd = ob__sys_openat(dirfd, hidden, flags | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd == -ETXTBSY ? -EBUSY : fd == -ELOOP ? -EBADF : fd;
	r = ob__sys_lock(fd, 0);
	if (r == -EWOULDBLOCK)
		r = -EBUSY;
	if (r == 0)
		r = ob__sys_fstat(fd, st);
	if (r == 0)
		r = check(st);
	/* Between opening and locking, its writer may have published it: then the name is another's. */
	if (r == 0)
		r = ob__hidden_names_file(dirfd, hidden, st);
	if (r > 0)
		return fd;
	r = r == 0 ? -ENOENT : r;
	ob__sys_close(fd);
	return r;
}

int ob__hidden_lock_created(int dirfd, const char *hidden, int fd)
{
	struct stat st;
	int r = ob__sys_lock(fd, 0);

	/* Whoever has the lock is about to remove the file. */
	if (r == -EWOULDBLOCK)
		return -EEXIST;
	if (r < 0)
		return 0;
	r = ob__sys_fstat(fd, &st);
	if (r == 0)
		r = ob__hidden_names_file(dirfd, hidden, &st);
	return r < 0 ? r : r == 0 ? -EEXIST : 0;
}

int ob__hidden_remove_leftover(int dirfd, const char *hidden)
{
	struct stat st;
	int fd = ob__hidden_open_locked(dirfd, hidden, O_RDONLY, &st);
	int r;

	if (fd < 0)
		return fd;
	r = ob__sys_unlinkat(dirfd, hidden);
	ob__background_close(fd, &st);
	return r;
}
