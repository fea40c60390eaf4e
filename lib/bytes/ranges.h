/* SPDX-License-Identifier: MIT */
/* A set of byte ranges that do not overlap. No locks: the owner of the set has one. */
#ifndef OUTBUF_LIB_RANGES_H
#define OUTBUF_LIB_RANGES_H

#include <stdint.h>

struct range {
	uint64_t offset, length; /* never empty in a set */
};

/* All zero is the empty set. */
struct ranges {
	void *root;
};

/* The lowest range in the set that shares a byte with this one, or NULL. Valid until it changes. */
const struct range *ob__ranges_first(const struct ranges *set, struct range with);

/* Some such range: what there is to know where one is enough. Faster than the lowest. */
const struct range *ob__ranges_any(const struct ranges *set, struct range with);

/* Add a range that shares no byte with any in the set, as an element of its own. 0 or -ENOMEM. */
int ob__ranges_insert(struct ranges *set, struct range range);

/* Remove the element that is this range. */
void ob__ranges_erase(struct ranges *set, struct range range);

/* Add all bytes of a range; elements that meet or touch become one. 0 or -ENOMEM: nothing done. */
int ob__ranges_merge(struct ranges *set, struct range range);

/* Remove all bytes of a range, from within elements too. 0 or -ENOMEM: nothing else is lost. */
int ob__ranges_remove(struct ranges *set, struct range range);

void ob__ranges_clear(struct ranges *set);

static inline uint64_t range_end(struct range r)
{
	return r.offset + r.length;
}

/* The bytes both have; length 0 if there are none. */
static inline struct range range_intersection(struct range a, struct range b)
{
	uint64_t from = a.offset > b.offset ? a.offset : b.offset;
	uint64_t end = range_end(a) < range_end(b) ? range_end(a) : range_end(b);

	return (struct range){ from, end > from ? end - from : 0 };
}

#endif
