/* SPDX-License-Identifier: MIT */
/* Paths that mean an open descriptor of this process. */
#ifndef OUTBUF_LIB_DESCRIPTOR_H
#define OUTBUF_LIB_DESCRIPTOR_H

/*
 * The descriptor that `name` in the directory `dirfd` means, after symbolic links: 1 for /dev/stdout. -1 if it means
 * a file, or if a link or directory cannot be read.
 */
int ob__descriptor_number(int dirfd, const char *name);

#endif
