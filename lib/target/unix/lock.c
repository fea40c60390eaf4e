/* SPDX-License-Identifier: MIT */
/*
 * One writer of a path at a time.
 *
 * Two writers of one path at once are no danger to the file: each replaces it in one step. But
 * which of them is last is chance, and one of the works is for nothing. So there is a lock for those who
 * want it. It cannot be on the file itself, which another takes the place of, nor on the
 * directory, where other outputs are. So it is on a hidden file beside it, by flock(2): it goes
 * with the process.
 *
 * Whoever has the lock removes the file at the end, and whoever got it looks if the name still
 * leads to what was locked: else it was another's, removed while we waited. A crash leaves an
 * empty file, which the next exclusive writer takes and removes.
 */
#include "config.h"

#include "target/unix/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "system/unix/sys_unix.h"
#include "target/hidden_name.h"
#include "target/unix/hidden.h"
#include "outbuf.h"

/* NFS wants write permission for a lock; but another user's file may only be readable. */
static int open_lock(struct target *t)
{
	int flags = O_CREAT | O_NOFOLLOW | O_NONBLOCK;
	int fd = ob__sys_openat(t->dirfd, t->lock_name, O_RDWR | flags, 0666);

	return fd == -EACCES ? ob__sys_openat(t->dirfd, t->lock_name, O_RDONLY | flags, 0666) : fd;
}

/* 0, 1: try again, or an errno. */
static int try_lock(struct target *t)
{
	struct stat st;
	int fd = open_lock(t), r;

	if (fd < 0)
		return fd;
	r = ob__sys_fstat(fd, &st);
	if (r == 0 && !S_ISREG(st.st_mode))
		r = -EPERM;
	if (r == 0)
		r = ob__sys_lock(fd, t->request.lock == OUTBUF_LOCK_WAIT);
	if (r == 0)
		r = ob__hidden_names_file(t->dirfd, t->lock_name, &st);
	if (r > 0) {
		t->lockfd = fd;
		return 0;
	}
	ob__sys_close(fd);
	return r == -EWOULDBLOCK ? -EBUSY : r == 0 ? 1 : r;
}

int ob__lock_acquire(struct target *t)
{
	int r;

	if (t->request.lock == OUTBUF_LOCK_NONE)
		return 0;
	r = ob__hidden_lock_name(t->name, &t->lock_name);
	if (r < 0)
		return r;
	do
		r = try_lock(t);
	while (r == 1);
	return r;
}

void ob__lock_release(struct target *t)
{
	if (t->lockfd >= 0) {
		ob__sys_unlinkat(t->dirfd, t->lock_name);
		ob__sys_close(t->lockfd);
	}
	t->lockfd = -1;
	free(t->lock_name);
	t->lock_name = NULL;
}
