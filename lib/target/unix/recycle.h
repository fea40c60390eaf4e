/* SPDX-License-Identifier: MIT */
/* Write over the spare, the output before last, instead of into a new file. */
#ifndef OUTBUF_LIB_RECYCLE_H
#define OUTBUF_LIB_RECYCLE_H

#include "target/target.h"

/*
 * If there is a spare of t->name that can be used, replace the new file that *t has by it: t->kind becomes
 * TARGET_RECYCLED. Otherwise t->recycle_why says why not, and *t has still the new file; t->request.recycle becomes 0
 * if recycling is impossible here for good. A spare that is ours but cannot be used is removed, so that commit can
 * leave another one. `fs` is the row of the directory's file system. Owner.
 */
void ob__recycle_try(struct target *t, const struct fspolicy *fs);

#endif
