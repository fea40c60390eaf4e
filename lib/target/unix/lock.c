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
 * Where inode numbers tell nothing (evidence.c) that cannot be checked, and two writers may have the lock if one of
 * them waited for it while the other one removed it.
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
#include "target/unix/evidence.h"
#include "target/unix/hidden.h"
#include "target/unix/order.h"
#include "target/unix/temporary.h"
#include "outbuf.h"

/* So long the lock file may be gone before it is locked. On SMB it stays half removed for a second (closetimeo). */
#define GONE_NS ((uint64_t)2000 * 1000 * 1000)
/* So long of that the pauses are short. Mostly another writer has just finished. */
#define GONE_SOON_NS ((uint64_t)1000 * 1000)

/*
 * Open the lock file, or create it: *created. NFS needs write permission for a lock. But a lock file of another user's
 * may be only readable. The descriptor, or a negative errno.
 */
static int open_lock(const struct target *t, int *created)
{
	int flags = O_CREAT | O_NOFOLLOW | O_NONBLOCK;
	int access = O_RDWR, fd = ob__sys_openat(t->dirfd, t->lock_name, access | O_EXCL | flags, 0666);

	if (ob__order_is_one_way(fd)) {
		access = O_WRONLY;
		fd = ob__sys_openat(t->dirfd, t->lock_name, access | O_EXCL | flags, 0666);
	}
	*created = fd >= 0;
	if (fd == -EEXIST)
		fd = ob__sys_openat(t->dirfd, t->lock_name, access | flags, 0666);
	return fd == -EACCES ? ob__sys_openat(t->dirfd, t->lock_name, O_RDONLY | flags, 0666) : fd;
}

/* 0; 1: the lock file was removed meanwhile, try again; or a negative errno. -ENOENT and -ESTALE may mean the same. */
static int try_lock(struct target *t)
{
	int created, fd = open_lock(t, &created), r;
	struct stat st;

	if (fd < 0)
		return fd;
	r = ob__sys_fstat(fd, &st);
	if (r == 0 && !S_ISREG(st.st_mode))
		r = -EPERM;
	if (r == 0)
		r = ob__sys_lock(fd, t->request.lock == OUTBUF_LOCK_WAIT);
	if (ob__hidden_is_locked(t->dirfd, r))
		r = -EBUSY;
	if (r == 0) {
		r = ob__evidence_is_ours(t, t->lock_name, fd);
		r = r == -ENOENT ? 0 : r;
	}
	/* There are no locks here, so nobody else needs the file. */
	if (r < 0 && r != -EBUSY && created)
		ob__sys_unlinkat(t->dirfd, t->lock_name);
	if (r > 0) {
		t->lockfd = fd;
		t->lock_noted = ob__temporary_note(t->dirfd, t->lock_name);
		return 0;
	}
	ob__sys_close(fd);
	return r == 0 ? 1 : r;
}

/*
 * Is it worth trying again after this error? Where a server looks names up (9p, SMB, NFS), a call for a lock file that
 * was removed a moment ago fails, even if it is open. So does everything in a directory that was removed: this is not
 * tried for ever. *since is when it was first gone, 0 if it is not. Waits a moment if it returns 1.
 */
static int may_come_back(const struct target *t, int error, uint64_t *since)
{
	struct stat dir;
	uint64_t now;

	if (error != -ENOENT && error != -ESTALE) {
		*since = 0;
		return 0;
	}
	if (ob__sys_fstat(t->dirfd, &dir) < 0 || dir.st_nlink == 0)
		return 0;
	now = ob__sys_now();
	*since = *since == 0 ? now : *since;
	if (now - *since > GONE_NS)
		return 0;
	(now - *since < GONE_SOON_NS ? ob__sys_pause : ob__sys_poll_pause)();
	return 1;
}

int ob__lock_acquire(struct target *t)
{
	uint64_t gone_since = 0;
	int r;

	if (t->request.lock == OUTBUF_LOCK_NONE)
		return 0;
	r = ob__hidden_lock_name(t->name, &t->lock_name);
	if (r < 0)
		return r;
	do
		r = try_lock(t);
	while (may_come_back(t, r, &gone_since) || r == 1);
	return r;
}

void ob__lock_release(struct target *t)
{
	int r = t->lockfd < 0 ? 0 : ob__sys_unlinkat(t->dirfd, t->lock_name);

	if (t->lockfd >= 0)
		ob__sys_close(t->lockfd);
	/* Some file systems remove no file that is open. */
	if (r < 0)
		ob__sys_unlinkat(t->dirfd, t->lock_name);
	ob__temporary_forget(t->lock_noted);
	t->lock_noted = NULL;
	t->lockfd = -1;
	free(t->lock_name);
	t->lock_name = NULL;
}
