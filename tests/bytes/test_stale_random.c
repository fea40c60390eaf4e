/* SPDX-License-Identifier: MIT */
/*
 * Old bytes, at random: lib/bytes/unwritten.c against an array of bytes, and outputs that are written over a
 * spare against what they must be. Each sequence has its own seed, printed when it fails; run one with
 *     OUTBUF_TEST_SEED=0x... OUTBUF_TEST_SEQUENCES=1 tests/test_stale_random
 */
#include "config.h"

#include "bytes/unwritten.h"
#include "inject/faults.h"
#include "rigs/spare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define check(condition)                                                        \
	do {                                                                    \
		if (!(condition))                                               \
			return __LINE__;                                        \
	} while (0)

/* --------------------------------------------------------------------------- lib/bytes/unwritten.c */

#define LENGTH_MAX 300000

static struct {
	unsigned char old[LENGTH_MAX], cleared[LENGTH_MAX];
	unsigned char stored_there[8]; /* by block of 64 KiB */
	uint64_t places[8];
	int calls, fail_at;
	int wrong;
} model;

static int note(void *arg, struct range range, int there)
{
	(void)arg;
	if (++model.calls == model.fail_at)
		return -EIO;
	/* Of one block, whole, once, and in it. */
	model.wrong |= range.length == 0 || range.offset >> 16 != (range_end(range) - 1) >> 16;
	model.wrong |= there != model.stored_there[range.offset >> 16];
	for (; range.length > 0; range.offset++, range.length--) {
		if (range.offset >= LENGTH_MAX || model.cleared[range.offset]) {
			model.wrong = 1;
			break;
		}
		model.cleared[range.offset] = 1;
	}
	return 0;
}

static uint64_t any_place(uint64_t *seed, uint64_t length)
{
	uint64_t at;

	switch (random_below(seed, 4)) {
	case 0:
		at = 65536 * random_below(seed, 5) + random_below(seed, 5) - 2;
		return at > length ? length : at;
	case 1:
		return random_below(seed, length + 1) / 100 * 100;
	default:
		return random_below(seed, length + 2);
	}
}

/* Around the edges of blocks, and of earlier pieces, more often than elsewhere. */
static uint64_t some_place(uint64_t *seed, uint64_t length)
{
	uint64_t *at = &model.places[random_below(seed, 8)];

	if (random_below(seed, 4) == 0 && *at <= length)
		return *at;
	*at = any_place(seed, length);
	return *at;
}

static int compare(uint64_t offset, uint64_t n)
{
	uint64_t i;

	check(!model.wrong);
	for (i = 0; i < LENGTH_MAX; i++)
		check(model.cleared[i] == (i >= offset && i < offset + n ? model.old[i] : 0));
	return 0;
}

static int stale_sequence(uint64_t seed)
{
	uint64_t length = 1 + any_place(&seed, LENGTH_MAX - 2);
	unsigned i, steps = 1 + (unsigned)random_below(&seed, 60);
	struct unwritten s;
	int r = 0;

	memset(&model, 0, sizeof model);
	memset(model.old, 1, length);
	check(ob__unwritten_init(&s, length, 0) == 0);
	for (i = 0; r == 0 && i < steps; i++) {
		uint64_t at = some_place(&seed, length), other = some_place(&seed, length);
		uint64_t from = at < other ? at : other, n = at < other ? other - at : at - other;
		uint64_t block;
		int there = random_below(&seed, 2) == 0;

		if (random_below(&seed, 2) && n > 300)
			n %= 300;
		memset(model.cleared, 0, sizeof model.cleared);
		model.calls = model.fail_at = 0;
		if (random_below(&seed, 3) > 0) {
			check(ob__unwritten_mark(&s, (struct range){ from, n }, there) == 0);
			for (block = from >> 16; n > 0 && from < length && block <= (from + n - 1) >> 16; block++)
				if (block << 16 < length)
					model.stored_there[block] |= (unsigned char)there;
			check(model.calls == 0);
		} else if (random_below(&seed, 8) == 0) {
			/* Gone, whatever there was: to the end. */
			n = UINT64_MAX - from;
			check(ob__unwritten_clear(&s, (struct range){ from, n }, NULL, NULL) == 0);
		} else {
			check(ob__unwritten_clear(&s, (struct range){ from, n }, note, NULL) == 0);
			r = compare(from, n);
		}
		if (from < LENGTH_MAX)
			memset(model.old + from, 0, n < LENGTH_MAX - from ? n : LENGTH_MAX - from);
	}
	if (r == 0) {
		memset(model.cleared, 0, sizeof model.cleared);
		model.calls = 0;
		check(ob__unwritten_clear(&s, (struct range){ 0, UINT64_MAX }, note, NULL) == 0);
		r = compare(0, LENGTH_MAX);
		model.calls = 0;
		check(ob__unwritten_clear(&s, (struct range){ 0, UINT64_MAX }, note, NULL) == 0);
		check(model.calls == 0);
	}
	ob__unwritten_destroy(&s);
	return r;
}

static void test_stale_sequences(void **state)
{
	unsigned long n = sequences(2000), i;
	uint64_t seed = env_number("OUTBUF_TEST_SEED", 0x7374616c);

	(void)state;
	for (i = 0; i < n; i++) {
		int line = stale_sequence(seed + i);

		if (line != 0)
			fail_msg("OUTBUF_TEST_SEED=0x%llx: line %d", (unsigned long long)(seed + i), line);
	}
}

/* What could not be made zero is still old. */
static void test_stale_fails(void **state)
{
	struct unwritten s;

	(void)state;
	memset(&model, 0, sizeof model);
	assert_int_equal(ob__unwritten_init(&s, 200000, 0), 0);
	model.fail_at = 2;
	assert_int_equal(ob__unwritten_clear(&s, (struct range){ 0, 200000 }, note, NULL), -EIO);
	assert_int_equal(model.calls, 2);
	model.calls = model.fail_at = 0;
	memset(model.cleared, 0, sizeof model.cleared);
	assert_int_equal(ob__unwritten_clear(&s, (struct range){ 0, 200000 }, note, NULL), 0);
	assert_false(model.wrong);
	assert_int_equal(model.cleared[65535], 0);
	assert_int_equal(model.cleared[65536], 1);
	assert_int_equal(model.cleared[199999], 1);
	assert_int_equal(model.cleared[200000], 0);
	ob__unwritten_destroy(&s);
	ob__unwritten_destroy(&s);

	/* Nothing is old: nobody is asked. */
	assert_int_equal(ob__unwritten_init(&s, 0, 0), 0);
	assert_int_equal(ob__unwritten_mark(&s, (struct range){ 0, 10 }, 1), 0);
	model.calls = 0;
	assert_int_equal(ob__unwritten_clear(&s, (struct range){ 0, 10 }, note, NULL), 0);
	assert_int_equal(model.calls, 0);
	ob__unwritten_destroy(&s);
}

/* ----------------------------------------------------------------------- whole outputs */

#define MODEL_MAX 400000

struct output {
	uint64_t seed, size;
	struct outbuf *ob;
	int unmapped;
	unsigned char bytes[MODEL_MAX];
};

static uint64_t below(struct output *o, uint64_t n)
{
	return random_below(&o->seed, n);
}

static uint64_t some_length(struct output *o)
{
	static const uint64_t most[] = { 20, 500, 5000, 70000 };

	return below(o, most[below(o, 4)]);
}

/* A few stores, with gaps before and between. */
static int some_view(struct output *o)
{
	uint64_t start = below(o, 200000), length = some_length(o), end = start + length, high = start;
	int bounded = below(o, 2) == 0, i, stores = (int)below(o, 5);
	unsigned char x = (unsigned char)(1 + below(o, 100));
	struct outbuf_view v;

	check((below(o, 2) ? outbuf_view : outbuf_view_edit)(o->ob, &v, start,
	                                                    bounded ? length : OUTBUF_UNBOUNDED) == 0);
	for (i = 0; i < stores; i++) {
		uint64_t at = start + below(o, length + 1), n = below(o, end - at + 1);
		void *ref;

		check(outbuf_seek(&v, at) == 0);
		switch (below(o, 4)) {
		case 0:
			check(outbuf_reserve(&v, n, &ref) == 0);
			check(n == 0 || memcmp(ref, o->bytes + at, n) == 0);
			break;
		case 1:
			memset(o->bytes + at, x, n);
			check(outbuf_write_ref(&v, o->bytes + at, n, &ref) == 0);
			break;
		case 2:
			memset(o->bytes + at, x, n);
			check(outbuf_write(&v, o->bytes + at, n) == 0);
			break;
		default:
			memset(o->bytes + at, x, n);
			check(outbuf_fill(&v, x, n) == 0);
			break;
		}
		if (n > 0 && at + n > high)
			high = at + n;
	}
	check(outbuf_view_end(&v) == 0);
	if (bounded && length > 0)
		high = end;
	if (high > start && high > o->size)
		o->size = high;
	return 0;
}

static int some_data(struct output *o)
{
	uint64_t at = below(o, 200000), n = some_length(o);
	void *p;

	check(outbuf_data(o->ob, at, n, &p) == 0);
	check(n == 0 || memcmp(p, o->bytes + at, n) == 0);
	if (n > 0 && at + n > o->size)
		o->size = at + n;
	return 0;
}

static int some_step(struct output *o)
{
	uint64_t to;
	int r;

	if (o->unmapped || below(o, 12) == 0) {
		to = o->size + some_length(o);
		to = to == 0 ? 1 : to > MODEL_MAX - 10000 ? o->size : to;
		check(outbuf_map(o->ob, to) == 0);
		o->size = to;
		o->unmapped = 0;
		return 0;
	}
	switch (below(o, 9)) {
	case 0:
		return some_data(o);
	case 1:
		check(outbuf_flush(o->ob) == 0);
		return 0;
	case 2:
		to = below(o, 2) ? below(o, o->size + 1) : below(o, 250000);
		check(outbuf_set_size(o->ob, to) == 0);
		memset(o->bytes + to, 0, MODEL_MAX - to);
		o->size = to;
		return 0;
	case 3:
		o->unmapped = outbuf_is_mapped(o->ob);
		check(outbuf_unmap(o->ob) == 0);
		return 0;
	default:
		r = some_view(o);
		check(r != 0 || outbuf_size(o->ob) == o->size);
		return r;
	}
}

static int output_sequence(struct output *o, const struct sandbox *s, uint64_t seed)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	unsigned i, steps;
	int r;

	o->seed = seed;
	o->size = 0;
	o->unmapped = 0;
	memset(o->bytes, 0, sizeof o->bytes);
	options.recycle = 1;
	options.map = below(o, 2) ? OUTBUF_AUTO : OUTBUF_NO;
	options.stage = below(o, 2) ? OUTBUF_AUTO : OUTBUF_NO;
	options.prealloc = below(o, 2) ? OUTBUF_AUTO : OUTBUF_NO;
	options.max_size = 1 << 20;
	unlink(s->path);
	spare_plant(s, 1 + below(o, 300000));
	check(outbuf_open(&o->ob, s->path, &options) == 0);
	check(strcmp(stats_of(o->ob).placement, "recycled") == 0);
	steps = 1 + (unsigned)below(o, 25);
	for (i = 0; i < steps; i++)
		if ((r = some_step(o)) != 0)
			return r;
	check(outbuf_commit(o->ob) == 0);
	check(outbuf_size(o->ob) == o->size);
	check(outbuf_close(o->ob) == 0);
	return 0;
}

static void test_output_sequences(void **state)
{
	unsigned long n = sequences(1500), i;
	uint64_t seed = env_number("OUTBUF_TEST_SEED", 0x6f6c64);
	struct output *o = calloc(1, sizeof *o);
	struct sandbox *s = *state;

	skip_unrecycled(s);
	assert_non_null(o);
	for (i = 0; i < n; i++) {
		int line = output_sequence(o, s, seed + i);

		if (line != 0)
			fail_msg("OUTBUF_TEST_SEED=0x%llx: line %d", (unsigned long long)(seed + i), line);
		assert_file(s->path, o->bytes, o->size);
	}
	free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_stale_sequences),
		fault_test(test_stale_fails),
		fault_test(test_output_sequences),
	};

	return cmocka_run_group_tests_name("stale random", tests, NULL, NULL);
}
