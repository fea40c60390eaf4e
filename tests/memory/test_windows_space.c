/* SPDX-License-Identifier: MIT */
/* Where bytes are on Windows: a file at given addresses, in both of the two ways, and sizes in two halves. */
#include "config.h"

#include "support/support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "memory/space_windows.h"
#include "system/windows/sys_windows.h"

/* ------------------------------------------------------------------ one range of addresses */

static struct outbuf *open_required(const struct sandbox *s)
{
	return open_direct(s->path, OUTBUF_REQUIRE);
}

static void one_range(const struct sandbox *s)
{
	const uint64_t page = 65536;
	static unsigned char want[40 * 65536 + 1000];
	struct outbuf *ob = open_required(s);
	unsigned char *first = NULL;
	unsigned i;

	for (i = 1; i <= 20; i++) {
		const uint64_t size = (uint64_t)i * 2 * page - 1000;
		struct outbuf_view v;
		void *data;

		assert_int_equal(outbuf_map(ob, size), 0);
		assert_int_equal(outbuf_is_mapped(ob), 1);
		assert_int_equal(outbuf_data(ob, 0, 1, &data), 0);
		if (first == NULL)
			first = data;
		assert_ptr_equal(first, data);
		/* The last bytes of the mapping, and some of the heap behind, over the border. */
		memset(want + size - 500, (int)i, 2500);
		assert_int_equal(outbuf_view(ob, &v, size - 500, 2500), 0);
		assert_int_equal(outbuf_fill(&v, (uint8_t)i, 2500), 0);
		assert_int_equal(outbuf_view_end(&v), 0);
		assert_memory_equal(first, want, size + 2000);
	}
	assert_int_equal(outbuf_set_size(ob, sizeof want), 0);
	assert_int_equal(outbuf_sync(ob), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, want, sizeof want);
}

/* What there is in the heap when it is unmapped goes as a whole, usable or not. */
static void heap_behind(const struct sandbox *s)
{
	struct outbuf *ob = open_required(s);
	struct outbuf_view v;
	void *data;

	assert_int_equal(outbuf_map(ob, 100000), 0);
	assert_int_equal(outbuf_data(ob, 0, 20 << 20, &data), 0);
	memset(data, 'n', 20 << 20);
	assert_int_equal(outbuf_unmap(ob), 0);
	assert_int_equal(outbuf_map(ob, 30 << 20), 0);
	assert_int_equal(outbuf_view(ob, &v, 20 << 20, 10 << 20), 0);
	assert_int_equal(outbuf_fill(&v, 'n', 10 << 20), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_filled(s, 30 << 20);
}

/* fn as this system does it, and if it has placeholders, as one does that has none. */
static void both_ways(void (*fn)(const struct sandbox *s), const struct sandbox *s)
{
	int without;

	for (without = 0; without <= ob__space_has_placeholders(); without++) {
		ob__space_without_placeholders = without;
		fn(s);
	}
	ob__space_without_placeholders = 0;
}

/* Mapped again and again, with a heap behind: nothing moves, nothing is lost. */
static void test_one_range(void **state)
{
	both_ways(one_range, *state);
}

static void test_heap_behind(void **state)
{
	both_ways(heap_behind, *state);
}

static _Atomic int stop;
static unsigned refused, given_up; /* by the thread that opens outputs */

static int take_addresses(void *arg, unsigned i)
{
	struct sandbox *s = arg;
	unsigned n;

	if (i > 0) {
		while (!stop) {
			void *got = VirtualAlloc(NULL, (SIZE_T)(i * 65536), MEM_RESERVE, PAGE_NOACCESS);

			SwitchToThread();
			VirtualFree(got, 0, MEM_RELEASE);
		}
		return 0;
	}
	/* Of 1 MiB, so that what was just released is as good a place for others as any. */
	for (n = 0; n < 1000 && !stop; n++) {
		struct outbuf_options options = OUTBUF_OPTIONS_INIT;
		struct outbuf *ob;
		int r;

		options.map = OUTBUF_REQUIRE;
		options.max_size = 1 << 20;
		r = outbuf_open(&ob, s->path, &options);
		if (r == 0)
			r = outbuf_map(ob, 1000);
		if (r == 0)
			r = fill_some(ob, 'n', 1000);
		if (r == 0) {
			/* Others may be there for good, or behind it. */
			int larger = outbuf_map(ob, 100000), lost = outbuf_error(ob) != 0;

			refused += larger != 0;
			given_up += lost;
			r = (larger != 0 && larger != -ENOMEM) || (larger == 0 && lost) ? -EINVAL : 0;
			if (r == 0 && outbuf_commit(ob) != (lost ? -ENOMEM : 0))
				r = -EIO;
		}
		outbuf_close(ob);
		if (r < 0) {
			stop = 1;
			return (int)n * 1000 - r;
		}
	}
	stop = 1;
	return 0;
}

/* Others reserve and release addresses all the time: no first mapping fails by that, and a larger one cleanly. */
static void addresses(const struct sandbox *s)
{
	struct sandbox here = *s;

	stop = 0;
	refused = given_up = 0;
	assert_int_equal(run_threads(3, take_addresses, &here), 0);
	print_message("of 1,000 larger mappings %u were refused, %u of them given up\n", refused, given_up);
	/* Nobody gets what is a placeholder. */
	if (ob__space_has_placeholders() && !ob__space_without_placeholders)
		assert_int_equal(refused, 0);
	assert_int_equal(sandbox_entries(s), 1);
}

static void test_addresses(void **state)
{
	both_ways(addresses, *state);
}

/* ---------------------------------------------------------------------------- 5 GiB */

#define LARGE ((uint64_t)5 << 30)
#define PIECE ((uint64_t)1 << 20)

struct large {
	struct outbuf *ob;
	uint64_t step; /* bytes from one piece that is written to the next */
};

/* Every number of a piece tells where it is. */
static int write_large(void *arg, unsigned i)
{
	const struct large *l = arg;
	uint64_t at, k;

	for (at = i * l->step; at < LARGE; at += 2 * l->step) {
		struct outbuf_view v;
		int r = outbuf_view(l->ob, &v, at, PIECE);

		for (k = 0; r == 0 && k < PIECE; k += 8)
			r = outbuf_write64(&v, at + k);
		if (r == 0)
			r = outbuf_view_end(&v);
		if (r < 0)
			return r;
	}
	return 0;
}

static void check_large(const struct sandbox *s, uint64_t step)
{
	int fd = open(s->path, O_RDONLY | O_BINARY);
	static uint64_t piece[PIECE / 8];
	uint64_t at, k;

	assert_true(fd >= 0);
	assert_int_equal(_lseeki64(fd, 0, SEEK_END), LARGE);
	for (at = 0; at < LARGE; at += PIECE) {
		assert_int_equal(ob__sys_pread_all(fd, piece, sizeof piece, at), 0);
		for (k = 0; k < PIECE / 8; k++)
			if (piece[k] != (at % step == 0 ? at + k * 8 : 0))
				fail_msg("at %llu: %llx", (unsigned long long)(at + k * 8),
				         (unsigned long long)piece[k]);
	}
	close(fd);
}

/* All of it is written with OUTBUF_TEST_LARGE=1, else each 64th piece. */
static void large(const struct sandbox *s, uint32_t map)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct large l = { .step = env_number("OUTBUF_TEST_LARGE", 0) ? PIECE : 64 * PIECE };
	ULARGE_INTEGER room;

	if (!GetDiskFreeSpaceExA(s->dir, &room, NULL, NULL) || room.QuadPart < LARGE + LARGE / 8) {
		print_message("no 5 GiB of disk here\n");
		skip();
	}
	options.map = map;
	options.stage = map == OUTBUF_REQUIRE ? OUTBUF_NO : OUTBUF_AUTO;
	options.prealloc = OUTBUF_NO;
	l.ob = open_with(s->path, &options);
	assert_int_equal(outbuf_map(l.ob, LARGE), 0);
	assert_int_equal(outbuf_is_mapped(l.ob), map == OUTBUF_REQUIRE);
	assert_int_equal(run_threads(2, write_large, &l), 0);
	assert_int_equal(outbuf_commit(l.ob), 0);
	outbuf_close(l.ob);
	check_large(s, l.step);
}

static void test_large_mapped(void **state)
{
	large(*state, OUTBUF_REQUIRE);
}

static void test_large_written(void **state)
{
	large(*state, OUTBUF_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_one_range),
		sandbox_test(test_heap_behind),
		sandbox_test(test_addresses),
		sandbox_test(test_large_mapped),
		sandbox_test(test_large_written),
	};

	return cmocka_run_group_tests_name("windows_space", tests, NULL, NULL);
}
