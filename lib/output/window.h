/* SPDX-License-Identifier: MIT */
/* The window of a View: where its next bytes go, into the output's memory or into a write buffer. */
#ifndef OUTBUF_LIB_WINDOW_H
#define OUTBUF_LIB_WINDOW_H

#include "output/output.h"

/* Bits of outbuf_view.flags. */
enum {
	VIEW_BOUNDED = 1, /* the View was opened with a length */
	VIEW_EDIT = 2,    /* opened by outbuf_view_edit() */
	VIEW_STAGED = 4,  /* writes through blocks */
};

/*
 * Decide whether Views of this output may be staged: set `may_stage`. Owner, exclusively, when the file's state has
 * changed. Whether one View is staged is decided when it is opened, by its length: ob__window_open().
 */
void ob__window_decide_staging(struct outbuf *ob);

/*
 * May the output grow to `end`? Any thread. On success [0, end) has addresses, or `end` is in reach of staged Views
 * only, which need no address. 0, -EFBIG, -ENOMEM.
 */
int ob__window_allow_end(struct outbuf *ob, uint64_t end);

/* The end up to which ob__window_allow_end() need not be asked again. Call that one first. */
uint64_t ob__window_limit(struct outbuf *ob);

/*
 * `error`, which is about `what`, becomes the View's error and the output's sticky error. The View has no room below
 * `lim` from now on, so every later write comes to the slow path, which returns the error. The View's thread. Returns
 * `error`.
 */
int ob__window_fail(struct outbuf_view *v, int error, struct failure what);

/*
 * The functions below are for the View's thread. They return 0 or a negative errno. The caller makes it the sticky
 * error, by ob__window_fail().
 */

/* Position the View at v->begin. v->begin, v->end and the flags BOUNDED and EDIT are set before. */
int ob__window_open(struct outbuf_view *v);

/* Move to file offset `offset`, which is in the View's range. */
int ob__window_seek(struct outbuf_view *v, uint64_t offset);

/*
 * May the View's range reach `end`? One without a length may go on beyond where it could end when it was opened, if the
 * output may grow so far: v->end is raised. -ERANGE, -EFBIG, -ENOMEM.
 */
int ob__window_reach(struct outbuf_view *v, uint64_t end);

/* May n more bytes follow? -ERANGE, -EFBIG, -ENOMEM. */
int ob__window_check(struct outbuf_view *v, size_t n);

/* Store n bytes, which ob__window_check() allowed. */
int ob__window_copy(struct outbuf_view *v, const void *data, size_t n);

/*
 * Advance by *got bytes, at most n > 0, which ob__window_check() allowed. The caller fills [*to, *to + *got) before he
 * calls anything else for this View.
 */
int ob__window_next(struct outbuf_view *v, size_t n, unsigned char **to, size_t *got);

/*
 * Advance by n bytes, which ob__window_check() allowed, and set *ref to where they are in the output's memory, until
 * it is unmapped. `filled`: the caller stores to all of them, so nobody sees what they hold now.
 */
int ob__window_hand_out(struct outbuf_view *v, size_t n, unsigned char **ref, int filled);

/* The View ends: what is in its block goes to its place, and the block is released. v->high is right afterwards. */
int ob__window_close(struct outbuf_view *v);

#endif
