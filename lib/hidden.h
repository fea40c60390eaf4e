/* SPDX-License-Identifier: MIT */
/* Hidden names beside an output: for a moment while it is published, for its spare, its lock. */
#ifndef OUTBUF_LIB_HIDDEN_H
#define OUTBUF_LIB_HIDDEN_H

#include <sys/stat.h>

/* Tries with random names before EEXIST is believed; one in 2^64 fails. */
#define HIDDEN_TRIES 16

/*
 * *hidden, to be freed: the name that belongs to `name` for try 0, else one that nobody can guess.
 * 0, -ENOMEM, or what sys_random() returns.
 */
int hidden_name(const char *name, int try, char **hidden);

/* The name of the file that two writers of `name` lock. */
int hidden_lock_name(const char *name, char **hidden);

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
int hidden_hold(int dirfd, const char *hidden, int flags, struct stat *st);

/*
 * Lock the file behind the descriptor, just created under the hidden name. 0; -EEXIST if it was taken
 * for left over in that moment, so that the name is not its name any more; another errno if that
 * cannot be told: then it is still to be removed. Where nothing can be locked nobody can take it
 * either: 0.
 */
int hidden_claim(int dirfd, const char *hidden, int fd);

/*
 * Remove the file with a hidden name if it is left over: ours and not locked. 0, or as
 * hidden_hold(). What it occupied is given back in the background if it is large.
 */
int hidden_clear(int dirfd, const char *hidden);

/* Does the name (any) lead to this file? 1, 0, or an errno if that cannot be told. */
int hidden_leads_to(int dirfd, const char *name, const struct stat *st);

#endif
