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
const struct range *ranges_first(const struct ranges *set, struct range with);

/* Some such range: what there is to know where one is enough. Faster than the lowest. */
const struct range *ranges_any(const struct ranges *set, struct range with);

/* Add a range that shares no byte with any in the set, as an element of its own. 0 or -ENOMEM. */
int ranges_add(struct ranges *set, struct range range);

/* Remove the element that is this range. */
void ranges_erase(struct ranges *set, struct range range);

/* Add all bytes of a range; elements that meet or touch become one. 0 or -ENOMEM: nothing done. */
int ranges_join(struct ranges *set, struct range range);

/* Remove all bytes of a range, from within elements too. 0 or -ENOMEM: nothing else is lost. */
int ranges_cut(struct ranges *set, struct range range);

void ranges_clear(struct ranges *set);

static inline uint64_t range_end(struct range r)
{
	return r.offset + r.length;
}

/* The bytes both have; length 0 if there are none. */
struct range range_common(struct range a, struct range b);

#endif
