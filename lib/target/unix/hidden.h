/* SPDX-License-Identifier: MIT */
/* Hidden names beside an output: of a new file until it is published, of the spare, of the lock file. */
#ifndef OUTBUF_LIB_HIDDEN_H
#define OUTBUF_LIB_HIDDEN_H

#include <sys/stat.h>

#include "target/target.h"

/*
 * Open the file with a hidden name by `flags`, if it can only be ours, and lock it: as long as the descriptor is
 * open, no other process takes the file for a leftover. Owner. Returns the descriptor and fills *st, or
 *   -ENOENT   there is none, or it disappeared meanwhile
 *   -EBADF    it is not a regular file; NFS: `flags` do not include writing
 *   -EPERM    it is another user's
 *   -EACCES   it is ours, but may not be opened by `flags`: its permissions, or it is immutable (chattr(1))
 *   -EMLINK   it has other names
 *   -EBUSY    a process that is still alive has locked it, or runs it
 *   another errno of open(2), fstat(2), flock(2)
 */
int ob__hidden_open_locked(const struct target *t, const char *hidden, int flags, struct stat *st);

/*
 * Lock t->fd, which was just created under the name t->hidden. Owner. 0; -EEXIST if another process took the file for a
 * leftover in that moment, so that the name does not lead to it any more; another errno if it is not known where the
 * name leads, and then the caller still has to remove the file. Where the file system has no locks, no process takes it
 * for a leftover: 0. Sets t->owner if that is not us.
 */
int ob__hidden_lock_created(struct target *t);

/*
 * Remove the file with a hidden name if it is a leftover: ours and not locked. Its blocks are freed in the background
 * if it is large. Owner. 0, an error of ob__hidden_open_locked(), or the errno of unlinkat(2).
 */
int ob__hidden_remove_leftover(const struct target *t, const char *hidden);

/*
 * A file has got the hidden name of this try: remove leftovers under the other names that can be told. `trouble`:
 * there was one under this name. All names are looked at then, or if this was not the first try, or if t->has_owner;
 * else one of them, or none. Those before this one are looked at if t->has_owner: they seemed to be somebody else's.
 * Errors are ignored, as these names are not needed. Owner.
 */
void ob__hidden_remove_others(const struct target *t, int try, int trouble);

/* The target has no hidden name any more: it was renamed, or removed. Owner. */
void ob__hidden_forget(struct target *t);

/*
 * Does this negative errno of ob__sys_lock(), for a file in the directory, say that somebody else has locked the file?
 * SMB says EACCES then. Elsewhere that is a sandbox's word for "never". Any thread.
 */
int ob__hidden_is_locked(int dirfd, int error);

#endif
