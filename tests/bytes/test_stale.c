/* SPDX-License-Identifier: MIT */
/*
 * Not a byte of the earlier output shows in one that is written over it. Each script leaves gaps in a
 * way of its own; it is run on a new file, and on spares of several lengths full of OLD, in every way that
 * bytes can go, and both files are to be the same. No script writes OLD.
 */
#include "config.h"

#include "inject/faults.h"
#include "rigs/spare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK ((uint64_t)65536)

#define check(condition)                                                        \
	do {                                                                    \
		if (!(condition))                                               \
			return __LINE__;                                        \
	} while (0)

/* ---------------------------------------------------------------------------- scripts */

/* A View on [from, from + length) that stores only [at, at + n). */
static int part(struct outbuf *ob, uint64_t from, uint64_t length, uint64_t at, size_t n)
{
	struct outbuf_view v;

	check(outbuf_view(ob, &v, from, length) == 0);
	check(outbuf_seek(&v, at) == 0);
	check(outbuf_fill(&v, 'p', n) == 0);
	check(outbuf_view_end(&v) == 0);
	return 0;
}

/* Long and short Views, at pages and blocks, one byte more and less. */
static int partly_written(struct outbuf *ob)
{
	static const struct { uint64_t from, length, at; size_t n; } rows[] = {
		{ 0, 100, 10, 20 },             { 100, 100, 100, 0 },
		{ 4000, 200, 4095, 2 },         { 5000, 60000, 65000, 0 },
		{ 65000, 1000, 65535, 1 },      { 66000, 70000, 2 * BLOCK - 1, 2 },
		{ 140000, 40, 140000, 40 },     { 140040, 3, 140042, 1 },
		{ 150000, 100000, 160001, 50000 },
	};
	size_t i;

	check(outbuf_map(ob, 200000) == 0);
	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		check(part(ob, rows[i].from, rows[i].length, rows[i].at, rows[i].n) == 0);
	return 0;
}

static int seeks(struct outbuf *ob)
{
	struct outbuf_view v;

	check(outbuf_map(ob, 90000) == 0);
	check(outbuf_view(ob, &v, 7, OUTBUF_UNBOUNDED) == 0);
	check(outbuf_write_string(&v, "seven") == 0);
	check(outbuf_seek(&v, 5000) == 0);
	check(outbuf_fill(&v, 's', 70000) == 0);
	check(outbuf_seek(&v, 20) == 0);
	check(outbuf_write32(&v, 0x01020304) == 0);
	check(outbuf_seek(&v, 180000) == 0);
	check(outbuf_uleb128(&v, 1000) == 0);
	check(outbuf_seek(&v, 250000) == 0); /* nothing is stored there */
	check(outbuf_view_end(&v) == 0);
	return 0;
}

/* Long writes that go straight from the caller's memory, where Views are staged. */
static int straight(struct outbuf *ob)
{
	static unsigned char bytes[120000];
	struct outbuf_view v;

	memset(bytes, 'l', sizeof bytes);
	check(outbuf_map(ob, 150000) == 0);
	check(outbuf_view(ob, &v, 333, OUTBUF_UNBOUNDED) == 0);
	check(outbuf_write(&v, bytes, sizeof bytes) == 0);
	check(outbuf_seek(&v, 130001) == 0);
	check(outbuf_write(&v, bytes, 70000) == 0);
	check(outbuf_view_end(&v) == 0);
	return 0;
}

static int edits(struct outbuf *ob)
{
	struct outbuf_view v;

	check(outbuf_map(ob, 100000) == 0);
	check(part(ob, 0, 50000, 1000, 30000) == 0);
	check(outbuf_view_edit(ob, &v, 500, 1000) == 0);
	check(outbuf_seek(&v, 999) == 0);
	check(outbuf_write16(&v, 0x0506) == 0);
	check(outbuf_view_end(&v) == 0);
	check(outbuf_view_edit(ob, &v, 20000, 60000) == 0);
	check(outbuf_seek(&v, 40000) == 0);
	check(outbuf_fill(&v, 'e', 33333) == 0);
	check(outbuf_view_end(&v) == 0);
	return 0;
}

static int all_zero(const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n > 0 && *p == 0) {
		p++;
		n--;
	}
	return n == 0;
}

/* Pointers show zeros before anything is stored through them, and may stay so. */
static int pointers_at(struct outbuf *ob, uint64_t offset, uint64_t length)
{
	struct outbuf_view v;
	void *ref;

	check(outbuf_view(ob, &v, offset, length) == 0);
	check(outbuf_write_string(&v, "before") == 0);
	check(outbuf_reserve(&v, 3000, &ref) == 0);
	check(all_zero(ref, 3000));
	check(outbuf_write_ref(&v, "by reference", 12, &ref) == 0);
	check(memcmp(ref, "by reference", 12) == 0);
	check(outbuf_reserve(&v, 5000, &ref) == 0);
	check(all_zero(ref, 5000));
	((char *)ref)[100] = 'r';
	check(outbuf_seek(&v, outbuf_tell(&v) + 10) == 0);
	check(outbuf_write8(&v, 9) == 0);
	check(outbuf_view_end(&v) == 0);
	return 0;
}

static int pointers(struct outbuf *ob)
{
	check(outbuf_map(ob, 100000) == 0);
	check(pointers_at(ob, 1, 9000) == 0);
	check(pointers_at(ob, BLOCK - 4000, 20000) == 0);
	check(pointers_at(ob, 95000, OUTBUF_UNBOUNDED) == 0);
	check(pointers_at(ob, 130000, OUTBUF_UNBOUNDED) == 0);
	check(pointers_at(ob, 200000, 9000) == 0);
	return 0;
}

static int is_part(const unsigned char *data, uint64_t offset, size_t n, uint64_t from, uint64_t to)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (data[i] != (offset + i >= from && offset + i < to ? 'p' : 0))
			return 0;
	return 1;
}

/* What was stored is there, and zeros around it: in the mapping, over its end, behind it. */
static int data(struct outbuf *ob)
{
	void *p;

	check(outbuf_map(ob, 100000) == 0);
	check(part(ob, 60000, 10000, 61000, 8000) == 0);
	check(outbuf_data(ob, 50000, 30000, &p) == 0);
	check(is_part(p, 50000, 30000, 61000, 69000));
	check(part(ob, 99000, 40000, 110000, 7000) == 0);
	check(outbuf_data(ob, 98000, 50000, &p) == 0);
	check(is_part(p, 98000, 50000, 110000, 117000));
	check(part(ob, 180000, 10, 181000 - 995, 1) == 0);
	check(outbuf_data(ob, 180000, 30000, &p) == 0);
	check(is_part(p, 180000, 30000, 180005, 180006));
	((char *)p)[20000] = 'd';
	return 0;
}

/* So much at once that whole blocks of it were never stored to, with such as were among them. */
static int data_of_all(struct outbuf *ob)
{
	void *p;

	check(outbuf_map(ob, 400000) == 0);
	check(part(ob, 200000, 10000, 201000, 8000) == 0);
	check(outbuf_data(ob, 0, 450000, &p) == 0);
	check(is_part(p, 0, 450000, 201000, 209000));
	((char *)p)[BLOCK + 7] = 'd';
	((char *)p)[449999] = 'd';
	return 0;
}

static int cut_and_grow(struct outbuf *ob)
{
	check(outbuf_map(ob, 150000) == 0);
	check(part(ob, 100000, 1000, 100500, 100) == 0);
	check(outbuf_set_size(ob, 50000) == 0);
	check(part(ob, 49000, 10, 49001, 1) == 0);
	check(outbuf_set_size(ob, 70001) == 0);
	check(outbuf_set_size(ob, 180000) == 0);
	check(part(ob, 190000, 20, 190010, 1) == 0);
	check(outbuf_set_size(ob, 190005) == 0);
	check(part(ob, 200000, 20, 200010, 1) == 0);
	return 0;
}

/* The size is set where nothing was planned or stored: below what is there. */
static int grow_first(struct outbuf *ob)
{
	check(outbuf_set_size(ob, 10000) == 0);
	check(part(ob, 100000, 5, 100000, 5) == 0);
	check(outbuf_set_size(ob, 120000) == 0);
	check(part(ob, 180000, 5, 180000, 5) == 0);
	return 0;
}

/* The same in a mapping that nobody stored into. */
static int cut_mapping(struct outbuf *ob)
{
	check(outbuf_map(ob, 150000) == 0);
	check(outbuf_set_size(ob, 30000) == 0);
	check(part(ob, 140000, 5, 140000, 5) == 0);
	check(outbuf_set_size(ob, 149990) == 0);
	return 0;
}

static int map_again(struct outbuf *ob)
{
	check(part(ob, 1000, 100, 1010, 5) == 0);
	check(outbuf_map(ob, 40000) == 0);
	check(part(ob, 39000, 3000, 40000, 2000) == 0);
	check(outbuf_map(ob, 90000) == 0);
	check(part(ob, 80000, 30000, 85000, 1) == 0);
	check(outbuf_map(ob, 170000) == 0);
	check(part(ob, 165000, 1, 165000, 1) == 0);
	return 0;
}

static int unmap(struct outbuf *ob)
{
	void *p;

	check(outbuf_map(ob, 80000) == 0);
	check(part(ob, 30000, 20000, 35000, 1000) == 0);
	check(part(ob, 90000, 300, 90100, 100) == 0);
	check(outbuf_unmap(ob) == 0);
	check(outbuf_map(ob, 150000) == 0);
	check(outbuf_data(ob, 34000, 3000, &p) == 0);
	check(is_part(p, 34000, 3000, 35000, 36000));
	check(part(ob, 140000, 300, 140100, 100) == 0);
	check(outbuf_unmap(ob) == 0);
	return 0;
}

/* What a flush carried is the file's, and around it the file has its old bytes. */
static int flush_between(struct outbuf *ob)
{
	struct outbuf_view v;
	void *p;

	check(outbuf_map(ob, 20000) == 0);
	check(part(ob, 30000, 100, 30050, 10) == 0);
	check(part(ob, 50000, 100, 50050, 10) == 0);
	check(part(ob, 70000, 40000, 90000, 10) == 0);
	check(outbuf_flush(ob) == 0);
	check(outbuf_data(ob, 25000, 30000, &p) == 0);
	check(all_zero(p, 5050));
	check(outbuf_flush(ob) == 0);
	check(outbuf_view_edit(ob, &v, 80000, 3000) == 0);
	check(outbuf_seek(&v, 81000) == 0);
	check(outbuf_write8(&v, 'f') == 0);
	check(outbuf_view_end(&v) == 0);
	check(outbuf_flush(ob) == 0);
	check(outbuf_view(ob, &v, 84000, 9000) == 0);
	check(outbuf_reserve(&v, 8000, &p) == 0);
	check(is_part(p, 84000, 8000, 90000, 90010));
	check(outbuf_view_end(&v) == 0);
	check(outbuf_sync(ob) == 0);
	check(part(ob, 120000, 1, 120000, 1) == 0);
	return 0;
}

/* As a linker's padding: a gap before each section. */
static int many_gaps(struct outbuf *ob)
{
	uint64_t at, seed = 3;

	check(outbuf_map(ob, 180000) == 0);
	for (at = 0; at < 200000; at += 16 + random_below(&seed, 50))
		check(part(ob, at, 16, at + 3, (size_t)random_below(&seed, 12)) == 0);
	return 0;
}

static int one_of_four(void *arg, unsigned i)
{
	uint64_t at;

	for (at = 1000 * i; at < 220000; at += 4000) {
		int line = part(arg, at, 990, at + 7, 500);

		if (line != 0)
			return line;
	}
	return part(arg, 230000 + i * 30000, 25000, 240000 + i * 30000, 9999);
}

static int threads(struct outbuf *ob)
{
	check(outbuf_map(ob, 160000) == 0);
	return run_threads(4, one_of_four, ob);
}

static int nothing(struct outbuf *ob)
{
	check(outbuf_map(ob, 99999) == 0);
	return 0;
}

static int empty(struct outbuf *ob)
{
	(void)ob;
	return 0;
}

static const struct { const char *name; int (*run)(struct outbuf *ob); } scripts[] = {
	{ "partly written", partly_written }, { "seeks", seeks },
	{ "straight", straight },             { "edits", edits },
	{ "pointers", pointers },
	{ "data", data },                     { "data of all", data_of_all },
	{ "cut and grow", cut_and_grow },
	{ "grow first", grow_first },         { "cut mapping", cut_mapping },
	{ "map again", map_again },           { "unmap", unmap },
	{ "flush between", flush_between },   { "many gaps", many_gaps },
	{ "threads", threads },               { "nothing", nothing },
	{ "empty", empty },
};

/* ------------------------------------------------------------------------------- ways */

static const size_t spares[] = { 1, 4096, 65535, 65537, 100000, 200000, 1 << 20 };

#define FILE_MAX ((size_t)1 << 20)
static unsigned char fresh[FILE_MAX];

static size_t read_whole(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, fresh, sizeof fresh);

	assert_true(n >= 0);
	close(fd);
	return (size_t)n;
}

static void run_script(const struct sandbox *s, size_t which, const struct outbuf_options *o,
                       size_t spare)
{
	struct outbuf_options options = *o;
	struct outbuf *ob;
	int line;

	options.recycle = spare > 0;
	unlink(s->path);
	if (spare > 0)
		spare_plant(s, spare);
	ob = open_with(s->path, &options);
	if (spare > 0)
		assert_string_equal(stats_of(ob).placement, "recycled");
	line = scripts[which].run(ob);
	if (line != 0)
		fail_msg("%s, spare of %zu: line %d", scripts[which].name, spare, line);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
}

static void every_script(const struct sandbox *s, const struct outbuf_options *options)
{
	size_t i, j, n;

	skip_unrecycled(s);
	for (i = 0; i < sizeof scripts / sizeof *scripts; i++) {
		run_script(s, i, options, 0);
		n = read_whole(s->path);
		assert_null(memchr(fresh, OLD, n));
		for (j = 0; j < sizeof spares / sizeof *spares; j++) {
			if (!is_turn(i + j, 5))
				continue;
			run_script(s, i, options, spares[j]);
			assert_file(s->path, fresh, n);
		}
	}
}

static struct outbuf_options way(uint32_t map, uint32_t stage, uint32_t flush)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;

	options.map = map;
	options.stage = stage;
	options.flush = flush;
	return options;
}

#define WAY(name, map, stage, flush)                                   \
	static void name(void **state)                                 \
	{                                                              \
		struct outbuf_options options = way(map, stage, flush); \
		every_script(*state, &options);                        \
	}

WAY(test_usual, OUTBUF_AUTO, OUTBUF_AUTO, OUTBUF_FLUSH_AUTO)
WAY(test_mapped, OUTBUF_AUTO, OUTBUF_NO, OUTBUF_FLUSH_PWRITE)
WAY(test_mapped_staged, OUTBUF_AUTO, OUTBUF_REQUIRE, OUTBUF_FLUSH_PWRITE)
WAY(test_heap, OUTBUF_NO, OUTBUF_NO, OUTBUF_FLUSH_PWRITE)
WAY(test_heap_staged, OUTBUF_NO, OUTBUF_REQUIRE, OUTBUF_FLUSH_PWRITE)
WAY(test_in_order, OUTBUF_NO, OUTBUF_NO, OUTBUF_FLUSH_STREAM)

static void test_uring(void **state)
{
	struct outbuf_options options = way(OUTBUF_NO, OUTBUF_REQUIRE, OUTBUF_FLUSH_URING);
	struct sandbox *s = *state;
	struct outbuf *ob;
	int r = outbuf_open(&ob, s->path, &options);

	outbuf_close(ob);
	if (r < 0) {
		print_message("no io_uring here\n");
		skip();
	}
	every_script(s, &options);
	options.stage = OUTBUF_NO;
	every_script(s, &options);
}

/* Without blocks, and with more than one thread that carries. */
static void test_options(void **state)
{
	struct outbuf_options options = way(OUTBUF_AUTO, OUTBUF_AUTO, OUTBUF_FLUSH_PWRITE);

	options.prealloc = OUTBUF_NO;
	options.threads = 3;
	options.guard = 1;
	options.check_overlap = 0;
	every_script(*state, &options);
}

/* What was made zero is told, and it is not more than what nobody wrote. */
static void test_zeroed(void **state)
{
	struct sandbox *s = *state;
	uint32_t map;

	skip_unrecycled(s);
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++) {
		struct outbuf_options options = way(map, OUTBUF_AUTO, OUTBUF_FLUSH_PWRITE);
		struct outbuf *ob;
		void *p;

		options.recycle = 1;
		unlink(s->path);
		spare_plant(s, 300000);
		ob = open_with(s->path, &options);
		assert_int_equal(stats_of(ob).zeroed, 0);
		assert_int_equal(outbuf_map(ob, 200000), 0);
		assert_int_equal(part(ob, 0, 190000, 10000, 100000), 0);
		assert_int_equal(part(ob, 190000, 500, 190000, 500), 0);
		if (outbuf_is_mapped(ob)) {
			assert_int_equal(outbuf_data(ob, 5000, 6000, &p), 0);
			assert_int_equal(stats_of(ob).zeroed, 5000);
		}
		assert_int_equal(outbuf_commit(ob), 0);
		assert_int_equal(stats_of(ob).zeroed, 200000 - 100500);
		outbuf_close(ob);
	}
	/* Nothing to do where all is written. */
	struct outbuf_stats stats = run_once(s, 'n', 100000);

	assert_not_recycled(&stats, "no spare yet");
	stats = run_once(s, 'n', 100000);
	assert_recycled(&stats);
	assert_int_equal(stats.zeroed, 0);

	/* Bytes that come with the pointer need not be zero first. */
	struct outbuf_options options = recycling();
	struct outbuf *ob = open_with(s->path, &options);
	static unsigned char bytes[50000];
	struct outbuf_view v;
	void *ref;

	assert_int_equal(outbuf_map(ob, sizeof bytes), 0);
	assert_int_equal(outbuf_view(ob, &v, 0, sizeof bytes), 0);
	assert_int_equal(outbuf_write_ref(&v, bytes, sizeof bytes, &ref), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	stats = stats_of(ob);
	assert_recycled(&stats);
	assert_int_equal(stats.zeroed, 0);
	outbuf_close(ob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_usual),
		fault_test(test_mapped),
		fault_test(test_mapped_staged),
		fault_test(test_heap),
		fault_test(test_heap_staged),
		fault_test(test_in_order),
		fault_test(test_uring),
		fault_test(test_options),
		fault_test(test_zeroed),
	};

	return cmocka_run_group_tests_name("stale", tests, NULL, NULL);
}
