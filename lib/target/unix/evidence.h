/* SPDX-License-Identifier: MIT */
/* Does a name lead to the file that an output has open? */
#ifndef OUTBUF_LIB_EVIDENCE_H
#define OUTBUF_LIB_EVIDENCE_H

#include "target/target.h"

/*
 * Does the name in t->dirfd lead to the file that is open as `fd`? Owner. 1; 0 if it leads to another one; -ENOENT if
 * nothing has the name; or another negative errno if that is not known. Sets t->no_inodes where inode numbers are
 * found to tell nothing. From then on a name that exists counts as leading to the file.
 */
int ob__evidence_is_ours(struct target *t, const char *name, int fd);

#endif
