/* SPDX-License-Identifier: MIT */
/*
 * What a linker with a writer of its own asks for: raw memory that is extended and does not move, memory given back
 * when it is finished, and all bytes once more in blocks, on many threads. test_model.c does the same in random
 * order; here is what is special. ThreadSanitizer runs this too.
 */
#include "config.h"

#include "memory/space.h"
#include "support/support.h"
#include "system/sys.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef _WIN32
#define PSAPI_VERSION 2
#include "system/windows/sys_windows.h"
#include <psapi.h>
#else
#include <sys/mman.h>
#endif

enum { THREADS = 8, SHARE = 300000, PLANNED = 1 << 20, WHOLE = PLANNED + THREADS * SHARE };

static unsigned char content(uint64_t offset)
{
	return (unsigned char)((offset * 0x9e3779b97f4a7c15u >> 40) | 1);
}

static void fill(unsigned char *to, uint64_t from, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		to[i] = content(from + i);
}

static int is_content(const unsigned char *data, uint64_t from, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		if (data[i] != content(from + i))
			return 0;
	}
	return 1;
}

/* What a program makes of an output: several of them are written at once below. */
struct program {
	struct outbuf *ob;
	unsigned char *buffer;
	size_t block;
	_Atomic uint64_t walked;
	_Atomic unsigned sum; /* of all bytes */
	_Atomic int wrong;
};

/* A share of what is planned; then more, behind it, which everybody asks for at once. */
static int write_share(void *arg, unsigned i)
{
	struct program *p = arg;
	uint64_t part = PLANNED / THREADS, from = PLANNED + (uint64_t)i * SHARE;
	void *more;
	int r;

	fill(p->buffer + i * part, i * part, part);
	r = outbuf_data(p->ob, from, SHARE, &more);
	if (r < 0)
		return r;
	if (more != p->buffer + from)
		return -EFAULT;
	fill(more, from, SHARE);
	return 0;
}

static int see(void *arg, uint64_t i, uint64_t offset, const void *data, size_t n)
{
	struct program *p = arg;
	const unsigned char *bytes = data;
	unsigned sum = 0;

	if (offset != i * p->block || (n != p->block && offset + n != WHOLE) || !is_content(bytes, offset, n))
		atomic_store(&p->wrong, 1);
	for (size_t k = 0; k < n; k++)
		sum += bytes[k];
	atomic_fetch_add(&p->sum, sum);
	atomic_fetch_add(&p->walked, n);
	return outbuf_release(p->ob, offset, n);
}

/* Planned, written, extended, hashed, the identity stored in place of the first bytes. NULL, or what went wrong. */
static const char *make(struct program *p)
{
	struct outbuf_view view;
	void *data;

	if (outbuf_map(p->ob, PLANNED) != 0 || outbuf_data(p->ob, 0, PLANNED, &data) != 0)
		return "no buffer";
	p->buffer = data;
	if (run_threads(THREADS, write_share, p) != 0)
		return "not extended";
	if (outbuf_size(p->ob) != WHOLE)
		return "of another size";
	for (p->block = 1000; p->block < 4 * WHOLE; p->block *= 17) {
		p->walked = p->sum = 0;
		if (outbuf_walk(p->ob, p->block, see, p) != 0 || p->wrong)
			return "not walked";
		if (p->walked != WHOLE)
			return "not walked once";
	}
	outbuf_view_edit(p->ob, &view, 0, 4);
	outbuf_write32le(&view, p->sum);
	return outbuf_view_end(&view) == 0 ? NULL : "no identity";
}

static void check_made(const char *path, unsigned sum)
{
	unsigned char *want = malloc(WHOLE);

	assert_non_null(want);
	fill(want, 0, WHOLE);
	for (int i = 0; i < 4; i++)
		want[i] = (unsigned char)(sum >> (8 * i));
	assert_file(path, want, WHOLE);
	free(want);
}

static void test_own_writer(void **state)
{
	const struct sandbox *s = *state;
	struct program p = { .ob = open_with(s->path, NULL) };

	assert_null(make(&p));
	assert_int_equal(commit(p.ob), 0);
	assert_int_equal(outbuf_close(p.ob), 0);
	check_made(s->path, p.sum);
}

static const char *wrong_in[2];

static int make_one(void *arg, unsigned i)
{
	struct program *programs = arg;

	wrong_in[i] = make(&programs[i]);
	return 0;
}

static void test_two_linkers(void **state)
{
	const struct sandbox *s = *state;
	static struct program programs[2];
	char other[320];

	snprintf(other, sizeof other, "%s.other", s->path);
	programs[0] = (struct program){ .ob = open_with(s->path, NULL) };
	programs[1] = (struct program){ .ob = open_with(other, NULL) };
	run_threads(2, make_one, programs);
	assert_null(wrong_in[0]);
	assert_null(wrong_in[1]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(commit(programs[i].ob), 0);
		assert_int_equal(outbuf_close(programs[i].ob), 0);
	}
	check_made(s->path, programs[0].sum);
	check_made(other, programs[1].sum);
	unlink(other);
}

/* ----------------------------------------------------------------------- walking */

struct counted {
	uint64_t fails[3]; /* blocks that do */
	_Atomic unsigned calls;
	struct outbuf *ob;
	int refused; /* what an owner's call answered meanwhile */
};

static int count_block(void *arg, uint64_t i, uint64_t offset, const void *data, size_t n)
{
	struct counted *c = arg;

	(void)offset, (void)data, (void)n;
	atomic_fetch_add(&c->calls, 1);
	for (int k = 0; k < 3; k++) {
		if (i == c->fails[k])
			return -(int)(200 + i);
	}
	return 0;
}

static void test_first_error(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;

	for (options.threads = 1; options.threads <= 4; options.threads += 3) {
		struct outbuf *ob = open_with(s->path, &options);
		struct counted c = { .fails = { 77, 30, 50 } };

		assert_int_equal(fill_some(ob, 'n', 100000), 0);
		assert_int_equal(outbuf_walk(ob, 1000, count_block, &c), -230);
		assert_true(options.threads > 1 || c.calls == 31);
		/* Others go on until it has failed, but not past one that has. */
		assert_in_range(c.calls, 31, 78);
		/* It does not stick. */
		assert_int_equal(outbuf_error(ob), 0);
		c = (struct counted){ .fails = { 100, 100, 100 } };
		assert_int_equal(outbuf_walk(ob, 1000, count_block, &c), 0);
		assert_int_equal(c.calls, 100);
		assert_int_equal(commit(ob), 0);
		outbuf_close(ob);
		assert_filled(s, 100000);
	}
}

static _Atomic unsigned walkers;

static int count_walkers(void *arg, uint64_t i, uint64_t offset, const void *data, size_t n)
{
	static _Thread_local int seen;

	(void)arg, (void)i, (void)offset, (void)data, (void)n;
	if (!seen)
		atomic_fetch_add(&walkers, 1);
	seen = 1;
	usleep(1000);
	return 0;
}

/* Also where one thread is enough for a flush. */
static void test_walkers(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);

	assert_int_equal(fill_some(ob, 'n', 100000), 0);
	assert_int_equal(outbuf_walk(ob, 1000, count_walkers, NULL), 0);
	assert_true(walkers > 1 || ob__sys_cpus() == 1);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
}

static int owner_calls(void *arg, uint64_t i, uint64_t offset, const void *data, size_t n)
{
	struct counted *c = arg;

	(void)i, (void)offset, (void)data, (void)n;
	c->refused = outbuf_commit(c->ob);
	return 0;
}

static void test_refused(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	struct counted c = { .fails = { 100, 100, 100 }, .ob = ob };
	struct outbuf_view v;

	assert_int_equal(outbuf_walk(NULL, 1, count_block, &c), -EINVAL);
	assert_int_equal(outbuf_walk(ob, 0, count_block, &c), -EINVAL);
	assert_int_equal(outbuf_walk(ob, 1, NULL, &c), -EINVAL);
	assert_int_equal(outbuf_release(NULL, 0, 1), -EINVAL);
	assert_int_equal(outbuf_release(ob, UINT64_MAX, 2), -EFBIG);
	/* Nothing is there: nothing to do. */
	assert_int_equal(outbuf_walk(ob, 1, count_block, &c), 0);
	assert_int_equal(outbuf_release(ob, 0, 1 << 20), 0);
	assert_int_equal(c.calls, 0);
	assert_int_equal(outbuf_view(ob, &v, 0, 10), 0);
	assert_int_equal(outbuf_walk(ob, 1, count_block, &c), -EBUSY);
	outbuf_write(&v, "0123456789", 10);
	assert_int_equal(outbuf_view_end(&v), 0);
	/* The walk is as a View that is open. */
	assert_int_equal(outbuf_walk(ob, 10, owner_calls, &c), 0);
	assert_int_equal(c.refused, -EBUSY);
	outbuf_fail(ob, -EXDEV);
	assert_int_equal(outbuf_walk(ob, 10, count_block, &c), -EXDEV);
	assert_int_equal(outbuf_release(ob, 0, 10), -EXDEV);
	outbuf_discard(ob);
	assert_int_equal(outbuf_walk(ob, 10, count_block, &c), -EINVAL);
	outbuf_close(ob);
}

/* After outbuf_unmap() all is in the file. */
static int compare(void *arg, uint64_t i, uint64_t offset, const void *data, size_t n)
{
	(void)arg, (void)i;
	return is_content(data, offset, n) ? 0 : -EILSEQ;
}

static void test_unmapped(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf *ob;
	void *data;

	skip_unmapped();
	ob = open_with(s->path, NULL);
	assert_int_equal(outbuf_map(ob, PLANNED), 0);
	assert_int_equal(outbuf_data(ob, 0, WHOLE, &data), 0);
	fill(data, 0, WHOLE);
	assert_int_equal(outbuf_unmap(ob), 0);
	assert_int_equal(outbuf_walk(ob, 99999, compare, NULL), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
}

/* ----------------------------------------------------------------- giving back */

/* Pages of this process that are in memory; 0 where nobody says, or a sanitizer has its own. */
static unsigned long resident(void)
{
	unsigned long pages = 0;
#ifdef _WIN32
	PROCESS_MEMORY_COUNTERS counters;

	if (GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters))
		pages = (unsigned long)(counters.WorkingSetSize / ob__space_page_size());
#else
	unsigned long size;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f != NULL) {
		if (fscanf(f, "%lu %lu", &size, &pages) != 2)
			pages = 0;
		fclose(f);
	}
#endif
	return pages;
}

static void release_and_look(const struct sandbox *s, uint32_t map)
{
	const uint64_t size = 32 << 20, page = ob__space_page_size();
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	unsigned long before, after;
	struct outbuf *ob;
	void *data;

	options.map = map;
	ob = open_with(s->path, &options);
	assert_int_equal(outbuf_map(ob, size), 0);
	assert_int_equal(outbuf_data(ob, 0, size, &data), 0);
	fill(data, 0, size);
	before = resident();
	/* All but a byte at either end: whole pages within. */
	assert_int_equal(outbuf_release(ob, 1, size - 2), 0);
	after = resident();
	if (has_vm() && (outbuf_is_mapped(ob) || stats_of(ob).staged) && getenv("VALGRIND") == NULL && before > 0)
		assert_true(before - after > (size - (4 << 20)) / page);
	assert_int_equal(outbuf_data(ob, 0, size, &data), 0);
	assert_true(is_content(data, 0, size));
	/* Twice is once. */
	assert_int_equal(outbuf_release(ob, 0, size), 0);
	assert_int_equal(outbuf_release(ob, 0, size), 0);
	assert_int_equal(outbuf_walk(ob, 1 << 20, compare, NULL), 0);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
}

static void test_release(void **state)
{
	const struct sandbox *s = *state;

	release_and_look(s, OUTBUF_AUTO);
	/* Or a thread of the library's would have it open a moment longer, and teardown counts descriptors. */
	unlink(s->path);
	release_and_look(s, OUTBUF_NO);
}

#ifndef _WIN32 /* nor are there large pages without a privilege */
/* Does /proc/self/smaps say of the memory at `p` that large pages were asked for? -1 if it cannot. */
static int asked_for_large_pages(const void *p)
{
	char line[512];
	unsigned long from, to;
	int here = 0, said = -1;
	FILE *f = fopen("/proc/self/smaps", "re");

	if (f == NULL)
		return -1;
	while (said < 0 && fgets(line, sizeof line, f) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = (uintptr_t)p >= from && (uintptr_t)p < to;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			said = strstr(line, " hg") != NULL;
	}
	fclose(f);
	return said;
}

/* Does it say so of what this program asks for by itself? Under qemu-user 7.2 it does not. */
static int smaps_tells(void)
{
	const size_t n = 4 << 20;
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int tells;

	if (p == MAP_FAILED)
		return 0;
	tells = madvise(p, n, MADV_HUGEPAGE) == 0 && asked_for_large_pages(p) == 1;
	munmap(p, n);
	return tells;
}

/* A pointer to much that is in memory alone: page by page it would be a fault for each. */
static void test_large_pages(void **state)
{
	const struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf_view v;
	struct outbuf *ob;
	void *data, *behind, *ref;

	if (!has_vm() || access("/sys/kernel/mm/transparent_hugepage", F_OK) < 0 || getenv("VALGRIND") != NULL) {
		print_message("no large pages here, or valgrind's\n");
		skip();
	}
	if (!smaps_tells()) {
		print_message("/proc/self/smaps does not say what a program itself has asked for\n");
		skip();
	}
	options.map = OUTBUF_NO;
	ob = open_with(s->path, &options);
	assert_int_equal(outbuf_map(ob, 16 << 20), 0);
	assert_int_equal(outbuf_data(ob, 1 << 20, 7 << 20, &data), 0);
	assert_int_equal(outbuf_data(ob, 12 << 20, 1 << 20, &behind), 0);
	assert_int_equal(outbuf_view(ob, &v, 13 << 20, 5 << 20), 0);
	assert_int_equal(outbuf_reserve(&v, 5 << 20, &ref), 0);
	/* From one multiple of 2 MiB to another: not at the ends, nor for what is less. */
	assert_int_equal(asked_for_large_pages(data), 0);
	assert_int_equal(asked_for_large_pages((char *)data + (1 << 20)), 1);
	assert_int_equal(asked_for_large_pages((char *)data + (7 << 20) - 1), 1);
	assert_int_equal(asked_for_large_pages((char *)data + (7 << 20)), 0);
	assert_int_equal(asked_for_large_pages(behind), 0);
	assert_int_equal(asked_for_large_pages((char *)ref + (4 << 20)), 1);
	assert_int_equal(outbuf_view_end(&v), 0);
	memset(data, 'x', 7 << 20);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_own_writer),
		sandbox_test(test_two_linkers),
		sandbox_test(test_first_error),
		sandbox_test(test_walkers),
		sandbox_test(test_refused),
		sandbox_test(test_unmapped),
		sandbox_test(test_release),
#ifndef _WIN32
		sandbox_test(test_large_pages),
#endif
	};

	return cmocka_run_group_tests_name("raw", tests, NULL, NULL);
}
