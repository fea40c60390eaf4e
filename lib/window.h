/* SPDX-License-Identifier: MIT */
/* Where the next bytes of a View go: straight to their place, or through a block. */
#ifndef OUTBUF_LIB_WINDOW_H
#define OUTBUF_LIB_WINDOW_H

#include "internal.h"

/* Bits of outbuf_view.flags. */
enum {
	VIEW_BOUNDED = 1,
	VIEW_EDIT = 2,
	VIEW_STAGED = 4, /* through blocks */
};

/* The error sticks: to the View, by leaving no room below lim, and to the output. Returns it. */
int view_fail(struct outbuf_view *v, int error);

/*
 * May the output reach `end`? It has an address then, or the View that writes there, or nobody, needs none. Any thread.
 * 0, -EFBIG, -ENOMEM.
 */
int window_reserve(struct outbuf *ob, uint64_t end);

/* Where Views must end, as heap_limit(). After window_reserve(). */
uint64_t window_limit(struct outbuf *ob);

/*
 * These are for the View's thread. All return 0 or a negative errno, and leave it to the caller to
 * make it stick.
 */

/* Stand at v->begin. Range and flags are set. */
int window_open(struct outbuf_view *v);

/* Stand at `offset`, in the range. */
int window_seek(struct outbuf_view *v, uint64_t offset);

/* May n more bytes follow? -ERANGE, -EFBIG, -ENOMEM. */
int window_check(const struct outbuf_view *v, size_t n);

/* Store n bytes. They were checked. */
int window_copy(struct outbuf_view *v, const void *data, size_t n);

/* Pass over at most n > 0 bytes: *got of them are to be filled at *to. They were checked. */
int window_next(struct outbuf_view *v, size_t n, unsigned char **to, size_t *got);

/*
 * Pass over n bytes: they lie at *ref, in the output, until it is unmapped. They were checked. `filled`
 * says that all of them will be stored to, so that nobody sees what they hold now.
 */
int window_raw(struct outbuf_view *v, size_t n, unsigned char **ref, int filled);

/* Nothing more follows: what is in a block goes to its place. v->high is set. */
int window_close(struct outbuf_view *v);

/* Bytes [offset, offset + n) of the output have their place in memory now. Any thread. */
int memory_take(struct outbuf *ob, uint64_t offset, uint64_t n);

/* The same where a caller is to have a pointer to all of them, and will most likely store there. */
int memory_take_pointer(struct outbuf *ob, uint64_t offset, uint64_t n);

#endif
