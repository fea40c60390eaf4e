/* SPDX-License-Identifier: MIT */
/* What need not be waited for. */
#ifndef OUTBUF_LIB_LATER_H
#define OUTBUF_LIB_LATER_H

#include <sys/stat.h>

/*
 * Close a descriptor that may be the last that keeps a removed file, whose size *st tells: at once
 * if it is small, else in the background.
 */
void ob__background_close(int fd, const struct stat *st);

/*
 * Keep the file with this name for ob__background_close(), if it will be worth it: it is about to be replaced or
 * removed. Fills *st. A descriptor that does not count as open (leases, ETXTBSY), or less than 0.
 */
int ob__background_keep_open(int dirfd, const char *name, struct stat *st);

#endif
