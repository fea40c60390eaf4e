/* SPDX-License-Identifier: MIT */
/* Freeing a file's blocks in the background. */
#ifndef OUTBUF_LIB_BACKGROUND_H
#define OUTBUF_LIB_BACKGROUND_H

#include <sys/stat.h>

/*
 * Close a descriptor that may be the last one of a removed file. *st describes the file: if it is small, it is closed
 * at once, else by a thread in the background. Does nothing if fd is negative. Any thread.
 */
void ob__background_close(int fd, const struct stat *st);

/*
 * To be called before the file with this name, *st, is replaced or removed: open it for ob__background_close(), if this
 * is its last name and it is large, or `small` is 1. Any thread. Returns a descriptor, or a negative number if
 * the file need not be or cannot be kept open. The descriptor is of O_PATH, so it does not count as open for leases and
 * for ETXTBSY.
 */
int ob__background_keep_open(int dirfd, const char *name, int small, const struct stat *st);

#endif
