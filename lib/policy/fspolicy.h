/* SPDX-License-Identifier: MIT */
/* What is known about file systems: a constant table, each row with its reason. Any thread may read it. */
#ifndef OUTBUF_LIB_FSPOLICY_H
#define OUTBUF_LIB_FSPOLICY_H

#include <stdint.h>

struct fspolicy {
	uint32_t magic;              /* f_type of statfs(2); 0: any other file system */
	const char *name;            /* for outbuf_stats() */
	unsigned char map;           /* 1: map files; 0: mappings fail, lose bytes or are slow here */
	unsigned char verify;        /* 1: try a mapping before it is used, and read back what it wrote */
	unsigned char prealloc;      /* 1: fallocate(2) reserves blocks */
	unsigned char tmpfile;       /* 1: O_TMPFILE may be tried */
	unsigned char recycle;       /* 1: an old output may be written over, and that is faster than a new file */
	unsigned char free_is_exact; /* 1: what statfs(2) calls free can be stored to the last byte */
	unsigned char sync_renamed;  /* 1: rename(2) is on the disk only when the file, too, was synced after it */
	unsigned char no_ftruncate;  /* 1: a file is made longer by writing its last byte */
	unsigned char locks_by_eacces; /* 1: flock(2) says EACCES of what somebody else has locked */
	unsigned char may_be_ordered; /* 1: files may have to be written from the first byte to the last */
	unsigned char silent_close;  /* 1: close(2) reports no errors */
	unsigned char may_journal_data; /* 1: it has the option data=journal; reserved blocks lose bytes then */
	unsigned char on_disk;       /* 1: it lies on a disk, so a file without one is on another file system */
	unsigned char threads;       /* more threads do not make a flush faster; 0: no such limit is known */
	unsigned char remote;        /* 1: writes go to a server, another process or another machine */
	const char *why;             /* the reason for `map`, for outbuf_stats() */
};

/* 0: nothing is remembered of mounts. Written by tests alone, which pretend other file systems. */
extern int ob__fspolicy_remembers;

/*
 * *row becomes the row for the file system of an open file or directory. If the system does not tell the type: the
 * "unknown" row. 0, or the negative errno of fstat(2).
 */
int ob__fspolicy_of_file(int fd, const struct fspolicy **row);

/*
 * The row of the file system that `fd` is on. `mount` is a number that no other mount ever has, or 0: with it the row
 * is remembered, and no system call is made the next time. Any thread. 0 or the negative errno of fstat(2).
 */
int ob__fspolicy_of_mount(int fd, uint64_t mount, const struct fspolicy **row);

/* The row for a type of file system, the "unknown" row if the table does not have it. For tests. */
const struct fspolicy *ob__fspolicy_of_magic(uint32_t magic);

#endif
