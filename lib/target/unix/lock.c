/* SPDX-License-Identifier: MIT */
/*
 * options.lock: one writer of a path at a time.
 *
 * Problem: two writers of one path do not damage the file, as each replaces it in one step. But it is chance which of
 * them is last, and the work of the other is lost. So there is a lock for callers that ask for it.
 *
 * Choice: the lock cannot be on the output itself, as that is replaced by another file. It cannot be on the
 * directory, which has other outputs too. So it is flock(2) on a hidden file beside the output. It ends with the
 * process.
 *
 * The holder of the lock removes the lock file at the end. So a process that has acquired the lock checks whether the
 * name still leads to the file that it locked. If not, the previous holder removed that file while this process
 * waited, and it tries again.
 *
 * Cost: a crash leaves an empty file. The next writer with options.lock locks and removes it.
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

/* So often in a row the lock file may be gone before it is locked. Each time another writer has finished. */
#define GONE_TRIES 100

/* NFS needs write permission for a lock. But a lock file of another user's may be only readable. */
static int open_lock(struct target *t)
{
	int flags = O_CREAT | O_NOFOLLOW | O_NONBLOCK;
	int fd = ob__sys_openat(t->dirfd, t->lock_name, O_RDWR | flags, 0666);

	return fd == -EACCES ? ob__sys_openat(t->dirfd, t->lock_name, O_RDONLY | flags, 0666) : fd;
}

/*
 * Was the lock file removed between two calls? Where a server looks names up (9p, SMB, NFS), even a call for a file
 * that is open fails then. So does everything in a directory that was removed: the caller does not try for ever.
 */
static int is_gone(int error)
{
	return error == -ENOENT || error == -ESTALE;
}

/* 0; 1: the lock file was removed meanwhile, try again; or a negative errno, which is is_gone() in that case, too. */
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
	int gone = 0, r;

	if (t->request.lock == OUTBUF_LOCK_NONE)
		return 0;
	r = ob__hidden_lock_name(t->name, &t->lock_name);
	if (r < 0)
		return r;
	do {
		r = try_lock(t);
		if (!is_gone(r))
			gone = 0;
		else if (++gone < GONE_TRIES)
			ob__sys_pause();
	} while (r == 1 || (is_gone(r) && gone < GONE_TRIES));
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
