/* SPDX-License-Identifier: MIT */
/* Paths that mean a descriptor of this process. */
#ifndef OUTBUF_LIB_DESCRIPTOR_H
#define OUTBUF_LIB_DESCRIPTOR_H

/* The descriptor that a name in a directory means: 1 for /dev/stdout. -1 if it means a file. */
int ob__descriptor_number(int dirfd, const char *name);

#endif
