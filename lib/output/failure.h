/* SPDX-License-Identifier: MIT */
/* What failed, and where: what outbuf_error_text() needs besides the errno. */
#ifndef OUTBUF_LIB_FAILURE_H
#define OUTBUF_LIB_FAILURE_H

#include <stdint.h>

enum failed_operation {
	FAILED_NOTHING,
	FAILED_VIEW,    /* opening a View on [begin, end) */
	FAILED_WRITE,   /* storing n bytes at `offset` through a View on [begin, end) */
	FAILED_SEEK,    /* moving a View on [begin, end) to `offset` */
	FAILED_RELEASE, /* outbuf_release() of [begin, end) */
	FAILED_DATA,    /* outbuf_data() of [begin, end) */
	FAILED_PROGRAM, /* the program called outbuf_fail() */
	FAILED_MAP,     /* outbuf_map() of `end` bytes */
	FAILED_UNMAP,
	FAILED_SIZE, /* outbuf_set_size() to `end` bytes */
	FAILED_FLUSH,
	FAILED_SYNC,
	FAILED_WALK,
	FAILED_COMMIT, /* any step of outbuf_commit() before the last */
	FAILED_PUBLISH /* the last: the file takes the path's place */
};

struct failure {
	enum failed_operation operation;
	uint64_t begin, end; /* file offsets; `end` UINT64_MAX: of a View without a length */
	uint64_t offset, n;  /* a file offset, and bytes */
	int refused;         /* 1: the call was not begun: a View was open (-EBUSY), or the state is wrong (-EINVAL) */
};

#endif
