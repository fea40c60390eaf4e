/* SPDX-License-Identifier: MIT */
/*
 * The backends: how bytes that are not in a mapping reach the file. A backend knows memory and a descriptor. It knows
 * no View, no path and no mapping.
 */
#ifndef OUTBUF_LIB_FLUSH_H
#define OUTBUF_LIB_FLUSH_H

#include <stddef.h>
#include <stdint.h>

#include "system/parallel.h"

/*
 * A backend and what it writes to. The members are constant between ob__flush_open() and ob__flush_close(), which the
 * owner calls. Only the object that `state` points to changes in between, under the backend's own rules.
 */
struct flush {
	const struct flush_backend *backend; /* set by ob__flush_open() */

	/* Set by the owner before ob__flush_open(). */
	int fd;                          /* -1: there is no file */
	int sequential_only;             /* 1: `fd` is written from its own position on, by a sequential backend */
	const struct parallel *parallel; /* the threads that `write` may use */
	int (*sink)(void *sink_arg, uint64_t offset, const void *data, size_t n); /* the caller's; NULL: none */
	void *sink_arg;

	void *state; /* the backend's data; set by its `open`, NULL after ob__flush_close() */
};

/*
 * The functions of a backend. They return 0 or a negative errno, unless they are void. If write or put fails, any
 * part of the bytes may have been written. The caller makes the error the output's sticky error, so nothing is tried
 * again.
 */
struct flush_backend {
	const char *name; /* for outbuf_stats() */
	/*
	 * Prepare to write to f->fd or f->sink. Owner, once per struct flush and backend. If the backend cannot write
	 * there it returns why, and holds nothing. -ENOTSUP: this kind of output is for another backend.
	 */
	int (*open)(struct flush *f);
	/*
	 * Write n bytes at this file offset. Owner, while no thread is in `put`. May use the threads of f->parallel.
	 * Returns when all bytes are in the page cache. A sequential backend is given ascending offsets without gaps.
	 */
	int (*write)(struct flush *f, const void *data, uint64_t offset, uint64_t n);
	/*
	 * Write n bytes at this file offset, on the calling thread alone. Any number of threads at once, each at
	 * other offsets. NULL: the backend is sequential, and all bytes wait for commit.
	 */
	int (*put)(struct flush *f, const void *data, uint64_t offset, size_t n);
	/* Free `state`. Owner, while no thread is in `put`. NULL: `open` sets no state. */
	void (*close)(struct flush *f);
};

extern const struct flush_backend ob__flush_pwrite;
extern const struct flush_backend ob__flush_uring; /* many systems refuse it; -ENOTSUP if built without liburing */
extern const struct flush_backend ob__flush_stream;
extern const struct flush_backend ob__flush_sink;
extern const struct flush_backend ob__flush_memory;

/*
 * Choose and open a backend. `wanted` and `preferred` are of enum outbuf_flush. If `wanted` is not OUTBUF_FLUSH_AUTO,
 * that backend is opened, or this is an error. Otherwise it is `preferred` if that can be opened, else the first
 * backend that can be opened. If `preferred` cannot be, *refused is the reason, a negative errno; else 0. Owner. 0,
 * or the negative errno of the backend that could not be opened; -ENOTSUP if a sequential backend is needed and
 * `wanted` is another.
 */
int ob__flush_open(struct flush *f, uint32_t wanted, uint32_t preferred, int *refused);

/* Write n bytes at this file offset, as flush_backend.write. Does nothing if n is 0. 0 or a negative errno. */
int ob__flush_write(struct flush *f, const void *data, uint64_t offset, uint64_t n);

/* Close the backend; `backend` stays set, for statistics. Owner. May be called again. */
void ob__flush_close(struct flush *f);

#endif
