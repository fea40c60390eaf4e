/* SPDX-License-Identifier: MIT */
/*
 * Mapping and unmapping at their edges: a file that may not be whole pages long, a thread that comes while the output
 * is unmapped, an error of the last step.
 */
#include "config.h"

#include "inject/faults.h"
#include "output/output.h"
#include "support/support.h"
#include "system/unix/sys_table.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct sys_table real;

/* ------------------------------------------- a limit within one page of the size */

static ssize_t no_pread(int fd, void *data, size_t n, off_t offset)
{
	(void)fd, (void)data, (void)n, (void)offset;
	errno = EIO;
	return -1;
}

struct near_limit {
	const struct sandbox *s;
	uint32_t map, stage, prealloc;
	uint64_t size, limit; /* in bytes: limit < size in whole pages */
};

/* The whole life of such an output. 0, or the line that is wrong. */
static int live_near_limit(void *arg)
{
	const struct near_limit *n = arg;
	struct rlimit limit = { .rlim_cur = n->limit, .rlim_max = n->limit };
	uint64_t page = ob__space_page_size(), full = n->size / page * page;
	int mapped = n->map == OUTBUF_REQUIRE || (can_map() && full > 0);
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf_view v;
	struct outbuf *ob;
	unsigned char *p;
	void *data;
	int round;

	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return __LINE__;
	o.map = n->map;
	o.stage = n->stage;
	o.prealloc = n->prealloc;
	o.guard = 1;
	if (outbuf_open(&ob, n->s->path, &o) != 0)
		return __LINE__;
	if (full == 0 && n->map == OUTBUF_REQUIRE) {
		if (outbuf_map(ob, n->size) != -EFBIG || outbuf_error(ob) != 0)
			return __LINE__;
		outbuf_close(ob);
		return 0;
	}
	if (outbuf_map(ob, n->size) != 0)
		return __LINE__;
	if (outbuf_is_mapped(ob) != mapped || stats_of(ob).mapped != (mapped ? full : 0))
		return __LINE__;
	if (full == 0 && can_map() && stats_of(ob).map_error != -EFBIG)
		return __LINE__;
	outbuf_view(ob, &v, 0, n->size);
	outbuf_fill(&v, 'n', (size_t)n->size);
	if (outbuf_view_end(&v) != 0)
		return __LINE__;
	/* What is not mapped must not be lost when the memory is, and it is changed each time. */
	for (round = 0; round < 3; round++) {
		if (outbuf_unmap(ob) != 0)
			return __LINE__;
		/* It cannot be loaded: nothing is mapped, and nothing lost. */
		ob__sys_table.pread = no_pread;
		if (mapped && (outbuf_map(ob, n->size) != -EIO || outbuf_is_mapped(ob) || outbuf_error(ob) != 0))
			return __LINE__;
		/* And nothing is guarded: the addresses were given back. */
		if (ob->guard.slot != NULL)
			return __LINE__;
		ob__sys_table = real;
		if (outbuf_map(ob, n->size) != 0 || outbuf_size(ob) != n->size)
			return __LINE__;
		if (outbuf_data(ob, 0, n->size, &data) != 0)
			return __LINE__;
		p = data;
		if (p[0] != 'n' || p[n->size / 2] != 'n' || p[n->size - 1] != 'n' + round)
			return __LINE__;
		p[n->size - 1]++;
	}
	p[n->size - 1] = 'n';
	/* Up to the limit, and not beyond. */
	if (outbuf_map(ob, n->limit + 1) != -EFBIG || outbuf_error(ob) != 0)
		return __LINE__;
	if (outbuf_commit(ob) != 0)
		return __LINE__;
	outbuf_close(ob);
	return 0;
}

static void test_limit_within_page(void **state)
{
	struct sandbox *s = *state;
	uint64_t page = ob__space_page_size();
	const uint64_t sizes[] = { 2 * page + 808, page + 1, 100 };
	struct near_limit n = { .s = s };
	unsigned ways = 0;
	size_t i;

	skip_in_order();
	for (n.map = OUTBUF_AUTO; n.map <= OUTBUF_REQUIRE; n.map += OUTBUF_REQUIRE - OUTBUF_AUTO)
	for (n.stage = OUTBUF_AUTO; n.stage <= OUTBUF_NO; n.stage++)
	for (n.prealloc = OUTBUF_AUTO; n.prealloc <= OUTBUF_NO; n.prealloc++)
	for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		int r;

		if (n.map == OUTBUF_REQUIRE && required_mapping() != 0)
			continue;
		n.size = sizes[i];
		n.limit = sizes[i] + 50;
		r = in_child(0, live_near_limit, &n);
		if (r != 0)
			print_message("map %u stage %u prealloc %u size %llu\n", n.map, n.stage, n.prealloc,
			              (unsigned long long)n.size);
		assert_int_equal(r, 0);
		ways++;
		if (n.map == OUTBUF_REQUIRE && n.size < page) {
			assert_absent(s->path);
		} else {
			assert_filled(s, n.size);
			unlink(s->path);
		}
	}
	print_message("%u ways\n", ways);
}

/* -------------------------------------------------------- release that waits for unmap */

static struct outbuf *unmapped;
static pthread_t releaser;
static int comes;    /* 1: the thread comes at the next unmapping, which is not that of commit */
static int released; /* what outbuf_release() returned to the thread */

static void *release_it(void *arg)
{
	(void)arg;
	released = outbuf_release(unmapped, 0, 4096);
	return NULL;
}

/* During the last phase of unmap: a thread comes, and is given time to begin to wait. */
static void while_unmapping(void *arg, enum outbuf_phase phase, int done, uint64_t bytes)
{
	(void)arg, (void)bytes;
	if (phase == OUTBUF_PHASE_UNMAP && !done && comes) {
		comes = 0;
		assert_int_equal(pthread_create(&releaser, NULL, release_it, NULL), 0);
		usleep(20000);
	}
}

static void test_release_waits(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	int error;

	skip_unmappable();
	o.map = OUTBUF_REQUIRE;
	o.observe = while_unmapping;
	for (error = 0; error >= -EIO; error -= EIO) {
		unmapped = open_with(s->path, &o);
		assert_int_equal(outbuf_map(unmapped, 8192), 0);
		assert_int_equal(fill_some(unmapped, 'n', 8192), 0);
		comes = 1;
		assert_int_equal(outbuf_unmap(unmapped), 0);
		pthread_join(releaser, NULL);
		assert_int_equal(released, 0);
		/* Later, too; and an error that is there already is told. */
		if (error != 0)
			outbuf_fail(unmapped, error);
		assert_int_equal(outbuf_release(unmapped, 0, 4096), error);
		assert_int_equal(outbuf_commit(unmapped), error);
		/* Which is the other state in which nothing can be released. */
		assert_int_equal(outbuf_release(unmapped, 0, 4096), error == 0 ? -EINVAL : error);
		outbuf_close(unmapped);
	}
}

/* --------------------------------------------------------- the guard's descriptor */

static int bad_close(int fd)
{
	real.close(fd);
	errno = EIO;
	return -1;
}

/* It is the first to be closed, so it is told of what could not be written: the output is unmapped then, and failed. */
static void test_guard_close_fails(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;
	void *data;
	int r;

	skip_unmappable();
	o.map = OUTBUF_REQUIRE;
	o.guard = 1;
	ob = open_with(s->path, &o);
	assert_int_equal(outbuf_map(ob, 8192), 0);
	assert_int_equal(fill_some(ob, 'n', 8192), 0);
	ob__sys_table.close = bad_close;
	r = outbuf_unmap(ob);
	ob__sys_table = real;
	assert_int_equal(r, -EIO);
	assert_int_equal(outbuf_is_mapped(ob), 0);
	assert_int_equal(outbuf_error(ob), -EIO);
	assert_int_equal(outbuf_data(ob, 0, 10, &data), -EINVAL);
	assert_int_equal(outbuf_commit(ob), -EIO);
	outbuf_close(ob);
	assert_int_equal(sandbox_entries(s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_limit_within_page),
		fault_test(test_release_waits),
		fault_test(test_guard_close_fails),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("unmap", tests, NULL, NULL);
}
