/* SPDX-License-Identifier: MIT */
/* File systems that take the bytes of a file from the first to the last only. */
#ifndef OUTBUF_LIB_ORDER_H
#define OUTBUF_LIB_ORDER_H

#include "target/target.h"

/*
 * May the file be written at any offset? Asked where fspolicy.h says so (`may_be_ordered`), while the file is empty. 1;
 * 0; 1 also if that cannot be found out. *spoiled becomes 1 if the file is of no use any more. Owner.
 */
int ob__order_is_free(const struct target *t, int *spoiled);

/* Does this negative errno of open(2) say that a file may be opened for reading or for writing, but not for both? */
int ob__order_is_one_way(int error);

#endif
