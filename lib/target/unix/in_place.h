/* SPDX-License-Identifier: MIT */
/* Writing the file at the path itself. */
#ifndef OUTBUF_LIB_IN_PLACE_H
#define OUTBUF_LIB_IN_PLACE_H

#include "target/target.h"

/*
 * May we write to the file, or follow the link, that *st describes? This depends on its owner and on the directory
 * (in_place.c). Owner. 0, -EPERM, or the errno of fstat(2).
 */
int ob__in_place_check_owner(const struct target *t, const struct stat *st);

/*
 * Open the file at the path as t->fd, or create it; *at_path is what stands there (st_mode is 0: nothing). Owner. 0,
 * -EPERM of ob__in_place_check_owner(), -ENOTSUP if it is no regular file, or the errno of open(2).
 */
int ob__in_place_open(struct target *t, const struct stat *at_path);

/* Could the file at the path, *at_path, be written over? As ob__in_place_open(), but nothing is left open. */
int ob__in_place_check(struct target *t, const struct stat *at_path);

/*
 * Write the bytes of the finished file, open as t->fd or under t->hidden, over the file at the path, and close that.
 * The file there is created if there is none. It keeps its owner, permissions and other names. Owner. 0 or a negative
 * errno: what was at the path is lost then, if writing had begun.
 */
int ob__in_place_overwrite(struct target *t, const struct stat *at_path);

#endif
