/* SPDX-License-Identifier: MIT */
/*
 * Mapping the file, and freeing the memory.
 *
 * Bytes past the planned size may lie in the last mapped page. The kernel does not write back what is beyond the end
 * of the file, so until commit the file is whole pages long. Commit sets the exact length.
 *
 * An output that is planned to fit into one write is not mapped, unless it must be: setting up addresses, blocks and
 * the mapping took 12 system calls, and one pwrite(2) does it. Most outputs are small: objects, test programs,
 * shaders.
 *
 * Mapping again with a larger size moves nothing that a caller can see. The heap bytes that will be mapped are written
 * to the file first; then the file is mapped over them, at the same addresses, with the same content.
 */
#include "config.h"

#include "output/mapping.h"

#include <errno.h>

#include "memory/round.h"
#include "memory/verify.h"
#include "output/state.h"
#include "output/window.h"
#include "output/write_back.h"
#include "system/sys.h"

/*
 * The file cannot be mapped, because of `map_error`. Returns that if mapping is required (-ENOTSUP for -ENOSYS); else
 * 0, and the heap takes over.
 */
static int error_if_map_required(const struct outbuf *ob, int map_error)
{
	if (ob->options.map != OUTBUF_REQUIRE)
		return 0;
	return map_error == -ENOSYS ? -ENOTSUP : map_error;
}

/* The guard, if there is to be one, catches faults below `end` from now on; 0: none. */
static int guard_up_to(struct outbuf *ob, uint64_t end)
{
	if (!ob->options.guard)
		return 0;
	return end == 0 ? ob__guard_end(&ob->guard)
	                : ob__guard_begin(&ob->guard, ob->heap.space.base, end, ob->target.fd, &ob->error, &ob->faults);
}

/*
 * Make the file as long as its mapping will be: *end, which is `size` in whole pages. If it may not be so long, but may
 * have `size` bytes (RLIMIT_FSIZE, or the largest file of the file system), only the pages that are full are mapped.
 * *end becomes their end, and the rest is in the heap.
 */
static int extend_file(struct outbuf *ob, uint64_t size, uint64_t *end)
{
	int r = ob__write_back_extend_file(ob, *end);

	if (r != -EFBIG || *end == size)
		return r;
	r = ob__write_back_extend_file(ob, size);
	if (r == 0)
		*end = round_down(size, ob__space_page_size());
	return r;
}

/*
 * After outbuf_unmap() the content is in the file alone. What of it will not be mapped again, less than a page from
 * `from` on, is loaded into the heap, which would hide it. *tail: these bytes.
 */
static int load_tail(struct outbuf *ob, uint64_t from, struct range *tail)
{
	uint64_t end = state_size(ob);
	int r;

	if (end <= from)
		return 0;
	*tail = (struct range){ from, end - from };
	r = ob__heap_make_usable(&ob->heap, end);
	return r < 0 ? r : ob__sys_pread_all(ob->target.fd, ob->heap.space.base + from, (size_t)tail->length, from);
}

/*
 * The file is `end` bytes long or longer. May it be mapped so far? Sets *map_error if not. *damaged: its first page
 * could not be restored.
 */
static int prepare(struct outbuf *ob, uint64_t end, int *map_error, int *damaged)
{
	uint64_t dirty_end = ob__write_back_end(ob);
	int r = 0;

	/* Without blocks a store may raise SIGBUS: such a file is mapped only if the caller or the user asks for it. */
	if (r == 0 && ob->prealloc_error < 0 && ob->options.prealloc == OUTBUF_AUTO && !ob->choice.map_requested)
		*map_error = ob->prealloc_error;
	if (r == 0 && *map_error == 0 && ob->mapped_end == 0 && ob->target.fs->verify) {
		*map_error = ob__space_trial(ob->target.fd, damaged);
		if (*map_error < 0)
			r = *damaged ? *map_error : error_if_map_required(ob, *map_error);
	}
	if (r == 0 && *map_error == 0)
		r = ob__write_back_range(ob, ob->mapped_end, dirty_end < end ? dirty_end : end);
	/* Install the guard before the mapping: if that fails nothing has changed yet. */
	if (r == 0 && *map_error == 0 && end > ob->mapped_end)
		r = guard_up_to(ob, end);
	return r;
}

/* The guard was armed for a mapping that is not made after all. */
static void guard_as_before(struct outbuf *ob)
{
	int r = guard_up_to(ob, ob->mapped_end);

	/* The guard's copy of the descriptor is closed, and close(2) reports lost writes once. */
	if (r < 0)
		state_fail(ob, r, FAILED_MAP);
}

/*
 * Map the file over the heap up to `end`. `tail` was loaded into the heap behind it. *lost: the system took memory away
 * and did not map (space_vm.c), or the mapping could not be noted; bytes may be gone then.
 */
static int map_over_heap(struct outbuf *ob, uint64_t end, struct range tail, int *map_error, int *lost)
{
	struct range mapped = { ob->mapped_end, end - ob->mapped_end };
	int r;

	*map_error = ob__heap_map_file(&ob->heap, ob->target.fd, ob->mapped_end, end, lost);
	if (*map_error < 0) {
		r = *lost ? -ENOMEM : error_if_map_required(ob, *map_error);
		guard_as_before(ob);
		return r;
	}
	ob->mapped_end = end;
	r = ob__dirty_forget(&ob->dirty, mapped);
	if (r == 0 && tail.length > 0)
		r = ob__dirty_claim_memory(&ob->dirty, tail, NULL, NULL);
	/* The mapping exists but could not be recorded. Do not truncate the file below it: give the output up. */
	*lost = r < 0;
	return r;
}

/*
 * Extend the file and its mapping. ob__space_probe() tells whether the file can be mapped, before the file is
 * changed: so a file that is written in place keeps its content if it cannot be mapped. On failure the file has its
 * former length, or is empty if it was to be written in place.
 */
static int map_file(struct outbuf *ob, uint64_t size, int state, int *map_error)
{
	uint64_t before = ob->target.size, end = round_up(size, ob__space_page_size());
	struct range tail = { 0, 0 };
	int lost = 0;
	int r;

	if (end > ob->mapped_end) {
		*map_error = ob__space_probe(ob->target.fd);
		if (*map_error == 0 && ob->mapped_end == 0)
			*map_error = ob__target_check_cut(&ob->target);
		if (*map_error < 0)
			return error_if_map_required(ob, *map_error);
	}
	r = extend_file(ob, size, &end);
	if (r == 0 && end == 0) {
		*map_error = -EFBIG;
		r = error_if_map_required(ob, *map_error);
	}
	if (r == 0 && *map_error == 0)
		r = prepare(ob, end, map_error, &lost);
	if (r == 0 && *map_error == 0 && state == STATE_UNMAPPED) {
		r = load_tail(ob, end, &tail);
		if (r < 0)
			guard_as_before(ob);
	}
	if (r == 0 && *map_error == 0 && end > ob->mapped_end)
		r = map_over_heap(ob, end, tail, map_error, &lost);
	if (lost)
		ob__state_give_up(ob, r, (struct failure){ .operation = FAILED_MAP, .end = size });
	else if (r < 0)
		ob__target_resize(&ob->target, before);
	else if (*map_error == 0)
		ob->map_size = size < ob->mapped_end ? size : ob->mapped_end;
	return r;
}

/*
 * No mapping: make the file as long as planned, and find out now whether disk and memory suffice. A file written in
 * place keeps its content until the first flush.
 */
static int plan_without_mapping(struct outbuf *ob, uint64_t size)
{
	/* Staged Views need little memory. */
	int r = ob->may_stage ? 0 : ob__heap_make_usable(&ob->heap, size);

	if (r == 0 && !ob->target.old_content && !ob->target.in_order)
		r = ob__write_back_extend_file(ob, size);
	return r;
}

uint64_t ob__mapping_small = (uint64_t)256 << 10;

/* Does it fit into one write, and does nobody ask for a mapping, or for blocks? */
static int is_small_plan(const struct outbuf *ob, uint64_t size, int state)
{
	return size <= ob__mapping_small && state == STATE_OPEN && ob->mapped_end == 0 && ob->may_stage &&
	       ob->choice.map != OUTBUF_REQUIRE && !ob->choice.map_requested && ob->options.prealloc != OUTBUF_REQUIRE;
}

static int plan_small(struct outbuf *ob, uint64_t size)
{
	if (size > ob->file_limit || (ob->heap.max_size != 0 && size > ob->heap.max_size))
		return -EFBIG;
	ob->planned = size;
	ob->is_small = 1;
	return 0;
}

int ob__mapping_extend(struct outbuf *ob, uint64_t size, int state)
{
	uint64_t max_size = ob->heap.max_size;
	int map_error = 0, first = ob->heap.space.base == NULL;
	int r;

	if (size == 0)
		return 0;
	if (is_small_plan(ob, size, state))
		return plan_small(ob, size);
	ob->is_small = 0;
	r = ob__heap_reserve(&ob->heap, size);
	if (r == 0 && ob->choice.map != OUTBUF_NO)
		r = map_file(ob, size, state, &map_error);
	/* After outbuf_unmap() the content is in the file alone, and the heap would hide it. */
	if (r == 0 && map_error != 0 && state == STATE_UNMAPPED)
		r = map_error;
	if (r == 0 && (map_error != 0 || ob->choice.map == OUTBUF_NO))
		r = plan_without_mapping(ob, size);
	if (r == 0) {
		ob->map_error = map_error;
		ob->planned = size;
	} else if (first && !ob->given_up) {
		/* A plan that was refused leaves no limit behind, and no range of that size. */
		ob__heap_undo_reserve(&ob->heap, max_size);
	}
	ob__window_decide_staging(ob);
	return r;
}

static void fail_size(struct outbuf *ob, int error, uint64_t size)
{
	ob__state_fail_at(ob, error, (struct failure){ .operation = FAILED_SIZE, .end = size });
}

/*
 * Where the mapping ends if the output ends at `size`: with the page of its last byte. One page stays in any case, so
 * that the output stays mapped.
 */
static uint64_t shorter_mapping(uint64_t size)
{
	return round_up(size > 0 ? size : 1, ob__space_page_size());
}

/*
 * Unmap what lies beyond the page of the last byte, before the file is shortened. If the system cannot do that, as
 * Windows, the mapping stays as long as it is. 1: something was cut off.
 */
static int cut_mapping(struct outbuf *ob, uint64_t size)
{
	uint64_t end = shorter_mapping(size);

	if (end >= ob->mapped_end || ob__heap_cut(&ob->heap, end) < 0)
		return 0;
	ob->mapped_end = end;
	if (ob->map_size > size)
		ob->map_size = size;
	guard_up_to(ob, end);
	return 1;
}

/*
 * The file's page that has the last byte stays mapped, and its bytes from `size` on become zero: the file is cut to
 * `size`, and made as long as the mapping again. The kernel does that in the page cache, and needs no block.
 */
static int zero_last_page(struct outbuf *ob, uint64_t size)
{
	int r = ob__target_resize(&ob->target, size);

	if (r < 0 || size == ob->mapped_end)
		return r;
	r = ob__target_resize(&ob->target, ob->mapped_end);
	if (r < 0)
		fail_size(ob, r, size);
	return r;
}

/*
 * Shorten the file. *zeroed is 1 if the bytes between `size` and the mapping's end are zero then; if not, they must be
 * set to zero in the mapping, which is done where each of its pages has a block already.
 */
static int shorten_file(struct outbuf *ob, uint64_t size, int *zeroed)
{
	uint64_t kept = size > ob->mapped_end ? size : ob->mapped_end;
	int r;

	*zeroed = size < ob->mapped_end && shorter_mapping(size) == ob->mapped_end &&
	          ob->target.preallocated < ob->mapped_end;
	if (*zeroed)
		kept = size;
	else if (kept >= ob->target.size)
		return 0;
	r = *zeroed ? zero_last_page(ob, size) : ob__target_resize(&ob->target, kept);
	/* If the file grows again, its new bytes are zero: in a recycled file, too. */
	if (r == 0) {
		r = ob__unwritten_clear(&ob->stale, (struct range){ kept, UINT64_MAX - kept }, NULL, NULL);
		/* The file was shortened, but there was no memory to update the record of its stale bytes. */
		if (r < 0)
			fail_size(ob, r, size);
	}
	return r;
}

/*
 * No page is touched but the last. Zeros stored over all that is cut off made 8 GiB of page faults, which took 12 to 57
 * s; and where blocks cannot be reserved, on a full disk, each of them could have raised SIGBUS.
 */
int ob__mapping_shorten(struct outbuf *ob, uint64_t size)
{
	int r = ob->mapped_end > 0 ? ob__target_check_length(&ob->target) : 0;
	int cut, zeroed;

	if (r < 0)
		return r;
	cut = cut_mapping(ob, size);
	r = shorten_file(ob, size, &zeroed);
	if (r == 0)
		ob__heap_truncate(&ob->heap, size, ob->mapped_end, zeroed);
	else if (cut)
		fail_size(ob, r, size);
	return r;
}

/* How far was the heap's memory stored to? UINT64_MAX if it is not for us alone. */
static uint64_t heap_stored(const struct outbuf *ob)
{
	if (ob->mapped_end > 0 || atomic_load_explicit(&ob->pointer_out, memory_order_relaxed))
		return UINT64_MAX;
	return ob->dirty.tracks_ranges ? ob->dirty.memory_end
	                               : atomic_load_explicit(&ob->heap.written_end, memory_order_relaxed);
}

int ob__mapping_remove(struct outbuf *ob)
{
	uint64_t bytes = state_size(ob);
	uint64_t began = ob__state_begin_phase(ob, OUTBUF_PHASE_UNMAP, bytes);
	int verify = ob->mapped_end > 0 && ob->target.fs->verify;
	struct samples samples;
	int guarded, r = verify ? ob__target_check_length(&ob->target) : 0;

	/* What somebody has truncated cannot be read: that would be SIGBUS. */
	if (verify && r == 0)
		ob__verify_record(&samples, ob->heap.space.base, bytes < ob->mapped_end ? bytes : ob->mapped_end);
	guarded = ob__guard_end(&ob->guard);
	r = r < 0 ? r : guarded;
	if (r == 0 && ob->mapped_end > 0)
		r = ob__space_prepare_unmap(&ob->heap.space, ob->mapped_end);
	ob__heap_free(&ob->heap, heap_stored(ob));
	ob->mapped_end = 0;
	if (verify && r == 0)
		r = ob__verify_check(&samples, ob->target.fd);
	ob__state_end_phase(ob, OUTBUF_PHASE_UNMAP, bytes, began);
	return r;
}
