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

#include "hidden.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "later.h"
#include "sys_unix.h"

int hidden_leads_to(int dirfd, const char *name, const struct stat *st)
{
	struct stat there;
	int r = sys_fstatat(dirfd, name, &there, AT_SYMLINK_NOFOLLOW);

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

int hidden_hold(int dirfd, const char *hidden, int flags, struct stat *st)
{
	int fd, r = sys_fstatat(dirfd, hidden, st, AT_SYMLINK_NOFOLLOW);

	/* Looked at before it is opened: opening a device may do things, and a FIFO waits. */
	if (r == 0)
		r = check(st);
	if (r < 0)
		return r;
	fd = sys_openat(dirfd, hidden, flags | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd == -ETXTBSY ? -EBUSY : fd == -ELOOP ? -EBADF : fd;
	r = sys_lock(fd, 0);
	if (r == -EWOULDBLOCK)
		r = -EBUSY;
	if (r == 0)
		r = sys_fstat(fd, st);
	if (r == 0)
		r = check(st);
	/* Between opening and locking, its writer may have published it: then the name is another's. */
	if (r == 0)
		r = hidden_leads_to(dirfd, hidden, st);
	if (r > 0)
		return fd;
	r = r == 0 ? -ENOENT : r;
	sys_close(fd);
	return r;
}

int hidden_claim(int dirfd, const char *hidden, int fd)
{
	struct stat st;
	int r = sys_lock(fd, 0);

	/* Whoever has the lock is about to remove the file. */
	if (r == -EWOULDBLOCK)
		return -EEXIST;
	if (r < 0)
		return 0;
	r = sys_fstat(fd, &st);
	if (r == 0)
		r = hidden_leads_to(dirfd, hidden, &st);
	return r < 0 ? r : r == 0 ? -EEXIST : 0;
}

int hidden_clear(int dirfd, const char *hidden)
{
	struct stat st;
	int fd = hidden_hold(dirfd, hidden, O_RDONLY, &st);
	int r;

	if (fd < 0)
		return fd;
	r = sys_unlinkat(dirfd, hidden);
	later_close(fd, &st);
	return r;
}
