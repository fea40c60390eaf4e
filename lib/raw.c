/* SPDX-License-Identifier: MIT */
/*
 * The output's memory in the hands of a caller with a writer of his own: taking a range of it, and giving it back.
 *
 * Giving back matters where an output is large. Its pages are mapped until commit, and unmapping them is one
 * thread's work under a lock; madvise(2) is done by those who wrote them, at once, and memory of the heap can be used
 * for something else. What is in the mapping is in the page cache in any case. Of the heap it is put into the
 * file, as Views do it with their blocks.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "window.h"
#include "zero.h"

int outbuf_data(struct outbuf *ob, uint64_t offset, uint64_t length, void **data)
{
	uint64_t end = offset + length;
	int r;

	if (data == NULL)
		return -EINVAL;
	*data = NULL;
	if (ob == NULL)
		return -EINVAL;
	/* As a View for the time of this call. */
	r = view_count_in(ob);
	if (r == 0 && (end < offset || length > SIZE_MAX))
		r = -EFBIG;
	if (r == 0)
		r = memory_take_pointer(ob, offset, length);
	if (r == 0)
		r = memory_hand_out(ob, offset, length, 0);
	if (r == 0) {
		outbuf_taint(ob, DIRTY_RAW);
		if (length > 0)
			heap_cover(&ob->heap, end);
		*data = ob->heap.space.base + offset;
	}
	view_count_out(ob);
	return r;
}

/* What is in the heap alone goes to the file: [from, to), whole pages that nobody else uses. */
static int give_heap(struct outbuf *ob, uint64_t from, uint64_t to)
{
	const struct range all = { from, to - from };
	int r = 0;

	/* Where bytes go to the file at commit only, memory is where they are. */
	if (!ob->stage || from >= to)
		return 0;
	while (r == 0 && from < to) {
		struct range part = range_common(dirty_next(&ob->dirty_ranges, from, 0), all);

		if (part.length == 0)
			break;
		if (range_end(part) > ob->limit)
			return -EFBIG;
		r = ob->flush.backend->put(&ob->flush, ob->heap.space.base + part.offset, part.offset,
		                           (size_t)part.length);
		if (r == 0)
			r = dirty_clean(&ob->dirty_ranges, part);
		if (r == 0)
			atomic_fetch_add_explicit(&ob->put, part.length, memory_order_relaxed);
		from = range_end(part);
	}
	if (r == 0)
		space_forget(&ob->heap.space, all.offset, range_end(all));
	return r;
}

static int give_back(struct outbuf *ob, uint64_t offset, uint64_t end)
{
	uint64_t page = space_page(), usable = atomic_load_explicit(&ob->heap.usable, memory_order_acquire);
	uint64_t from = (offset + page - 1) / page * page, to = (end < usable ? end : usable) / page * page;
	uint64_t border = to < ob->mapped_end ? to : ob->mapped_end;

	if (from < border)
		space_forget(&ob->heap.space, from, border);
	return give_heap(ob, from > ob->mapped_end ? from : ob->mapped_end, to);
}

int outbuf_release(struct outbuf *ob, uint64_t offset, uint64_t length)
{
	int r;

	if (ob == NULL)
		return -EINVAL;
	/* All is in the file. */
	if (atomic_load(&ob->state) == STATE_UNMAPPED)
		return outbuf_error(ob);
	r = view_count_in(ob);
	/* What has failed is not carried on, and its memory stays for those who still write. */
	if (r == 0)
		r = outbuf_error(ob);
	if (r == 0 && (offset + length < offset || offset > UINT64_MAX - space_page()))
		r = -EFBIG;
	else if (r == 0) {
		r = give_back(ob, offset, offset + length);
		if (r < 0)
			outbuf_fail(ob, r);
	}
	view_count_out(ob);
	return r;
}
