/* SPDX-License-Identifier: MIT */
/*
 * Sets of byte ranges.
 *
 * The ranges in a set do not overlap, so "lies before" orders them totally. With a comparison that calls overlapping
 * ranges equal, an ordinary search tree finds an element that overlaps a given range. POSIX has such a tree:
 * tsearch(3), which is a red-black tree in glibc. Cost: O(log n) and a malloc per range.
 */
#include "config.h"

#include "bytes/ranges.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (range_end(*x) <= y->offset)
		return -1;
	if (range_end(*y) <= x->offset)
		return 1;
	return 0;
}

static struct range *find(const struct ranges *set, struct range with)
{
	void *node = with.length == 0 ? NULL : tfind(&with, &set->root, compare);

	return node == NULL ? NULL : *(struct range **)node;
}

const struct range *ob__ranges_any(const struct ranges *set, struct range with)
{
	return find(set, with);
}

static struct range *find_first(const struct ranges *set, struct range with)
{
	struct range *hit = find(set, with), *lower = hit;

	while (lower != NULL && lower->offset > with.offset) {
		with.length = lower->offset - with.offset;
		lower = find(set, with);
		hit = lower != NULL ? lower : hit;
	}
	return hit;
}

const struct range *ob__ranges_first(const struct ranges *set, struct range with)
{
	return find_first(set, with);
}

int ob__ranges_insert(struct ranges *set, struct range range)
{
	struct range *copy = malloc(sizeof *copy);

	if (copy == NULL)
		return -ENOMEM;
	*copy = range;
	if (tsearch(copy, &set->root, compare) == NULL) {
		free(copy);
		return -ENOMEM;
	}
	return 0;
}

static void erase(struct ranges *set, struct range *found)
{
	tdelete(found, &set->root, compare);
	free(found);
}

void ob__ranges_erase(struct ranges *set, struct range range)
{
	struct range *found = find(set, range);

	if (found != NULL)
		erase(set, found);
}

int ob__ranges_merge(struct ranges *set, struct range range)
{
	/* One byte more on each side, to find the neighbours that only touch. */
	uint64_t from = range.offset - (range.offset > 0), end = range_end(range);
	struct range near = { from, end - from + (end < UINT64_MAX) }, before, after;
	struct range *kept, *other;

	if (range.length == 0)
		return 0;
	kept = find(set, near);
	if (kept == NULL)
		return ob__ranges_insert(set, range);
	/*
	 * Others that overlap or touch are erased first. Then `kept` can grow where it is in the tree: its place in
	 * the order stays the same.
	 */
	before = after = near;
	before.length = kept->offset > near.offset ? kept->offset - near.offset : 0;
	after.offset = range_end(*kept);
	after.length = range_end(near) > after.offset ? range_end(near) - after.offset : 0;
	from = kept->offset < range.offset ? kept->offset : range.offset;
	end = range_end(*kept) > end ? range_end(*kept) : end;
	while ((other = find(set, before)) != NULL || (other = find(set, after)) != NULL) {
		from = other->offset < from ? other->offset : from;
		end = range_end(*other) > end ? range_end(*other) : end;
		erase(set, other);
	}
	*kept = (struct range){ from, end - from };
	return 0;
}

int ob__ranges_remove(struct ranges *set, struct range range)
{
	struct range *hit;

	while ((hit = find(set, range)) != NULL) {
		struct range before = *hit, after = { range_end(range), 0 };

		if (range_end(before) > after.offset)
			after.length = range_end(before) - after.offset;
		if (before.offset >= range.offset && after.length == 0) {
			erase(set, hit);
		} else if (before.offset >= range.offset) {
			*hit = after;
		} else {
			hit->length = range.offset - before.offset;
			if (after.length > 0 && ob__ranges_insert(set, after) < 0) {
				*hit = before;
				return -ENOMEM;
			}
		}
	}
	return 0;
}

void ob__ranges_clear(struct ranges *set)
{
	while (set->root != NULL)
		erase(set, *(struct range **)set->root);
}
