/* SPDX-License-Identifier: MIT */
/*
 * The output's memory for a caller who writes by himself: outbuf_data() hands out a range of it, outbuf_release()
 * takes a finished range back.
 *
 * Releasing matters where an output is large. Its pages stay mapped until commit, and unmapping them there is one
 * thread's work under a lock. madvise(2) is done at once, by the threads that wrote the pages, and the heap's memory
 * can be used for something else. Pages of the mapping are in the page cache in any case. Bytes of the heap are
 * written to the file, as a View's block is.
 */
#include "config.h"

#include <errno.h>

#include "memory/round.h"
#include "output/state.h"
#include "output/store.h"
#include "output/zero_stale.h"

/* The end of a range for a person: UINT64_MAX, which is told as "...", if no offset can express it. */
static uint64_t end_or_max(uint64_t offset, uint64_t end)
{
	return end < offset ? UINT64_MAX : end;
}

int outbuf_data(struct outbuf *ob, uint64_t offset, uint64_t length, void **data)
{
	uint64_t end = offset + length;
	const struct failure what = { .operation = FAILED_DATA, .begin = offset, .end = end_or_max(offset, end) };
	uint16_t place;
	int r;

	if (data == NULL)
		return -EINVAL;
	*data = NULL;
	if (ob == NULL)
		return -EINVAL;
	/* During this call it counts as a View, so that no owner's call runs beside it. */
	r = ob__state_enter_view(ob, offset, what.end, &place);
	if (r == 0 && (end < offset || length > SIZE_MAX))
		r = -EFBIG;
	if (r == 0)
		r = ob__store_claim_for_pointer(ob, offset, length);
	if (r == 0)
		r = ob__zero_stale_for_pointer(ob, offset, length, 0);
	if (r == 0 && ob->options.check_complete)
		r = ob__unwritten_mark(&ob->gaps, (struct range){ offset, length }, 0);
	if (r == 0) {
		state_note_pointer(ob);
		if (length > 0)
			ob__heap_note_written(&ob->heap, end);
		*data = ob->heap.space.base + offset;
	}
	ob__state_result(ob, r, what);
	ob__open_views_leave(&ob->views, place);
	return r;
}

static int release(struct outbuf *ob, uint64_t offset, uint64_t end)
{
	uint64_t page = ob__space_page_size();
	uint64_t usable = atomic_load_explicit(&ob->heap.usable_end, memory_order_acquire);
	uint64_t from = round_up(offset, page), to = round_down(end < usable ? end : usable, page);
	uint64_t border = to < ob->mapped_end ? to : ob->mapped_end;

	if (from < border)
		ob__space_drop_pages(&ob->heap.space, from, border);
	return ob__store_move_to_file(ob, from > ob->mapped_end ? from : ob->mapped_end, to);
}

/* After a failure nothing is written any more, and the memory stays for those who still write. */
static int release_unless_failed(struct outbuf *ob, uint64_t offset, uint64_t length, struct failure what)
{
	int r = state_error(ob);

	if (r < 0)
		return r;
	if (offset + length < offset || offset > UINT64_MAX - ob__space_page_size())
		return -EFBIG;
	r = release(ob, offset, offset + length);
	if (r < 0)
		ob__state_fail_at(ob, r, what);
	return r;
}

int outbuf_release(struct outbuf *ob, uint64_t offset, uint64_t length)
{
	const struct failure what = {
		.operation = FAILED_RELEASE,
		.begin = offset,
		.end = end_or_max(offset, offset + length),
	};
	uint16_t place;
	int r;

	if (ob == NULL)
		return -EINVAL;
	/* All bytes are in the file, and there is no memory. */
	if (atomic_load(&ob->state) == STATE_UNMAPPED)
		return state_error(ob);
	r = ob__state_enter_view(ob, offset, what.end, &place);
	if (r == 0)
		r = release_unless_failed(ob, offset, length, what);
	else if (r == -EINVAL && atomic_load(&ob->state) != STATE_COMMITTED)
		/* It waited for outbuf_unmap(). While it counts as a View, no call leads on from that state. */
		r = state_error(ob);
	ob__state_result(ob, r, what);
	ob__open_views_leave(&ob->views, place);
	return r;
}
