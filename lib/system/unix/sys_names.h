/* SPDX-License-Identifier: MIT */
/* Numbers that the files of this folder and the rooms above share. */
#ifndef OUTBUF_LIB_SYS_NAMES_H
#define OUTBUF_LIB_SYS_NAMES_H

#include <stdint.h>

/* 0, 1 and 2 are standard input, output and error. No descriptor that the library makes is below this. */
#define SYS_FIRST_DESCRIPTOR 3

/* What keeps a name from being replaced, of statx(2). */
enum sys_traits {
	SYS_MOUNT_POINT = 1, /* something is mounted on it */
	SYS_IMMUTABLE = 2,   /* chattr +i */
	SYS_APPEND_ONLY = 4, /* chattr +a; a directory: what is in it can be neither renamed nor removed */
};

/* What statx(2) says of a name besides fstatat(2), as far as kernel and file system tell. */
struct sys_name_info {
	unsigned traits; /* of enum sys_traits */
	uint64_t mount;  /* a number that no other mount ever has while the machine runs (Linux 6.8); 0: not known */
};

#endif
