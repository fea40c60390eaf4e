/* SPDX-License-Identifier: MIT */
/*
 * How do bytes that are not in a mapping reach the file? A backend knows memory and a
 * descriptor; it knows no View, no path and no mapping.
 */
#ifndef OUTBUF_LIB_FLUSH_H
#define OUTBUF_LIB_FLUSH_H

#include <stdint.h>

#include "parallel.h"

/* Bytes to carry; on the stack of the caller, constant during the flush. */
struct flush_job {
	int fd;
	const unsigned char *data;
	uint64_t offset; /* in the file */
	uint64_t length;
	const struct parallel *parallel;
};

struct flush_backend {
	const char *name;
	/*
	 * Write all of the job to the file. May use the job's threads; returns when all is in
	 * the page cache. 0 or the first negative errno, then any part may be missing.
	 */
	int (*write)(const struct flush_job *job);
};

extern const struct flush_backend flush_pwrite;

/* The backend for a descriptor. There is one so far. */
const struct flush_backend *flush_choose(int fd);

#endif
