/* SPDX-License-Identifier: MIT */
/*
 * Writing back: bytes whose authoritative copy is in the heap's memory are written to the file.
 *
 * What staged Views have written is in the file already and is not written again. The same holds for what an earlier
 * flush wrote, unless a pointer into the output was handed out: then the library cannot know whether the bytes have
 * changed since, and writes them again. A sequential backend writes all bytes at commit.
 *
 * With options.stage = OUTBUF_NO it is not known which bytes of the heap were stored (dirty.c). There a gap between two
 * Views was written as zeros: 4.5 GiB of them between two Views of 4 KiB. So the first write of a file without content
 * leaves out blocks of zeros. To look at a block costs one comparison, if it does not begin with a zero.
 */
#include "config.h"

#include "output/write_back.h"

#include <errno.h>
#include <string.h>

#include "output/state.h"
#include "output/window.h"
#include "system/sys.h"

/* Dirty ranges that are this close are written by one call, with the zeros between them if nobody wrote there. */
#define GAP_MAX 4096

/* Zeros are left out in blocks of this many bytes. */
#define HOLE_BLOCK ((uint64_t)64 << 10)

/* Does the file read as zeros wherever nothing is known of it? */
static int reads_as_zeros(const struct outbuf *ob)
{
	return !ob->dirty.tracks_ranges && !ob->heap_written && ob->target.old_length == 0 && !ob->target.old_content;
}

static int is_zero(const unsigned char *at, uint64_t n)
{
	return at[0] == 0 && memcmp(at, at + 1, (size_t)(n - 1)) == 0;
}

/* The block that begins at `at`, which is in the range. It ends at a multiple of HOLE_BLOCK, or with the range. */
static uint64_t block_length(struct range range, uint64_t at)
{
	uint64_t n = HOLE_BLOCK - at % HOLE_BLOCK, left = range_end(range) - at;

	return n < left ? n : left;
}

/* The first blocks of the range that are not zeros. Their length is 0 if all are. */
static struct range skip_zeros(const unsigned char *base, struct range range)
{
	uint64_t from = range.offset, to;

	while (from < range_end(range) && is_zero(base + from, block_length(range, from)))
		from += block_length(range, from);
	for (to = from; to < range_end(range) && !is_zero(base + to, block_length(range, to));)
		to += block_length(range, to);
	return (struct range){ from, to - from };
}

int ob__write_back_range(struct outbuf *ob, uint64_t from, uint64_t to)
{
	int r = 0, zeros_are_there = reads_as_zeros(ob);

	while (r == 0 && from < to) {
		struct range rest = { from, to - from };
		struct range part = range_intersection(ob__dirty_next(&ob->dirty, from, GAP_MAX), rest);

		if (zeros_are_there)
			part = skip_zeros(ob->heap.space.base, part);
		if (part.length == 0)
			break;
		/* Also if it fails: a part may be in the file. */
		ob->heap_written = 1;
		r = ob__flush_write(&ob->flush, ob->heap.space.base + part.offset, part.offset, part.length);
		if (r == 0) {
			ob->flushed += part.length;
			ob__target_note_length(&ob->target, range_end(part));
		}
		from = range_end(part);
	}
	return r;
}

uint64_t ob__write_back_end(struct outbuf *ob)
{
	uint64_t high = atomic_load_explicit(&ob->heap.written_end, memory_order_relaxed);
	uint64_t usable = atomic_load_explicit(&ob->heap.usable_end, memory_order_relaxed);

	/* After outbuf_set_size() has failed, what counts as written may end beyond the memory that is left. */
	if (high > usable)
		high = usable;
	return high > ob->mapped_end && ob__dirty_any(&ob->dirty) ? high : ob->mapped_end;
}

/*
 * Preallocation makes a full disk show before the copying. ext4 also takes the bytes faster then: 1 GiB of pwrite(2)
 * in 0.17 to 0.22 s instead of 0.24 to 0.26 s (Linux 6.18; runs in which no memory was touched for the first time).
 */
int ob__write_back_extend_file(struct outbuf *ob, uint64_t size)
{
	uint64_t before = ob->target.size;
	int unsupported = ob->prealloc_error;
	int r;
	int useless = ob->options.prealloc == OUTBUF_AUTO && ob->target.fs != NULL &&
	              (!ob->target.fs->prealloc || ob->target.journals_data);

	if (useless)
		ob->prealloc_error = -EOPNOTSUPP;
	if (useless || ob->options.prealloc == OUTBUF_NO) {
		/* Where statfs(2) says exactly how much can be stored, a full disk is reported now. */
		r = ob__target_check_space(&ob->target, size);
		return r < 0 ? r : ob__target_resize(&ob->target, size > before ? size : before);
	}
	r = ob__target_preallocate(&ob->target, size, &unsupported);
	ob->prealloc_error = unsupported;
	if (r == 0 && unsupported < 0 && ob->options.prealloc == OUTBUF_REQUIRE) {
		ob__target_resize(&ob->target, before);
		return unsupported;
	}
	return r;
}

int ob__write_back_heap(struct outbuf *ob)
{
	uint64_t end = ob__write_back_end(ob);
	uint64_t bytes = end - ob->mapped_end;
	uint64_t began = ob__state_begin_phase(ob, OUTBUF_PHASE_FLUSH, bytes);
	int r = state_error(ob);

	/*
	 * Staged Views have written most of it already, so there is little left to preallocate for. What is written
	 * makes the file longer.
	 */
	if (r == 0 && (!ob->may_stage || ob->options.prealloc == OUTBUF_REQUIRE))
		r = ob__write_back_extend_file(ob, end);
	if (r == 0)
		r = ob__write_back_range(ob, ob->mapped_end, end);
	if (r == 0 && !atomic_load_explicit(&ob->pointer_out, memory_order_relaxed))
		r = ob__dirty_mark_clean(&ob->dirty, (struct range){ 0, end });
	if (r < 0)
		state_fail(ob, r, FAILED_FLUSH);
	else
		r = state_error(ob); /* of a fault that the guard caught meanwhile */
	ob__window_decide_staging(ob);
	ob__state_end_phase(ob, OUTBUF_PHASE_FLUSH, bytes, began);
	return r;
}

int ob__write_back_sequential(struct outbuf *ob)
{
	uint64_t size = state_size(ob);
	uint64_t began = ob__state_begin_phase(ob, OUTBUF_PHASE_FLUSH, size);
	/* At least one byte is made usable, because outbuf_memory() must not return NULL for an empty output. */
	int r = ob__heap_make_usable(&ob->heap, size > 0 ? size : 1);

	if (r == 0 && ob->target.written_over)
		r = ob__target_prepare_over(&ob->target, size);
	else if (r == 0 && ob->target.in_order)
		r = ob__target_drop_old_content(&ob->target);
	else if (r == 0 && ob->target.fs != NULL)
		r = ob__write_back_extend_file(ob, size);
	if (r == 0)
		r = ob__flush_write(&ob->flush, ob->heap.space.base, 0, size);
	if (r == 0) {
		ob->flushed = size;
		ob__target_note_length(&ob->target, size);
	}
	/* Pipes and terminals cannot be synced, and need not be. */
	if (r == 0 && ob->sync_wanted && ob->target.fd >= 0) {
		r = ob__sys_fdatasync(ob->target.fd);
		r = r == -EINVAL || r == -EROFS || r == -EOPNOTSUPP ? 0 : r;
	}
	if (r < 0)
		state_fail(ob, r, FAILED_FLUSH);
	ob__state_end_phase(ob, OUTBUF_PHASE_FLUSH, size, began);
	return r;
}
