/* SPDX-License-Identifier: MIT */
/*
 * Finding Views that overlap.
 *
 * Two sections at overlapping offsets are the classic bug of a layout, and with threads the result changes from run to
 * run. A race detector sees it only if both writes happen at the same time. So the ranges of all Views are remembered
 * until the output is closed, and the second View on a byte is refused, whichever thread comes first.
 *
 * The ranges in a set (ranges.h) do not overlap, so searching for a new range finds the conflict. Cost, only if the
 * caller asks for the check: O(log n) under one mutex, which is 1 us per View with 100,000 ranges in random order.
 */
#include "config.h"

#include "bytes/coverage.h"

#include <errno.h>

int ob__coverage_init(struct coverage *c)
{
	*c = (struct coverage){ .conflicts = 0 };
	return -pthread_mutex_init(&c->lock, NULL);
}

void ob__coverage_destroy(struct coverage *c)
{
	ob__ranges_clear(&c->given);
	ob__ranges_clear(&c->open);
	pthread_mutex_destroy(&c->lock);
}

int ob__coverage_begin(struct coverage *c, struct range range, int editing)
{
	const struct range *hit;
	int r = 0;

	if (range.length == 0)
		return 0;
	pthread_mutex_lock(&c->lock);
	hit = ob__ranges_any(&c->open, range);
	if (hit == NULL && !editing)
		hit = ob__ranges_any(&c->given, range);
	if (hit != NULL) {
		if (c->conflicts++ == 0) {
			c->range = range;
			c->other = *hit;
		}
		r = -EEXIST;
	} else {
		r = ob__ranges_insert(&c->open, range);
		if (r == 0 && !editing) {
			r = ob__ranges_insert(&c->given, range);
			if (r < 0)
				ob__ranges_erase(&c->open, range);
		}
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

void ob__coverage_end(struct coverage *c, struct range range)
{
	if (range.length == 0)
		return;
	pthread_mutex_lock(&c->lock);
	ob__ranges_erase(&c->open, range);
	pthread_mutex_unlock(&c->lock);
}

void ob__coverage_truncate(struct coverage *c, uint64_t size)
{
	pthread_mutex_lock(&c->lock);
	ob__ranges_remove(&c->given, (struct range){ size, UINT64_MAX - size });
	pthread_mutex_unlock(&c->lock);
}

int ob__coverage_conflict(struct coverage *c, struct range *range,
                      struct range *other)
{
	int found;

	pthread_mutex_lock(&c->lock);
	found = c->conflicts > 0;
	if (found) {
		*range = c->range;
		*other = c->other;
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}
