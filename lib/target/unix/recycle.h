/* SPDX-License-Identifier: MIT */
/* Write over the output before last, instead of into a new file. */
#ifndef OUTBUF_LIB_RECYCLE_H
#define OUTBUF_LIB_RECYCLE_H

#include "target/target.h"

/*
 * If there is a good spare of t->name, take it instead of the new file that *t has: it is
 * TARGET_RECYCLED then. Else t->recycle_why says why not, and *t is as before. What is no good and ours
 * is removed, so that another spare can come.
 */
void ob__recycle_try(struct target *t, const struct fspolicy *fs);

#endif
