/* SPDX-License-Identifier: MIT */
/*
 * Two copies of one byte.
 *
 * The whole output in fresh anonymous memory costs as much as writing it (doc/decisions.md). So Views write what they
 * are given to the file in blocks, whose memory is used again. But a caller may ask for a pointer to any byte at any
 * time (outbuf_data), and may store through it until commit. So it must be known which bytes of the heap are in memory
 * and which are in the file. Ranges are exact to the byte: two threads may use neighbouring bytes of one page, one
 * through a pointer and one through blocks, and neither may write back what is the other's.
 *
 * Cost: the mutex and a tree search per block or small View. That is 10 ns where the range joins its neighbour, so the
 * trees stay small where an output is written row by row.
 *
 * Without staging nothing but a flush writes to the file. Then one flag is enough, and the trees stay empty. They
 * must stay empty: a View without a length stores to memory first and claims its bytes only when it ends. If an
 * earlier flush had recorded these offsets in `file`, the claim would load the file's old bytes over the new ones.
 */
#include "config.h"

#include "bytes/dirty.h"

int ob__dirty_init(struct dirty *d)
{
	*d = (struct dirty){ .file_end = 0 };
	return -pthread_mutex_init(&d->lock, NULL);
}

void ob__dirty_destroy(struct dirty *d)
{
	ob__ranges_clear(&d->memory);
	ob__ranges_clear(&d->file);
	pthread_mutex_destroy(&d->lock);
}

int ob__dirty_claim_memory(struct dirty *d, struct range range, dirty_load *load, void *arg)
{
	const struct range *hit;
	int r = 0;

	if (!d->tracks_ranges) {
		/* The cache line is written only if that changes something. */
		if (!atomic_load_explicit(&d->any_stored, memory_order_relaxed))
			atomic_store_explicit(&d->any_stored, 1, memory_order_relaxed);
		return 0;
	}
	pthread_mutex_lock(&d->lock);
	if (range_end(range) > d->memory_end)
		d->memory_end = range_end(range);
	while (r == 0 && (hit = ob__ranges_any(&d->file, range)) != NULL) {
		struct range part = range_intersection(*hit, range);

		/*
		 * No byte may stay in both sets. If this fails half way, loaded bytes are in `memory` and the others
		 * are still in `file`.
		 */
		r = load(arg, part);
		if (r == 0)
			r = ob__ranges_merge(&d->memory, part);
		if (r == 0) {
			r = ob__ranges_remove(&d->file, part);
			if (r < 0)
				ob__ranges_remove(&d->memory, part);
		}
	}
	if (r == 0)
		r = ob__ranges_merge(&d->memory, range);
	pthread_mutex_unlock(&d->lock);
	return r;
}

int ob__dirty_route_write(struct dirty *d, struct range range, struct range *part, int *in_memory)
{
	const struct range *hit;
	int r = 0;

	pthread_mutex_lock(&d->lock);
	hit = ob__ranges_first(&d->memory, range);
	*part = range;
	*in_memory = hit != NULL && hit->offset <= range.offset;
	if (*in_memory) {
		*part = range_intersection(*hit, range);
	} else {
		if (hit != NULL)
			part->length = hit->offset - range.offset;
		r = ob__ranges_merge(&d->file, *part);
		if (range_end(*part) > d->file_end)
			d->file_end = range_end(*part);
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

int ob__dirty_any(struct dirty *d)
{
	int any;

	if (!d->tracks_ranges)
		return atomic_load_explicit(&d->any_stored, memory_order_relaxed);
	pthread_mutex_lock(&d->lock);
	any = d->memory.root != NULL;
	pthread_mutex_unlock(&d->lock);
	return any;
}

struct range ob__dirty_next(struct dirty *d, uint64_t offset, uint64_t gap)
{
	struct range rest = { offset, UINT64_MAX - offset }, found = { offset, 0 };
	const struct range *hit;

	if (!d->tracks_ranges)
		return ob__dirty_any(d) ? rest : found;
	pthread_mutex_lock(&d->lock);
	hit = ob__ranges_first(&d->memory, rest);
	while (hit != NULL) {
		uint64_t end = range_end(*hit);
		struct range between = { end, gap };

		if (found.length == 0)
			found.offset = hit->offset;
		found.length = end - found.offset;
		hit = end > UINT64_MAX - gap ? NULL : ob__ranges_first(&d->memory, between);
		if (hit != NULL) {
			between.length = hit->offset - end;
			if (ob__ranges_any(&d->file, between) != NULL)
				hit = NULL;
		}
	}
	pthread_mutex_unlock(&d->lock);
	return found;
}

int ob__dirty_mark_clean(struct dirty *d, struct range range)
{
	const struct range *hit;
	int r = 0;

	if (!d->tracks_ranges) {
		atomic_store_explicit(&d->any_stored, 0, memory_order_relaxed);
		return 0;
	}
	pthread_mutex_lock(&d->lock);
	while (r == 0 && (hit = ob__ranges_any(&d->memory, range)) != NULL) {
		struct range part = range_intersection(*hit, range);

		r = ob__ranges_merge(&d->file, part);
		if (r == 0)
			r = ob__ranges_remove(&d->memory, part);
		if (r == 0 && range_end(part) > d->file_end)
			d->file_end = range_end(part);
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

int ob__dirty_forget(struct dirty *d, struct range range)
{
	int r;

	if (range.offset == 0 && range_end(range) == UINT64_MAX)
		atomic_store_explicit(&d->any_stored, 0, memory_order_relaxed);
	pthread_mutex_lock(&d->lock);
	r = ob__ranges_remove(&d->memory, range);
	if (r == 0)
		r = ob__ranges_remove(&d->file, range);
	if (range_end(range) >= d->file_end && d->file_end > range.offset)
		d->file_end = range.offset;
	pthread_mutex_unlock(&d->lock);
	return r;
}

enum dirty_place ob__dirty_find_copy(struct dirty *d, struct range range, struct range *part)
{
	const struct ranges *sets[] = { [DIRTY_MEMORY] = &d->memory, [DIRTY_FILE] = &d->file };
	enum dirty_place place = DIRTY_NOWHERE;

	*part = range;
	if (!d->tracks_ranges)
		return DIRTY_MEMORY;
	pthread_mutex_lock(&d->lock);
	for (int i = DIRTY_MEMORY; i <= DIRTY_FILE; i++) {
		const struct range *hit = ob__ranges_first(sets[i], *part);

		if (hit != NULL && hit->offset <= range.offset) {
			place = (enum dirty_place)i;
			*part = range_intersection(*hit, range);
			break;
		}
		if (hit != NULL)
			part->length = hit->offset - range.offset;
	}
	pthread_mutex_unlock(&d->lock);
	return place;
}
