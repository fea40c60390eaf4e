/* SPDX-License-Identifier: MIT */
/*
 * The life of an output: who may do what when, and how it ends. It begins in open.c; mapping.c and
 * carry.c are its middle.
 *
 * Bytes live in one range of addresses: a mapping of the file over [0, mapped_end), heap
 * behind it (heap.h). With no mapping mapped_end is 0 and everything is heap; there is no
 * second way of writing. What is in the mapping is in the file. What is in the heap reaches it
 * by a flush backend (flush.h), at the latest in commit. The file itself, and how it comes to
 * stand at the path, is the target's business (target.h).
 *
 * Functions here belong to the owner. Those that touch memory as a whole run with no View open
 * (exclusively), see enum outbuf_state.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "life.h"
#include "sys.h"
#include "window.h"
#include "zero.h"

uint64_t phase_begin(struct outbuf *ob, enum outbuf_phase phase, uint64_t bytes)
{
	if (ob->options.observe != NULL)
		ob->options.observe(ob->options.observe_arg, phase, 0, bytes);
	return sys_now();
}

void phase_end(struct outbuf *ob, enum outbuf_phase phase, uint64_t bytes, uint64_t began)
{
	ob->phase_ns[phase] += sys_now() - began;
	if (ob->options.observe != NULL)
		ob->options.observe(ob->options.observe_arg, phase, 1, bytes);
}

/*
 * Nobody writes from here to exclusive_end(). Returns the state to come back to, or a negative
 * errno: -EBUSY while a View is open, -EINVAL when the life is over.
 */
int exclusive_begin(struct outbuf *ob)
{
	int state;

	if (ob == NULL)
		return -EINVAL;
	state = atomic_load(&ob->state);
	if (state != STATE_OPEN && state != STATE_UNMAPPED)
		return -EINVAL;
	if (outbuf_has_views(ob))
		return -EBUSY;
	/* Again, now that no View can be opened any more: they wait for exclusive_end(). */
	atomic_store(&ob->state, STATE_EXCLUSIVE);
	if (outbuf_has_views(ob)) {
		atomic_store(&ob->state, state);
		return -EBUSY;
	}
	/* What a View could not put there may be counted, too. */
	if (ob->tracked && outbuf_error(ob) == 0)
		target_grown(&ob->target, ob->dirty_ranges.file_end);
	return state;
}

void exclusive_end(struct outbuf *ob, int state)
{
	atomic_store(&ob->state, state);
}

int outbuf_fail(struct outbuf *ob, int error)
{
	int none = 0;

	if (ob == NULL || error >= 0)
		return -EINVAL;
	return atomic_compare_exchange_strong(&ob->error, &none, error) ? error : none;
}

/* The backend first: what it holds may be the file. */
static void release_file(struct outbuf *ob)
{
	flush_close(&ob->flush);
	target_abandon(&ob->target);
}

/*
 * Give up the output from inside: memory was lost, or commit failed. The memory that is
 * left stays until close.
 */
void give_up(struct outbuf *ob, int error)
{
	outbuf_fail(ob, error);
	ob->given_up = 1;
	release_file(ob);
}

/* What is cut off is gone, and if the file grows again new: in a recycled one too. */
static int cut_file(struct outbuf *ob, uint64_t size)
{
	const struct range rest = { size, UINT64_MAX - size };
	int r = target_resize(&ob->target, size);

	if (r == 0) {
		r = stale_clear(&ob->stale, rest, NULL, NULL);
		/* The file is shorter, and what is known of it is not. */
		if (r < 0)
			outbuf_fail(ob, r);
	}
	return r;
}

int outbuf_set_size(struct outbuf *ob, uint64_t size)
{
	int state = exclusive_begin(ob);
	uint64_t kept;
	int r = 0;

	if (state < 0)
		return state;
	/* What is cut off must be zero if the output grows over it again: in the file too. */
	kept = size > ob->mapped_end ? size : ob->mapped_end;
	if (state != STATE_OPEN)
		r = -EINVAL;
	else if (size > INT64_MAX - space_page())
		r = -EFBIG;
	else if (size > outbuf_size(ob))
		r = window_reserve(ob, size);
	else if (kept < ob->target.size)
		r = cut_file(ob, kept);
	if (r == 0) {
		heap_cut(&ob->heap, size, ob->mapped_end);
		if (ob->tracked)
			r = dirty_forget(&ob->dirty_ranges, (struct range){ size, UINT64_MAX - size });
		if (r < 0)
			outbuf_fail(ob, r);
		if (ob->options.check_overlap)
			coverage_cut(&ob->coverage, size);
		ob->planned = size;
	}
	exclusive_end(ob, state);
	return r;
}

/* -------------------------------------------------------------- the end of a life */

/* All is in the file: its exact length, its rights, and on the disk if that is wanted. */
static int finish(struct outbuf *ob)
{
	int waits = ob->options.durability != OUTBUF_DURABLE_NONE && ob->target.fs != NULL;
	uint64_t size = outbuf_size(ob), began = 0;
	int r = target_resize(&ob->target, size);

	if (r == 0 && waits)
		began = phase_begin(ob, OUTBUF_PHASE_SYNC, size);
	if (r == 0)
		r = target_finish(&ob->target);
	if (began != 0)
		phase_end(ob, OUTBUF_PHASE_SYNC, size, began);
	return r;
}

static int publish(struct outbuf *ob)
{
	uint64_t size = outbuf_size(ob);
	uint64_t began = phase_begin(ob, OUTBUF_PHASE_PUBLISH, size);
	/* Last word: a worker of the caller's may have failed meanwhile. */
	int r = outbuf_error(ob);

	if (r == 0)
		r = target_publish(&ob->target);
	phase_end(ob, OUTBUF_PHASE_PUBLISH, size, began);
	return r;
}

int outbuf_commit(struct outbuf *ob)
{
	int state = exclusive_begin(ob);
	int r;

	if (state == -EINVAL && ob != NULL && atomic_load(&ob->state) == STATE_DISCARDED)
		return outbuf_error(ob);
	if (state < 0)
		return state;

	r = outbuf_error(ob);
	if (r == 0)
		r = clear_stale(ob);
	if (r == 0 && state == STATE_OPEN)
		r = ob->sequential ? flush_in_order(ob) : flush_heap(ob);
	/* Before the file is anybody else's, nobody of ours is at it. */
	flush_close(&ob->flush);
	if (r == 0 && ob->flush.backend != &flush_memory)
		r = unmap_all(ob);
	/* What the guard met, to the last. */
	if (r == 0)
		r = outbuf_error(ob);
	if (r == 0)
		r = finish(ob);
	if (r == 0)
		r = publish(ob);
	if (r < 0)
		give_up(ob, r);
	/* It may stand there for good though the directory could not be synced. */
	exclusive_end(ob, ob->target.published ? STATE_COMMITTED : STATE_DISCARDED);
	return r;
}

int outbuf_discard(struct outbuf *ob)
{
	int state;

	if (ob == NULL)
		return -EINVAL;
	state = atomic_load(&ob->state);
	if (state == STATE_DISCARDED)
		return 0;
	if (state == STATE_COMMITTED || state == STATE_EXCLUSIVE)
		return -EINVAL;
	/* First the reason, then the state: a View refused now finds an error to return. */
	outbuf_fail(ob, -ECANCELED);
	atomic_store(&ob->state, STATE_DISCARDED);
	/* A View may be putting a block into it: then its descriptor stays until close. */
	if (outbuf_has_views(ob))
		target_remove(&ob->target);
	else
		release_file(ob);
	return 0;
}

const void *outbuf_memory(const struct outbuf *ob, uint64_t *size)
{
	*size = 0;
	if (ob == NULL || atomic_load(&ob->state) != STATE_COMMITTED ||
	    ob->flush.backend != &flush_memory)
		return NULL;
	*size = outbuf_size(ob);
	return ob->heap.space.base;
}

int outbuf_close(struct outbuf *ob)
{
	if (ob == NULL)
		return 0;
	if (outbuf_has_views(ob))
		return -EBUSY;
	if (atomic_load(&ob->state) != STATE_COMMITTED)
		outbuf_discard(ob);
	guard_end(&ob->guard);
	heap_destroy(&ob->heap);
	/* Also again: Windows removes no file that is mapped. */
	release_file(ob);
	stale_destroy(&ob->stale);
	dirty_destroy(&ob->dirty_ranges);
	blocks_destroy(&ob->blocks);
	coverage_destroy(&ob->coverage);
	free(ob);
	return 0;
}
