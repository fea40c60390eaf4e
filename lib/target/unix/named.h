/* SPDX-License-Identifier: MIT */
/* Temporary files that have a hidden name, from the start or given later. */
#ifndef OUTBUF_LIB_NAMED_H
#define OUTBUF_LIB_NAMED_H

#include "target/target.h"

/*
 * Create a temporary file with a hidden name, t->hidden, open as t->fd, and lock it (hidden.c). Files that a crash left
 * under the known names are removed. Owner. 0, or the errno of open(2): nothing is there then.
 */
int ob__named_create(struct target *t);

/*
 * Give the file without a name that is open as t->fd a hidden name, t->hidden. Where link(2) is refused, its bytes are
 * copied into a file that has one, and t->fd is that file afterwards. `lasting`: the name will be there for more than a
 * moment. Owner. 0 or a negative errno.
 */
int ob__named_link(struct target *t, int lasting);

/*
 * Give the file without a name that is open as t->fd the name of the path. Owner. 0; 1 if that is not possible, because
 * something has the name or link(2) is refused; or another negative errno.
 */
int ob__named_link_to_path(const struct target *t);

/*
 * Can a file without a name get one? 0 or a negative errno. The answer is remembered for the process, until link(2) is
 * refused: then it is no, for good. Owner.
 */
int ob__named_can_link(int fd);

/* What is remembered: 0 nothing, 1 it works, -1 it is refused. Tests set it. */
extern _Atomic int ob__named_links;

#endif
