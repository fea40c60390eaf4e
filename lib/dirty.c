/* SPDX-License-Identifier: MIT */
/*
 * Two places for one byte.
 *
 * The whole output in fresh anonymous memory costs as much as writing it (doc/decisions.md), so Views
 * carry what they are given to the file in blocks, and their memory is used again. But a
 * caller may ask for a pointer to any byte at any time (outbuf_data), and may write through it until
 * commit. So for the heap it must be known which bytes are true in memory and which in the
 * file. Ranges are exact to the byte: two threads may use neighbouring bytes of one page, one by
 * pointer and one by blocks, and neither must carry off what is the other's.
 *
 * Cost: the mutex and a tree search per block or small View, 10 ns where it joins its neighbour, so
 * the trees stay small where an output is written in rows.
 */
#include "config.h"

#include "dirty.h"

int dirty_init(struct dirty *d)
{
	*d = (struct dirty){ .file_end = 0 };
	return -pthread_mutex_init(&d->lock, NULL);
}

void dirty_destroy(struct dirty *d)
{
	ranges_clear(&d->memory);
	ranges_clear(&d->file);
	pthread_mutex_destroy(&d->lock);
}

int dirty_take(struct dirty *d, struct range range, dirty_load *load, void *arg)
{
	const struct range *hit;
	int r = 0;

	pthread_mutex_lock(&d->lock);
	while (r == 0 && (hit = ranges_any(&d->file, range)) != NULL) {
		struct range part = range_common(*hit, range);

		/* In one of the sets at any time, and if only a part can be had in the right one. */
		r = load(arg, part);
		if (r == 0)
			r = ranges_join(&d->memory, part);
		if (r == 0) {
			r = ranges_cut(&d->file, part);
			if (r < 0)
				ranges_cut(&d->memory, part);
		}
	}
	if (r == 0)
		r = ranges_join(&d->memory, range);
	pthread_mutex_unlock(&d->lock);
	return r;
}

int dirty_split(struct dirty *d, struct range range, struct range *part, int *in_memory)
{
	const struct range *hit;
	int r = 0;

	pthread_mutex_lock(&d->lock);
	hit = ranges_first(&d->memory, range);
	*part = range;
	*in_memory = hit != NULL && hit->offset <= range.offset;
	if (*in_memory) {
		*part = range_common(*hit, range);
	} else {
		if (hit != NULL)
			part->length = hit->offset - range.offset;
		r = ranges_join(&d->file, *part);
		if (range_end(*part) > d->file_end)
			d->file_end = range_end(*part);
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

struct range dirty_next(struct dirty *d, uint64_t offset, uint64_t gap)
{
	struct range rest = { offset, UINT64_MAX - offset }, found = { offset, 0 };
	const struct range *hit;

	pthread_mutex_lock(&d->lock);
	hit = ranges_first(&d->memory, rest);
	while (hit != NULL) {
		uint64_t end = range_end(*hit);
		struct range between = { end, gap };

		if (found.length == 0)
			found.offset = hit->offset;
		found.length = end - found.offset;
		hit = end > UINT64_MAX - gap ? NULL : ranges_first(&d->memory, between);
		if (hit != NULL) {
			between.length = hit->offset - end;
			if (ranges_any(&d->file, between) != NULL)
				hit = NULL;
		}
	}
	pthread_mutex_unlock(&d->lock);
	return found;
}

int dirty_clean(struct dirty *d, struct range range)
{
	const struct range *hit;
	int r = 0;

	pthread_mutex_lock(&d->lock);
	while (r == 0 && (hit = ranges_any(&d->memory, range)) != NULL) {
		struct range part = range_common(*hit, range);

		r = ranges_join(&d->file, part);
		if (r == 0)
			r = ranges_cut(&d->memory, part);
		if (r == 0 && range_end(part) > d->file_end)
			d->file_end = range_end(part);
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

int dirty_forget(struct dirty *d, struct range range)
{
	int r;

	pthread_mutex_lock(&d->lock);
	r = ranges_cut(&d->memory, range);
	if (r == 0)
		r = ranges_cut(&d->file, range);
	if (range_end(range) >= d->file_end && d->file_end > range.offset)
		d->file_end = range.offset;
	pthread_mutex_unlock(&d->lock);
	return r;
}

enum dirty_place dirty_where(struct dirty *d, struct range range, struct range *part)
{
	const struct ranges *sets[] = { [DIRTY_MEMORY] = &d->memory, [DIRTY_FILE] = &d->file };
	enum dirty_place place = DIRTY_NOWHERE;

	*part = range;
	pthread_mutex_lock(&d->lock);
	for (int i = DIRTY_MEMORY; i <= DIRTY_FILE; i++) {
		const struct range *hit = ranges_first(sets[i], *part);

		if (hit != NULL && hit->offset <= range.offset) {
			place = (enum dirty_place)i;
			*part = range_common(*hit, range);
			break;
		}
		if (hit != NULL)
			part->length = hit->offset - range.offset;
	}
	pthread_mutex_unlock(&d->lock);
	return place;
}
