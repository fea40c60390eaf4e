/* SPDX-License-Identifier: MIT */
/*
 * Carrying to the file what is in the heap alone.
 *
 * What Views put there by themselves is not carried again; with no pointer out, nor is what an
 * earlier flush carried. Where the backend writes front to back all of it goes at commit.
 */
#include "config.h"

#include <errno.h>

#include "life.h"
#include "sys.h"

/* Views may put blocks into the file: not while it has an old content that may have to stay. */
void decide_staging(struct outbuf *ob)
{
	ob->stage = ob->tracked && !ob->target.old_content;
}

/* Small gaps between bytes to be carried, of which nobody wrote: carried too, in one call. */
#define GAP_MAX 4096

/* What is true in the heap's [from, to) alone, to the same place in the file. */
int carry(struct outbuf *ob, uint64_t from, uint64_t to)
{
	int r = 0;

	while (r == 0 && from < to) {
		struct range part = { from, to - from };

		if (ob->tracked)
			part = range_common(dirty_next(&ob->dirty_ranges, from, GAP_MAX), part);
		if (part.length == 0)
			break;
		r = flush_write(&ob->flush, ob->heap.space.base + part.offset, part.offset,
		                part.length);
		if (r == 0)
			ob->flushed += part.length;
		from = range_end(part);
	}
	return r;
}

/* Bytes in the heap that the file may lack: [mapped_end, this). */
uint64_t heap_end(const struct outbuf *ob)
{
	uint64_t high = atomic_load_explicit(&ob->heap.high, memory_order_relaxed);

	if (atomic_load_explicit(&ob->dirty, memory_order_relaxed) == 0 || high < ob->mapped_end)
		return ob->mapped_end;
	return high;
}

/*
 * Have [0, size) in the file, with blocks if that is wanted. A full disk then shows before the
 * copying, and ext4 takes the bytes faster: 1 GiB of pwrite in 0.17 to 0.22 s, not 0.24 to 0.26 s
 * (Linux 6.18; runs that met no cold memory).
 */
int reserve(struct outbuf *ob, uint64_t size)
{
	uint64_t before = ob->target.size;
	int unsupported = ob->prealloc_error;
	int r;
	int useless = ob->options.prealloc == OUTBUF_AUTO && ob->target.fs != NULL &&
	              !ob->target.fs->reserve;

	if (useless)
		ob->prealloc_error = -EOPNOTSUPP;
	if (useless || ob->options.prealloc == OUTBUF_NO) {
		/* Where free is what can be stored: better said now. The guard is for the rest. */
		r = target_room(&ob->target, size);
		return r < 0 ? r : target_resize(&ob->target, size > before ? size : before);
	}
	r = target_reserve(&ob->target, size, &unsupported);
	ob->prealloc_error = unsupported;
	if (r == 0 && unsupported < 0 && ob->options.prealloc == OUTBUF_REQUIRE) {
		target_resize(&ob->target, before);
		return unsupported;
	}
	return r;
}

/* After that all of [0, end) is in the file, if no pointer is out. */
static int clean(struct outbuf *ob, uint64_t end)
{
	int dirty = atomic_fetch_and_explicit(&ob->dirty, ~DIRTY_VIEW, memory_order_relaxed);

	if (!ob->tracked || (dirty & DIRTY_RAW))
		return 0;
	return dirty_clean(&ob->dirty_ranges, (struct range){ 0, end });
}

/* What is in the heap alone to the file. */
int flush_heap(struct outbuf *ob)
{
	uint64_t end = heap_end(ob);
	uint64_t bytes = end - ob->mapped_end;
	uint64_t began = phase_begin(ob, OUTBUF_PHASE_FLUSH, bytes);
	int r = outbuf_error(ob);

	/* Where Views have put most of it there already, there is little left to reserve for. */
	if (r == 0 && ob->stage && ob->options.prealloc != OUTBUF_REQUIRE)
		r = target_resize(&ob->target, end > ob->target.size ? end : ob->target.size);
	else if (r == 0)
		r = reserve(ob, end);
	if (r == 0)
		r = carry(ob, ob->mapped_end, end);
	if (r == 0)
		r = clean(ob, end);
	if (r < 0)
		outbuf_fail(ob, r);
	else
		r = outbuf_error(ob); /* what the guard met meanwhile */
	decide_staging(ob);
	phase_end(ob, OUTBUF_PHASE_FLUSH, bytes, began);
	return r;
}

/* The whole output, front to back, once: nothing can be taken back. */
int flush_in_order(struct outbuf *ob)
{
	uint64_t size = outbuf_size(ob);
	uint64_t began = phase_begin(ob, OUTBUF_PHASE_FLUSH, size);
	/* Even of nothing there is an address: outbuf_memory(). */
	int r = heap_need(&ob->heap, size > 0 ? size : 1);

	if (r == 0 && ob->target.fs != NULL)
		r = reserve(ob, size);
	if (r == 0)
		r = flush_write(&ob->flush, ob->heap.space.base, 0, size);
	if (r == 0)
		ob->flushed = size;
	/* Pipes and terminals cannot be synced, and need not. */
	if (r == 0 && ob->sync_wanted && ob->target.fd >= 0) {
		r = sys_fdatasync(ob->target.fd);
		r = r == -EINVAL || r == -EROFS || r == -EOPNOTSUPP ? 0 : r;
	}
	if (r < 0)
		outbuf_fail(ob, r);
	phase_end(ob, OUTBUF_PHASE_FLUSH, size, began);
	return r;
}

int outbuf_flush(struct outbuf *ob)
{
	int state = exclusive_begin(ob);
	int r = 0;

	if (state < 0)
		return state;
	if (state == STATE_OPEN && !ob->sequential)
		r = flush_heap(ob);
	if (r == 0)
		r = outbuf_error(ob);
	exclusive_end(ob, state);
	return r;
}

static int sync_file(struct outbuf *ob, int state)
{
	uint64_t began;
	int r = state == STATE_OPEN ? flush_heap(ob) : 0;

	began = phase_begin(ob, OUTBUF_PHASE_SYNC, outbuf_size(ob));
	if (r == 0 && ob->mapped_end > 0)
		r = space_sync(&ob->heap.space, ob->mapped_end);
	if (r == 0)
		r = sys_fdatasync(ob->target.fd);
	if (r < 0)
		outbuf_fail(ob, r);
	else
		r = outbuf_error(ob);
	phase_end(ob, OUTBUF_PHASE_SYNC, outbuf_size(ob), began);
	return r;
}

int outbuf_sync(struct outbuf *ob)
{
	int state = exclusive_begin(ob);
	int r = 0;

	if (state < 0)
		return state;
	if (ob->sequential) {
		ob->sync_wanted = 1;
		r = outbuf_error(ob);
	} else {
		r = sync_file(ob, state);
	}
	exclusive_end(ob, state);
	return r;
}
