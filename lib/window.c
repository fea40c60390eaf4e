/* SPDX-License-Identifier: MIT */
/*
 * Where the next bytes of a View go.
 *
 * Storing into a new mapping costs a page fault per 4 KiB, and fresh memory of our own costs that and
 * the copy to the file. One block that is used again and again and handed to pwrite(2), which makes
 * larger folios and takes no fault, beats both: 3.7 and 6.2 GB/s with 1 and 2 threads, against 3.1
 * and 5.6 for the mapping and 0.7 and 0.9 for fresh memory (1 GiB, ext4, Linux 6.18, 2 cores).
 * Bytes that the caller has in one piece need no block at all: 4.8 and 5.0.
 *
 * So a View has a window into its range. *Direct*: the window is all of it, at its place in the
 * mapping or the heap. *Staged*: the window is a block, and when it is full, or the View seeks
 * or ends, its bytes are put into the file by the backend. Short bounded Views are direct, as a
 * system call for each costs more than the faults they share. (The tail of a staged View is put
 * too, however short: storing it into the mapping makes a small folio in the way of the
 * next View's large one, and cost 11 % with 1 and 8 % with 2 threads.)
 *
 * A mapping and pwrite(2) meet in the page cache, byte by byte. In the heap, struct dirty
 * knows which bytes have gone to the file; a pointer into those loads them back.
 */
#include "config.h"

#include "window.h"

#include <errno.h>
#include <string.h>

#include "sys.h"
#include "zero.h"

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
 * Longer writes go straight from the caller's memory while no other View is open: 4.3 instead of
 * 3.8. With two threads it is 4.9 instead of 5.9, as what one copies under the inode's lock the
 * other waits for.
 */
#define STRAIGHT_MIN ((size_t)64 << 10)

/* Others may open Views meanwhile. */
#define STRAIGHT_MAX ((size_t)1 << 20)

static void set_limit(struct outbuf_view *v, unsigned char *lim)
{
	v->lim = lim;
	v->native = v->swap ? NULL : lim;
}

int view_fail(struct outbuf_view *v, int error)
{
	v->error = error;
	set_limit(v, v->cur);
	outbuf_fail(v->ob, error);
	return error;
}

/* ------------------------------------------------------------------- memory and file */

static int load(void *arg, struct range range)
{
	struct outbuf *ob = arg;

	return sys_pread_all(ob->target.fd, ob->heap.space.base + range.offset,
	                     (size_t)range.length, range.offset);
}

/* Below, it is the file. */
static struct range in_heap(const struct outbuf *ob, uint64_t offset, uint64_t n)
{
	return range_common((struct range){ offset, n },
	                    (struct range){ ob->mapped_end, UINT64_MAX - ob->mapped_end });
}

/*
 * A caller will have a pointer to all of it. Fresh memory is a fault for each page: with large ones ld.lld took 1.19 s
 * for 107 MB, and not 1.56 (btrfs).
 */
static void expect(struct outbuf *ob, uint64_t offset, uint64_t n)
{
	struct range range = in_heap(ob, offset, n);

	if (range.length > 0)
		space_expect(&ob->heap.space, range.offset, range_end(range));
}

static int take(struct outbuf *ob, uint64_t offset, uint64_t n, int pointer)
{
	struct range range = in_heap(ob, offset, n);
	int r = heap_need(&ob->heap, offset + n > 0 ? offset + n : 1);

	/* Before anything is loaded into it. */
	if (r == 0 && pointer)
		expect(ob, offset, n);
	if (r == 0 && ob->tracked && range.length > 0)
		r = dirty_take(&ob->dirty_ranges, range, load, ob);
	return r;
}

int memory_take(struct outbuf *ob, uint64_t offset, uint64_t n)
{
	return take(ob, offset, n, 0);
}

int memory_take_pointer(struct outbuf *ob, uint64_t offset, uint64_t n)
{
	return take(ob, offset, n, 1);
}

static int put_into_memory(struct outbuf *ob, uint64_t offset, const unsigned char *from, size_t n)
{
	int r = memory_take(ob, offset, n);

	if (r == 0)
		memcpy(ob->heap.space.base + offset, from, n);
	return r;
}

/* Bytes that are the file's, or are true in memory and must go there. */
static int put_into_file(struct outbuf *ob, uint64_t offset, const unsigned char *from, size_t n)
{
	int r = 0;

	/* The output has failed: nobody will see them, and after a discard there is no file. */
	if (outbuf_error(ob) != 0)
		return 0;
	if (offset + n > ob->limit)
		return -EFBIG;
	while (r == 0 && n > 0) {
		struct range rest = { offset, n }, part = rest;
		int in_memory = 0;

		if (offset < ob->mapped_end)
			part.length = n < ob->mapped_end - offset ? n : ob->mapped_end - offset;
		else
			r = dirty_split(&ob->dirty_ranges, rest, &part, &in_memory);
		if (r == 0 && in_memory)
			memcpy(ob->heap.space.base + part.offset, from, (size_t)part.length);
		else if (r == 0)
			r = ob->flush.backend->put(&ob->flush, from, part.offset, (size_t)part.length);
		if (r == 0 && !in_memory)
			atomic_fetch_add_explicit(&ob->put, part.length, memory_order_relaxed);
		from += part.length;
		offset += part.length;
		n -= (size_t)part.length;
	}
	return r;
}

/* ----------------------------------------------------------------------- windows */

/* The end of what may be larger than the address space, 0: nothing. */
static uint64_t staged_end(const struct outbuf *ob)
{
	uint64_t end = ob->options.max_size;

	if (!ob->stage)
		return 0;
	return end < INT64_MAX ? end : INT64_MAX;
}

/*
 * A staged View needs addresses for its block only, so that 5 GiB can be written on a machine of 32 bits. But only what
 * the caller's own options.max_size allows: else what no pointer can lead to would show at the first pointer, late.
 */
int window_reserve(struct outbuf *ob, uint64_t end)
{
	int r = heap_reserve(&ob->heap, end);

	if (r < 0 && end <= staged_end(ob))
		r = heap_reserve(&ob->heap, 1);
	return r;
}

uint64_t window_limit(struct outbuf *ob)
{
	uint64_t here = heap_limit(&ob->heap), staged = staged_end(ob);

	return here > staged ? here : staged;
}

/* lim from how far the heap is usable now; cur if that is not even there. */
static void look_up_limit(struct outbuf_view *v)
{
	uint64_t usable = atomic_load_explicit(&v->ob->heap.usable, memory_order_acquire);
	uint64_t at = outbuf_tell(v);
	uint64_t end = usable < v->end ? usable : v->end;

	set_limit(v, v->cur + (end > at ? end - at : 0));
}

/* Bytes were stored: in a recycled file they are no longer old. */
static int renew(struct outbuf_view *v, uint64_t offset, uint64_t n)
{
	struct stale *s = &v->ob->stale;

	return s->length == 0 ? 0 : stale_stored(s, (struct range){ offset, n }, !(v->flags & VIEW_STAGED));
}

/* Before the position jumps: how far have bytes been stored? */
static int note_stored(struct outbuf_view *v)
{
	uint64_t at = outbuf_tell(v), n = (uint64_t)(v->cur - v->mark);

	if (n > 0 && at > v->high)
		v->high = at;
	return n > 0 ? renew(v, at - n, n) : 0;
}

/* A window without room: whatever comes next decides where it goes. */
static void stand_at(struct outbuf_view *v, uint64_t offset)
{
	unsigned char *base = v->ob->heap.space.base;

	v->offset = offset;
	v->start = v->cur = v->mark = v->flags & VIEW_STAGED ? base : base + offset;
	if (v->flags & VIEW_STAGED)
		set_limit(v, v->cur);
	else
		look_up_limit(v);
}

/* What is in the block goes to its place. */
static int empty_block(struct outbuf_view *v)
{
	size_t n = (size_t)(v->cur - v->mark);
	uint64_t offset = outbuf_tell(v) - n;

	if (!(v->flags & VIEW_STAGED) || n == 0)
		return 0;
	/* Small pieces in the heap are carried together later. */
	if (n < STAGE_MIN_HEAP && offset >= v->ob->mapped_end) {
		int r = put_into_memory(v->ob, offset, v->mark, n);

		/* Far out, the memory up to there may be more than the machine has. */
		if (r != -ENOMEM)
			return r;
	}
	return put_into_file(v->ob, offset, v->mark, n);
}

/* Stand at `offset`, nothing pending. */
static int move_to(struct outbuf_view *v, uint64_t offset)
{
	int r = empty_block(v), noted = note_stored(v);

	stand_at(v, offset);
	return r < 0 ? r : noted;
}

/* A window of a block, which ends where blocks of the file end: no two threads in one folio. */
static int open_block(struct outbuf_view *v)
{
	uint64_t at = outbuf_tell(v), size = v->ob->blocks.size, room = size - at % size;
	int r = move_to(v, at);

	if (r == 0 && v->block == NULL) {
		v->block = blocks_get(&v->ob->blocks);
		if (v->block == NULL)
			r = -ENOMEM;
	}
	if (r < 0)
		return r;
	v->start = v->cur = v->mark = v->block;
	set_limit(v, v->start + (v->end - at < room ? v->end - at : room));
	return 0;
}

int window_open(struct outbuf_view *v)
{
	struct outbuf *ob = v->ob;
	uint64_t length = v->end - v->begin;
	uint64_t least = v->end <= ob->mapped_end ? STAGE_MIN_MAPPED : STAGE_MIN_HEAP;
	int r = 0;

	if (ob->stage && (!(v->flags & VIEW_BOUNDED) || length >= least))
		v->flags |= VIEW_STAGED;
	else if (v->flags & VIEW_BOUNDED)
		/* All its memory now: that there is none shows before the work. */
		r = memory_take(ob, v->begin, length);
	if (r == -ENOMEM && ob->stage) {
		v->flags |= VIEW_STAGED;
		r = 0;
	}
	if (r < 0)
		return r;
	v->high = v->begin;
	stand_at(v, v->begin);
	return 0;
}

int window_seek(struct outbuf_view *v, uint64_t offset)
{
	return move_to(v, offset);
}

int window_check(const struct outbuf_view *v, size_t n)
{
	uint64_t at = outbuf_tell(v);

	if (v->end >= at && v->end - at >= n)
		return 0;
	if (v->flags & VIEW_BOUNDED)
		return -ERANGE;
	return n > UINT64_MAX - at ? -EFBIG : window_reserve(v->ob, at + n);
}

int window_next(struct outbuf_view *v, size_t n, unsigned char **to, size_t *got)
{
	int r = 0;

	if (v->flags & VIEW_STAGED) {
		if (v->cur == v->lim)
			r = open_block(v);
		*got = (size_t)(v->lim - v->cur) < n ? (size_t)(v->lim - v->cur) : n;
	} else {
		if ((size_t)(v->lim - v->cur) < n) {
			r = heap_need(&v->ob->heap, outbuf_tell(v) + n);
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

/* No order is wanted, only a number: see views_ended in internal.h. */
static int is_alone(struct outbuf *ob)
{
	return atomic_load_explicit(&ob->views_opened, memory_order_relaxed) -
	               atomic_load_explicit(&ob->views_ended, memory_order_relaxed) <= 1;
}

/* Some of the n bytes straight to the file, *did; none if other Views are open. */
static int copy_straight(struct outbuf_view *v, const void *data, size_t n, size_t *did)
{
	struct outbuf *ob = v->ob;
	uint64_t at = outbuf_tell(v), end;
	int r;

	*did = 0;
	if (!(v->flags & VIEW_STAGED) || n < STRAIGHT_MIN || !is_alone(ob))
		return 0;
	end = at + (n < STRAIGHT_MAX ? n : STRAIGHT_MAX - at % STRAIGHT_MAX);
	r = empty_block(v);
	if (r == 0)
		r = put_into_file(ob, at, data, (size_t)(end - at));
	*did = (size_t)(end - at);
	if (r == 0)
		r = note_stored(v);
	if (r == 0)
		r = renew(v, at, end - at);
	v->high = end > v->high ? end : v->high;
	stand_at(v, end);
	return r;
}

int window_copy(struct outbuf_view *v, const void *data, size_t n)
{
	const unsigned char *from = data;
	int r = 0;

	while (r == 0 && n > 0) {
		unsigned char *to;
		size_t did;

		r = copy_straight(v, from, n, &did);
		if (r == 0 && did == 0) {
			r = window_next(v, n, &to, &did);
			if (r == 0)
				memcpy(to, from, did);
		}
		from += did;
		n -= did;
	}
	return r;
}

/* Of a direct View. */
static int next_raw(struct outbuf_view *v, size_t n, unsigned char **ref)
{
	uint64_t at = outbuf_tell(v);
	size_t got;
	int r = window_next(v, n, ref, &got);

	if (r == 0)
		expect(v->ob, at, n);
	return r;
}

int window_raw(struct outbuf_view *v, size_t n, unsigned char **ref, int filled)
{
	uint64_t at = outbuf_tell(v);
	int r;

	if (!(v->flags & VIEW_STAGED) && v->ob->stale.length == 0)
		return next_raw(v, n, ref);
	r = move_to(v, at);
	/* Now that what the View itself has stored there is known. */
	if (r == 0)
		r = memory_hand_out(v->ob, at, n, filled);
	if (r == 0 && !(v->flags & VIEW_STAGED))
		return next_raw(v, n, ref);
	if (r == 0)
		r = memory_take_pointer(v->ob, at, n);
	if (r < 0)
		return r;
	*ref = v->ob->heap.space.base + at;
	if (n > 0 && at + n > v->high)
		v->high = at + n;
	stand_at(v, at + n);
	return 0;
}

int window_close(struct outbuf_view *v)
{
	int r = empty_block(v), noted = note_stored(v);

	if (r == 0)
		r = noted;
	if (v->block != NULL)
		blocks_give(&v->ob->blocks, v->block);
	v->block = NULL;
	/* Direct, without end, in a heap whose bytes may also be in the file: now it is known which. */
	if (r == 0 && v->ob->tracked && !(v->flags & (VIEW_STAGED | VIEW_BOUNDED)) && v->high > v->begin)
		r = memory_take(v->ob, v->begin, v->high - v->begin);
	return r;
}
