/* SPDX-License-Identifier: MIT */
/*
 * Views that carry their bytes to the file in blocks, as they go (lib/window.c): the same files as
 * without, whatever is called, and no harm when the file system refuses, or the output is given up
 * while blocks are on their way.
 *
 * A block, what is too short for one, and what needs none are 256, 16 and 64 KiB; sizes and
 * offsets here are around these and their multiples.
 */
#include "config.h"

#include "support.h"
#include "faults.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

static struct sys_table real;

static struct outbuf *open_replacing(const struct sandbox *s, uint32_t map, uint32_t stage,
                                     uint32_t replace)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob = NULL;
	int r;

	o.map = map;
	o.replace = replace;
	o.stage = stage;
	o.order = OUTBUF_BIG_ENDIAN;
	r = outbuf_open(&ob, s->path, &o);
	if (r != 0)
		fail_msg("outbuf_open(%s): %s", s->path, strerror(-r));
	return ob;
}

static struct outbuf *open_staged(const struct sandbox *s, uint32_t map, uint32_t stage)
{
	return open_replacing(s, map, stage, OUTBUF_REPLACE_ATOMIC);
}

/* ---------------------------------------------------------- any calls, the same file */

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
				int line;

				/* All six now and then, mostly one. */
				if (i % 8 != 0 && i % 6 != j * 2 + k)
					continue;
				b->ob = open_replacing(s, (uint32_t)k, stages[j], i % 3 == 0);
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

/* Every call, at each distance from the end of a block: a whole file of them. */
static int write_near(struct outbuf *ob, unsigned char *want, uint64_t end, unsigned distance, int call)
{
	struct outbuf_view v;
	uint64_t begin = end - 20000, at = end - distance, n = 40;
	void *ref;

	outbuf_view(ob, &v, begin, 40000);
	outbuf_fill(&v, 'a', (size_t)(at - begin));
	memset(want + begin, 'a', at - begin);
	memset(want + at, 0, n);
	switch (call) {
	case 0:
		outbuf_write64(&v, 0x0102030405060708);
		memcpy(want + at, "\1\2\3\4\5\6\7\10", n = 8);
		break;
	case 1:
		outbuf_write32le(&v, 0x01020304);
		memcpy(want + at, "\4\3\2\1", n = 4);
		break;
	case 2:
		outbuf_write16(&v, 0x0102);
		memcpy(want + at, "\1\2", n = 2);
		break;
	case 3:
		outbuf_uleb128(&v, UINT64_MAX);
		memcpy(want + at, "\377\377\377\377\377\377\377\377\377\1", n = 10);
		break;
	case 4:
		outbuf_write_stringpad(&v, "abcdefgh", n, "12", 2);
		memcpy(want + at, "abcdefgh12121212121212121212121212121212", n);
		break;
	case 5:
		outbuf_write_stringn(&v, "abcdefgh", n);
		memcpy(want + at, "abcdefgh", 8);
		break;
	case 6:
		outbuf_fill(&v, 'f', n);
		memset(want + at, 'f', n);
		break;
	case 7:
		outbuf_align(&v, 64, 'g');
		memset(want + at, 'g', n = distance % 64);
		break;
	case 8:
		outbuf_write_ref(&v, "0123456789012345678901234567890123456789", n, &ref);
		memcpy(want + at, "0123456789012345678901234567890123456789", n);
		((unsigned char *)ref)[n - 1] = want[at + n - 1] = '!';
		break;
	default:
		outbuf_seek(&v, at + 3);
		outbuf_seek(&v, at);
		outbuf_write(&v, "write", n = 5);
		memcpy(want + at, "write", n);
		break;
	}
	if (outbuf_tell(&v) != at + n)
		return -EPROTO;
	outbuf_fill(&v, 'z', (size_t)(begin + 40000 - at - n));
	memset(want + at + n, 'z', begin + 40000 - at - n);
	return outbuf_view_end(&v);
}

static void test_calls_across_blocks(void **state)
{
	struct sandbox *s = *state;
	unsigned char *want = malloc(1 << 20);
	unsigned distance;
	uint32_t map;
	int call;

	assert_non_null(want);
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++)
		for (distance = 0; distance <= 12; distance++) {
			struct outbuf *ob = open_staged(s, map, OUTBUF_REQUIRE);

			memset(want, 0, 1 << 20);
			assert_int_equal(outbuf_map(ob, 600000), 0);
			/* Again and again over the same place: each must replace what the last has put there. */
			for (call = 0; call <= 9; call++) {
				assert_int_equal(write_near(ob, want, 262144, distance, call), 0);
				assert_int_equal(write_near(ob, want, 524288, distance, (call + distance) % 10),
				                 0);
			}
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			assert_file(s->path, want, 600000);
		}
	free(want);
}

/* A block may hold more than the View: that is not the View's. */
static void test_bounds(void **state)
{
	static const uint64_t lengths[] = { 16384, 20000, 65536, 262144, 262145, 300007 };
	static const unsigned char zeros[10];
	struct sandbox *s = *state;
	unsigned char *want = calloc(1, 400000);
	size_t i, left;

	assert_non_null(want);
	for (i = 0; i < sizeof lengths / sizeof *lengths; i++)
		for (left = 0; left < 9; left++) {
			uint64_t length = lengths[i], n = length - left;
			struct outbuf *ob = open_staged(s, OUTBUF_AUTO, OUTBUF_REQUIRE);
			struct outbuf_view v;
			void *ref = s;

			assert_int_equal(outbuf_view(ob, &v, 1001, length), 0);
			assert_int_equal(outbuf_fill(&v, 'n', (size_t)n), 0);
			/* In one piece or not at all. */
			switch ((left + i) % 5) {
			case 0:
				assert_int_equal(outbuf_write(&v, "123456789", left + 1), -ERANGE);
				break;
			case 1:
				assert_int_equal(left < 8 ? outbuf_write64(&v, 1) : -ERANGE, -ERANGE);
				break;
			case 2:
				assert_int_equal(outbuf_fill(&v, 'x', left + 1), -ERANGE);
				break;
			case 3:
				assert_int_equal(outbuf_reserve(&v, left + 1, &ref), -ERANGE);
				break;
			default:
				assert_int_equal(outbuf_seek(&v, 1001 + length + 1), -ERANGE);
			}
			assert_int_equal(outbuf_error(ob), left == 8 && (left + i) % 5 == 1 ? 0 : -ERANGE);
			outbuf_view_end(&v);
			outbuf_close(ob);

			/* To its last byte, one by one. */
			ob = open_staged(s, OUTBUF_AUTO, OUTBUF_REQUIRE);
			assert_int_equal(outbuf_view(ob, &v, 1001, length), 0);
			assert_int_equal(outbuf_fill(&v, 'n', (size_t)n), 0);
			while (outbuf_tell(&v) < 1001 + length)
				assert_int_equal(outbuf_write8(&v, 'm'), 0);
			assert_int_equal(outbuf_write(&v, zeros, 0), 0);
			assert_int_equal(outbuf_view_end(&v), 0);
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			memset(want + 1001, 'n', (size_t)n);
			memset(want + 1001 + n, 'm', left);
			assert_file(s->path, want, 1001 + (size_t)length);
		}
	free(want);
}

/* -------------------------------------------------------------------- the life of bytes */

static _Atomic uint64_t bytes_put;

static ssize_t count_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	ssize_t did = real.pwrite(fd, data, n, offset);

	atomic_fetch_add(&bytes_put, did > 0 ? (uint64_t)did : 0);
	return did;
}

/* Front to back, each byte goes to the file once, and before commit. */
static void test_each_byte_goes_once(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf_view v;
	struct outbuf *ob;
	static const char block[100000];
	size_t i;

	o.map = OUTBUF_NO;
	o.stage = OUTBUF_REQUIRE;
	o.flush = OUTBUF_FLUSH_PWRITE;
	sys_table.pwrite = count_pwrite;
	atomic_store(&bytes_put, 0);
	assert_int_equal(outbuf_open(&ob, s->path, &o), 0);
	assert_int_equal(stats_of(ob).staged, 1);
	for (i = 0; i < 10; i++) {
		assert_int_equal(outbuf_view(ob, &v, i * 500000, 500000), 0);
		outbuf_fill(&v, 'n', 300000);
		outbuf_write(&v, block, 100000);
		outbuf_fill(&v, 'n', 100000);
		assert_int_equal(outbuf_view_end(&v), 0);
	}
	/* Small pieces may wait. */
	assert_int_equal(outbuf_view(ob, &v, 5000000, 300), 0);
	outbuf_fill(&v, 'n', 300);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_in_range(atomic_load(&bytes_put), 4500000, 5000000);
	assert_int_equal(outbuf_flush(ob), 0);
	assert_int_equal(atomic_load(&bytes_put), 5000300);
	assert_int_equal(stats_of(ob).flushed, 5000300);
	/* Nor by the next flush, which has something else to carry. */
	assert_int_equal(outbuf_view(ob, &v, 5000300, 300), 0);
	outbuf_fill(&v, 'n', 300);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	assert_int_equal(atomic_load(&bytes_put), 5000600);
	outbuf_close(ob);
}

/* What is cut off is zero if the output grows over it again, wherever it had been. */
static void test_cut_and_grow(void **state)
{
	struct sandbox *s = *state;
	static const uint64_t cuts[] = { 0, 1, 4096, 20000, 300001, 524288, 599999 };
	unsigned char *want = malloc(700000);
	uint32_t map;
	size_t i;
	int way;

	assert_non_null(want);
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++)
		for (i = 0; i < sizeof cuts / sizeof *cuts; i++)
			for (way = 0; way < 4; way++) {
				struct outbuf *ob = open_staged(s, map, OUTBUF_REQUIRE);
				struct outbuf_view v;
				void *data;

				assert_int_equal(outbuf_map(ob, 250000), 0);
				assert_int_equal(fill_some(ob, 'n', 600000), 0);
				memset(want, 'n', 600000);
				memset(want + cuts[i], 0, 700000 - cuts[i]);
				if (way & 1)
					assert_int_equal(outbuf_flush(ob), 0);
				assert_int_equal(outbuf_set_size(ob, cuts[i]), 0);
				assert_int_equal(outbuf_set_size(ob, 650000), 0);
				if (way & 2) {
					assert_int_equal(outbuf_data(ob, 0, 650000, &data), 0);
					assert_memory_equal(data, want, 650000);
				}
				assert_int_equal(outbuf_view(ob, &v, 640000, 60000), 0);
				outbuf_fill(&v, 'm', 60000);
				memset(want + 640000, 'm', 60000);
				assert_int_equal(outbuf_view_end(&v), 0);
				assert_int_equal(outbuf_commit(ob), 0);
				outbuf_close(ob);
				assert_file(s->path, want, 700000);
			}
	free(want);
}

/* In place, what was there stays until something is carried: Views wait for that. */
static void test_in_place(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	o.replace = OUTBUF_REPLACE_IN_PLACE;
	o.map = OUTBUF_NO;
	o.stage = OUTBUF_REQUIRE;
	write_file(s->path, "old", 3, 0644);
	assert_int_equal(outbuf_open(&ob, s->path, &o), 0);
	assert_int_equal(outbuf_map(ob, 1000), 0);
	assert_int_equal(fill_some(ob, 'n', 600000), 0);
	assert_file(s->path, "old", 3);
	assert_int_equal(outbuf_discard(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, "old", 3);

	assert_int_equal(outbuf_open(&ob, s->path, &o), 0);
	assert_int_equal(fill_some(ob, 'n', 600000), 0);
	assert_int_equal(outbuf_flush(ob), 0);
	assert_filled(s, 600000);
	assert_int_equal(stats_of(ob).staged, 1);
	assert_int_equal(fill_some(ob, 'n', 700000), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_filled(s, 700000);
	assert_int_equal(sandbox_entries(s), 1);
}

/* ---------------------------------------------------------------------- many threads */

#define THREADS 8
#define ROWS 12
#define ROW ((size_t)70001) /* longer than what is too short, not whole in anything */
#define SHARED (ROWS * THREADS * (ROW + 500))

/* Rows in turn: a long View, a short one, a few bytes by pointer, neighbours of other threads' */
static int write_rows(void *arg, unsigned i)
{
	struct outbuf *ob = arg;
	struct outbuf_view v;
	unsigned row;
	int r = 0;

	for (row = i; row < ROWS * THREADS && r == 0; row += THREADS) {
		uint64_t at = row * (uint64_t)(ROW + 500);
		unsigned char byte = (unsigned char)(row + 1);
		void *data;

		r = outbuf_view(ob, &v, at, ROW);
		outbuf_fill(&v, byte, ROW / 2);
		outbuf_seek(&v, at + ROW / 4);
		outbuf_fill(&v, byte, ROW - ROW / 4);
		if (r == 0)
			r = outbuf_view_end(&v);
		if (r == 0)
			r = outbuf_data(ob, at + ROW, 100, &data);
		if (r == 0)
			memset(data, byte, 100);
		outbuf_view(ob, &v, at + ROW + 100, 400);
		outbuf_fill(&v, byte, 400);
		if (r == 0)
			r = outbuf_view_end(&v);
		/* And back over what has gone to the file. */
		if (r == 0)
			r = outbuf_data(ob, at + 5, 10, &data);
		if (r == 0)
			memset(data, '=', 10);
	}
	return r;
}

static void test_threads(void **state)
{
	struct sandbox *s = *state;
	unsigned char *want = malloc(SHARED);
	uint32_t map, stage;
	size_t i;

	assert_non_null(want);
	for (i = 0; i < ROWS * THREADS; i++) {
		memset(want + i * (ROW + 500), (int)((i + 1) & 0xff), ROW + 500);
		memset(want + i * (ROW + 500) + 5, '=', 10);
	}
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++)
		for (stage = OUTBUF_AUTO; stage <= OUTBUF_REQUIRE; stage++) {
			struct outbuf *ob = open_staged(s, map, stage);

			assert_int_equal(outbuf_map(ob, SHARED / 2), 0);
			assert_int_equal(run_threads(THREADS, write_rows, ob), 0);
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			assert_file(s->path, want, SHARED);
		}
	free(want);
}

/* --------------------------------------------------------------------- what goes wrong */

static ssize_t f_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	return call_fails() ? -1 : real.pwrite(fd, data, n, offset);
}

static ssize_t f_pread(int fd, void *data, size_t n, off_t offset)
{
	return call_fails() ? -1 : real.pread(fd, data, n, offset);
}

/* Staged by pwrite, and nothing else. */
static struct outbuf *open_by_pwrite(const struct sandbox *s, uint32_t map)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob = NULL;

	o.map = map;
	o.stage = OUTBUF_REQUIRE;
	o.flush = OUTBUF_FLUSH_PWRITE;
	assert_int_equal(outbuf_open(&ob, s->path, &o), 0);
	return ob;
}

static void test_put_fails(void **state)
{
	static const int errors[] = { ENOSPC, EDQUOT, EIO, EFBIG };
	static const char bytes[300000];
	struct sandbox *s = *state;
	uint32_t map;
	size_t i;
	int nth, way;

	write_file(s->path, "old", 3, 0644);
	sys_table.pwrite = f_pwrite;
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++)
		for (i = 0; i < sizeof errors / sizeof *errors; i++)
			for (nth = 1; nth <= 3; nth++)
				for (way = 0; way < 3; way++) {
					struct outbuf *ob = open_by_pwrite(s, map);
					struct outbuf_view v, other;
					int calls;

					assert_int_equal(outbuf_map(ob, 9 << 20), 0);
					arm(nth, errors[i], 0);
					assert_int_equal(outbuf_view(ob, &v, 7, 8 << 20), 0);
					/* By blocks, straight, by seeking away. */
					for (calls = 0; calls < 80 && calls_made() < nth; calls++)
						if (way == 0)
							outbuf_fill(&v, 'x', 100000);
						else if (way == 1)
							outbuf_write(&v, bytes, 100000);
						else if (outbuf_fill(&v, 'y', 70000) == 0)
							outbuf_seek(&v, 100 + (uint64_t)calls * 1000);
					assert_int_equal(calls_made(), nth);
					assert_int_equal(outbuf_error(ob), -errors[i]);
					/* It sticks to the View, */
					assert_int_equal(outbuf_write8(&v, 1), -errors[i]);
					assert_int_equal(outbuf_seek(&v, 7), -errors[i]);
					assert_int_equal(outbuf_view_end(&v), -errors[i]);
					/* and nothing is tried any more, by anybody. */
					calls = calls_made();
					outbuf_view(ob, &other, 0, 3 << 20);
					outbuf_fill(&other, 'z', 3 << 20);
					outbuf_view_end(&other);
					assert_int_equal(calls_made(), calls);
					arm(0, 0, 0);
					assert_int_equal(outbuf_commit(ob), -errors[i]);
					outbuf_close(ob);
					assert_file(s->path, "old", 3);
					assert_int_equal(sandbox_entries(s), 1);
				}
}

/* The last piece of a View is put by its end. */
static void test_end_fails(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_by_pwrite(s, OUTBUF_NO);
	struct outbuf_view v;

	sys_table.pwrite = f_pwrite;
	arm(1, ENOSPC, 0);
	assert_int_equal(outbuf_view(ob, &v, 0, 100000), 0);
	assert_int_equal(outbuf_fill(&v, 'n', 50000), 0);
	assert_int_equal(outbuf_error(ob), 0);
	assert_int_equal(outbuf_view_end(&v), -ENOSPC);
	assert_int_equal(outbuf_error(ob), -ENOSPC);
	arm(0, 0, 0);
	assert_int_equal(outbuf_commit(ob), -ENOSPC);
	outbuf_close(ob);
	assert_int_equal(sandbox_entries(s), 0);
}

static ssize_t short_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	int call = calls_made();

	call_fails();
	if (call % 3 == 0) {
		errno = EINTR;
		return -1;
	}
	return real.pwrite(fd, data, n > 1000 ? n / 3 : n, offset);
}

static ssize_t short_pread(int fd, void *data, size_t n, off_t offset)
{
	int call = calls_made();

	call_fails();
	if (call % 3 == 0) {
		errno = EINTR;
		return -1;
	}
	return real.pread(fd, data, n > 1000 ? n / 3 : n, offset);
}

static ssize_t zero_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	(void)fd, (void)data, (void)n, (void)offset;
	return 0;
}

static void test_short_calls(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_by_pwrite(s, OUTBUF_NO);
	unsigned char *want = malloc(900000);
	void *data;

	assert_non_null(want);
	memset(want, 'n', 900000);
	sys_table.pwrite = short_pwrite;
	sys_table.pread = short_pread;
	arm(0, 0, 0);
	assert_int_equal(fill_some(ob, 'n', 900000), 0);
	assert_true(calls_made() > 20);
	arm(0, 0, 0);
	assert_int_equal(outbuf_data(ob, 100, 800000, &data), 0);
	assert_true(calls_made() > 5);
	assert_memory_equal(data, want, 800000);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, want, 900000);
	free(want);

	/* No progress is an error and not an endless loop. */
	ob = open_by_pwrite(s, OUTBUF_NO);
	sys_table.pwrite = zero_pwrite;
	assert_int_equal(fill_some(ob, 'x', 900000), -EIO);
	assert_int_equal(outbuf_commit(ob), -EIO);
	outbuf_close(ob);
	assert_filled(s, 900000);
}

/* Bytes that must come back into memory, and do not. */
static void test_load_fails(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_by_pwrite(s, OUTBUF_NO);
	struct outbuf_view v;
	void *data, *ref = s;
	int way;

	/* Asked for by outbuf_data(): it does not stick, and can be had later. */
	assert_int_equal(fill_some(ob, 'n', 600000), 0);
	sys_table.pread = f_pread;
	arm(1, EIO, 1);
	data = s;
	assert_int_equal(outbuf_data(ob, 1000, 100000, &data), -EIO);
	assert_null(data);
	assert_int_equal(outbuf_error(ob), 0);
	assert_int_equal(outbuf_data(ob, 1000, 100000, &data), 0);
	assert_memory_equal(data, "nnnn", 4);
	/* Once there, it is not read again. */
	arm(1, EIO, 0);
	assert_int_equal(outbuf_data(ob, 1000, 100000, &data), 0);
	assert_int_equal(calls_made(), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_filled(s, 600000);

	/* By a View it sticks: a short one needs its place in memory, as does a pointer. */
	for (way = 0; way < 3; way++) {
		arm(0, 0, 0);
		ob = open_by_pwrite(s, OUTBUF_NO);
		assert_int_equal(fill_some(ob, 'x', 600000), 0);
		arm(1, EIO, 0);
		if (way == 0) {
			assert_int_equal(outbuf_view(ob, &v, 5000, 100), -EIO);
		} else {
			assert_int_equal(outbuf_view(ob, &v, 5000, 100000), 0);
			if (way == 1) {
				assert_int_equal(outbuf_write_ref(&v, "ref", 3, &ref), -EIO);
				assert_null(ref);
			} else {
				/* Too few bytes for the file. */
				outbuf_write_string(&v, "few");
				outbuf_seek(&v, 9000);
			}
			assert_int_equal(outbuf_view_end(&v), -EIO);
		}
		arm(0, 0, 0);
		assert_int_equal(outbuf_commit(ob), -EIO);
		outbuf_close(ob);
		assert_filled(s, 600000);
	}
	assert_int_equal(sandbox_entries(s), 1);
}

/* RLIMIT_FSIZE: an error, and not the death by SIGXFSZ. */
static int write_to_the_limit(void *arg)
{
	const struct sandbox *s = arg;
	const struct rlimit limit = { 1 << 20, 1 << 20 };
	uint32_t map;

	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 1;
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++) {
		struct outbuf_options o = OUTBUF_OPTIONS_INIT;
		static const char bytes[300000];
		struct outbuf_view v;
		struct outbuf *ob;
		int r = 0, straight;

		o.map = map;
		o.stage = OUTBUF_REQUIRE;
		if (outbuf_open(&ob, s->path, &o) != 0)
			return 2;
		/* All there may be. */
		if (fill_some(ob, 'n', 1 << 20) != 0 || outbuf_commit(ob) != 0)
			return 3;
		outbuf_close(ob);
		for (straight = 0; straight < 2; straight++) {
			if (outbuf_open(&ob, s->path, &o) != 0)
				return 4;
			outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
			while (r == 0 && outbuf_tell(&v) < (3 << 20))
				r = straight ? outbuf_write(&v, bytes, sizeof bytes)
				             : outbuf_fill(&v, 'x', 100000);
			if (r != -EFBIG || outbuf_view_end(&v) != -EFBIG || outbuf_commit(ob) != -EFBIG)
				return 5;
			r = 0;
			outbuf_close(ob);
		}
	}
	return 0;
}

static void test_file_size_limit(void **state)
{
	struct sandbox *s = *state;

	assert_int_equal(in_child(0, write_to_the_limit, s), 0);
	assert_filled(s, 1 << 20);
	assert_int_equal(sandbox_entries(s), 1);
}

/* --------------------------------------------------------------- discarded meanwhile */

enum { RUNNING, PUTTING, DISCARDED };
static _Atomic int moment;

static void wait_until(int what)
{
	const struct timespec pause = { .tv_nsec = 100000 };

	while (atomic_load(&moment) < what)
		nanosleep(&pause, NULL);
}

/* A block is on its way, its descriptor known, when the output is given up. */
static ssize_t put_too_late(int fd, const void *data, size_t n, off_t offset)
{
	int running = RUNNING;

	atomic_compare_exchange_strong(&moment, &running, PUTTING);
	wait_until(DISCARDED);
	return real.pwrite(fd, data, n, offset);
}

static int fill_view(void *arg, unsigned i)
{
	struct outbuf_view v;
	int r = outbuf_view(arg, &v, (uint64_t)i << 21, 2 << 20);

	if (r == 0)
		outbuf_fill(&v, 'x', 2 << 20);
	if (r == 0)
		outbuf_view_end(&v);
	return 0;
}

#define THEIRS 40

struct discarding {
	struct outbuf *ob;
	const struct sandbox *s;
	int theirs[THEIRS];
};

/* The owner: gives up, and opens files, which may get any number that is free. */
static int discard_and_open(struct discarding *d)
{
	int i, bad;
	char path[400];

	wait_until(PUTTING);
	bad = outbuf_discard(d->ob) != 0;
	for (i = 0; i < THEIRS; i++) {
		snprintf(path, sizeof path, "%s/theirs-%d", d->s->dir, i);
		d->theirs[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		bad |= d->theirs[i] < 0;
	}
	atomic_store(&moment, DISCARDED);
	return bad;
}

static int write_or_discard(void *arg, unsigned i)
{
	struct discarding *d = arg;

	return i == 0 ? discard_and_open(d) : fill_view(d->ob, i);
}

static void test_discard_while_putting(void **state)
{
	struct sandbox *s = *state;
	struct stat st;
	char path[400];
	int in_place, round, i;

	sys_table.pwrite = put_too_late;
	for (round = 0; round < 4; round++)
		for (in_place = 0; in_place < 2; in_place++) {
			struct outbuf_options o = OUTBUF_OPTIONS_INIT;
			struct discarding d = { .s = s };

			o.stage = OUTBUF_REQUIRE;
			o.flush = OUTBUF_FLUSH_PWRITE;
			o.map = round % 2 ? OUTBUF_AUTO : OUTBUF_NO;
			o.replace = in_place ? OUTBUF_REPLACE_IN_PLACE : OUTBUF_REPLACE_ATOMIC;
			assert_int_equal(outbuf_open(&d.ob, s->path, &o), 0);
			assert_int_equal(outbuf_map(d.ob, 3 << 20), 0);
			atomic_store(&moment, RUNNING);
			assert_int_equal(run_threads(4, write_or_discard, &d), 0);
			/* Its file is gone before its close. */
			assert_absent(s->path);
			assert_int_equal(outbuf_commit(d.ob), -ECANCELED);
			assert_int_equal(outbuf_close(d.ob), 0);
			for (i = 0; i < THEIRS; i++) {
				snprintf(path, sizeof path, "%s/theirs-%d", s->dir, i);
				assert_int_equal(close(d.theirs[i]), 0);
				assert_int_equal(stat(path, &st), 0);
				assert_int_equal(st.st_size, 0);
				unlink(path);
			}
			assert_int_equal(sandbox_entries(s), 0);
		}
}

/* The same without a script, for ThreadSanitizer. */
static int write_until_refused(void *arg, unsigned i)
{
	struct outbuf *ob = arg;
	struct outbuf_view v;
	int n;

	if (i == 0) {
		const struct timespec pause = { .tv_nsec = 2000000 };

		nanosleep(&pause, NULL);
		return outbuf_discard(ob);
	}
	for (n = 0; n < 100000; n++) {
		if (outbuf_view(ob, &v, (uint64_t)i << 20, 1 << 20) != 0)
			return 0;
		outbuf_fill(&v, (uint8_t)n, 1 << 20);
		outbuf_view_end(&v);
	}
	return 1;
}

static void test_discard_while_writing(void **state)
{
	struct sandbox *s = *state;
	uint32_t map;
	int round;

	for (round = 0; round < 6; round++)
		for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++) {
			struct outbuf *ob = open_staged(s, map, OUTBUF_REQUIRE);

			assert_int_equal(outbuf_map(ob, 2 << 20), 0);
			assert_int_equal(run_threads(4, write_until_refused, ob), 0);
			assert_int_equal(outbuf_close(ob), 0);
			assert_int_equal(sandbox_entries(s), 0);
		}
}

/* ------------------------------------------------------------------------- memory */

#define LARGE ((uint64_t)256 << 20)
#define PART ((uint64_t)2 << 20)

struct large {
	const struct sandbox *s;
	uint32_t stage;
	uint64_t size;
	long most; /* KiB more than before */
};

static long peak(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) < 0 ? 0 : usage.ru_maxrss;
}

/* Not mapped, by Views one behind the other. */
static int write_large(void *arg)
{
	const struct large *large = arg;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	static const char bytes[200000];
	struct outbuf_view v;
	struct outbuf *ob;
	long before = peak();
	uint64_t at;

	o.map = OUTBUF_NO;
	o.stage = large->stage;
	o.flush = OUTBUF_FLUSH_PWRITE;
	if (outbuf_open(&ob, large->s->path, &o) != 0 || outbuf_map(ob, large->size) != 0)
		return 1;
	for (at = 0; at < large->size; at += PART) {
		outbuf_view(ob, &v, at, PART);
		outbuf_fill(&v, 'n', PART / 2);
		while (outbuf_tell(&v) + sizeof bytes <= at + PART)
			outbuf_write(&v, bytes, sizeof bytes);
		outbuf_align(&v, PART, 'n');
		if (outbuf_view_end(&v) != 0)
			return 2;
	}
	if (outbuf_commit(ob) != 0)
		return 3;
	outbuf_close(ob);
	return (large->stage == OUTBUF_NO) == (peak() - before > large->most) ? 0 : 4;
}

static int under_tools(void)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	return 1;
#else
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
#endif
}

/* Far out, where memory for all up to there would be more than any machine's: pieces too short to stage. */
static void test_far_out(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	const uint64_t far = (uint64_t)1 << 39;
	struct outbuf_view v;
	struct outbuf *ob;
	unsigned char seen[3];
	int fd, r;

	options.map = OUTBUF_NO;
	options.prealloc = OUTBUF_NO;
	options.flush = OUTBUF_FLUSH_PWRITE;
	ob = open_with(s->path, &options);
	r = outbuf_view(ob, &v, far, 3);
	if (r == 0)
		r = outbuf_write(&v, "abc", 3);
	if (r == 0)
		r = outbuf_view_end(&v);
	if (r == -EFBIG || (r == -ENOMEM && (stats_of(ob).reserved <= far || !stats_of(ob).staged))) {
		outbuf_close(ob);
		print_message("no such files, or addresses, or not without memory\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(outbuf_view(ob, &v, far + 5, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_write(&v, "xyz", 3), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	fd = open(s->path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, seen, 3, (off_t)far), 3);
	assert_memory_equal(seen, "abc", 3);
	assert_int_equal(pread(fd, seen, 3, (off_t)far + 5), 3);
	assert_memory_equal(seen, "xyz", 3);
	close(fd);
}

static void test_memory_is_bounded(void **state)
{
	struct sandbox *s = *state;
	struct large staged = { s, OUTBUF_REQUIRE, LARGE, 16 << 10 };
	/* That it would show otherwise. */
	struct large not_staged = { s, OUTBUF_NO, (uint64_t)64 << 20, 48 << 10 };
	struct statvfs fs;
	struct stat st;

	if (under_tools()) {
		print_message("a sanitizer's or valgrind's memory would be measured\n");
		skip();
	}
	if (!has_vm()) {
		print_message("all memory is taken at once where there is no mmap\n");
		skip();
	}
	if (statvfs(s->dir, &fs) < 0 || (uint64_t)fs.f_bavail * fs.f_frsize < 2 * LARGE) {
		print_message("less than 512 MiB are free\n");
		skip();
	}
	assert_int_equal(in_child(0, write_large, &staged), 0);
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_size, LARGE);
	assert_int_equal(in_child(0, write_large, &not_staged), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_any_calls),
		fault_test(test_calls_across_blocks),
		fault_test(test_bounds),
		fault_test(test_each_byte_goes_once),
		fault_test(test_cut_and_grow),
		fault_test(test_in_place),
		fault_test(test_threads),
		fault_test(test_put_fails),
		fault_test(test_end_fails),
		fault_test(test_short_calls),
		fault_test(test_load_fails),
		fault_test(test_file_size_limit),
		fault_test(test_discard_while_putting),
		fault_test(test_discard_while_writing),
		fault_test(test_far_out),
		fault_test(test_memory_is_bounded),
	};

	real = sys_table;
	return cmocka_run_group_tests_name("stage", tests, NULL, NULL);
}
