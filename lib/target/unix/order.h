/* SPDX-License-Identifier: MIT */
/* File systems that take the bytes of a file from the first to the last only. */
#ifndef OUTBUF_LIB_ORDER_H
#define OUTBUF_LIB_ORDER_H

#include "target/target.h"

/*
 * May a file in the directory of the path be written at any offset? Asked where fspolicy.h says so (`may_be_ordered`),
 * by a file that is removed at once. Owner. 1; 0; 1 also if nothing can be created there to find out.
 */
int ob__order_is_free(const struct target *t);

/* Does this negative errno of open(2) say that a file may be opened for reading or for writing, but not for both? */
int ob__order_is_one_way(int error);

#endif
