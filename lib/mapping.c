/* SPDX-License-Identifier: MIT */
/*
 * Mapping the file, and giving the memory back.
 *
 * While it is mapped the file is whole pages long, so that the last page's tail, where the heap's
 * first bytes lie, is part of the file and not a place where stores are lost. Commit sets the
 * exact size.
 *
 * Mapping again with a larger size moves nothing that a caller can see: the heap bytes that
 * will be mapped are written to the file first, then the file is mapped over them, at the
 * same addresses, with the same content.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "life.h"
#include "verify.h"

static uint64_t whole_pages(uint64_t size)
{
	uint64_t page = space_page();

	return (size + page - 1) / page * page;
}

/* The file cannot be mapped: is that an error, or does the heap take over? */
static int refused(const struct outbuf *ob, int map_error)
{
	if (ob->options.map != OUTBUF_REQUIRE)
		return 0;
	return map_error == -ENOSYS ? -ENOTSUP : map_error;
}

/* Faults below `end` are caught from now on, if that is wanted. */
static int guard_up_to(struct outbuf *ob, uint64_t end)
{
	if (!ob->options.guard)
		return 0;
	return end == 0 ? guard_end(&ob->guard)
	                : guard_begin(&ob->guard, ob->heap.space.base, end, ob->target.fd, &ob->error,
	                              &ob->faults);
}

/* Heap up to `end` is the file itself now. */
static int begin_mapping(struct outbuf *ob, uint64_t end)
{
	struct range mapped = { ob->mapped_end, end - ob->mapped_end };

	ob->mapped_end = end;
	return ob->tracked ? dirty_forget(&ob->dirty_ranges, mapped) : 0;
}

/*
 * Extend the file and its mapping. If the file cannot be mapped that is known before it is
 * touched: in place, it keeps its content. On failure it has its length from before.
 */
static int map_file(struct outbuf *ob, uint64_t size, int *map_error)
{
	uint64_t before = ob->target.size;
	uint64_t end = whole_pages(size);
	uint64_t high = heap_end(ob);
	int lost = 0, damaged = 0;
	int r;

	if (end > ob->mapped_end) {
		*map_error = space_probe(ob->target.fd);
		if (*map_error < 0)
			return refused(ob, *map_error);
	}
	r = reserve(ob, end);
	/* Without blocks a store may be SIGBUS: only on somebody's word. */
	if (r == 0 && ob->prealloc_error < 0 && ob->options.prealloc == OUTBUF_AUTO &&
	    !ob->choice.insist)
		*map_error = ob->prealloc_error;
	if (r == 0 && *map_error == 0 && ob->mapped_end == 0 && ob->target.fs->verify) {
		*map_error = space_trial(ob->target.fd, &damaged);
		if (*map_error < 0)
			r = damaged ? *map_error : refused(ob, *map_error);
	}
	if (r == 0 && *map_error == 0)
		r = carry(ob, ob->mapped_end, high < end ? high : end);
	/* Before it is mapped: that it cannot be guarded must leave all as it was. */
	if (r == 0 && *map_error == 0 && end > ob->mapped_end)
		r = guard_up_to(ob, end);
	if (r == 0 && *map_error == 0 && end > ob->mapped_end) {
		*map_error = heap_map_file(&ob->heap, ob->target.fd, ob->mapped_end, end, &lost);
		if (*map_error < 0) {
			int ended = guard_up_to(ob, ob->mapped_end);

			r = lost ? -ENOMEM : refused(ob, *map_error);
			/* close(2) of a copy says once what was lost of the file. */
			if (ended < 0)
				outbuf_fail(ob, ended);
		} else {
			/* No memory to say so: the file must not be shortened under its mapping. */
			r = begin_mapping(ob, end);
			damaged = r < 0;
		}
	}
	if (lost || damaged)
		/*
		 * The kernel took memory away and did not map (space_vm.c), or what was tried cannot be
		 * undone: bytes may be gone.
		 */
		give_up(ob, r);
	else if (r < 0)
		target_resize(&ob->target, before);
	else if (*map_error == 0)
		ob->mapped = size;
	return r;
}

/*
 * No mapping: only see now whether disk and memory will do. A file written in place keeps
 * its content until the first flush.
 */
static int plan_without_mapping(struct outbuf *ob, uint64_t size)
{
	/* Staged Views need little of it. */
	int r = ob->stage ? 0 : heap_need(&ob->heap, size);

	if (r == 0 && !ob->target.old_content)
		r = reserve(ob, size);
	return r;
}

static int map(struct outbuf *ob, uint64_t size, int state)
{
	int map_error = 0;
	int r;

	if (size == 0)
		return 0;
	r = heap_reserve(&ob->heap, size);
	if (r == 0 && ob->choice.map != OUTBUF_NO)
		r = map_file(ob, size, &map_error);
	/* After unmap the content is in the file alone, and heap would hide it. */
	if (r == 0 && map_error != 0 && state == STATE_UNMAPPED)
		r = map_error;
	if (r == 0 && (map_error != 0 || ob->choice.map == OUTBUF_NO))
		r = plan_without_mapping(ob, size);
	if (r == 0) {
		ob->map_error = map_error;
		ob->planned = size;
	}
	decide_staging(ob);
	return r;
}

int outbuf_map(struct outbuf *ob, uint64_t size)
{
	int state = exclusive_begin(ob);
	uint64_t began;
	int r;

	if (state < 0)
		return state;
	if (size < outbuf_size(ob)) {
		exclusive_end(ob, state);
		return -EINVAL;
	}
	if (size > INT64_MAX - space_page()) {
		exclusive_end(ob, state);
		return -EFBIG;
	}
	began = phase_begin(ob, OUTBUF_PHASE_MAP, size);
	r = map(ob, size, state);
	phase_end(ob, OUTBUF_PHASE_MAP, size, began);
	if (r == 0)
		state = STATE_OPEN;
	else if (ob->given_up)
		state = STATE_DISCARDED;
	exclusive_end(ob, state);
	return r;
}

/* The memory goes; the file has it all. On a file system that nobody knows, see whether it has. */
int unmap_all(struct outbuf *ob)
{
	uint64_t bytes = outbuf_size(ob);
	uint64_t began = phase_begin(ob, OUTBUF_PHASE_UNMAP, bytes);
	int doubt = ob->mapped_end > 0 && ob->target.fs->verify;
	struct samples samples;
	int r;

	if (doubt)
		samples_take(&samples, ob->heap.space.base,
		             bytes < ob->mapped_end ? bytes : ob->mapped_end);
	r = guard_end(&ob->guard);
	if (r == 0 && ob->mapped_end > 0)
		r = space_settle(&ob->heap.space, ob->mapped_end);
	heap_release(&ob->heap);
	ob->mapped_end = 0;
	if (doubt && r == 0)
		r = samples_check(&samples, ob->target.fd);
	phase_end(ob, OUTBUF_PHASE_UNMAP, bytes, began);
	return r;
}

int outbuf_unmap(struct outbuf *ob)
{
	int state = exclusive_begin(ob);
	int r = 0;

	if (state < 0)
		return state;
	if (state == STATE_OPEN && ob->mapped_end > 0) {
		r = flush_heap(ob);
		if (r == 0) {
			r = unmap_all(ob);
			if (r < 0)
				outbuf_fail(ob, r);
			ob->planned = outbuf_size(ob);
			atomic_store_explicit(&ob->dirty, 0, memory_order_relaxed);
			state = STATE_UNMAPPED;
		}
	}
	exclusive_end(ob, state);
	return r;
}
