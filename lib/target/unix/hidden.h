/* SPDX-License-Identifier: MIT */
/* Hidden names beside an output: for a moment while it is published, for its spare, its lock. */
#ifndef OUTBUF_LIB_HIDDEN_H
#define OUTBUF_LIB_HIDDEN_H

#include <sys/stat.h>

/*
 * Open the file with a hidden name by `flags`, if it can be nobody else's, and lock it, so that no
 * other process takes it for left over as long as the descriptor is open. Returns the descriptor and
 * fills *st, or
 *   -ENOENT   there is none, or it went meanwhile
 *   -EBADF    it is not a regular file
 *   -EPERM    it is somebody else's
 *   -EMLINK   it has other names
 *   -EBUSY    somebody who lives has locked it, or runs it
 *   another errno of open(2), fstat(2), flock(2)
 */
int ob__hidden_open_locked(int dirfd, const char *hidden, int flags, struct stat *st);

/*
 * Lock the file behind the descriptor, just created under the hidden name. 0; -EEXIST if it was taken
 * for left over in that moment, so that the name is not its name any more; another errno if that
 * cannot be told: then it is still to be removed. Where nothing can be locked nobody can take it
 * either: 0.
 */
int ob__hidden_lock_created(int dirfd, const char *hidden, int fd);

/*
 * Remove the file with a hidden name if it is left over: ours and not locked. 0, or as
 * ob__hidden_open_locked(). What it occupied is given back in the background if it is large.
 */
int ob__hidden_remove_leftover(int dirfd, const char *hidden);

/* Does the name (any) lead to this file? 1, 0, or an errno if that cannot be told. */
int ob__hidden_names_file(int dirfd, const char *name, const struct stat *st);

#endif
