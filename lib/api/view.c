/* SPDX-License-Identifier: MIT */
/*
 * Views: opening, ending, and the slow path of writing.
 *
 * A View is a cursor with two limits. `end` is the end of the range that it may write to. `lim`, which is at most
 * `end`, is the end of the memory that is known to be usable. The inline writes of outbuf.h compare with lim alone.
 * Every other case comes here: no room, the end of the range, an earlier error, a View that was never opened. So the
 * fast path is one comparison, and this file finds out which case it is. After an error, and in a View that is not
 * open, lim equals cur, so that every write comes here. (`native` equals lim unless integers must be byte-swapped:
 * outbuf.h.)
 *
 * window.c decides where the bytes go: straight to their place, or into a block first.
 *
 * Writes are not counted. How many bytes a View stored is known from its cursor when it ends, and is added to the
 * output once. Opening a View of 56 bytes in memory, writing them and ending it takes 37 ns (Linux 6.18).
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "output/state.h"
#include "output/window.h"

/* Out-of-line copies of the inline functions, for other languages and for -O0. */
extern inline uint64_t outbuf_tell(const struct outbuf_view *v);
extern inline int outbuf_write(struct outbuf_view *v, const void *data, size_t n);
extern inline int outbuf_write8(struct outbuf_view *v, uint8_t x);
extern inline int outbuf_write16(struct outbuf_view *v, uint16_t x);
extern inline int outbuf_write32(struct outbuf_view *v, uint32_t x);
extern inline int outbuf_write64(struct outbuf_view *v, uint64_t x);
extern inline int outbuf_write16le(struct outbuf_view *v, uint16_t x);
extern inline int outbuf_write32le(struct outbuf_view *v, uint32_t x);
extern inline int outbuf_write64le(struct outbuf_view *v, uint64_t x);
extern inline int outbuf_write16be(struct outbuf_view *v, uint16_t x);
extern inline int outbuf_write32be(struct outbuf_view *v, uint32_t x);
extern inline int outbuf_write64be(struct outbuf_view *v, uint64_t x);

/* ------------------------------------------------------------ opening and ending */

/*
 * Make *v a View that has no bytes. The members are set one by one: gcc 12 clears a compound literal by `rep stos`,
 * and opening and ending a View took 40 ns instead of 25.
 */
static void set_empty(struct outbuf_view *v, struct outbuf *ob, int error, uint8_t flags)
{
	v->cur = v->lim = v->native = v->start = v->mark = NULL;
	v->offset = v->begin = v->end = v->high = 0;
	v->block = NULL;
	v->ob = ob;
	v->error = error;
	v->swap = 0;
	v->flags = flags;
	v->place = 0;
}

static int set_range(struct outbuf_view *v, uint64_t offset, uint64_t length)
{
	uint64_t end = offset + length;
	int r;

	if (length == OUTBUF_UNBOUNDED) {
		r = ob__window_allow_end(v->ob, offset == 0 ? 1 : offset);
		end = ob__window_limit(v->ob);
	} else {
		v->flags |= VIEW_BOUNDED;
		/* At least one byte, so that there is an address to stand on. */
		r = end < offset ? -EFBIG : ob__window_allow_end(v->ob, end == 0 ? 1 : end);
	}
	v->begin = offset;
	v->end = end;
	return r < 0 ? r : ob__window_open(v);
}

static int check_overlap(struct outbuf_view *v, uint64_t length)
{
	struct range range = { .offset = v->begin, .length = length };

	return ob__coverage_begin(&v->ob->coverage, range, v->flags & VIEW_EDIT);
}

/* For the message of an error: n bytes at the View's position, or its range as a whole. */
static struct failure about(const struct outbuf_view *v, enum failed_operation operation, uint64_t n)
{
	return (struct failure){
		.operation = operation,
		.begin = v->begin,
		.end = v->flags & VIEW_BOUNDED ? v->end : UINT64_MAX,
		.offset = outbuf_tell(v),
		.n = n,
	};
}

/* The View ends, and its range counts as written. */
static void end_range(struct outbuf_view *v, uint64_t length)
{
	struct outbuf *ob = v->ob;
	struct range range = { .offset = v->begin, .length = length };
	int r = 0;

	if (length > 0)
		ob__heap_note_written(&ob->heap, range_end(range));
	if (ob->options.check_complete)
		r = ob__unwritten_mark(&ob->gaps, range, 0);
	if (ob->options.check_overlap) {
		if (r == 0 && !(v->flags & VIEW_BOUNDED))
			r = check_overlap(v, length);
		if (r == 0)
			ob__coverage_end(&ob->coverage, range);
	}
	if (r < 0 && v->error == 0)
		ob__window_fail(v, r, about(v, FAILED_VIEW, 0));
}

static int begin(struct outbuf *ob, struct outbuf_view *v, uint64_t offset, uint64_t length,
                 uint8_t flags)
{
	/* For messages. */
	uint64_t end = length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
	uint16_t place;
	int r;

	if (v == NULL)
		return -EINVAL;
	set_empty(v, ob, 0, flags);
	if (ob == NULL) {
		v->error = -EINVAL;
		return -EINVAL;
	}
	v->swap = (uint8_t)ob->swap;

	r = ob__state_enter_view(ob, offset, end, &place);
	v->place = place;
	if (r == 0)
		r = set_range(v, offset, length);
	if (r == 0 && ob->options.check_overlap && (v->flags & VIEW_BOUNDED))
		r = check_overlap(v, length);
	if (r == 0) {
		ob__open_views_count(&ob->views, place);
		return 0;
	}
	set_empty(v, NULL, r, 0);
	/* The error is set before the View leaves the table: an owner who finds no View open must find the error. */
	ob__state_fail_at(ob, r, (struct failure){ .operation = FAILED_VIEW, .begin = offset, .end = end });
	ob__open_views_leave(&ob->views, place);
	return r;
}

int outbuf_view(struct outbuf *ob, struct outbuf_view *v, uint64_t offset, uint64_t length)
{
	return begin(ob, v, offset, length, 0);
}

int outbuf_view_edit(struct outbuf *ob, struct outbuf_view *v, uint64_t offset, uint64_t length)
{
	return begin(ob, v, offset, length, VIEW_EDIT);
}

int outbuf_view_end(struct outbuf_view *v)
{
	struct outbuf *ob = v->ob;
	uint16_t place = v->place;
	uint64_t length;
	int error;

	if (ob == NULL)
		return v->error != 0 ? v->error : -EBADF;
	error = ob__window_close(v);
	if (error < 0 && v->error == 0)
		ob__window_fail(v, error, about(v, FAILED_WRITE, 0));
	length = (v->flags & VIEW_BOUNDED ? v->end : v->high) - v->begin;
	end_range(v, length);
	error = v->error;
	set_empty(v, NULL, -EBADF, 0);
	ob__open_views_leave(&ob->views, place);
	return error;
}

/* ---------------------------------------------------------------- the slow path */

static int usable_view(const struct outbuf_view *v)
{
	if (v->error != 0)
		return v->error;
	return v->ob == NULL ? -EBADF : 0;
}

/* May n bytes follow? If not, the reason becomes the sticky error. */
static int check_room(struct outbuf_view *v, size_t n)
{
	int r = usable_view(v);

	if (r == 0) {
		r = ob__window_check(v, n);
		if (r < 0)
			ob__window_fail(v, r, about(v, FAILED_WRITE, n));
	}
	return r;
}

/* Make the result of a window's function the sticky error if it is one. */
static int keep_error(struct outbuf_view *v, int r)
{
	return r < 0 ? ob__window_fail(v, r, about(v, FAILED_WRITE, 0)) : 0;
}

int outbuf_write_slow(struct outbuf_view *v, const void *data, size_t n)
{
	int r = check_room(v, n);

	return r < 0 ? r : keep_error(v, ob__window_copy(v, data, n));
}

int outbuf_write_int_slow(struct outbuf_view *v, uint64_t x, size_t size)
{
	uint8_t x8 = (uint8_t)x;
	uint16_t x16 = (uint16_t)x;
	uint32_t x32 = (uint32_t)x;

	/* x is byte-swapped already if that is needed. Its low `size` bytes are stored as an integer of that width. */
	switch (size) {
	case 1:
		return outbuf_write_slow(v, &x8, size);
	case 2:
		return outbuf_write_slow(v, &x16, size);
	case 4:
		return outbuf_write_slow(v, &x32, size);
	default:
		return outbuf_write_slow(v, &x, sizeof x);
	}
}

int outbuf_seek(struct outbuf_view *v, uint64_t offset)
{
	struct failure what;
	int r = usable_view(v);

	if (r < 0)
		return r;
	what = about(v, FAILED_SEEK, 0);
	what.offset = offset;
	if (offset < v->begin)
		return ob__window_fail(v, -ERANGE, what);
	r = ob__window_reach(v, offset);
	if (r < 0)
		return ob__window_fail(v, r, what);
	return keep_error(v, ob__window_seek(v, offset));
}

/* ------------------------------------------------------------- the larger writes */

static int hand_out(struct outbuf_view *v, size_t n, void **ref, int filled)
{
	unsigned char *to = NULL;
	int r = check_room(v, n);

	if (r == 0)
		r = keep_error(v, ob__window_hand_out(v, n, &to, filled));
	*ref = r < 0 ? NULL : to;
	if (r == 0)
		state_note_pointer(v->ob);
	return r;
}

int outbuf_write_ref(struct outbuf_view *v, const void *data, size_t n, void **ref)
{
	int r = hand_out(v, n, ref, 1);

	if (r == 0 && n > 0)
		memcpy(*ref, data, n);
	return r;
}

int outbuf_reserve(struct outbuf_view *v, size_t n, void **ref)
{
	return hand_out(v, n, ref, 0);
}

/* Store n bytes, which check_room() allowed: the pattern, repeated. */
static int repeat(struct outbuf_view *v, size_t n, const unsigned char *pattern, size_t length)
{
	size_t phase = 0;

	while (n > 0) {
		unsigned char *to;
		size_t got, i, step;
		int r = ob__window_next(v, n, &to, &got);

		if (r < 0)
			return keep_error(v, r);
		n -= got;
		if (length == 1) {
			memset(to, *pattern, got);
			continue;
		}
		for (i = 0; i < got; i += step) {
			step = length - phase < got - i ? length - phase : got - i;
			memcpy(to + i, pattern + phase, step);
			phase = (phase + step) % length;
		}
	}
	return 0;
}

int outbuf_fill(struct outbuf_view *v, uint8_t byte, size_t n)
{
	int r = check_room(v, n);

	return r < 0 ? r : repeat(v, n, &byte, 1);
}

int outbuf_align(struct outbuf_view *v, uint64_t alignment, uint8_t byte)
{
	uint64_t n = (0 - outbuf_tell(v)) & (alignment - 1);
	int r = usable_view(v);

	if (r < 0)
		return r;
	if (alignment == 0 || (alignment & (alignment - 1)) != 0)
		return ob__window_fail(v, -EINVAL, about(v, FAILED_WRITE, n));
	if (n > SIZE_MAX)
		return ob__window_fail(v, -EFBIG, about(v, FAILED_WRITE, n));
	return outbuf_fill(v, byte, (size_t)n);
}

int outbuf_write_string(struct outbuf_view *v, const char *s)
{
	return outbuf_write(v, s, strlen(s));
}

int outbuf_write_stringn(struct outbuf_view *v, const char *s, size_t n)
{
	return outbuf_write_stringpad(v, s, n, "", 1);
}

int outbuf_write_stringpad(struct outbuf_view *v, const char *s, size_t n, const void *pad,
                           size_t pad_length)
{
	size_t length = strnlen(s, n);
	int r = usable_view(v);

	if (r == 0 && length < n && pad_length == 0)
		return ob__window_fail(v, -EINVAL, about(v, FAILED_WRITE, n));
	if (r == 0)
		r = check_room(v, n);
	if (r == 0)
		r = keep_error(v, ob__window_copy(v, s, length));
	return r < 0 ? r : repeat(v, n - length, pad, pad_length);
}

int outbuf_uleb128(struct outbuf_view *v, uint64_t x)
{
	unsigned char bytes[10];
	size_t n = 0;

	do {
		bytes[n++] = (unsigned char)((x & 0x7f) | (x > 0x7f ? 0x80 : 0));
		x >>= 7;
	} while (x != 0);
	return outbuf_write(v, bytes, n);
}

int outbuf_sleb128(struct outbuf_view *v, int64_t x)
{
	unsigned char bytes[10];
	size_t n = 0;
	int more;

	do {
		unsigned char low = (unsigned char)(x & 0x7f);
		/* An arithmetic shift by 7. C leaves it to the compiler whether >> of a negative number is one. */
		x = x < 0 ? ~(~x >> 7) : x >> 7;
		/*
		 * This is the last byte if all bits that are left equal its bit 6, which the reader extends as the
		 * sign.
		 */
		more = !((x == 0 && !(low & 0x40)) || (x == -1 && (low & 0x40)));
		bytes[n++] = (unsigned char)(low | (more ? 0x80 : 0));
	} while (more);
	return outbuf_write(v, bytes, n);
}
