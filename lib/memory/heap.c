/* SPDX-License-Identifier: MIT */
/*
 * Growth of the heap extension behind the mapping.
 *
 * In Go's linker all views share one slice for the bytes behind the mapping. It panics when a view on another thread
 * has to grow the slice, because append() may move the slice while others use it ("this probably could be fixed").
 * Here the range never moves (space.h). Growth only changes how far the range is usable: one number, which only grows
 * while Views are open. A writer that reaches beyond it takes the mutex, reads the number again, and makes more
 * memory usable. Writers below it are not affected, and no copy is made under a lock. How far addresses are reserved is
 * a second such number, `limit`: a writer beyond that one extends the range first, if it can grow at its place.
 *
 * The step grows from 1 MiB to 1 GiB, and doubles what is usable in between. Steps must be rare, because mprotect(2)
 * takes the lock of the address space, which the page faults of all threads need too. 1 TiB takes about 1,030 steps,
 * 1 GiB takes 11. A step uses no memory, but a system with strict accounting charges it as if it did. If it refuses
 * the large step, only the pages that are needed are asked for.
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
	*h = (struct heap){ .max_size = max_size };
	return -pthread_mutex_init(&h->lock, NULL);
}

void ob__heap_destroy(struct heap *h)
{
	ob__heap_free(h, UINT64_MAX);
	pthread_mutex_destroy(&h->lock);
}

/*
 * Bytes of addresses that all outputs of the process have reserved: what is reserved as a whole gets a share of what
 * is left. Outputs shared no budget once: the first 127 took 1 TiB each, which is all that a process has, number 256
 * got 64 MiB, and the program's own mmap(2) failed.
 */
static _Atomic uint64_t reserved_by_all;

/* To be called after space.reserved has changed. The caller holds the lock or is exclusive. */
static void count_reserved(struct heap *h)
{
	/* Unsigned arithmetic wraps, so a smaller range is subtracted. */
	atomic_fetch_add_explicit(&reserved_by_all, h->space.reserved - h->counted, memory_order_relaxed);
	h->counted = h->space.reserved;
}

/* Bytes that an output gets which is reserved as a whole and has no stated size. */
static uint64_t share_of(struct space_budget b)
{
	uint64_t used = atomic_load_explicit(&reserved_by_all, memory_order_relaxed);
	uint64_t share = used < b.total ? (b.total - used) / (b.total / b.most) : 0;

	return share > b.least ? share : b.least;
}

/*
 * `size` is what an output needs now, but that may be only the part that will be mapped. Four times as much leaves room
 * for what follows that part, and to map again with a larger size.
 */
static uint64_t at_least_four_times(uint64_t max_size, uint64_t size)
{
	if (size <= max_size / 4)
		return max_size;
	return size > UINT64_MAX / 4 ? UINT64_MAX : size * 4;
}

/*
 * The caller has stated no max_size: reserve a range that can grow, or else a share. *max_size is set. *usable: the
 * first bytes are usable at once.
 */
static int reserve_default(struct heap *h, uint64_t size, uint64_t *max_size, uint64_t *usable)
{
	const struct space_budget budget = ob__space_budget();

	*max_size = at_least_four_times(budget.largest, size);
	if (ob__space_reserve_growing(&h->space, size, usable) == 0)
		return 0;
	*usable = 0;
	*max_size = at_least_four_times(share_of(budget), size);
	return ob__space_reserve(&h->space, *max_size, size);
}

/*
 * What is reserved is doubled, so that 1 TiB takes 10 steps from 1 GiB on. Nothing moves, and Views that are open do
 * not notice. `size` is more than is reserved. The caller holds the lock.
 */
static int extend_locked(struct heap *h, uint64_t size)
{
	uint64_t want = h->space.reserved * 2;
	int r;

	if (size > h->max_size)
		return -EFBIG;
	r = ob__space_extend(&h->space, want < h->max_size ? want : h->max_size, size);
	if (r < 0)
		return -ENOMEM;
	count_reserved(h);
	return 0;
}

/*
 * Memory becomes usable in whole pages, but no byte beyond max_size counts as usable: a caller must not see the
 * rounding. The caller holds the lock or is exclusive.
 */
static void set_usable(struct heap *h, uint64_t usable)
{
	if (usable > h->max_size)
		usable = h->max_size;
	atomic_store_explicit(&h->usable_end, usable, memory_order_release);
}

/* As ob__heap_reserve(), but the caller holds the lock. */
static int reserve_locked(struct heap *h, uint64_t size)
{
	uint64_t max_size = h->max_size, usable = 0;
	int r;

	if (h->space.base != NULL && size > h->space.reserved)
		return extend_locked(h, size);
	if (max_size != 0 && size > max_size)
		return -EFBIG;
	if (h->space.base != NULL)
		return 0;
	r = max_size == 0 ? reserve_default(h, size, &max_size, &usable) : ob__space_reserve(&h->space, max_size, size);
	if (r < 0)
		return r;
	h->max_size = max_size;
	set_usable(h, usable);
	count_reserved(h);
	return 0;
}

/* `limit` follows from the number of reserved bytes. The caller holds the lock or is exclusive. */
static void set_limit(struct heap *h, uint64_t reserved)
{
	atomic_store_explicit(&h->limit, h->max_size < reserved ? h->max_size : reserved,
	                      memory_order_release);
}

int ob__heap_reserve(struct heap *h, uint64_t size)
{
	int r;

	if (size <= atomic_load_explicit(&h->limit, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&h->lock);
	r = reserve_locked(h, size);
	if (r == 0)
		set_limit(h, h->space.reserved);
	pthread_mutex_unlock(&h->lock);
	return r;
}

void ob__heap_undo_reserve(struct heap *h, uint64_t before)
{
	ob__heap_free(h, UINT64_MAX);
	h->max_size = before;
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
	return atomic_load_explicit(&h->limit, memory_order_acquire);
}

/* The end of the page that holds the last byte of [0, end), or the end of the reserved range if that is lower. */
static uint64_t whole_pages(const struct heap *h, uint64_t end)
{
	uint64_t reserved = h->space.reserved, page = ob__space_page_size();

	return end > round_down(reserved, page) ? reserved : round_up(end, page);
}

/*
 * Make at least [usable, end) usable, and a whole step if the system allows it. The caller holds the lock, and has
 * reserved a range that holds `end`. 0 or -ENOMEM.
 */
static int grow_locked(struct heap *h, uint64_t usable, uint64_t end)
{
	uint64_t step = usable < STEP_MIN ? STEP_MIN : usable > STEP_MAX ? STEP_MAX : usable;
	uint64_t min_end = whole_pages(h, end);
	uint64_t new_end = whole_pages(h, usable);
	int r;

	new_end = h->space.reserved - new_end > step ? new_end + step : h->space.reserved;
	if (new_end < min_end)
		new_end = min_end;
	r = ob__space_make_usable(&h->space, usable, new_end);
	if (r < 0 && new_end > min_end) {
		new_end = min_end;
		r = ob__space_make_usable(&h->space, usable, new_end);
	}
	if (r < 0)
		return r;
	atomic_fetch_add_explicit(&h->grown, 1, memory_order_relaxed);
	set_usable(h, new_end);
	return 0;
}

int ob__heap_make_usable(struct heap *h, uint64_t end)
{
	uint64_t usable = atomic_load_explicit(&h->usable_end, memory_order_acquire), before;
	int r, first;

	if (end <= usable)
		return 0;
	pthread_mutex_lock(&h->lock);
	before = h->max_size;
	first = h->space.base == NULL;
	r = reserve_locked(h, end);
	usable = atomic_load_explicit(&h->usable_end, memory_order_relaxed);
	if (r == 0 && end > usable) {
		r = grow_locked(h, usable, end);
		/* No other thread knows of the range yet, because `limit` is still 0. */
		if (r < 0 && first)
			ob__heap_undo_reserve(h, before);
	}
	if (r == 0)
		set_limit(h, h->space.reserved);
	pthread_mutex_unlock(&h->lock);
	return r;
}

void ob__heap_note_written(struct heap *h, uint64_t end)
{
	uint64_t high = atomic_load_explicit(&h->written_end, memory_order_relaxed);

	while (high < end &&
	       !atomic_compare_exchange_weak_explicit(&h->written_end, &high, end, memory_order_relaxed,
	                                              memory_order_relaxed))
		continue;
}

int ob__heap_cut(struct heap *h, uint64_t from)
{
	uint64_t usable = atomic_load_explicit(&h->usable_end, memory_order_relaxed);
	int r;

	if (from >= usable)
		return 0;
	r = ob__space_cut(&h->space, from, whole_pages(h, usable));
	if (r < 0)
		return r;
	set_usable(h, from);
	set_limit(h, h->space.reserved);
	count_reserved(h);
	return 0;
}

void ob__heap_truncate(struct heap *h, uint64_t size, uint64_t mapped_end, int mapping_is_zero)
{
	uint64_t high = atomic_load_explicit(&h->written_end, memory_order_relaxed), cut, usable;

	if (high <= size)
		return;
	atomic_store_explicit(&h->written_end, size, memory_order_relaxed);
	/* Of the heap, whole pages are given back. Where that is not possible they are set to zero. */
	cut = size > mapped_end ? round_up(size, ob__space_page_size()) : mapped_end;
	if (cut < high)
		ob__heap_cut(h, cut);
	/* Bytes that staged Views wrote to the file may lie beyond the usable memory. */
	usable = atomic_load_explicit(&h->usable_end, memory_order_relaxed);
	if (high > usable)
		high = usable;
	if (size < mapped_end && !mapping_is_zero) {
		uint64_t end = high < mapped_end ? high : mapped_end;

		memset(h->space.base + size, 0, (size_t)(end - size));
	}
	if (high > mapped_end && high > size)
		ob__space_zero(&h->space, size > mapped_end ? size : mapped_end, high);
}

int ob__heap_map_file(struct heap *h, int fd, uint64_t from, uint64_t to, int *lost)
{
	uint64_t usable = atomic_load_explicit(&h->usable_end, memory_order_relaxed);
	int r = ob__space_map_file(&h->space, fd, from, to);

	*lost = r < 0 && h->space.reserved < to;
	if (r == 0 && to > usable)
		set_usable(h, to);
	if (*lost)
		set_usable(h, from);
	/* On Windows fewer bytes may be reserved than before, even after success. */
	set_limit(h, h->space.reserved);
	count_reserved(h);
	return r;
}

void ob__heap_free(struct heap *h, uint64_t stored)
{
	uint64_t usable = atomic_load_explicit(&h->usable_end, memory_order_relaxed);

	atomic_store_explicit(&h->usable_end, 0, memory_order_release);
	atomic_store_explicit(&h->limit, 0, memory_order_release);
	if (stored != UINT64_MAX && usable == h->space.reserved)
		ob__space_give_back(&h->space, stored);
	else
		ob__space_free(&h->space);
	count_reserved(h);
}
