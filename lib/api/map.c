/* SPDX-License-Identifier: MIT */
/* How large an output will be: outbuf_map(), outbuf_unmap(), outbuf_set_size(). How it is mapped: output/mapping.c. */
#include "config.h"

#include <errno.h>

#include "output/mapping.h"
#include "output/state.h"
#include "output/window.h"
#include "output/write_back.h"

int outbuf_map(struct outbuf *ob, uint64_t size)
{
	const struct failure what = { .operation = FAILED_MAP, .end = size };
	int state = ob__state_begin_exclusive(ob, what);
	uint64_t began;
	int r;

	if (state < 0)
		return state;
	if (size < state_size(ob) || size > INT64_MAX - ob__space_page_size()) {
		r = ob__state_result(ob, size < state_size(ob) ? -EINVAL : -EFBIG, what);
		ob__state_end_exclusive(ob, state);
		return r;
	}
	began = ob__state_begin_phase(ob, OUTBUF_PHASE_MAP, size);
	r = ob__mapping_extend(ob, size, state);
	ob__state_end_phase(ob, OUTBUF_PHASE_MAP, size, began);
	ob__state_result(ob, r, what);
	if (r == 0) {
		ob->stated_size = size;
		state = STATE_OPEN;
	} else if (ob->given_up) {
		state = STATE_DISCARDED;
	}
	ob__state_end_exclusive(ob, state);
	return r;
}

/*
 * Write back and unmap. 0 or a negative errno; *state is STATE_UNMAPPED afterwards if memory was given up, also after
 * an error.
 */
static int unmap(struct outbuf *ob, int *state)
{
	const struct range everything = { 0, UINT64_MAX };
	int r = ob__write_back_heap(ob);

	if (r < 0)
		return r;
	r = ob__mapping_remove(ob);
	/* The file has all bytes and no pointer is valid any more, so no byte of the heap is dirty. */
	if (r == 0)
		r = ob__dirty_forget(&ob->dirty, everything);
	if (r < 0)
		state_fail(ob, r, FAILED_UNMAP);
	ob->planned = state_size(ob);
	atomic_store_explicit(&ob->pointer_out, 0, memory_order_relaxed);
	*state = STATE_UNMAPPED;
	return r;
}

int outbuf_unmap(struct outbuf *ob)
{
	const struct failure what = { .operation = FAILED_UNMAP };
	int state = ob__state_begin_exclusive(ob, what);
	int r = 0;

	if (state < 0)
		return state;
	if (state == STATE_OPEN && ob->mapped_end > 0)
		r = ob__state_result(ob, unmap(ob, &state), what);
	ob__state_end_exclusive(ob, state);
	return r;
}

/*
 * For options.check_complete: bytes beyond `size` are unwritten; those that make the output longer are zero on
 * purpose.
 */
static int note_zeros(struct outbuf *ob, uint64_t size)
{
	uint64_t before = state_size(ob);
	int r = ob__unwritten_truncate(&ob->gaps, size);

	if (r == 0 && size > before)
		r = ob__unwritten_mark(&ob->gaps, (struct range){ before, size - before }, 0);
	if (r < 0)
		state_fail(ob, r, FAILED_SIZE);
	return r;
}

/* The size is `size` from now on: forget what was recorded of the bytes beyond. */
static int forget_beyond(struct outbuf *ob, uint64_t size)
{
	int r = ob__dirty_forget(&ob->dirty, (struct range){ size, UINT64_MAX - size });

	if (r < 0)
		state_fail(ob, r, FAILED_SIZE);
	if (ob->options.check_overlap)
		ob__coverage_truncate(&ob->coverage, size);
	if (r == 0 && ob->options.check_complete)
		r = note_zeros(ob, size);
	ob->planned = ob->stated_size = size;
	return r;
}

int outbuf_set_size(struct outbuf *ob, uint64_t size)
{
	const struct failure what = { .operation = FAILED_SIZE, .end = size };
	int state = ob__state_begin_exclusive(ob, what);
	int r;

	if (state < 0)
		return state;
	if (state != STATE_OPEN)
		r = -EINVAL;
	else if (size > INT64_MAX - ob__space_page_size())
		r = -EFBIG;
	else if (size > state_size(ob))
		r = ob__window_allow_end(ob, size);
	else
		r = ob__mapping_shorten(ob, size);
	if (r == 0)
		r = forget_beyond(ob, size);
	ob__state_result(ob, r, what);
	ob__state_end_exclusive(ob, state);
	return r;
}
