/* SPDX-License-Identifier: MIT */
/* How large an output may be: sizes that cannot be, options.max_size, and the process's limits. */
#include "config.h"

#include "support/addresses.h"
#include "support/support.h"

#include <errno.h>
#include <stdlib.h>
#ifndef _WIN32
#include <sys/resource.h>
#endif

/* Sizes that cannot be: refused before anything is created, and the output goes on. */
static void test_sizes(void **state)
{
	static const uint64_t impossible[] = {
		UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 4096, (uint64_t)INT64_MAX + 1,
		INT64_MAX, INT64_MAX - 4094,
	};
	struct sandbox *s = *state;
	uint32_t map;
	size_t i;

	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++) {
		struct outbuf *ob = open_mapping(s->path, map, 0);
		struct outbuf_view v;
		void *data;

		for (i = 0; i < sizeof impossible / sizeof *impossible; i++) {
			assert_int_equal(outbuf_map(ob, impossible[i]), -EFBIG);
			assert_int_equal(outbuf_set_size(ob, impossible[i]), -EFBIG);
			assert_int_equal(outbuf_data(ob, impossible[i], 4096, &data), -EFBIG);
		}
		/* mold#1195: a damaged header asked for 360 PB. With 32 bits no address can say it. */
		assert_int_equal(outbuf_map(ob, (uint64_t)360 << 50), sizeof(void *) < 8 ? -EFBIG : -ENOMEM);
		assert_int_equal(outbuf_size(ob), 0);
		assert_int_equal(outbuf_error(ob), 0);
		assert_int_equal(outbuf_map(ob, 3), 0);
		assert_int_equal(outbuf_view(ob, &v, 0, 3), 0);
		assert_int_equal(outbuf_write_string(&v, "abc"), 0);
		assert_int_equal(outbuf_view_end(&v), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_file(s->path, "abc", 3);
	}
}

/* max_size is a limit, and the first View beyond it is the output's error. */
static void test_max_size(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf_view v;
	struct outbuf *ob;
	int call;

	o.max_size = 1 << 20;
	for (call = 0; call < 7; call++) {
		int r = 0;

		ob = open_with(s->path, &o);
		assert_int_equal(outbuf_map(ob, (1 << 20) + 1), -EFBIG);
		assert_int_equal(outbuf_set_size(ob, (1 << 20) + 1), -EFBIG);
		assert_int_equal(outbuf_error(ob), 0);
		switch (call) {
		case 0:
			r = outbuf_view(ob, &v, 1 << 20, 1);
			assert_int_equal(outbuf_view_end(&v), -EFBIG);
			break;
		case 1:
			r = outbuf_view(ob, &v, UINT64_MAX - 1, 100);
			assert_int_equal(outbuf_view_end(&v), -EFBIG);
			break;
		case 2:
			r = outbuf_view(ob, &v, (1 << 20) + 1, OUTBUF_UNBOUNDED);
			assert_int_equal(outbuf_write8(&v, 1), -EFBIG);
			break;
		case 3:
			assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
			r = outbuf_fill(&v, 1, (1 << 20) + 1);
			assert_int_equal(outbuf_view_end(&v), -EFBIG);
			break;
		case 4:
			assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
			r = outbuf_seek(&v, (1 << 20) + 1);
			assert_int_equal(outbuf_view_end(&v), -EFBIG);
			break;
		case 5:
			assert_int_equal(outbuf_view(ob, &v, 1, OUTBUF_UNBOUNDED), 0);
			r = outbuf_fill(&v, 1, SIZE_MAX);
			assert_int_equal(outbuf_view_end(&v), -EFBIG);
			break;
		case 6: /* no View, so not the output's error: the caller has it in hand */
			assert_int_equal(outbuf_data(ob, 1 << 20, 1, (void **)&(void *){ NULL }), -EFBIG);
			assert_int_equal(outbuf_error(ob), 0);
			outbuf_fail(ob, -EFBIG);
			r = -EFBIG;
			break;
		}
		assert_int_equal(r, -EFBIG);
		assert_int_equal(outbuf_error(ob), -EFBIG);
		assert_int_equal(outbuf_commit(ob), -EFBIG);
		outbuf_close(ob);
	}

	/* Up to the limit and not a byte more. */
	ob = open_with(s->path, &o);
	assert_int_equal(outbuf_map(ob, 100), 0);
	assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_fill(&v, 1, 1 << 20), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
}

/* A limit that is no multiple of a page is met to the byte, whatever came before. */
static void test_max_size_to_the_byte(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	int before;

	o.max_size = 100;
	for (before = 0; before < 4; before++) {
		struct outbuf *ob = open_with(s->path, &o);
		struct outbuf_view v;

		if (before == 1)
			assert_int_equal(outbuf_map(ob, 10), 0);
		if (before == 2)
			assert_int_equal(outbuf_map(ob, 100), 0);
		if (before == 3) {
			assert_int_equal(outbuf_view(ob, &v, 0, 50), 0);
			assert_int_equal(outbuf_view_end(&v), 0);
		}
		assert_int_equal(outbuf_map(ob, 101), -EFBIG);
		assert_int_equal(outbuf_data(ob, 50, 51, (void **)&(void *){ NULL }), -EFBIG);
		assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
		assert_int_equal(outbuf_fill(&v, 1, 50), 0);
		while (outbuf_write8(&v, 2) == 0)
			continue;
		assert_int_equal(outbuf_tell(&v), 100);
		assert_int_equal(outbuf_view_end(&v), -EFBIG);
		assert_int_equal(outbuf_view(ob, &v, 50, 51), -EFBIG);
		outbuf_close(ob);
	}
}

#ifndef _WIN32
/* `ulimit -f`: an error and not the signal that writing beyond it raises. */
static int under_file_limit(void *arg)
{
	const struct sandbox *s = arg;
	struct rlimit limit = { .rlim_cur = 64 << 10, .rlim_max = 64 << 10 };
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf_view v;
	struct outbuf *ob;

	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 1;
	for (options.stage = 0; options.stage <= OUTBUF_NO; options.stage++) {
		if (outbuf_open(&ob, s->path, &options) != 0 || outbuf_map(ob, 1 << 20) != -EFBIG ||
		    outbuf_map(ob, 60 << 10) != 0)
			return 2;
		outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
		outbuf_fill(&v, 1, 65 << 10);
		/* Staged, a View's bytes go to the file when it ends, else at commit. */
		if (outbuf_view_end(&v) != (stats_of(ob).staged ? -EFBIG : 0) ||
		    outbuf_commit(ob) != -EFBIG)
			return 3;
		outbuf_close(ob);
	}
	return 0;
}

static void test_file_size_limit(void **state)
{
	assert_int_equal(in_child(0, under_file_limit, *state), 0);
	assert_int_equal(sandbox_entries(*state), 0);
}

#endif

static void test_mapping_required(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_mapping(s->path, OUTBUF_REQUIRE, 0);

	assert_int_equal(outbuf_map(ob, 10), required_mapping());
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
}

#ifndef _WIN32
/* `ulimit -v`: the reservation shrinks by itself, and what does not fit is an error. */
static int under_limit(void *arg)
{
	const struct sandbox *s = arg;
	/* With 32 bits these are beyond the default of max_size, 512 MiB. */
	const int no_room = sizeof(void *) < 8 ? -EFBIG : -ENOMEM;
	struct outbuf_view v;
	struct outbuf *ob, *second;
	void *memory;
	int r = addresses_limit();

	if (r != 0)
		return r;
	if (outbuf_open(&ob, s->path, NULL) != 0 || outbuf_map(ob, 1 << 20) != 0)
		return 2;
	/* The program must live, too. */
	memory = malloc(100 << 20);
	if (memory == NULL)
		return 3;
	free(memory);
	if (outbuf_open(&second, "second", NULL) != 0 || outbuf_map(second, 1 << 20) != 0)
		return 4;
	if (outbuf_map(second, (uint64_t)2 << 30) != no_room)
		return 5;
	outbuf_close(second);
	outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
	if (outbuf_fill(&v, 5, 50 << 20) != 0 || outbuf_view_end(&v) != 0)
		return 6;
	if (outbuf_view(ob, &v, (uint64_t)3 << 30, 10) != no_room)
		return 7;
	if (outbuf_commit(ob) != no_room)
		return 8;
	outbuf_close(ob);
	if (outbuf_open(&ob, s->path, NULL) != 0 || outbuf_map(ob, (uint64_t)4 << 30) != no_room)
		return 9;
	outbuf_close(ob);
	return 0;
}

static void test_address_space(void **state)
{
	with_few_addresses(under_limit, *state);
}

#endif

/*
 * Many outputs at once: with 48 bits of addresses each has room for 16 GiB. ThreadSanitizer leaves 1.5 TiB, and
 * dies of threads that map when they are used up.
 */
#define OUTPUTS 40
#define ROOM ((uint64_t)16 << 30)

static void test_many_reservations(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob[OUTPUTS];
	int i, refused = 0;

	if (getenv("VALGRIND") != NULL || !has_vm() || !addresses_for(OUTPUTS * ROOM)) {
		print_message("not that many addresses here\n");
		skip();
	}
	for (i = 0; i < OUTPUTS; i++) {
		struct outbuf_view v;

		ob[i] = open_with(s->path, NULL);
		refused += outbuf_view(ob[i], &v, ROOM - 1, OUTBUF_UNBOUNDED) != 0;
		outbuf_view_end(&v);
	}
	for (i = 0; i < OUTPUTS; i++)
		outbuf_close(ob[i]);
	assert_int_equal(refused, 0);
	assert_int_equal(sandbox_entries(s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_sizes),
		sandbox_test(test_max_size),
		sandbox_test(test_max_size_to_the_byte),
		sandbox_test(test_mapping_required),
#ifndef _WIN32 /* no such limits */
		sandbox_test(test_file_size_limit),
		sandbox_test(test_address_space),
#endif
		sandbox_test(test_many_reservations),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
