/* SPDX-License-Identifier: MIT */
/*
 * The Views of a model (model.h).
 *
 * Each write is done twice, by the library and by hand, and beforehand it is known what it must
 * return: the View's first error, -ERANGE past a bound, -EFBIG past the output's, or 0. With
 * check_overlap the model remembers what was given out, a byte per byte.
 */
#include "config.h"

#include "model/model.h"

#include <errno.h>
#include <string.h>

/* ------------------------------------------------------------ opening and ending */

/* May [from, to) be given to one more View? As outbuf.h says of check_overlap. */
static int overlaps(const struct model *m, uint64_t from, uint64_t to, int edit,
                    const struct model_view *except)
{
	unsigned i;

	if (from == to)
		return 0;
	for (i = 0; i < MODEL_VIEWS; i++) {
		const struct model_view *w = &m->views[i];

		/* Those without end are not known before they end. */
		if (w != except && w->open && w->bounded && w->end > w->start && w->start < to &&
		    w->end > from)
			return 1;
	}
	return !edit && memchr(m->given + from, 1, to - from) != NULL;
}

static void give(struct model *m, uint64_t from, uint64_t to, int edit)
{
	if (m->options.check_overlap && !edit && to > from)
		memset(m->given + from, 1, to - from);
}

static const char *end_overlapping(struct model *m, uint64_t from, uint64_t to, int unbounded_only)
{
	unsigned i;

	for (i = 0; i < MODEL_VIEWS && !m->direct; i++) {
		struct model_view *w = &m->views[i];

		if (w->open && w->start < to && w->end > from && !(unbounded_only && w->bounded))
			pass(model_view_end(m, w));
	}
	return NULL;
}

const char *model_views_end_in(struct model *m, uint64_t from, uint64_t to)
{
	return end_overlapping(m, from, to, 0);
}

static const char *open_view(struct model *m, struct model_view *w)
{
	uint64_t start = below(m, 2) ? below(m, 200000) : below(m, m->size + 1);
	uint64_t length = model_length(m), end;
	int want = 0, collide = m->options.check_overlap && rarely(m, 4), got;

	w->bounded = below(m, 2) == 0;
	w->edit = below(m, 2) != 0;
	if (length > MODEL_MAX - start)
		length = MODEL_MAX - start;
	end = w->bounded ? start + length : MODEL_MAX;
	pass(end_overlapping(m, start, end, collide && w->bounded));
	if (start + length > m->limit && !rarely(m, 8))
		return NULL;

	if (m->discarded)
		want = m->error;
	else if (m->unmapped)
		want = -EINVAL;
	else if ((w->bounded ? end : start) > m->limit)
		want = -EFBIG;
	else if (m->options.check_overlap && w->bounded && overlaps(m, start, end, w->edit, NULL))
		want = -EEXIST;
	got = (w->edit ? outbuf_view_edit : outbuf_view)(m->ob, &w->v, start,
	                                                 w->bounded ? length : OUTBUF_UNBOUNDED);
	check(got == want);
	if (want < 0) {
		model_fail(m, want);
		check(outbuf_write8(&w->v, 1) == want);
		check(outbuf_view_end(&w->v) == want);
		return NULL;
	}
	if (w->bounded)
		give(m, start, end, w->edit);
	w->open = 1;
	w->error = 0;
	w->start = w->at = w->high = start;
	w->end = w->bounded ? end : m->limit < MODEL_MAX ? m->limit : MODEL_MAX;
	m->open++;
	check(outbuf_tell(&w->v) == start);
	return NULL;
}

const char *model_view_end(struct model *m, struct model_view *w)
{
	uint64_t end = w->bounded ? w->end : w->high;
	int want = w->error;

	if (m->options.check_overlap && !w->bounded) {
		int clash = overlaps(m, w->start, end, w->edit, w);

		if (!clash)
			give(m, w->start, end, w->edit);
		else if (want == 0)
			want = -EEXIST;
	}
	check(outbuf_view_end(&w->v) == want);
	check(outbuf_view_end(&w->v) == -EBADF);
	check(outbuf_write8(&w->v, 1) == -EBADF);
	if (want < 0)
		model_fail(m, want);
	if (end > w->start && end > m->size)
		m->size = end;
	model_cover(m, w->start, end);
	w->open = 0;
	m->open--;
	check(outbuf_size(m->ob) == m->size);
	return NULL;
}

const char *model_views_end(struct model *m)
{
	unsigned i;

	for (i = 0; i < MODEL_VIEWS; i++)
		if (m->views[i].open)
			pass(model_view_end(m, &m->views[i]));
	return NULL;
}

/* ---------------------------------------------------------------------- by hand */

/* The bytes of x, least significant first or last. */
static void encode(unsigned char *to, uint64_t x, uint64_t n, int big)
{
	uint64_t i;

	for (i = 0; i < n; i++)
		to[big ? n - 1 - i : i] = (unsigned char)(x >> (8 * i));
}

/* 7 bits a byte; how many bytes. What is shifted in from above are copies of the sign, or zeros. */
static uint64_t encode_leb(unsigned char *to, uint64_t x, int is_signed)
{
	uint64_t n = 0, sign = is_signed && x >> 63 ? UINT64_MAX : 0;

	for (;;) {
		unsigned char low = x & 0x7f;

		x = x >> 7 | (sign << 57);
		if (x == sign && (!is_signed || (low >> 6 & 1) == (sign & 1))) {
			to[n++] = low;
			return n;
		}
		to[n++] = low | 0x80;
	}
}

/* A View may be moved at any time: bytes through a copy, of which the original knows nothing. */
static int write_moved(struct model_view *w, const unsigned char *data, uint64_t n)
{
	struct outbuf_view v = w->v;
	int r = 0;
	uint64_t i;

	memset(&w->v, 0xa5, sizeof w->v);
	for (i = 0; i < n && r == 0; i++)
		r = outbuf_write8(&v, data[i]);
	w->v = v;
	return r;
}

static int write_int(struct outbuf_view *v, uint64_t choice, uint64_t x)
{
	switch (choice) {
	case 0:
		return outbuf_write8(v, (uint8_t)x);
	case 1:
		return outbuf_write16(v, (uint16_t)x);
	case 2:
		return outbuf_write32(v, (uint32_t)x);
	case 3:
		return outbuf_write64(v, x);
	case 4:
		return outbuf_write16le(v, (uint16_t)x);
	case 5:
		return outbuf_write32le(v, (uint32_t)x);
	case 6:
		return outbuf_write64le(v, x);
	case 7:
		return outbuf_write16be(v, (uint16_t)x);
	case 8:
		return outbuf_write32be(v, (uint32_t)x);
	default:
		return outbuf_write64be(v, x);
	}
}

/* ----------------------------------------------------------------------- writing */

/* What a write of n bytes must return. */
static int allowed(const struct model_view *w, uint64_t n)
{
	if (w->error != 0)
		return w->error;
	if (n > w->end - w->at)
		return w->bounded ? -ERANGE : -EFBIG;
	return 0;
}

/* Not more than there is room for; rarely past a bound, but never past what the model can hold. */
static uint64_t some_room(struct model *m, const struct model_view *w)
{
	uint64_t n = model_length(m), room = w->end - w->at;

	if (n > room && !(w->at + n <= MODEL_MAX && rarely(m, 32)))
		n = room;
	return n;
}

/*
 * After a failure of the output Views go on, but what they put may go nowhere: content is no longer
 * compared.
 */
static int same(const struct model *m, const void *a, const void *b, uint64_t n)
{
	return n == 0 || m->error != 0 || memcmp(a, b, n) == 0;
}

/* What the View must have done with n bytes that are in `data`, and what it said. */
static const char *settle(struct model *m, struct model_view *w, const unsigned char *data, uint64_t n,
                          int want, int got)
{
	check(got == want);
	if (want < 0) {
		w->error = want;
		model_fail(m, want);
	} else if (n > 0) {
		memcpy(m->bytes + w->at, data, n);
		w->at += n;
		model_used(m, w->at);
		if (w->at > w->high)
			w->high = w->at;
	}
	check(outbuf_tell(&w->v) == w->at);
	return NULL;
}

static const char *write_pointer(struct model *m, struct model_view *w, unsigned char *data,
                                 uint64_t n, int reserve)
{
	uint64_t at = w->at;
	int want = allowed(w, n), got;
	void *ref = &want;

	got = reserve ? outbuf_reserve(&w->v, n, &ref) : outbuf_write_ref(&w->v, data, n, &ref);
	check(got < 0 || n == 0 || same(m, ref, reserve ? m->bytes + at : data, n)); /* what was there stays */
	check((ref == NULL) == (got < 0));
	if (got == 0 && reserve && n > 0)
		memcpy(ref, data, n);
	pass(settle(m, w, data, n, want, got));
	if (got == 0)
		model_raw(m, ref, at, n);
	return NULL;
}

static const char *write_padded(struct model *m, struct model_view *w, unsigned char *data, uint64_t n)
{
	static const char text[] = "model";
	uint64_t pad = rarely(m, 16) ? 0 : 1 + below(m, 3), i;
	int want = allowed(w, n);

	for (i = 0; i < n; i++)
		data[i] = i < 5 ? (unsigned char)text[i] : pad ? (unsigned char)"+-*"[(i - 5) % pad] : 0;
	if (below(m, 2) == 0) {
		memset(data + (n < 5 ? n : 5), 0, n < 5 ? 0 : n - 5);
		return settle(m, w, data, n, want, outbuf_write_stringn(&w->v, text, n));
	}
	if (pad == 0 && n > 5 && w->error == 0)
		want = -EINVAL;
	return settle(m, w, data, n, want, outbuf_write_stringpad(&w->v, text, n, "+-*", pad));
}

static const char *write_aligned(struct model *m, struct model_view *w, unsigned char *data)
{
	uint64_t alignment = (uint64_t)1 << below(m, 13), n;
	uint8_t byte = (uint8_t)model_pattern(m);
	int want;

	if (rarely(m, 32))
		alignment = below(m, 100);
	n = alignment == 0 ? 0 : (alignment - w->at % alignment) % alignment;
	if (w->at + n > MODEL_MAX || (n > w->end - w->at && !rarely(m, 4)))
		return NULL;
	memset(data, byte, n);
	want = allowed(w, n);
	if (w->error == 0 && (alignment == 0 || (alignment & (alignment - 1)) != 0))
		want = -EINVAL;
	return settle(m, w, data, n, want, outbuf_align(&w->v, alignment, byte));
}

static const char *write_view(struct model *m, struct model_view *w)
{
	static const uint64_t widths[] = { 1, 2, 4, 8, 2, 4, 8, 2, 4, 8 };
	static unsigned char data[MODEL_MAX];
	uint64_t x = model_pattern(m), room = w->end - w->at, n, choice, i;

	choice = below(m, 20);
	if (choice < 10) {
		n = widths[choice];
		if (n > MODEL_MAX - w->at || (n > room && !rarely(m, 4)))
			return NULL;
		encode(data, x, n, choice < 4 ? m->options.order == OUTBUF_BIG_ENDIAN : choice > 6);
		return settle(m, w, data, n, allowed(w, n), write_int(&w->v, choice, x));
	}
	if (choice < 12) {
		x >>= below(m, 64);
		x = choice == 11 && below(m, 2) ? ~x : x;
		n = encode_leb(data, x, choice == 11);
		if (n > MODEL_MAX - w->at || (n > room && !rarely(m, 4)))
			return NULL;
		return settle(m, w, data, n, allowed(w, n),
		              choice == 11 ? outbuf_sleb128(&w->v, (int64_t)x) : outbuf_uleb128(&w->v, x));
	}
	if (choice == 12)
		return write_aligned(m, w, data);
	n = some_room(m, w);
	for (i = 0; i < n; i++)
		data[i] = (unsigned char)(x >> (i % 57));
	switch (choice) {
	case 13:
		memset(data, (int)(x & 0xff), n);
		return settle(m, w, data, n, allowed(w, n), outbuf_fill(&w->v, (uint8_t)x, n));
	case 14:
	case 15:
		return write_pointer(m, w, data, n, choice == 14);
	case 16:
		return write_padded(m, w, data, n);
	case 17: /* byte by byte: what fits is there if the whole does not */
		n = n > room ? room : n;
		return settle(m, w, data, n, n == 0 ? 0 : allowed(w, n), write_moved(w, data, n));
	case 18:
		n = n > 20 ? 20 : n;
		memset(data, 'a', n);
		data[n] = '\0';
		return settle(m, w, data, n, allowed(w, n), outbuf_write_string(&w->v, (char *)data));
	default:
		return settle(m, w, data, n, allowed(w, n), outbuf_write(&w->v, data, n));
	}
}

static const char *seek_view(struct model *m, struct model_view *w)
{
	uint64_t most = w->bounded || w->end < 300000 ? w->end : 300000;
	uint64_t to = w->start + (most > w->start ? below(m, most - w->start + 1) : 0);
	int want = w->error;

	if (rarely(m, 64))
		to = below(m, MODEL_MAX);
	if (want == 0 && (to < w->start || to > w->end))
		want = to < w->start || w->bounded ? -ERANGE : -EFBIG;
	check(outbuf_seek(&w->v, to) == want);
	if (want == 0) {
		w->at = to;
	} else {
		w->error = want;
		model_fail(m, want);
	}
	check(outbuf_tell(&w->v) == w->at);
	return NULL;
}

const char *model_view_step(struct model *m, struct model_view *w)
{
	if (!w->open)
		return open_view(m, w);
	switch (below(m, 8)) {
	case 0:
		return model_view_end(m, w);
	case 1:
		return seek_view(m, w);
	default:
		return write_view(m, w);
	}
}
