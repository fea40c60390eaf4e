/* SPDX-License-Identifier: MIT */
/*
 * Views that carry their bytes to the file in blocks, as they go (lib/output/window.c): the same files as
 * without, each byte put there once, and no more memory than the blocks.
 *
 * A block, what is too short for one, and what needs none are 256, 16 and 64 KiB; sizes and
 * offsets here are around these and their multiples.
 */
#include "config.h"

#include "support/support.h"
#include "system/sys.h"
#ifdef _WIN32
#define fault_test sandbox_test
#else
#include "inject/faults.h"
#include "system/unix/sys_table.h"
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifndef _WIN32
#include <sys/resource.h>
#include <sys/statvfs.h>
#endif

static struct outbuf *open_staged(const struct sandbox *s, uint32_t map, uint32_t stage)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;

	o.map = map;
	o.stage = stage;
	o.order = OUTBUF_BIG_ENDIAN;
	return open_with(s->path, &o);
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

#ifndef _WIN32 /* no way to look at the writes of the library */
static struct sys_table real;
static _Atomic uint64_t bytes_put;

static ssize_t count_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	ssize_t did = real.pwrite(fd, data, n, offset);

	/* One byte is what makes a file longer on SMB. */
	atomic_fetch_add(&bytes_put, did > 1 ? (uint64_t)did : 0);
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
	ob__sys_table.pwrite = count_pwrite;
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

#endif

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
	assert_int_equal(ob__sys_pread_all(fd, seen, 3, far), 0);
	assert_memory_equal(seen, "abc", 3);
	assert_int_equal(ob__sys_pread_all(fd, seen, 3, far + 5), 0);
	assert_memory_equal(seen, "xyz", 3);
	close(fd);
}

/*
 * Without staging, a gap of 64 MiB between two Views: its zeros are not written. What was in the file before an earlier
 * flush, and is zero by now, is.
 */
static void test_gap_unstaged(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	const uint64_t far = ((uint64_t)64 << 20) + 100, small = 300;
	unsigned char *want = calloc(1, (size_t)(far + small));
	struct outbuf_view v;
	struct outbuf *ob;
	uint64_t at;

	assert_non_null(want);
	options.map = OUTBUF_NO;
	options.stage = OUTBUF_NO;
	options.flush = OUTBUF_FLUSH_PWRITE;
	ob = open_with(s->path, &options);
	for (at = 0; at <= far; at += far) {
		assert_int_equal(outbuf_view(ob, &v, at, small), 0);
		assert_int_equal(outbuf_fill(&v, 'a', small), 0);
		assert_int_equal(outbuf_view_end(&v), 0);
		memset(want + at, 'a', small);
	}
	assert_int_equal(outbuf_flush(ob), 0);
	assert_in_range(stats_of(ob).flushed, 2 * small, 4 * 65536);
	/* The first bytes become zero again, and one in the gap is none. */
	assert_int_equal(outbuf_view(ob, &v, 0, small), 0);
	assert_int_equal(outbuf_fill(&v, 0, small), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_view(ob, &v, far / 2, 1), 0);
	assert_int_equal(outbuf_write8(&v, 'b'), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	memset(want, 0, small);
	want[far / 2] = 'b';
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, want, (size_t)(far + small));
	free(want);
}

#ifndef _WIN32
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

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_calls_across_blocks),
		fault_test(test_bounds),
		fault_test(test_cut_and_grow),
		fault_test(test_in_place),
		fault_test(test_threads),
		fault_test(test_far_out),
		fault_test(test_gap_unstaged),
#ifndef _WIN32
		fault_test(test_each_byte_goes_once),
		fault_test(test_memory_is_bounded),
#endif
	};

#ifndef _WIN32
	real = ob__sys_table;
#endif
	return cmocka_run_group_tests_name("stage", tests, NULL, NULL);
}
