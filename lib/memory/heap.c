/* SPDX-License-Identifier: MIT */
/*
 * Growth behind the mapping.
 *
 * Go's linker, whose views share one slice for what follows the mapping, panics when a view on
 * another thread has to grow it: append() may move the slice under everybody else's feet
 * ("this probably could be fixed"). Here nothing moves (space.h), so growth is only the
 * question how far the range is usable, and that is one number that only grows. A writer that
 * runs past it takes the mutex, looks again, makes more usable and goes on; writers below it
 * never know. There is no lock around any copy.
 *
 * Steps double, from 1 MiB to 1 GiB: mprotect takes the address space's lock against the page
 * faults of all threads, so it must be rare; 1 TiB takes about 1,030 steps, 1 GiB 11. Memory
 * is not spent by this, but it is charged where the system accounts strictly, so when the
 * generous step is refused the exact one is tried.
 */
#include "config.h"

#include "memory/heap.h"

#include <errno.h>
#include <string.h>

#include "memory/round.h"

#define STEP_MIN ((uint64_t)1 << 20)
#define STEP_MAX ((uint64_t)1 << 30)

int ob__heap_init(struct heap *h, uint64_t max_size)
{
	*h = (struct heap){ .limit = max_size };
	return -pthread_mutex_init(&h->lock, NULL);
}

void ob__heap_destroy(struct heap *h)
{
	ob__heap_free(h);
	pthread_mutex_destroy(&h->lock);
}

/* Called under the lock. */
static int reserve(struct heap *h, uint64_t size)
{
	if (h->space.base == NULL) {
		if (h->limit == 0) {
			/* Four times a known size: for what follows it, and to map again larger. */
			h->limit = ob__space_default_size();
			if (size > h->limit / 4)
				h->limit = size > UINT64_MAX / 4 ? UINT64_MAX : size * 4;
		}
		if (size > h->limit)
			return -EFBIG;
		return ob__space_reserve(&h->space, h->limit, size);
	}
	if (size > h->limit)
		return -EFBIG;
	return size > h->space.reserved ? -ENOMEM : 0;
}

static void set_room(struct heap *h, uint64_t reserved)
{
	atomic_store_explicit(&h->room, h->limit < reserved ? h->limit : reserved,
	                      memory_order_release);
}

int ob__heap_reserve(struct heap *h, uint64_t size)
{
	int r;

	if (size <= atomic_load_explicit(&h->room, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&h->lock);
	r = reserve(h, size);
	if (r == 0)
		set_room(h, h->space.reserved);
	pthread_mutex_unlock(&h->lock);
	return r;
}

uint64_t ob__heap_reserved(struct heap *h)
{
	uint64_t reserved;

	pthread_mutex_lock(&h->lock);
	reserved = h->space.reserved;
	pthread_mutex_unlock(&h->lock);
	return reserved;
}

uint64_t ob__heap_limit(struct heap *h)
{
	return atomic_load_explicit(&h->room, memory_order_acquire);
}

/* Whole pages are usable, but no byte past the limit: rounding must not show. */
static void set_usable(struct heap *h, uint64_t usable)
{
	if (usable > h->limit)
		usable = h->limit;
	atomic_store_explicit(&h->usable, usable, memory_order_release);
}

/* Whole pages that hold [0, end), or all that is reserved if that is less. */
static uint64_t whole_pages(const struct heap *h, uint64_t end)
{
	uint64_t reserved = h->space.reserved, page = ob__space_page_size();

	return end > round_down(reserved, page) ? reserved : round_up(end, page);
}

/* Called under the lock, with a range that holds `end`. */
static int grow(struct heap *h, uint64_t usable, uint64_t end)
{
	uint64_t step = usable < STEP_MIN ? STEP_MIN : usable > STEP_MAX ? STEP_MAX : usable;
	uint64_t least = whole_pages(h, end);
	uint64_t more = whole_pages(h, usable);
	int r;

	more = h->space.reserved - more > step ? more + step : h->space.reserved;
	if (more < least)
		more = least;
	r = ob__space_make_usable(&h->space, usable, more);
	if (r < 0 && more > least) {
		more = least;
		r = ob__space_make_usable(&h->space, usable, more);
	}
	if (r < 0)
		return r;
	atomic_fetch_add_explicit(&h->grown, 1, memory_order_relaxed);
	set_usable(h, more);
	return 0;
}

int ob__heap_make_usable(struct heap *h, uint64_t end)
{
	uint64_t usable = atomic_load_explicit(&h->usable, memory_order_acquire);
	int r;

	if (end <= usable)
		return 0;
	pthread_mutex_lock(&h->lock);
	r = reserve(h, end);
	if (r == 0)
		set_room(h, h->space.reserved);
	usable = atomic_load_explicit(&h->usable, memory_order_relaxed);
	if (r == 0 && end > usable)
		r = grow(h, usable, end);
	pthread_mutex_unlock(&h->lock);
	return r;
}

void ob__heap_note_written(struct heap *h, uint64_t end)
{
	uint64_t high = atomic_load_explicit(&h->high, memory_order_relaxed);

	while (high < end &&
	       !atomic_compare_exchange_weak_explicit(&h->high, &high, end, memory_order_relaxed,
	                                              memory_order_relaxed))
		continue;
}

void ob__heap_truncate(struct heap *h, uint64_t size, uint64_t mapped_end)
{
	uint64_t high = atomic_load_explicit(&h->high, memory_order_relaxed);

	if (high <= size)
		return;
	atomic_store_explicit(&h->high, size, memory_order_relaxed);
	/* What went through blocks has no memory here. */
	if (high > atomic_load_explicit(&h->usable, memory_order_relaxed))
		high = atomic_load_explicit(&h->usable, memory_order_relaxed);
	if (size < mapped_end) {
		uint64_t end = high < mapped_end ? high : mapped_end;

		memset(h->space.base + size, 0, (size_t)(end - size));
	}
	if (high > mapped_end && high > size)
		ob__space_zero(&h->space, size > mapped_end ? size : mapped_end, high);
}

int ob__heap_map_file(struct heap *h, int fd, uint64_t from, uint64_t to, int *lost)
{
	uint64_t usable = atomic_load_explicit(&h->usable, memory_order_relaxed);
	int r = ob__space_map_file(&h->space, fd, from, to);

	*lost = r < 0 && h->space.reserved < to;
	if (r == 0 && to > usable)
		set_usable(h, to);
	if (*lost)
		set_usable(h, from);
	/* In either case there may be less of it than before. */
	set_room(h, h->space.reserved);
	return r;
}

void ob__heap_free(struct heap *h)
{
	atomic_store_explicit(&h->usable, 0, memory_order_release);
	atomic_store_explicit(&h->room, 0, memory_order_release);
	ob__space_free(&h->space);
}
