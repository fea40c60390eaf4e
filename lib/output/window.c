/* SPDX-License-Identifier: MIT */
/*
 * Where the next bytes of a View go.
 *
 * Storing into a new mapping costs a page fault per 4 KiB. Fresh memory of our own costs that and the copy to the
 * file. One block that is used again and again and handed to pwrite(2) beats both: pwrite makes larger folios and
 * takes no fault. GB/s with 1 and 2 threads (1 GiB, ext4, Linux 6.18, 2 cores): blocks 3.7 and 6.2, the mapping 3.1
 * and 5.6, fresh memory 0.7 and 0.9. Bytes that the caller has in one piece need no block at all: 4.8 and 5.0.
 *
 * So a View has a window, which is part of its range. A *direct* View's window is its whole range, at its place in
 * the mapping or the heap. A *staged* View's window is a block. When the block is full, or the View seeks or ends,
 * its bytes are written to the file by the backend. Short bounded Views are direct, as a system call for each costs
 * more than the page faults they share. The tail of a staged View in the mapped part is written by a system call too,
 * however short: storing it into the mapping makes a small folio where the next View wants a large one, which cost 11
 * % with 1 thread and 8 % with 2.
 *
 * A View's `lim` is the end of what can be stored without asking. Where there is no room below it the inline functions
 * of outbuf.h come to view.c, and view.c comes here.
 */
#include "config.h"

#include "output/window.h"

#include <errno.h>
#include <string.h>

#include "output/state.h"
#include "output/store.h"
#include "output/zero_stale.h"

/*
 * Bounded Views shorter than this are direct. GB/s of Views of one length each, 1 and 2 threads, ext4:
 *
 *     bytes                  512        2048       4096       8192       16384
 *     mapping, direct     2.5  2.4   2.6  3.0   2.8  4.0   3.0  4.1   3.2  4.4
 *     pwrite              0.9  0.8   1.9  1.7   2.4  2.3   3.5  2.9   4.4  4.0
 *     heap, direct        1.3  1.2   1.6  1.7   1.7  1.8   1.7  1.9   1.7  1.9
 */
#define STAGE_MIN_MAPPED ((uint64_t)16 << 10)
#define STAGE_MIN_HEAP ((uint64_t)4 << 10)

/*
 * Longer writes go to the file straight from the caller's memory, while no other View is open: 4.3 GB/s instead of
 * 3.8. With two threads that would be 4.9 instead of 5.9: while one copies under the inode's lock, the other waits.
 */
#define STRAIGHT_MIN ((size_t)64 << 10)

/* At most so much in one system call: another thread may open a View meanwhile, and would wait for all of it. */
#define STRAIGHT_MAX ((size_t)1 << 20)

static void set_limit(struct outbuf_view *v, unsigned char *lim)
{
	v->lim = lim;
	v->native = v->swap ? NULL : lim;
}

void ob__window_decide_staging(struct outbuf *ob)
{
	/*
	 * A file that is written in place keeps its old content until the first flush, so that a discard leaves it:
	 * until then nothing may be written to it.
	 */
	ob->may_stage = ob->dirty.tracks_ranges && !ob->target.old_content;
}

int ob__window_fail(struct outbuf_view *v, int error, struct failure what)
{
	v->error = error;
	set_limit(v, v->cur);
	ob__state_fail_at(v->ob, error, what);
	return error;
}

/* ------------------------------------------------------------------ how far it may go */

/*
 * The largest end that staged Views may reach without addresses; 0: none. A staged View needs addresses for its block
 * only, so that 5 GiB can be written on a machine of 32 bits. That is allowed only up to the caller's own
 * options.max_size: else a caller would learn late, at his first pointer, that there is no address for it.
 */
static uint64_t staged_end(const struct outbuf *ob)
{
	uint64_t end = ob->options.max_size;

	if (!ob->may_stage)
		return 0;
	return end < INT64_MAX ? end : INT64_MAX;
}

int ob__window_allow_end(struct outbuf *ob, uint64_t end)
{
	int r = ob__heap_reserve(&ob->heap, end);

	if (r < 0 && end <= staged_end(ob))
		r = ob__heap_reserve(&ob->heap, 1);
	return r;
}

uint64_t ob__window_limit(struct outbuf *ob)
{
	uint64_t here = ob__heap_limit(&ob->heap), staged = staged_end(ob);

	return here > staged ? here : staged;
}

/* ------------------------------------------------------------------- moving the window */

/* Set lim by how far memory is usable now. If it is not even usable at cur, lim is cur. */
static void look_up_limit(struct outbuf_view *v)
{
	uint64_t usable = atomic_load_explicit(&v->ob->heap.usable_end, memory_order_acquire);
	uint64_t at = outbuf_tell(v);
	uint64_t end = usable < v->end ? usable : v->end;

	set_limit(v, v->cur + (end > at ? end - at : 0));
}

/* The View stored these bytes: in a recycled file they are the old output's no longer. */
static int mark_written(struct outbuf_view *v, uint64_t offset, uint64_t n)
{
	struct unwritten *s = &v->ob->stale;

	return s->length == 0 ? 0 : ob__unwritten_mark(s, (struct range){ offset, n }, !(v->flags & VIEW_STAGED));
}

/* The position is about to jump: note which bytes were stored since it last did. */
static int note_stored(struct outbuf_view *v)
{
	uint64_t at = outbuf_tell(v), n = (uint64_t)(v->cur - v->mark);

	if (n > 0 && at > v->high)
		v->high = at;
	return n > 0 ? mark_written(v, at - n, n) : 0;
}

/* Position the View at `offset`. A staged View has no block yet: the next write gets one. */
static void set_position(struct outbuf_view *v, uint64_t offset)
{
	unsigned char *base = v->ob->heap.space.base;

	v->offset = offset;
	v->start = v->cur = v->mark = v->flags & VIEW_STAGED ? base : base + offset;
	if (v->flags & VIEW_STAGED)
		set_limit(v, v->cur);
	else
		look_up_limit(v);
}

/* The bytes in the block go to their place. */
static int empty_block(struct outbuf_view *v)
{
	size_t n = (size_t)(v->cur - v->mark);
	uint64_t offset = outbuf_tell(v) - n;

	if (!(v->flags & VIEW_STAGED) || n == 0)
		return 0;
	/* Small pieces of the heap stay in memory: a flush writes them together. */
	if (n < STAGE_MIN_HEAP && offset >= v->ob->mapped_end) {
		int r = ob__store_in_memory(v->ob, offset, v->mark, n);

		/*
		 * All memory up to the piece is made usable. For a piece far out that may be more than the machine
		 * has: then the piece is written to the file.
		 */
		if (r != -ENOMEM)
			return r;
	}
	return ob__store_in_file(v->ob, offset, v->mark, n);
}

/* Position the View at `offset`, with nothing left in its block. */
static int move_to(struct outbuf_view *v, uint64_t offset)
{
	int r = empty_block(v), noted = note_stored(v);

	set_position(v, offset);
	return r < 0 ? r : noted;
}

/*
 * The window is a block from here on. It ends at a multiple of the block's size in the file, so that no two threads
 * write to the same folio.
 */
static int open_block(struct outbuf_view *v)
{
	uint64_t at = outbuf_tell(v), size = v->ob->blocks.size, room = size - at % size;
	int r = move_to(v, at);

	if (r == 0 && v->block == NULL) {
		v->block = ob__blocks_acquire(&v->ob->blocks);
		if (v->block == NULL)
			r = -ENOMEM;
	}
	if (r < 0)
		return r;
	v->start = v->cur = v->mark = v->block;
	set_limit(v, v->start + (v->end - at < room ? v->end - at : room));
	return 0;
}

int ob__window_open(struct outbuf_view *v)
{
	struct outbuf *ob = v->ob;
	uint64_t length = v->end - v->begin;
	uint64_t least = v->end <= ob->mapped_end ? STAGE_MIN_MAPPED : STAGE_MIN_HEAP;
	int r = 0;

	if (ob->may_stage && (!(v->flags & VIEW_BOUNDED) || length >= least))
		v->flags |= VIEW_STAGED;
	else if (v->flags & VIEW_BOUNDED)
		/* All its memory is claimed now, so that a lack of memory shows before the work. */
		r = ob__store_claim_memory(ob, v->begin, length);
	if (r == -ENOMEM && ob->may_stage) {
		v->flags |= VIEW_STAGED;
		r = 0;
	}
	if (r < 0)
		return r;
	v->high = v->begin;
	set_position(v, v->begin);
	return 0;
}

int ob__window_seek(struct outbuf_view *v, uint64_t offset)
{
	return move_to(v, offset);
}

int ob__window_reach(struct outbuf_view *v, uint64_t end)
{
	int r;

	if (end <= v->end)
		return 0;
	if (v->flags & VIEW_BOUNDED)
		return -ERANGE;
	r = ob__window_allow_end(v->ob, end);
	if (r == 0)
		v->end = ob__window_limit(v->ob);
	return r;
}

int ob__window_check(struct outbuf_view *v, size_t n)
{
	uint64_t at = outbuf_tell(v);

	if (n > UINT64_MAX - at)
		return v->flags & VIEW_BOUNDED ? -ERANGE : -EFBIG;
	return ob__window_reach(v, at + n);
}

int ob__window_next(struct outbuf_view *v, size_t n, unsigned char **to, size_t *got)
{
	int r = 0;

	if (v->flags & VIEW_STAGED) {
		if (v->cur == v->lim)
			r = open_block(v);
		*got = (size_t)(v->lim - v->cur) < n ? (size_t)(v->lim - v->cur) : n;
	} else {
		if ((size_t)(v->lim - v->cur) < n) {
			r = ob__heap_make_usable(&v->ob->heap, outbuf_tell(v) + n);
			look_up_limit(v);
		}
		*got = n;
	}
	if (r < 0)
		return r;
	*to = v->cur;
	v->cur += *got;
	return 0;
}

/* Write the first *did of the n bytes straight to the file; *did is 0 if other Views are open. */
static int copy_straight(struct outbuf_view *v, const void *data, size_t n, size_t *did)
{
	struct outbuf *ob = v->ob;
	uint64_t at = outbuf_tell(v), end;
	int r;

	*did = 0;
	if (!(v->flags & VIEW_STAGED) || n < STRAIGHT_MIN || ob__open_views_several(&ob->views))
		return 0;
	end = at + (n < STRAIGHT_MAX ? n : STRAIGHT_MAX - at % STRAIGHT_MAX);
	r = empty_block(v);
	if (r == 0)
		r = ob__store_in_file(ob, at, data, (size_t)(end - at));
	*did = (size_t)(end - at);
	if (r == 0)
		r = note_stored(v);
	if (r == 0)
		r = mark_written(v, at, end - at);
	v->high = end > v->high ? end : v->high;
	set_position(v, end);
	return r;
}

int ob__window_copy(struct outbuf_view *v, const void *data, size_t n)
{
	const unsigned char *from = data;
	int r = 0;

	while (r == 0 && n > 0) {
		unsigned char *to;
		size_t did;

		r = copy_straight(v, from, n, &did);
		if (r == 0 && did == 0) {
			r = ob__window_next(v, n, &to, &did);
			if (r == 0)
				memcpy(to, from, did);
		}
		from += did;
		n -= did;
	}
	return r;
}

/* A direct View's bytes are in the output's memory already. */
static int hand_out_direct(struct outbuf_view *v, size_t n, unsigned char **ref)
{
	uint64_t at = outbuf_tell(v);
	size_t got;
	int r = ob__window_next(v, n, ref, &got);

	if (r == 0)
		ob__store_advise(v->ob, at, n);
	return r;
}

int ob__window_hand_out(struct outbuf_view *v, size_t n, unsigned char **ref, int filled)
{
	uint64_t at = outbuf_tell(v);
	int r;

	if (!(v->flags & VIEW_STAGED) && v->ob->stale.length == 0)
		return hand_out_direct(v, n, ref);
	r = move_to(v, at);
	/* Only now is it known which of these bytes the View itself has stored. */
	if (r == 0)
		r = ob__zero_stale_for_pointer(v->ob, at, n, filled);
	if (r == 0 && !(v->flags & VIEW_STAGED))
		return hand_out_direct(v, n, ref);
	if (r == 0)
		r = ob__store_claim_for_pointer(v->ob, at, n);
	if (r < 0)
		return r;
	*ref = v->ob->heap.space.base + at;
	if (n > 0 && at + n > v->high)
		v->high = at + n;
	set_position(v, at + n);
	return 0;
}

int ob__window_close(struct outbuf_view *v)
{
	int r = empty_block(v), noted = note_stored(v);

	if (r == 0)
		r = noted;
	if (v->block != NULL)
		ob__blocks_release(&v->ob->blocks, v->block);
	v->block = NULL;
	/* Of a direct View without a length it is known only now which bytes it stored to the heap. */
	if (r == 0 && !(v->flags & (VIEW_STAGED | VIEW_BOUNDED)) && v->high > v->begin)
		r = ob__store_claim_memory(v->ob, v->begin, v->high - v->begin);
	return r;
}
