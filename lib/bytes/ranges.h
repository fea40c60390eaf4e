/* SPDX-License-Identifier: MIT */
/* Sets of byte ranges. The ranges in a set do not overlap. A set has no lock: its user has one. */
#ifndef OUTBUF_LIB_RANGES_H
#define OUTBUF_LIB_RANGES_H

#include <stdint.h>

struct range {
	uint64_t offset, length; /* in bytes; the sum does not wrap; length is not 0 in a set */
};

/* An empty set is all zero. */
struct ranges {
	void *root; /* of a tree of tsearch(3), whose elements are struct range */
};

/* The lowest range in the set that shares a byte with `with`, or NULL. Valid until the set is changed. */
const struct range *ob__ranges_first(const struct ranges *set, struct range with);

/* Any range in the set that shares a byte with `with`, or NULL: faster than finding the lowest. */
const struct range *ob__ranges_any(const struct ranges *set, struct range with);

/* Add a range, which shares no byte with any in the set, as an element of its own. 0 or -ENOMEM. */
int ob__ranges_insert(struct ranges *set, struct range range);

/* Remove the element that is exactly this range. */
void ob__ranges_erase(struct ranges *set, struct range range);

/* Add all bytes of a range; elements that overlap or touch become one. 0, or -ENOMEM with nothing done. */
int ob__ranges_merge(struct ranges *set, struct range range);

/*
 * Remove all bytes of a range, from within elements too. 0, or -ENOMEM: then some of them may be removed, and nothing
 * else is.
 */
int ob__ranges_remove(struct ranges *set, struct range range);

void ob__ranges_clear(struct ranges *set);

static inline uint64_t range_end(struct range r)
{
	return r.offset + r.length;
}

/* The bytes that both ranges have; length 0 if there are none. */
static inline struct range range_intersection(struct range a, struct range b)
{
	uint64_t from = a.offset > b.offset ? a.offset : b.offset;
	uint64_t end = range_end(a) < range_end(b) ? range_end(a) : range_end(b);

	return (struct range){ from, end > from ? end - from : 0 };
}

#endif
