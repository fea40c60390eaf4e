/* SPDX-License-Identifier: MIT */
/*
 * How do bytes that are not in a mapping reach the file? A backend knows memory and a
 * descriptor; it knows no View, no path and no mapping.
 */
#ifndef OUTBUF_LIB_FLUSH_H
#define OUTBUF_LIB_FLUSH_H

#include <stddef.h>
#include <stdint.h>

#include "system/parallel.h"

/* One way to a descriptor. Constant after ob__flush_open(), but for what `state` points to. */
struct flush {
	const struct flush_backend *backend;
	int fd; /* -1: there is no file */
	int in_order; /* it is written from its own position on, not from 0: no put */
	const struct parallel *parallel;
	int (*sink)(void *sink_arg, uint64_t offset, const void *data, size_t n);
	void *sink_arg;
	void *state; /* the backend's, from open to close */
};

/*
 * A backend. All slots return 0 or a negative errno. An error of write or put leaves any part of
 * the bytes in the file; the caller makes it the output's error, so nothing is tried again.
 */
struct flush_backend {
	const char *name;
	/*
	 * Can the descriptor be written this way? Owner, once. Anything but 0 says "not here", and why;
	 * nothing is held then. -ENOTSUP: it is not this kind of output.
	 */
	int (*open)(struct flush *f);
	/*
	 * Carry bytes to this file offset. Owner, while nobody puts. May use the threads of f->parallel.
	 * Returns when all is in the page cache. A sequential backend is given ascending
	 * offsets without gaps.
	 */
	int (*write)(struct flush *f, const void *data, uint64_t offset, uint64_t n);
	/*
	 * The same for one block, on the calling thread alone: any number of threads at once, at
	 * other offsets. NULL: this backend writes in order, so all waits for commit.
	 */
	int (*put)(struct flush *f, const void *data, uint64_t offset, size_t n);
	/* Let go of `state`, which open has set. Owner, while nobody puts. NULL: nothing. */
	void (*close)(struct flush *f);
};

extern const struct flush_backend ob__flush_pwrite;
extern const struct flush_backend ob__flush_uring; /* may always say "not here" */
extern const struct flush_backend ob__flush_stream;
extern const struct flush_backend ob__flush_sink;
extern const struct flush_backend ob__flush_memory;

/*
 * Choose: `wanted` (enum outbuf_flush) if it is not OUTBUF_FLUSH_AUTO, and then an error if it
 * cannot be; else `preferred`, if it can be; else the first that can. *refused is why the
 * preferred one was passed over, or 0. fd, parallel and sink of *f are set before.
 */
int ob__flush_open(struct flush *f, uint32_t wanted, uint32_t preferred, int *refused);

int ob__flush_write(struct flush *f, const void *data, uint64_t offset, uint64_t n);

/* Also twice; `backend` stays set. */
void ob__flush_close(struct flush *f);

#endif
