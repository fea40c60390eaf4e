/* SPDX-License-Identifier: MIT */
/* What is known about file systems: one table, each row with its reason. */
#ifndef OUTBUF_LIB_FSPOLICY_H
#define OUTBUF_LIB_FSPOLICY_H

#include <stdint.h>

struct fspolicy {
	uint32_t magic;      /* statfs(2): f_type; 0: any other */
	const char *name;
	unsigned char map;      /* 1: map files; 0: do not, they fail, lie or are slow */
	unsigned char verify;   /* try a mapping before it is relied on, and read back what it wrote */
	unsigned char reserve;  /* reserve blocks by fallocate(2) */
	unsigned char nameless; /* O_TMPFILE may be tried */
	unsigned char recycle;  /* an old output may be written over, and that is faster */
	unsigned char exact;    /* what statfs(2) calls free is what can be stored */
	unsigned char threads;  /* a flush does not gain by more; 0: no such limit is known */
	unsigned char far;      /* what is written goes to a server, a process or another machine */
	const char *why;        /* about the mapping, for outbuf_stats() */
};

/* The row for an open file or directory; that for unknown ones if the system does not say. */
const struct fspolicy *fspolicy_of(int fd);

/* The row for a type, for tests. */
const struct fspolicy *fspolicy_of_magic(uint32_t magic);

#endif
