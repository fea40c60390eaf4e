/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of any calls around the limits of staging (lib/output/window.c), mapped and not, staged and
 * not: the same file as an array of bytes to which the same was done. Run one with
 *     OUTBUF_TEST_SEED=... OUTBUF_TEST_SEQUENCES=1 tests/test_stage_random
 *
 * test_model.c knows more calls and all kinds of outputs, but its outputs are no longer than two blocks.
 */
#include "config.h"

#include "support/support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST ((size_t)3 << 20)
#define KEPT 6

/* An output and what it must become. */
struct both {
	uint64_t seed, size, begin, end, at, high;
	int bounded, unmapped;
	struct outbuf *ob;
	struct outbuf_view v;
	unsigned char *want, *data;
	/* Pointers that are out: written through until commit. */
	struct { unsigned char *to; uint64_t offset, n; } kept[KEPT];
};

#define check(condition)                 \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)

static uint64_t below(struct both *b, uint64_t n)
{
	return random_below(&b->seed, n);
}

/* Mostly about a limit. */
static uint64_t some_size(struct both *b)
{
	static const uint64_t limits[] = { 1, 4096, 16384, 65536, 262144, 1048576 };
	uint64_t size = limits[below(b, 6)], less = below(b, 3) == 0 ? below(b, size) : below(b, 10);

	if (below(b, 2))
		return below(b, 200);
	return below(b, 2) ? size + below(b, 10) : size - (less < size ? less : size);
}

static uint64_t some_offset(struct both *b)
{
	uint64_t at = below(b, 12) * 262144 + below(b, 3) * 16384, less = below(b, 20);

	return below(b, 2) ? at + less : at - (less < at ? less : at);
}

static void keep(struct both *b, void *to, uint64_t offset, uint64_t n)
{
	size_t i = below(b, 2 * KEPT);

	if (n == 0 || i >= KEPT)
		return;
	b->kept[i].to = to;
	b->kept[i].offset = offset;
	b->kept[i].n = n;
}

/* Nobody may know that bytes behind a pointer have changed. */
static void use_kept(struct both *b)
{
	size_t i;

	for (i = 0; i < KEPT; i++)
		if (b->kept[i].to != NULL && below(b, 2)) {
			uint64_t at = below(b, b->kept[i].n);

			b->kept[i].to[at] ^= 0x5a;
			b->want[b->kept[i].offset + at] ^= 0x5a;
		}
}

static void drop_kept(struct both *b, uint64_t from)
{
	size_t i;

	for (i = 0; i < KEPT; i++)
		if (b->kept[i].offset + b->kept[i].n > from)
			b->kept[i].to = NULL;
}

/* One call of a View's, and the same to the bytes that are wanted. */
static int write_some(struct both *b)
{
	uint64_t n = some_size(b), room = b->end - b->at, x = random_next(&b->seed), i;
	unsigned char *to = b->want + b->at;
	void *ref;

	if (b->at + 8 > MOST || room < 8)
		n = 0;
	else if (n > room || b->at + n > MOST)
		n = room < MOST - b->at ? room : MOST - b->at;
	if (n == 0)
		return 0;
	for (i = 0; i < n; i++)
		b->data[i] = (unsigned char)(x >> (i % 53));
	switch (below(b, 12)) {
	case 0:
		for (n = n < 9 ? n : 9, i = 0; i < n / 2; i++) {
			check(outbuf_write16le(&b->v, (uint16_t)x) == 0);
			to[2 * i] = (unsigned char)x;
			to[2 * i + 1] = (unsigned char)(x >> 8);
		}
		n = n / 2 * 2;
		break;
	case 1:
		n = 8;
		check(outbuf_write64(&b->v, x) == 0);
		for (i = 0; i < 8; i++)
			to[i] = (unsigned char)(x >> (56 - 8 * i));
		break;
	case 2:
		check(outbuf_fill(&b->v, (uint8_t)x, n) == 0);
		memset(to, (int)(x & 0xff), n);
		break;
	case 3:
		i = (uint64_t)1 << below(b, 20);
		n = (i - b->at % i) % i;
		if (n > room || b->at + n > MOST)
			n = 0;
		else
			check(outbuf_align(&b->v, i, (uint8_t)x) == 0);
		memset(to, (int)(x & 0xff), n);
		break;
	case 4:
		check(outbuf_write_stringpad(&b->v, "staged", n, "<=>", 3) == 0);
		for (i = 0; i < n; i++)
			to[i] = (unsigned char)(i < 6 ? "staged"[i] : "<=>"[(i - 6) % 3]);
		break;
	case 5:
		check(outbuf_reserve(&b->v, n, &ref) == 0);
		check(memcmp(ref, to, n) == 0); /* what was there, in the file or not */
		memset(ref, (int)(x & 0xff), n / 2);
		memset(to, (int)(x & 0xff), n / 2);
		keep(b, ref, b->at, n);
		break;
	case 6:
		check(outbuf_write_ref(&b->v, b->data, n, &ref) == 0);
		memcpy(to, b->data, n);
		keep(b, ref, b->at, n);
		break;
	case 7:
		for (i = 0; i < n && i < 1000; i++) {
			check(outbuf_write8(&b->v, b->data[i]) == 0);
			to[i] = b->data[i];
		}
		n = i;
		break;
	default:
		check(outbuf_write(&b->v, b->data, n) == 0);
		memcpy(to, b->data, n);
		memset(b->data, 0xee, n); /* the caller's memory is the caller's again */
		break;
	}
	b->at += n;
	if (n > 0 && b->at > b->high)
		b->high = b->at;
	check(outbuf_tell(&b->v) == b->at);
	return 0;
}

static int seek_some(struct both *b)
{
	uint64_t most = b->end < MOST ? b->end : MOST;
	uint64_t to = below(b, 2) ? some_offset(b) : b->begin + below(b, most - b->begin + 1);

	if (to < b->begin || to > most)
		return 0;
	check(outbuf_seek(&b->v, to) == 0);
	b->at = to;
	return 0;
}

static int one_view(struct both *b)
{
	unsigned i, n = 1 + (unsigned)below(b, 8);
	uint64_t length;
	int r = 0;

	b->begin = some_offset(b);
	if (b->begin >= MOST)
		b->begin = 0;
	length = some_size(b) * (1 + below(b, 3));
	if (b->begin + length > MOST)
		length = MOST - b->begin;
	b->bounded = below(b, 2) == 0;
	b->end = b->bounded ? b->begin + length : MOST;
	b->at = b->high = b->begin;
	check(outbuf_view(b->ob, &b->v, b->begin, b->bounded ? length : OUTBUF_UNBOUNDED) == 0);
	for (i = 0; i < n && r == 0; i++)
		r = below(b, 4) == 0 ? seek_some(b) : write_some(b);
	check(r == 0);
	if (below(b, 8) == 0)
		check(outbuf_commit(b->ob) == -EBUSY);
	check(outbuf_view_end(&b->v) == 0);
	if (b->bounded && b->end > b->begin)
		b->high = b->end;
	if (b->high > b->begin && b->high > b->size)
		b->size = b->high;
	check(outbuf_size(b->ob) == b->size);
	return 0;
}

static int between_views(struct both *b)
{
	uint64_t at, n;
	void *data;

	switch (below(b, 6)) {
	case 0:
		check(outbuf_flush(b->ob) == 0);
		break;
	case 1:
		at = some_offset(b);
		n = some_size(b);
		if (at + n > MOST || n == 0)
			break;
		/* Any bytes: of no one, in memory, in the file. */
		check(outbuf_data(b->ob, at, n, &data) == 0);
		check(memcmp(data, b->want + at, n) == 0);
		memset(data, 0x77, n / 3);
		memset(b->want + at, 0x77, n / 3);
		keep(b, data, at, n);
		if (at + n > b->size)
			b->size = at + n;
		break;
	case 2:
		at = below(b, 2) ? below(b, b->size + 1) : some_offset(b);
		if (at > MOST)
			break;
		check(outbuf_set_size(b->ob, at) == 0);
		memset(b->want + at, 0, MOST - at);
		drop_kept(b, at);
		b->size = at;
		break;
	case 3:
		at = b->size + some_size(b);
		if (at > MOST)
			break;
		check(outbuf_map(b->ob, at) == 0);
		b->size = at;
		break;
	case 4:
		if (!outbuf_is_mapped(b->ob))
			break;
		drop_kept(b, 0);
		check(outbuf_unmap(b->ob) == 0);
		check(outbuf_map(b->ob, b->size > 0 ? b->size : 1) == 0);
		b->size = b->size > 0 ? b->size : 1;
		break;
	default:
		use_kept(b);
	}
	check(outbuf_size(b->ob) == b->size);
	return 0;
}

/* 0, or the line of what went wrong. */
static int run_sequence(struct both *b, uint64_t seed)
{
	unsigned i, n;

	b->seed = seed;
	b->size = 0;
	memset(b->kept, 0, sizeof b->kept);
	memset(b->want, 0, MOST);
	n = 4 + (unsigned)below(b, 24);
	for (i = 0; i < n; i++) {
		int r = below(b, 3) == 0 ? between_views(b) : one_view(b);

		if (r != 0)
			return r;
	}
	use_kept(b);
	return 0;
}

static void test_any_calls(void **state)
{
	static const uint32_t stages[] = { OUTBUF_REQUIRE, OUTBUF_AUTO, OUTBUF_NO };
	unsigned long i, n = sequences(120);
	uint64_t seed = env_number("OUTBUF_TEST_SEED", 7000);
	struct sandbox *s = *state;
	struct both *b = calloc(1, sizeof *b);
	size_t j, k;

	assert_non_null(b);
	b->want = malloc(MOST);
	b->data = malloc(MOST);
	assert_non_null(b->want);
	assert_non_null(b->data);
	for (i = 0; i < n; i++)
		for (j = 0; j < 3; j++)
			for (k = OUTBUF_AUTO; k <= OUTBUF_NO; k++) {
				struct outbuf_options o = OUTBUF_OPTIONS_INIT;
				int line;

				/* All six now and then, mostly one. */
				if (i % 8 != 0 && i % 6 != j * 2 + k)
					continue;
				o.map = (uint32_t)k;
				o.stage = stages[j];
				o.replace = i % 3 == 0 ? OUTBUF_REPLACE_IN_PLACE : OUTBUF_REPLACE_ATOMIC;
				o.order = OUTBUF_BIG_ENDIAN;
				b->ob = open_with(s->path, &o);
				line = run_sequence(b, seed + i);
				if (line != 0)
					fail_msg("OUTBUF_TEST_SEED=%llu: map %zu, stage %u: line %d",
					         (unsigned long long)seed + i, k, stages[j], line);
				assert_int_equal(outbuf_commit(b->ob), 0);
				outbuf_close(b->ob);
				assert_file(s->path, b->want, b->size);
			}
	assert_int_equal(sandbox_entries(s), n > 0);
	free(b->want);
	free(b->data);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_any_calls),
	};

	return cmocka_run_group_tests_name("stage_random", tests, NULL, NULL);
}
