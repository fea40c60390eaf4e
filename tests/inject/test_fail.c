/* SPDX-License-Identifier: MIT */
/*
 * Fail every call.
 *
 * An output is written in every way (ways.h), and each of its system calls fails: with each errno that it
 * may return, once, and from then on; or it does a part of its work, and is interrupted then. Either
 * that very errno is reported, the path is as before and nothing is left; or, for what inject_kinds.h says
 * may be passed over, the output is complete. Either way no descriptor, mapping or memory is lost (of
 * memory LeakSanitizer speaks).
 *
 * From then on is only tried where it differs: where later calls could fail likewise.
 *
 * What cannot be held, and is not asked for:
 *  - fsync of the directory that fails is reported, but the new file is at the path already.
 *  - unlinkat that fails leaves the hidden file, once, and in place the new one: there is nothing else that
 *    could be done. Removing what was created in place asks fstat and fstatat first whose it is.
 *  - munmap that fails leaves the mapping, as the kernel has kept it.
 *  - After discard has begun, and in close, there is nobody to report to.
 *  - EAGAIN and EBUSY of io_uring_submit() are waited out for a while, 0.1 s, before they count: from
 *    then on only at the first such call of each way.
 */
#include "config.h"

#include "inject/ways.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inject/inject.h"

static unsigned bad;

struct case_of {
	const struct sandbox *sandbox;
	const struct way *way;
	struct inject_plan plan;
	struct inject_report report;
	int result;
};

static void expect(int holds, const struct case_of *c, const char *what, long found)
{
	static const char *const names[] = { "not failing", "failing once", "failing from then on",
		                             "doing half", "interrupted half way" };

	if (holds)
		return;
	if (bad++ < 30)
		print_message("%s, call %u (%s), %s with %s, got %s: %s (%ld)\n", c->way->name,
		              c->plan.at, c->report.kind ? c->report.kind : "none",
		              names[c->plan.what], strerror(c->report.error), strerror(-c->result), what,
		              found);
}

/* Lines of /proc/self/maps that can only be the library's. 0 where there is no such file. */
static unsigned count_maps(const struct sandbox *s)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	const char *dir = strrchr(s->dir, '/') + 1;
	char line[1000];
	unsigned n = 0;

	if (maps == NULL)
		return 0;
	while (fgets(line, sizeof line, maps) != NULL)
		n += strstr(line, dir) != NULL || strstr(line, "io_uring") != NULL;
	fclose(maps);
	return n;
}

static int is_kind(const struct case_of *c, const char *kind)
{
	return c->report.kind != NULL && strcmp(c->report.kind, kind) == 0;
}

/* May the file that was written still be there? */
static int may_stay(const struct case_of *c)
{
	/* "Another has locked what we just made", "it is not there any more": then it is not ours to remove. */
	if (c->report.error == EWOULDBLOCK || (c->report.error == ENOENT && is_kind(c, "fstatat_other")))
		return 1;
	/* The lock's file: nobody can tell if another has it. */
	if (c->way->mode->litter > 1 && c->report.phase == AT_OPEN && c->result != 0 &&
	    (is_kind(c, "flock") || is_kind(c, "fstat_file") || is_kind(c, "fstatat_other")))
		return 1;
	return is_kind(c, "unlinkat") ||
	       (c->plan.what == INJECT_FROM_THEN_ON && c->way->mode->flags & MODE_IN_PLACE &&
	        c->report.kind != NULL && strncmp(c->report.kind, "fstat", 5) == 0);
}

/*
 * The errno is the one that was injected; a lock that another has is -EBUSY. What may be written and not read cannot be
 * mapped: -ENOTSUP.
 */
static int is_reported(const struct case_of *c)
{
	return c->result == -c->report.error ||
	       (c->result == -ENOTSUP && is_kind(c, "open_old") && c->report.error == EACCES) ||
	       (c->result == -EBUSY && is_kind(c, "flock") && c->report.error == EWOULDBLOCK);
}

/* Is this an error that only tells to write at the path itself? */
static int leads_in_place(const struct case_of *c)
{
	return (c->way->mode->flags & MODE_ELSE) && (is_kind(c, "open_new") || is_kind(c, "renameat"));
}

static void check_result(const struct case_of *c)
{
	const struct inject_report *report = &c->report;
	int discard = c->way->mode->flags & MODE_DISCARD, in_place = c->way->mode->flags & MODE_IN_PLACE;
	int before = c->way->old ? OLD_CONTENT : NOTHING_THERE;
	int there = what_stands_at(c->sandbox->path);
	int nobody_hears = report->phase == AT_CLOSE || (discard && report->phase == AT_END);

	if (c->result == 0) {
		expect(!report->hard || nobody_hears || leads_in_place(c), c, "the error is lost", report->error);
		expect(there == (discard ? before : CONTENT_1), c, "the output is wrong", there);
	} else {
		expect(report->error != 0, c, "an error that nobody made", c->result);
		expect(is_reported(c), c, "another error", c->result);
		if (is_kind(c, "fsync_dir"))
			expect(there == CONTENT_1, c, "the output is wrong", there);
		else if (!in_place)
			expect(there == before, c, "the path was touched", there);
		else if (!c->way->old && !may_stay(c))
			expect(there == NOTHING_THERE, c, "what was created stays", there);
	}
}

static void check_leaks(const struct case_of *c, unsigned fds, unsigned maps)
{
	unsigned spare = c->way->mode->flags & MODE_SPARE ? 1 : 0;
	struct found left = look_around(c->sandbox);
	unsigned n = inject_mappings();

	expect(left.hidden <= spare + (may_stay(c) ? 1 : 0) && left.others == 0, c, "files are left",
	       (long)(left.hidden + left.others));
	expect(n == 0, c, "mappings are left", n);
	n = count_fds();
	expect(n == fds, c, "descriptors are left", (long)n - (long)fds);
	n = count_maps(c->sandbox);
	expect(n == maps, c, "the file or a ring is still mapped", (long)n - (long)maps);
}

/* 1 if the plan found something to do. */
static int try(struct case_of *c)
{
	unsigned fds, maps;

	way_prepare(c->way, c->sandbox);
	fds = count_fds();
	maps = count_maps(c->sandbox);
	inject_arm(&c->plan);
	c->result = way_run(c->way, c->sandbox->path, CONTENT_1);
	c->report = inject_report();
	inject_arm(&(struct inject_plan){ .at = 0 });
	check_result(c);
	check_leaks(c, fds, maps);
	return c->report.kind != NULL;
}

/* All that can happen at one call. Returns the number of cases, -1 if it did not come to that call. */
static int fail_at(struct case_of *c, unsigned at, int *waited)
{
	int cases = 0;
	unsigned which;

	for (which = 0;; which++) {
		int slow;

		c->plan = (struct inject_plan){ .at = at, .what = INJECT_ONCE, .which = which };
		if (!try(c))
			break;
		cases++;
		if (!c->report.again)
			continue;
		slow = is_kind(c, "submit") && (c->report.error == EAGAIN || c->report.error == EBUSY);
		if (slow && (*waited)++ > 0)
			continue;
		c->plan.what = INJECT_FROM_THEN_ON;
		cases += try(c);
	}
	if (!c->report.reached)
		return -1;
	c->plan = (struct inject_plan){ .at = at, .what = INJECT_PART };
	if (try(c)) {
		c->plan.what = INJECT_INTERRUPT;
		cases += 1 + try(c);
	}
	return cases;
}

static unsigned fail_everywhere(const struct sandbox *s, const struct way *way, unsigned first,
                                unsigned step)
{
	struct case_of c = { .sandbox = s, .way = way };
	unsigned cases = 0, at;
	int n, waited = 0;

	for (at = first; (n = fail_at(&c, at, &waited)) >= 0; at += step)
		cases += (unsigned)n;
	return cases;
}

static void tell(const char *kind)
{
	print_message("never called: %s\n", kind);
}

static void test_fail_every_call(void **state)
{
	struct sandbox *s = *state;
	unsigned step = (unsigned)one_in(), all = 0, i;
	struct way way;
	int r;

	for (i = 0; (r = way_get(&way, i)) >= 0; i++) {
		unsigned cases = r > 0 ? 0 : fail_everywhere(s, &way, 1 + i % step, step);

		if (r == 0)
			print_message("%s: %u cases\n", way.name, cases);
		assert_true(r > 0 || cases > 0 || step > 1);
		all += cases;
	}
	inject_unreached(tell);
	print_message("%u cases in all, at every call (1 of %u)\n", all, step);
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { sandbox_test(test_fail_every_call) };
	const char *forgotten = inject_install();

	if (forgotten != NULL) {
		print_message("Bail out! a function of %s is not in tests/inject.c\n", forgotten);
		return 1;
	}
	return cmocka_run_group_tests_name("fail", tests, NULL, NULL);
}
