/* SPDX-License-Identifier: MIT */
/*
 * A full disk, for real: run by tests/scripts/each-way.sh on small file systems of its own, in $OUTBUF_TEST_DIR.
 *
 * A file of ballast leaves 12 MiB free, and an output wants 20: in every way an output can be written, with
 * blocks reserved and without, planned as a whole and grown, guarded and not. Each time the error is
 * $OUTBUF_TEST_FULL (ENOSPC, or EDQUOT where a quota is what is full), the old output is untouched, nothing
 * lies beside it, and the space is free again. The process lives, but where somebody asked for
 * a mapping without blocks and without guard: that one runs in a child, which may die by SIGBUS alone.
 */
#include "config.h"

#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define LEFT (12 * MIB)
#define WANTED (20 * MIB)
/* What may be missing of the free space afterwards: the file system's own trees. */
#define SLACK (2 * MIB)

static char ballast[600];

static uint64_t free_bytes(const struct sandbox *s)
{
	struct statvfs st;

	assert_int_equal(statvfs(s->dir, &st), 0);
	return (uint64_t)st.f_bavail * st.f_frsize;
}

static void settle_down(const struct sandbox *s)
{
	int fd = open(s->dir, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	syncfs(fd);
	close(fd);
}

/* Take all but `left` bytes; a quota does that by itself. */
static void take_room(const struct sandbox *s, const char *name, uint64_t left)
{
	static char block[65536];
	uint64_t have;
	int fd;

	if (getenv("OUTBUF_TEST_QUOTA") != NULL && left > 0)
		return;
	memset(block, 'b', sizeof block);
	snprintf(ballast, sizeof ballast, "%s/%s", s->dir, name);
	fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 && errno == ENOSPC && left == 0)
		return; /* not even that */
	assert_true(fd >= 0);
	for (have = free_bytes(s); have > left; have -= sizeof block)
		if (write(fd, block, sizeof block) != sizeof block)
			break;
	fsync(fd);
	close(fd);
}

static int full(void **state)
{
	if (sandbox_make(state) != 0)
		return -1;
	take_room(*state, "ballast", LEFT);
	return 0;
}

#define full_test(f) cmocka_unit_test_setup_teardown(f, full, sandbox_remove)

static int expected(void)
{
	const char *name = getenv("OUTBUF_TEST_FULL");

	return name != NULL && strcmp(name, "EDQUOT") == 0 ? -EDQUOT : -ENOSPC;
}

struct way {
	const struct sandbox *s;
	struct outbuf_options options;
	uint64_t planned;
	struct outbuf *ob;
	struct outbuf_stats stats; /* at the end */
};

/* Half of the output each: Views of 8 KiB, which are direct, and of 128 KiB, which may be staged. */
static int write_half(void *arg, unsigned i)
{
	static const uint64_t lengths[] = { 8192, 131072 };
	struct way *w = arg;
	uint64_t at = i * (WANTED / 2), end = at + WANTED / 2;
	int k, r = 0;

	for (k = 0; r == 0 && at < end; k++) {
		uint64_t n = lengths[k % 2] < end - at ? lengths[k % 2] : end - at;
		struct outbuf_view v;

		outbuf_view(w->ob, &v, at, n);
		outbuf_fill(&v, 'n', (size_t)n);
		r = outbuf_view_end(&v);
		at += n;
	}
	return r;
}

/* The whole life; the first error. */
static int attempt(struct way *w)
{
	int r = outbuf_open(&w->ob, w->s->path, &w->options), c;

	if (r < 0)
		return r;
	r = outbuf_map(w->ob, w->planned);
	if (r == 0)
		r = run_threads(2, write_half, w);
	if (r == 0 || outbuf_error(w->ob) != 0) {
		c = outbuf_commit(w->ob);
		r = r != 0 ? r : c;
	}
	w->stats = (struct outbuf_stats){ .size = sizeof w->stats };
	outbuf_stats(w->ob, &w->stats);
	outbuf_close(w->ob);
	return r;
}

/* Exit statuses of a child: the error, which is less than 128. */
static int attempt_child(void *arg)
{
	signal(SIGBUS, SIG_DFL); /* cmocka has a handler for it */
	return -attempt(arg);
}

static void space_is_back(const struct sandbox *s, uint64_t before)
{
	int tries;

	for (tries = 0; tries < 50 && free_bytes(s) + SLACK < before; tries++) {
		settle_down(s);
		usleep(100000);
	}
	assert_in_range(free_bytes(s) + SLACK, before, UINT64_MAX);
}

static void describe(const struct way *w, const char *what)
{
	print_message("%s: map %u stage %u flush %u prealloc %u planned %llu guard %u\n", what,
	              w->options.map, w->options.stage, w->options.flush, w->options.prealloc,
	              (unsigned long long)w->planned, w->options.guard);
}

static void try_way(struct way *w)
{
	/* The one way that kills: see above. */
	int risky = w->options.map != OUTBUF_NO && w->options.prealloc != OUTBUF_AUTO &&
	            !w->options.guard;
	uint64_t before = free_bytes(w->s);
	int r = risky ? -in_child(0, attempt_child, w) : attempt(w);

	if (r != expected() && !(risky && r == -(128 + SIGBUS))) {
		describe(w, strerror(-r));
		assert_int_equal(r, expected());
	}
	if (w->options.guard && w->stats.faults > 100) {
		describe(w, "faults");
		assert_in_range(w->stats.faults, 0, 100);
	}
	assert_file(w->s->path, "old", 3);
	assert_int_equal(sandbox_entries(w->s), 1 + (getenv("OUTBUF_TEST_QUOTA") == NULL));
	space_is_back(w->s, before);
}

static int uring_refused(const struct sandbox *s)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;
	int r;

	o.flush = OUTBUF_FLUSH_URING;
	r = outbuf_open(&ob, s->path, &o);
	outbuf_close(ob);
	return r;
}

static void test_every_way(void **state)
{
	static const uint32_t maps[] = { OUTBUF_NO, OUTBUF_AUTO, OUTBUF_REQUIRE };
	static const uint64_t plans[] = { WANTED, MIB };
	struct sandbox *s = *state;
	int no_ring = uring_refused(s), no_map = required_mapping();
	unsigned ways = 0, caught = 0, m, p, guard;
	uint32_t stage, flush, prealloc;

	write_file(s->path, "old", 3, 0644);
	for (m = 0; m < 3; m++)
	for (stage = OUTBUF_AUTO; stage <= OUTBUF_NO; stage++)
	for (flush = OUTBUF_FLUSH_PWRITE; flush <= OUTBUF_FLUSH_STREAM; flush++)
	for (prealloc = OUTBUF_AUTO; prealloc <= OUTBUF_NO; prealloc++)
	for (p = 0; p < 2; p++)
	for (guard = 0; guard < 2; guard++) {
		struct way w = { .s = s, .options = OUTBUF_OPTIONS_INIT, .planned = plans[p] };

		if ((flush == OUTBUF_FLUSH_URING && no_ring) ||
		    (maps[m] == OUTBUF_REQUIRE && (no_map || flush == OUTBUF_FLUSH_STREAM)))
			continue;
		w.options.map = maps[m];
		w.options.stage = stage;
		w.options.flush = flush;
		w.options.prealloc = prealloc;
		w.options.guard = guard;
		try_way(&w);
		ways++;
		caught += w.stats.faults > 0;
	}
	print_message("%u ways to fill a disk, in %u the guard was needed\n", ways, caught);
	assert_true(ways >= 32);
}

/* A plan that no disk could hold, cut at the end: what is written fits. In a child, which may die by SIGBUS. */
static int cut_plan(void *arg)
{
	const struct way *w = arg;
	struct outbuf *ob;
	void *p;
	int r;

	signal(SIGBUS, SIG_DFL);
	if (outbuf_open(&ob, w->s->path, &w->options) != 0 || outbuf_map(ob, 1024 * MIB) != 0 ||
	    outbuf_data(ob, 0, 1024 * MIB, &p) != 0)
		return 77;
	memset(p, 'n', MIB);
	r = outbuf_set_size(ob, MIB + 1);
	if (r == 0)
		r = outbuf_commit(ob);
	outbuf_close(ob);
	return -r;
}

static void test_cut_plan(void **state)
{
	struct sandbox *s = *state;
	struct way w = { .s = s, .options = OUTBUF_OPTIONS_INIT };
	char *want = calloc(1, MIB + 1);
	int r;

	assert_non_null(want);
	memset(want, 'n', MIB);
	w.options.map = OUTBUF_REQUIRE;
	w.options.prealloc = OUTBUF_NO;
	r = in_child(0, cut_plan, &w);
	if (r == 77) {
		free(want);
		print_message("such a plan is refused here\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_file(s->path, want, MIB + 1);
	free(want);
}

/* The room was there when the file was mapped, and somebody else took it. */
static void test_filled_meanwhile(void **state)
{
	struct sandbox *s = *state;
	struct way w = { .s = s, .options = OUTBUF_OPTIONS_INIT, .planned = LEFT / 2 };
	struct outbuf_view v;
	uint64_t at;

	if (required_mapping() != 0 || getenv("OUTBUF_TEST_QUOTA") != NULL) {
		print_message("no mapping, or a quota\n");
		skip();
	}
	write_file(s->path, "old", 3, 0644);
	w.options.map = OUTBUF_REQUIRE;
	w.options.prealloc = OUTBUF_NO;
	w.options.stage = OUTBUF_NO;
	w.options.guard = 1;
	w.ob = open_with(s->path, &w.options);
	assert_int_equal(outbuf_map(w.ob, w.planned), 0);
	/* More than once: what btrfs calls full is not when its trees have been written. */
	for (at = 0; at < 3; at++) {
		static const char *const names[] = { "more", "still-more", "even-more" };

		take_room(s, names[at], 0);
		settle_down(s);
	}
	for (at = 0; at < w.planned; at += 4096) {
		outbuf_view(w.ob, &v, at, 4096);
		outbuf_fill(&v, 'n', 4096);
		/* Already full, or not quite: but to go on is no harm. */
		outbuf_view_end(&v);
	}
	assert_int_equal(outbuf_error(w.ob), -ENOSPC);
	assert_int_equal(outbuf_commit(w.ob), -ENOSPC);
	print_message("%u pages, %llu faults\n", (unsigned)(w.planned / 4096),
	              (unsigned long long)stats_of(w.ob).faults);
	assert_in_range(stats_of(w.ob).faults, 1, 50);
	outbuf_close(w.ob);
	assert_file(s->path, "old", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		full_test(test_every_way),
		full_test(test_cut_plan),
		full_test(test_filled_meanwhile),
	};

	if (getenv("OUTBUF_TEST_FULL") == NULL) {
		fprintf(stderr, "fills $OUTBUF_TEST_DIR: only for a file system of its own\n");
		return 77;
	}
	return cmocka_run_group_tests_name("full", tests, NULL, NULL);
}
