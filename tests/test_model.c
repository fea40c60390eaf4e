/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of operations on several Views against a plain array of bytes: the array is
 * what the file must be. Each sequence has its own seed, printed when it fails; run one with
 *     OUTBUF_TEST_SEED=0x... OUTBUF_TEST_SEQUENCES=1 tests/test_model
 */
#include "config.h"

#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_MAX 400000
#define VIEWS 4

struct model_view {
	struct outbuf_view v;
	int open;
	uint64_t start, end, at, high;
	int bounded;
};

struct model {
	uint64_t seed;
	struct outbuf *ob;
	unsigned char bytes[MODEL_MAX];
	uint64_t size;    /* what outbuf_size() must be */
	int big_endian;
	int unmapped;     /* by outbuf_unmap() */
	int direct;       /* Views are not staged */
	unsigned open;
	struct model_view views[VIEWS];
	unsigned long operations, maps, unmaps, cuts; /* so far, of all sequences */
};

#define check(condition)                                                        \
	do {                                                                    \
		if (!(condition))                                               \
			return __LINE__;                                        \
	} while (0)

static uint64_t below(struct model *m, uint64_t n)
{
	return random_below(&m->seed, n);
}

/* Mostly small, sometimes around a page, sometimes large. */
static uint64_t some_length(struct model *m)
{
	switch (below(m, 4)) {
	case 0:
		return below(m, 20);
	case 1:
		return 4090 + below(m, 12);
	case 2:
		return below(m, 1000);
	default:
		return below(m, 40000);
	}
}

static int end_view(struct model *m, struct model_view *w);

/*
 * Where Views are staged, the bytes of one that is open are not yet where others see them: so end
 * those that share some with [from, to). Where they are not, let them write over each other.
 */
static int end_those_in(struct model *m, uint64_t from, uint64_t to)
{
	unsigned i;
	int r = 0;

	for (i = 0; i < VIEWS && r == 0 && !m->direct; i++)
		if (m->views[i].open && m->views[i].start < to && m->views[i].end > from)
			r = end_view(m, &m->views[i]);
	return r;
}

static int open_view(struct model *m, struct model_view *w)
{
	uint64_t start = below(m, 2) ? below(m, 200000) : below(m, m->size + 1);
	uint64_t length = some_length(m);
	int r;

	w->bounded = below(m, 2) == 0;
	r = end_those_in(m, start, w->bounded ? start + length : MODEL_MAX);
	check(r == 0);
	r = (below(m, 2) ? outbuf_view : outbuf_view_edit)(m->ob, &w->v, start,
	                                                   w->bounded ? length : OUTBUF_UNBOUNDED);
	check(r == 0);
	w->open = 1;
	w->start = w->at = w->high = start;
	w->end = w->bounded ? start + length : MODEL_MAX;
	m->open++;
	check(outbuf_tell(&w->v) == start);
	return 0;
}

static int end_view(struct model *m, struct model_view *w)
{
	uint64_t end = w->bounded ? w->end : w->high;

	check(outbuf_view_end(&w->v) == 0);
	check(outbuf_view_end(&w->v) == -EBADF);
	check(outbuf_write8(&w->v, 1) == -EBADF);
	if (end > w->start && end > m->size)
		m->size = end;
	w->open = 0;
	m->open--;
	check(outbuf_size(m->ob) == m->size);
	return 0;
}

/* The bytes of x, least significant first or last. */
static void encode(unsigned char *to, uint64_t x, int n, int big)
{
	int i;

	for (i = 0; i < n; i++)
		to[big ? n - 1 - i : i] = (unsigned char)(x >> (8 * i));
}

/* A View may be moved at any time: bytes through a copy, of which the original knows nothing. */
static int write_moved(struct model_view *w, const unsigned char *data, uint64_t n)
{
	struct outbuf_view v = w->v;
	uint64_t i;

	memset(&w->v, 0xa5, sizeof w->v);
	for (i = 0; i < n; i++)
		check(outbuf_write8(&v, data[i]) == 0);
	w->v = v;
	return 0;
}

static int write_view(struct model *m, struct model_view *w)
{
	static unsigned char data[50000];
	uint64_t room = w->end - w->at, x = random_next(&m->seed), n = some_length(m), i;
	unsigned char *to = m->bytes + w->at;
	int big = m->big_endian, r;
	void *ref;

	if (n > room)
		n = room;
	for (i = 0; i < n; i++)
		data[i] = (unsigned char)(x >> (i % 57));
	switch (below(m, 14)) {
	case 0:
		check(room < 1 || outbuf_write8(&w->v, (uint8_t)x) == 0);
		n = room < 1 ? 0 : 1;
		encode(to, x, (int)n, big);
		break;
	case 1:
		n = room < 2 ? 0 : 2;
		check(n == 0 || outbuf_write16(&w->v, (uint16_t)x) == 0);
		encode(to, x, (int)n, big);
		break;
	case 2:
		n = room < 4 ? 0 : 4;
		check(n == 0 || outbuf_write32(&w->v, (uint32_t)x) == 0);
		encode(to, x, (int)n, big);
		break;
	case 3:
		n = room < 8 ? 0 : 8;
		check(n == 0 || outbuf_write64(&w->v, x) == 0);
		encode(to, x, (int)n, big);
		break;
	case 4:
		n = room < 4 ? 0 : 4;
		check(n == 0 || outbuf_write32be(&w->v, (uint32_t)x) == 0);
		encode(to, x, (int)n, 1);
		break;
	case 5:
		n = room < 8 ? 0 : 8;
		check(n == 0 || outbuf_write64le(&w->v, x) == 0);
		encode(to, x, (int)n, 0);
		break;
	case 6:
		check(outbuf_fill(&w->v, (uint8_t)x, n) == 0);
		memset(to, (int)(x & 0xff), n);
		break;
	case 7:
		i = (uint64_t)1 << below(m, 8);
		n = (i - w->at % i) % i;
		if (n > room)
			n = 0;
		else
			check(outbuf_align(&w->v, i, (uint8_t)x) == 0);
		memset(to, (int)(x & 0xff), n);
		break;
	case 8:
		check(outbuf_reserve(&w->v, n, &ref) == 0);
		check(n == 0 || memcmp(ref, to, n) == 0); /* what was there stays */
		memcpy(ref, data, n);
		memcpy(to, data, n);
		break;
	case 9:
		check(outbuf_write_ref(&w->v, data, n, &ref) == 0);
		check(n == 0 || memcmp(ref, data, n) == 0);
		memcpy(to, data, n);
		break;
	case 10:
		check(outbuf_write_stringpad(&w->v, "model", n, "+-*", 3) == 0);
		for (i = 0; i < n; i++)
			to[i] = (unsigned char)(i < 5 ? "model"[i] : "+-*"[(i - 5) % 3]);
		break;
	case 11:
		if ((r = write_moved(w, data, n)) != 0)
			return r;
		memcpy(to, data, n);
		break;
	default:
		r = outbuf_write(&w->v, data, n);
		check(r == 0);
		memcpy(to, data, n);
		break;
	}
	w->at += n;
	if (n > 0 && w->at > w->high)
		w->high = w->at;
	check(outbuf_tell(&w->v) == w->at);
	return 0;
}

static int seek_view(struct model *m, struct model_view *w)
{
	uint64_t limit = w->bounded ? w->end : 300000;
	uint64_t to = w->start + (limit > w->start ? below(m, limit - w->start + 1) : 0);

	check(outbuf_seek(&w->v, to) == 0);
	w->at = to;
	return 0;
}

/* What the owner alone may do: refused while a View is open, else done. */
static int owner_operation(struct model *m)
{
	int busy, r;
	uint64_t to;
	void *data;
	unsigned i;

	/* Mostly with all Views ended, or there would be nothing but -EBUSY. */
	if (below(m, 3) != 0)
		for (i = 0; i < VIEWS; i++)
			if (m->views[i].open && (r = end_view(m, &m->views[i])) != 0)
				return r;
	busy = m->open > 0;
	switch (below(m, 6)) {
	case 0:
		to = m->size + some_length(m);
		if (to > 250000)
			to = m->size;
		if (busy) {
			check(outbuf_map(m->ob, to) == -EBUSY);
			break;
		}
		if (m->size > 0)
			check(outbuf_map(m->ob, m->size - 1) == -EINVAL);
		check(outbuf_map(m->ob, to) == 0);
		m->maps += to > 0;
		m->unmapped = 0;
		m->size = to;
		break;
	case 1:
		check(outbuf_flush(m->ob) == (busy ? -EBUSY : 0));
		break;
	case 2:
		to = below(m, m->size + 5000);
		if (to > 250000)
			to = m->size;
		if (busy) {
			check(outbuf_set_size(m->ob, to) == -EBUSY);
		} else if (m->unmapped) {
			check(outbuf_set_size(m->ob, to) == -EINVAL);
		} else {
			check(outbuf_set_size(m->ob, to) == 0);
			memset(m->bytes + to, 0, MODEL_MAX - to);
			m->cuts += to < m->size;
			m->size = to;
		}
		break;
	case 3:
		if (busy) {
			check(outbuf_unmap(m->ob) == -EBUSY);
		} else {
			int was = outbuf_is_mapped(m->ob);

			check(outbuf_unmap(m->ob) == 0);
			m->unmapped |= was;
			m->unmaps += (unsigned long)was;
		}
		break;
	case 4:
		if (m->unmapped || m->size == 0)
			break;
		/* A byte that is there, or one past the end, which then is. */
		to = below(m, m->size + (below(m, 2) ? 100 : 0));
		if ((r = end_those_in(m, to, to + 1)) != 0)
			return r;
		check(outbuf_data(m->ob, to, 1, &data) == 0);
		*(unsigned char *)data = m->bytes[to] = (unsigned char)(m->bytes[to] + 1);
		if (to >= m->size)
			m->size = to + 1;
		break;
	case 5:
		if (busy)
			check(commit(m->ob) == -EBUSY);
		break;
	}
	check(outbuf_size(m->ob) == m->size);
	return 0;
}

static int step(struct model *m)
{
	struct model_view *w = &m->views[below(m, VIEWS)];

	if (below(m, 5) == 0)
		return owner_operation(m);
	if (!w->open)
		return m->unmapped ? owner_operation(m) : open_view(m, w);
	switch (below(m, 8)) {
	case 0:
		return end_view(m, w);
	case 1:
		return seek_view(m, w);
	default:
		return write_view(m, w);
	}
}

/* 0, or the line of the check that failed. */
static int run_sequence(struct model *m, const struct sandbox *s, uint64_t seed)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	unsigned i, steps;
	int r;

	m->seed = seed;
	memset(m->bytes, 0, sizeof m->bytes);
	memset(m->views, 0, sizeof m->views);
	m->size = m->open = 0;
	m->unmapped = 0;
	m->big_endian = (int)below(m, 2);
	options.order = m->big_endian ? OUTBUF_BIG_ENDIAN : OUTBUF_LITTLE_ENDIAN;
	options.map = below(m, 2) ? OUTBUF_AUTO : OUTBUF_NO;
	options.replace = below(m, 4) ? OUTBUF_REPLACE_ATOMIC : OUTBUF_REPLACE_IN_PLACE;
	options.prealloc = below(m, 2) ? OUTBUF_AUTO : OUTBUF_NO;
	options.threads = (uint32_t)below(m, 4);
	m->direct = below(m, 2) == 0;
	options.stage = m->direct ? OUTBUF_NO : OUTBUF_AUTO;
	options.max_size = 1 << 20;
	check(open_any(&m->ob, s->path, &options) == 0);

	steps = 5 + (unsigned)below(m, 60);
	for (i = 0; i < steps; i++) {
		r = step(m);
		if (r != 0)
			return r;
		m->operations++;
	}
	for (i = 0; i < VIEWS; i++)
		if (m->views[i].open && (r = end_view(m, &m->views[i])) != 0)
			return r;
	check(commit(m->ob) == 0);
	check(commit(m->ob) == -EINVAL);
	check(outbuf_size(m->ob) == m->size);
	check(outbuf_close(m->ob) == 0);
	return 0;
}

static void test_random_sequences(void **state)
{
	unsigned long n = env_number("OUTBUF_TEST_SEQUENCES", 3000), i;
	uint64_t seed = env_number("OUTBUF_TEST_SEED", 0x6f757462);
	struct sandbox *s = *state;
	struct model *m = calloc(1, sizeof *m);

	assert_non_null(m);
	for (i = 0; i < n; i++) {
		uint64_t this = seed + i;
		int line = run_sequence(m, s, this);

		if (line != 0)
			fail_msg("sequence with OUTBUF_TEST_SEED=0x%llx: line %d",
			         (unsigned long long)this, line);
		assert_file(s->path, m->bytes, m->size);
	}
	assert_int_equal(sandbox_entries(s), n > 0);
	print_message("%lu sequences from OUTBUF_TEST_SEED=0x%llx: %lu operations, %lu maps, "
	              "%lu unmaps, %lu cuts\n", n, (unsigned long long)seed, m->operations, m->maps,
	              m->unmaps, m->cuts);
	/* The model is worth something only if it gets to these. */
	assert_true(n < 1000 || (m->maps > n / 10 && m->cuts > n / 10));
	assert_true(n < 1000 || !can_map() || m->unmaps > n / 20);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_random_sequences),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
