/* SPDX-License-Identifier: MIT */
/* Which Views of an output are open: a table of their ranges, which is also their count. */
#ifndef OUTBUF_LIB_OPEN_VIEWS_H
#define OUTBUF_LIB_OPEN_VIEWS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes/ranges.h"

struct open_views_stripe;

/* One per output. */
struct open_views {
	/* Constant until it is destroyed. */
	void *memory;                      /* what the stripes lie in */
	struct open_views_stripe *stripes; /* a power of two of them; a thread uses one of them */
	unsigned mask;                     /* their number less 1 */
	/*
	 * Views that found no place, so that their ranges are not known: how many entered, how many of these have
	 * left, and how many were opened. Written by any thread. With one counter for the first two, each View would
	 * synchronise with those before it, which hides races (open_views.c).
	 */
	_Atomic uint64_t more_entered;
	_Atomic uint64_t more_left;
	_Atomic uint64_t more_opened;
};

/* 0 or -ENOMEM. */
int ob__open_views_init(struct open_views *o);
void ob__open_views_destroy(struct open_views *o);

/*
 * A View of [begin, end) is open now; `end` is UINT64_MAX if it has no length. Any thread. Returns its place, which the
 * caller gives back. It is sequentially consistent, as is ob__open_views_any(): of a thread that enters and then loads
 * X, and one that stores X and then looks whether any View is open, at least one sees the other.
 */
uint16_t ob__open_views_enter(struct open_views *o, uint64_t begin, uint64_t end);

/* It is a View of the program's, and was opened: it counts for ob__open_views_total(). The thread that entered. */
void ob__open_views_count(struct open_views *o, uint16_t place);

/*
 * The View at this place is closed. Any thread may call it, not only the one that entered. A thread that finds no View
 * open sees what the calling thread wrote before.
 */
void ob__open_views_leave(struct open_views *o, uint16_t place);

/* Is a View open? Any thread may ask. A View that is opened during the call may be missed. */
int ob__open_views_any(const struct open_views *o);

/* Are there two or more? Any thread. It synchronises with nobody, so it is only good for choosing what is faster. */
int ob__open_views_several(const struct open_views *o);

/* How many have been opened, so far. Any thread. */
uint64_t ob__open_views_total(const struct open_views *o);

/*
 * How many are open. Any thread. The first `size` of them by offset, as far as their ranges are known, are stored in
 * `ranges`, and their number in *known. A View that is opened or ended meanwhile may be missed, or have another's end.
 */
uint64_t ob__open_views_list(const struct open_views *o, struct range *ranges, size_t size, size_t *known);

#endif
