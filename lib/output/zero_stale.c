/* SPDX-License-Identifier: MIT */
/*
 * Zeros over what an earlier output left in a recycled file, where nobody stored: before a pointer leads there, and at
 * commit. Which bytes these are is known by unwritten.c.
 *
 * A mapping and the file meet in the page cache, so zeros can go either way. The cheaper way depends on the pages. A
 * page of the mapping that was not stored to yet is a page fault, 4 to 20 us on a virtual machine; write(2) of 4 KiB
 * is 1 us. A linker that takes its whole output as one buffer would meet all faults on the one thread that asks for
 * it, and wait for them. With write(2) they are left to the threads that store later. 107 MB in one piece take 98 to
 * 123 ms by memset, 15 to 16 ms by write(2).
 */
#include "config.h"

#include "output/zero_stale.h"

#include <string.h>

#include "output/state.h"
#include "output/store.h"

static int zero_by_write(struct outbuf *ob, struct range range)
{
	static const unsigned char zeros[65536];
	int r = 0;

	while (r == 0 && range.length > 0) {
		size_t n = (size_t)(range.length < sizeof zeros ? range.length : sizeof zeros);

		r = ob__store_put(ob, zeros, range.offset, n);
		range.offset += n;
		range.length -= n;
	}
	return r;
}

/* Zero what is below `in_memory_end` by storing, the rest by writing to the file. */
static int zero(struct outbuf *ob, struct range range, uint64_t in_memory_end)
{
	struct range stored = range_intersection(range, (struct range){ 0, in_memory_end });

	atomic_fetch_add_explicit(&ob->zeroed, range.length, memory_order_relaxed);
	if (stored.length > 0)
		memset(ob->heap.space.base + stored.offset, 0, (size_t)stored.length);
	range.offset += stored.length;
	range.length -= stored.length;
	return zero_by_write(ob, range);
}

/* In the mapping if some of the block was stored to there before, so that its pages probably cause no fault. */
static int zero_at_commit(void *arg, struct range range, int page_is_mapped)
{
	struct outbuf *ob = arg;

	return zero(ob, range, page_is_mapped ? ob->mapped_end : 0);
}

int ob__zero_stale(struct outbuf *ob)
{
	struct range all = { 0, state_size(ob) };

	return ob__unwritten_clear(&ob->stale, all, zero_at_commit, ob);
}

/*
 * Only whole blocks of 64 KiB are zeroed by write(2). For a shorter piece that saves nothing: the thread that asked
 * will store there at once, and take the page fault anyway. unwritten.c passes each block of 64 KiB separately, so a
 * piece is a whole block or shorter.
 */
#define BY_WRITE_MIN ((uint64_t)64 << 10)

/* Only in the mapping: the heap's memory holds zeros where nothing was stored. */
static int zero_for_pointer(void *arg, struct range range, int page_is_mapped)
{
	struct outbuf *ob = arg;
	/* An output that has failed may have no file any more. */
	int by_write = !page_is_mapped && range.length >= BY_WRITE_MIN && state_error(ob) == 0;

	return zero(ob, range_intersection(range, (struct range){ 0, ob->mapped_end }), by_write ? 0 : ob->mapped_end);
}

int ob__zero_stale_for_pointer(struct outbuf *ob, uint64_t offset, uint64_t n, int filled)
{
	struct range range = { offset, n };

	if (ob->stale.length == 0)
		return 0;
	if (filled)
		return ob__unwritten_mark(&ob->stale, range, 1);
	return ob__unwritten_clear(&ob->stale, range, zero_for_pointer, ob);
}
