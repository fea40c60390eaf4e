/* SPDX-License-Identifier: MIT */
/*
 * Where bytes land: boundary rows around the end of the mapping, run with a mapping and without.
 *
 * The first five rows are those of the Go linker's TestWriteLoc; the others are what it cannot
 * do: a write that straddles.
 */
#include "config.h"

#include "support/files.h"
#ifndef _WIN32
#include "support/abilities.h"
#endif
#include "support/support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

struct row {
	uint64_t mapped, position, heap_before, bytes;
	uint64_t heap_after, where;
	int in_heap;
};

static const struct row rows[] = {
	{ 100, 0, 0, 100, 0, 0, 0 },
	{ 100, 100, 0, 100, 100, 0, 1 },
	{ 10, 10, 0, 100, 100, 0, 1 },
	{ 10, 20, 10, 100, 110, 10, 1 },
	{ 0, 0, 0, 100, 100, 0, 1 },
	/* straddling */
	{ 100, 90, 0, 20, 10, 90, 0 },
	{ 100, 90, 0, 100000, 99990, 90, 0 },
	{ 100, 0, 0, 5000000, 4999900, 0, 0 },
	{ 100, 99, 0, 2, 1, 99, 0 },
	/* at the ends of pages */
	{ 4096, 4095, 0, 1, 0, 4095, 0 },
	{ 4096, 4096, 0, 1, 1, 0, 1 },
	{ 4095, 4095, 0, 1, 1, 0, 1 },
	{ 4097, 4096, 0, 4096, 4095, 4096, 0 },
	{ 8192, 0, 1, 8192, 1, 0, 0 },
	{ 8192, 0, 1, 8193, 1, 0, 0 },
	{ 8192, 0, 1, 8194, 2, 0, 0 },
	/* a gap behind the mapping is zero and counts */
	{ 100, 5000, 0, 10, 4910, 4900, 1 },
	{ 100, 5000000, 7, 10, 4999910, 4999900, 1 },
	/* nothing written in the mapping again, or nothing at all */
	{ 100, 50, 30, 10, 30, 50, 0 },
	{ 1, 0, 0, 1, 0, 0, 0 },
};

static void run_row(const struct sandbox *sandbox, const struct row *row, uint32_t map)
{
	struct outbuf *ob = open_mapping(sandbox->path, map, 0);
	int mapped = map != OUTBUF_NO && can_map() && row->mapped > 0;
	uint64_t size = row->mapped + row->heap_before;
	struct outbuf_stats stats;
	struct outbuf_view v;
	unsigned char *want;
	void *at, *base;

	size = size > row->position + row->bytes ? size : row->position + row->bytes;
	want = calloc(1, (size_t)size);
	assert_non_null(want);

	assert_int_equal(outbuf_map(ob, row->mapped), 0);
	assert_int_equal(outbuf_is_mapped(ob), mapped);
	assert_int_equal(outbuf_size(ob), row->mapped);
	if (row->heap_before > 0) {
		assert_int_equal(outbuf_view(ob, &v, row->mapped, OUTBUF_UNBOUNDED), 0);
		assert_int_equal(outbuf_fill(&v, 0x11, (size_t)row->heap_before), 0);
		assert_int_equal(outbuf_view_end(&v), 0);
		memset(want + row->mapped, 0x11, (size_t)row->heap_before);
	}

	assert_int_equal(outbuf_view(ob, &v, row->position, OUTBUF_UNBOUNDED), 0);
	memset(want + row->position, 0x22, (size_t)row->bytes);
	assert_int_equal(outbuf_write_ref(&v, want + row->position, (size_t)row->bytes, &at), 0);
	assert_int_equal(outbuf_tell(&v), row->position + row->bytes);
	assert_int_equal(outbuf_view_end(&v), 0);

	/* Where the caller sees it: page rounding of the mapping does not show. */
	stats = stats_of(ob);
	assert_int_equal(outbuf_size(ob), size);
	assert_int_equal(stats.output_size, size);
	if (mapped || row->mapped == 0) {
		assert_int_equal(stats.mapped, row->mapped);
		assert_int_equal(stats.heap, row->heap_after);
	} else {
		assert_int_equal(stats.mapped, 0);
		assert_int_equal(stats.heap, row->mapped + row->heap_after);
	}
	assert_int_equal(outbuf_data(ob, 0, 0, &base), 0);
	assert_int_equal(row->position >= row->mapped, row->in_heap);
	assert_ptr_equal(at, (unsigned char *)base + row->where + (row->in_heap ? row->mapped : 0));

	assert_int_equal(commit(ob), 0);
	assert_int_equal(outbuf_close(ob), 0);
	assert_file(sandbox->path, want, (size_t)size);
	assert_int_equal(sandbox_entries(sandbox), 1);
	free(want);
}

static void test_rows_mapped(void **state)
{
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		run_row(*state, &rows[i], OUTBUF_AUTO);
}

static void test_rows_heap(void **state)
{
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		run_row(*state, &rows[i], OUTBUF_NO);
}

static void test_one_mebibyte_is_mapped(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	unsigned char *want = calloc(1, 1 << 20);

	assert_int_equal(outbuf_map(ob, 1 << 20), 0);
	assert_int_equal(outbuf_is_mapped(ob), can_map());
	assert_int_equal(commit(ob), 0);
	assert_int_equal(outbuf_is_mapped(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, want, 1 << 20);
	free(want);
}

static void test_nothing_is_not_mapped(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);

	assert_int_equal(outbuf_is_mapped(ob), 0);
	assert_int_equal(outbuf_map(ob, 0), 0);
	assert_int_equal(outbuf_is_mapped(ob), 0);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, "", 0);
}

/* File systems that do reserve: "not supported" from them is a mistake of ours. */
static int known_to_reserve(const char *dir)
{
#ifdef __linux__
	struct statfs fs;

	if (is_refused("fallocate") || statfs(dir, &fs) != 0)
		return 0;
	switch ((unsigned long)fs.f_type & 0xffffffffu) {
	case 0xef53u: /* ext4; ext2 and ext3 have no such call */
		return strcmp(file_system_of(dir), "ext4") == 0;
	case 0x58465342u: /* xfs */
	case 0x9123683eu: /* btrfs */
	case 0x01021994u: /* tmpfs */
		return 1;
	}
#endif
	(void)dir;
	return 0;
}

/*
 * Go's TestFallocate, which was silently skipped for years because a wrong mode made the
 * kernel answer "not supported". Here that is a failure wherever the file system is
 * known to reserve.
 */
static void test_blocks_are_reserved(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	uint64_t mebibytes;
	struct outbuf *ob;

	skip_in_order();
	/* In place, so that there is a name to ask for its blocks while it is being written. */
	options.replace = OUTBUF_REPLACE_IN_PLACE;
	options.prealloc = OUTBUF_REQUIRE;
	ob = open_with(s->path, &options);
	for (mebibytes = 1; mebibytes <= 3; mebibytes++) {
		struct stat st;
		int r = outbuf_map(ob, mebibytes << 20);

		if (r < 0 && r == required_blocks() && !known_to_reserve(s->dir)) {
			outbuf_close(ob);
			print_message("fallocate(2) is not supported in %s\n", s->dir);
			skip();
		}
		assert_int_equal(r, 0);
		assert_int_equal(stats_of(ob).prealloc_error, 0);
		if (!can_map()) /* without a mapping the file in place is left alone until then */
			assert_int_equal(outbuf_flush(ob), 0);
		assert_int_equal(stat(s->path, &st), 0);
		assert_int_equal(st.st_size, mebibytes << 20);
		if (known_to_reserve(s->dir))
			assert_true(allocated(s->path) >= mebibytes << 20);
	}
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
}

/* Also for the hole before what a View put into the file before it was planned. */
static void test_holes_are_reserved(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf_view v;
	struct outbuf *ob;
	struct stat st;
	int r;

	skip_in_order();
	options.replace = OUTBUF_REPLACE_IN_PLACE;
	options.prealloc = OUTBUF_REQUIRE;
	ob = open_with(s->path, &options);
	assert_int_equal(outbuf_view(ob, &v, 8 << 20, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_fill(&v, 1, 100000), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	r = outbuf_map(ob, 9 << 20);
	if (r < 0 && r == required_blocks() && !known_to_reserve(s->dir)) {
		outbuf_close(ob);
		print_message("fallocate(2) is not supported in %s\n", s->dir);
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(stat(s->path, &st), 0);
	assert_true(st.st_size >= 9 << 20);
	if (known_to_reserve(s->dir))
		assert_true(allocated(s->path) >= 9 << 20);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
}

/* A larger size is mapped over what was in the heap: same addresses, same bytes. */
static void test_mapping_again_moves_nothing(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	static unsigned char want[300000];
	struct outbuf_view v;
	void *before, *after;

	memset(want, 0x5a, 100000);
	assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_write_ref(&v, want, 100000, &before), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_is_mapped(ob), 0);

	assert_int_equal(outbuf_map(ob, 100000), 0);
	assert_int_equal(outbuf_is_mapped(ob), can_map());
	assert_int_equal(outbuf_data(ob, 0, 100000, &after), 0);
	assert_ptr_equal(before, after);
	assert_memory_equal(after, want, 100000);

	assert_int_equal(outbuf_view(ob, &v, 99990, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_fill(&v, 0xa5, 100010), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	memset(want + 99990, 0xa5, 100010);
	assert_int_equal(outbuf_map(ob, 150000), -EINVAL); /* less than there is */
	assert_int_equal(outbuf_map(ob, 300000), 0);
	assert_int_equal(stats_of(ob).heap, can_map() ? 0 : 300000);
	assert_int_equal(outbuf_data(ob, 0, 300000, &after), 0);
	assert_ptr_equal(before, after);
	assert_memory_equal(after, want, 300000);

	/* An edit after the fact, in what was heap and is mapping now. */
	memcpy((unsigned char *)after + 199999, "edit", 4);
	memcpy(want + 199999, "edit", 4);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, want, sizeof want);
}

static void test_unmap_and_map_again(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	static unsigned char want[20000];
	struct outbuf_view v;

	memset(want, 1, 15000);
	assert_int_equal(outbuf_unmap(ob), 0); /* nothing to do */
	assert_int_equal(outbuf_map(ob, 10000), 0);
	assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_fill(&v, 1, 15000), 0);
	assert_int_equal(outbuf_unmap(ob), -EBUSY);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_unmap(ob), 0);
	assert_int_equal(outbuf_is_mapped(ob), 0);
	assert_int_equal(outbuf_size(ob), 15000);
	if (can_map()) {
		void *p;

		assert_int_equal(stats_of(ob).reserved, 0);
		assert_int_equal(outbuf_data(ob, 0, 1, &p), -EINVAL);
		assert_int_equal(outbuf_set_size(ob, 1), -EINVAL);
		assert_int_equal(outbuf_flush(ob), 0);
		assert_int_equal(outbuf_sync(ob), 0);
		assert_int_equal(outbuf_map(ob, 14999), -EINVAL);
	}
	assert_int_equal(outbuf_map(ob, 20000), 0);
	assert_int_equal(outbuf_view_edit(ob, &v, 14999, 2), 0);
	assert_int_equal(outbuf_write16le(&v, 0x0302), 0);
	memcpy(want + 14999, "\2\3", 2);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_unmap(ob), 0);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, want, sizeof want);
}

static void test_set_size(void **state)
{
	struct sandbox *s = *state;
	uint32_t map;

	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++) {
		struct outbuf *ob = open_mapping(s->path, map, 0);
		static unsigned char want[9000];
		struct outbuf_view v;

		memset(want, 0, sizeof want);
		assert_int_equal(outbuf_map(ob, 5000), 0);
		assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
		assert_int_equal(outbuf_fill(&v, 7, 20000), 0);
		assert_int_equal(outbuf_set_size(ob, 1), -EBUSY);
		assert_int_equal(outbuf_view_end(&v), 0);
		assert_int_equal(outbuf_flush(ob), 0);
		/* Cut in the mapping, then grow over it again: zeros, also where it was flushed. */
		assert_int_equal(outbuf_set_size(ob, 3000), 0);
		assert_int_equal(outbuf_size(ob), 3000);
		assert_in_range(stats_of(ob).mapped, 0, 3000);
		assert_int_equal(stats_of(ob).heap, 3000 - stats_of(ob).mapped);
		assert_int_equal(outbuf_set_size(ob, 9000), 0);
		assert_int_equal(outbuf_size(ob), 9000);
		assert_int_equal(outbuf_set_size(ob, UINT64_MAX), -EFBIG);
		assert_int_equal(commit(ob), 0);
		outbuf_close(ob);
		memset(want, 7, 3000);
		assert_file(s->path, want, sizeof want);
	}
}

static void test_flush_then_more(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	struct outbuf_view v;
	void *ref;

	skip_in_order();
	ob = open_mapping(s->path, OUTBUF_NO, 0);
	assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
	outbuf_write_string(&v, "abc");
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_flush(ob), 0);
	assert_int_equal(stats_of(ob).flushed, 3);
	assert_int_equal(outbuf_flush(ob), 0); /* clean: nothing is written twice */
	assert_int_equal(stats_of(ob).flushed, 3);
	assert_int_equal(outbuf_sync(ob), 0);

	assert_int_equal(outbuf_view(ob, &v, 3, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_write_ref(&v, "def", 3, &ref), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_flush(ob), 0);
	memcpy(ref, "DEF", 3); /* a pointer lives until commit, so its bytes must too */
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, "abcDEF", 6);
}

/* Raw access alone, with no View anywhere, before and after a flush. */
static void test_raw_access(void **state)
{
	struct sandbox *s = *state;
	uint32_t map;

	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++) {
		struct outbuf *ob = open_mapping(s->path, map, 0);
		void *head, *tail;

		assert_int_equal(outbuf_map(ob, 4), 0);
		assert_int_equal(outbuf_data(ob, 0, 4, &head), 0);
		assert_int_equal(outbuf_data(ob, 4, 4, &tail), 0);
		assert_ptr_equal((char *)head + 4, tail);
		assert_int_equal(outbuf_size(ob), 8);
		memcpy(head, "raw bytes", 8);
		assert_int_equal(outbuf_flush(ob), 0);
		memcpy(tail, "data", 4);
		assert_int_equal(commit(ob), 0);
		outbuf_close(ob);
		assert_file(s->path, "raw data", 8);
	}

	/* A pointer was out, then all is unmapped: nothing is left that could be carried. */
	struct outbuf *ob = open_with(s->path, NULL);
	void *data;

	assert_int_equal(outbuf_map(ob, 4), 0);
	assert_int_equal(outbuf_data(ob, 0, 8000, &data), 0);
	memset(data, 'r', 8000);
	assert_int_equal(outbuf_unmap(ob), 0);
	assert_int_equal(outbuf_map(ob, 9000), 0);
	assert_int_equal(outbuf_set_size(ob, 8000), 0);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
	data = malloc(8000);
	memset(data, 'r', 8000);
	assert_file(s->path, data, 8000);
	free(data);
}

/* An extension by zeros is a hole, not blocks: image builders ask for large ones. */
static void test_set_size_makes_holes(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf_view v;
	struct outbuf *ob;
	struct stat st;

#ifndef _WIN32
	need_holes(s);
#endif
	skip_in_order();
	options.max_size = (uint64_t)1 << 31;
	ob = open_with(s->path, &options);
	assert_int_equal(outbuf_view(ob, &v, 0, 3), 0);
	assert_int_equal(outbuf_write_string(&v, "abc"), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	if (outbuf_set_size(ob, (uint64_t)1 << 30) != 0) {
		outbuf_close(ob);
		print_message("no address space of 1 GiB here\n");
		skip();
	}
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_size, 1 << 30);
#ifndef _WIN32 /* only what was made sparse has holes there */
	assert_true(allocated(s->path) < 1 << 20);
#endif
}

struct heard {
	int begun[OUTBUF_PHASES], done[OUTBUF_PHASES];
	uint64_t bytes[OUTBUF_PHASES];
};

static void hear(void *arg, enum outbuf_phase phase, int done, uint64_t bytes)
{
	struct heard *heard = arg;

	heard->begun[phase] += !done;
	heard->done[phase] += done && heard->begun[phase] == heard->done[phase] + 1;
	heard->bytes[phase] = bytes;
}

static void test_phases(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct heard heard = { .begun = { 0 } };
	struct outbuf_view v;
	struct outbuf *ob;
	int phase;

	skip_in_order();
	options.observe = hear;
	options.observe_arg = &heard;
	ob = open_with(s->path, &options);
	assert_int_equal(outbuf_map(ob, 100), 0);
	assert_int_equal(heard.bytes[OUTBUF_PHASE_MAP], 100);
	outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
	outbuf_fill(&v, 1, 10000);
	outbuf_view_end(&v);
	assert_int_equal(outbuf_sync(ob), 0);
	assert_int_equal(heard.done[OUTBUF_PHASE_FLUSH], 1);
	assert_int_equal(commit(ob), 0);
	for (phase = 0; phase < OUTBUF_PHASES; phase++) {
		assert_int_equal(heard.begun[phase], phase == OUTBUF_PHASE_FLUSH ? 2 : 1);
		assert_int_equal(heard.done[phase], heard.begun[phase]);
		assert_true(stats_of(ob).phase_ns[phase] > 0);
	}
	assert_int_equal(heard.bytes[OUTBUF_PHASE_UNMAP], 10000);
	assert_int_equal(heard.bytes[OUTBUF_PHASE_SYNC], 10000);
	assert_int_equal(heard.bytes[OUTBUF_PHASE_PUBLISH], 10000);
	outbuf_close(ob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_rows_mapped),
		sandbox_test(test_rows_heap),
		sandbox_test(test_one_mebibyte_is_mapped),
		sandbox_test(test_nothing_is_not_mapped),
		sandbox_test(test_blocks_are_reserved),
		sandbox_test(test_holes_are_reserved),
		sandbox_test(test_mapping_again_moves_nothing),
		sandbox_test(test_unmap_and_map_again),
		sandbox_test(test_set_size),
		sandbox_test(test_flush_then_more),
		sandbox_test(test_raw_access),
		sandbox_test(test_set_size_makes_holes),
		sandbox_test(test_phases),
	};

	return cmocka_run_group_tests_name("location", tests, NULL, NULL);
}
