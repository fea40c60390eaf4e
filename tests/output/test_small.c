/* SPDX-License-Identifier: MIT */
/*
 * Outputs that fit into one write: not mapped, without blocks of their own, by few system calls. And all that must go
 * on as in large ones: growth, pointers, a larger plan, what an output before left in memory.
 */
#include "config.h"

#include "inject/faults.h"
#include "output/mapping.h"
#include "output/output.h"
#include "support/files.h"
#include "support/support.h"
#include "system/unix/sys_names.h"
#include "system/unix/sys_table.h"
#ifdef HAVE_VM
#include "system/unix/sys_vm.h"
#endif

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL ((uint64_t)256 << 10)

static struct sys_table real;

static int small_begin(void **state)
{
	/* This asks by a small output, once. */
	can_map();
	ob__mapping_small = SMALL;
	ob__fspolicy_remembers = 1;
	return faults_begin(state);
}

static int small_end(void **state)
{
	ob__mapping_small = 0;
	ob__fspolicy_remembers = 0;
	return faults_end(state);
}

#define small_test(f) cmocka_unit_test_setup_teardown(f, small_begin, small_end)

/* The environment may ask for a mapping, and a file system may be written front to back. */
static void skip_if_not_small(const struct sandbox *s)
{
	struct outbuf *ob;

	skip_in_order();
	ob = open_with(s->path, NULL);
	assert_int_equal(outbuf_map(ob, 100), 0);
	if (outbuf_is_mapped(ob) || !ob->is_small) {
		outbuf_close(ob);
		print_message("the environment asks for something else\n");
		skip();
	}
	outbuf_close(ob);
}

static void write_view(struct outbuf *ob, uint64_t offset, uint8_t byte, size_t n)
{
	struct outbuf_view v;

	assert_int_equal(outbuf_view(ob, &v, offset, n), 0);
	assert_int_equal(outbuf_fill(&v, byte, n), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
}

/* ---------------------------------------------------------------------- system calls */

static int calls;

#define COUNTED(type, name, params, args)    \
	static type counted_##name params    \
	{                                    \
		calls++;                     \
		return real.name args;       \
	}
COUNTED(int, openat, (int dirfd, const char *path, int flags, mode_t mode), (dirfd, path, flags, mode))
COUNTED(int, close, (int fd), (fd))
COUNTED(int, dup, (int fd), (fd))
COUNTED(int, fcntl, (int fd, int command, void *arg), (fd, command, arg))
COUNTED(int, fstat, (int fd, struct stat *st), (fd, st))
COUNTED(int, fstatat, (int dirfd, const char *path, struct stat *st, int flags), (dirfd, path, st, flags))
COUNTED(int, stat_name, (int dirfd, const char *path, struct stat *st, struct sys_name_info *info),
        (dirfd, path, st, info))
COUNTED(int, ftruncate, (int fd, off_t size), (fd, size))
#ifdef __linux__
COUNTED(int, fstatfs, (int fd, struct statfs *st), (fd, st))
#endif
COUNTED(int, fallocate, (int fd, int mode, off_t offset, off_t length), (fd, mode, offset, length))
COUNTED(ssize_t, pwrite, (int fd, const void *data, size_t n, off_t offset), (fd, data, n, offset))
COUNTED(ssize_t, pread, (int fd, void *data, size_t n, off_t offset), (fd, data, n, offset))
COUNTED(int, fchmod, (int fd, mode_t mode), (fd, mode))
COUNTED(int, flock, (int fd, int operation), (fd, operation))
COUNTED(ssize_t, readlinkat, (int dirfd, const char *path, char *to, size_t n), (dirfd, path, to, n))
COUNTED(int, linkat, (int fromdir, const char *from, int todir, const char *to, int flags),
        (fromdir, from, todir, to, flags))
COUNTED(int, renameat, (int fromdir, const char *from, int todir, const char *to), (fromdir, from, todir, to))
COUNTED(int, unlinkat, (int dirfd, const char *path, int flags), (dirfd, path, flags))

static void count_calls(void)
{
	struct sys_table *t = &ob__sys_table;

	t->openat = counted_openat, t->close = counted_close, t->dup = counted_dup, t->fcntl = counted_fcntl;
	t->fstat = counted_fstat, t->fstatat = counted_fstatat, t->stat_name = counted_stat_name;
	t->ftruncate = counted_ftruncate, t->fallocate = counted_fallocate;
#ifdef __linux__
	t->fstatfs = counted_fstatfs;
#endif
	t->pwrite = counted_pwrite, t->pread = counted_pread, t->fchmod = counted_fchmod, t->flock = counted_flock;
	t->readlinkat = counted_readlinkat, t->linkat = counted_linkat, t->renameat = counted_renameat;
	t->unlinkat = counted_unlinkat;
}

/* Calls of one output of n bytes. (Memory and RLIMIT_FSIZE take three more for the first one, and one later.) */
static int calls_of_one(const struct sandbox *s, size_t n)
{
	struct outbuf *ob;

	calls = 0;
	ob = open_with(s->path, NULL);
	assert_int_equal(outbuf_map(ob, n), 0);
	write_view(ob, 0, 'n', n);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_filled(s, n);
	return calls;
}

/* What README.md says: where files have no names, close(2) is silent, and the kernel tells mounts apart. */
static void test_calls(void **state)
{
	static const size_t sizes[] = { 1024, 100 * 1024 };
	struct sandbox *s = *state;
	struct outbuf *ob;
	int nameless, i;

	skip_if_not_small(s);
	ob = open_with(s->path, NULL);
	nameless = strcmp(stats_of(ob).placement, "nameless") == 0 && ob->target.fs->silent_close;
	outbuf_close(ob);
#ifndef HAVE_STATX /* musl 1.2.3: then mounts cannot be told apart */
	nameless = 0;
#endif
	if (!nameless) {
		print_message("files have names here, or there is no statx(2)\n");
		skip();
	}
	count_calls();
	for (i = 0; i < 2; i++) {
		calls_of_one(s, sizes[i]);
		/* Once more than with a kernel that tells mounts apart. One more look at another hidden name, or none. */
		assert_in_range(calls_of_one(s, sizes[i]), 12, 15);
		assert_int_equal(unlink(s->path), 0);
		assert_in_range(calls_of_one(s, sizes[i]), 9, 11);
	}
}

/* -------------------------------------------------------------------------- all the rest */

static void test_why(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	skip_if_not_small(s);
	ob = open_with(s->path, NULL);
	assert_int_equal(outbuf_map(ob, SMALL), 0);
	assert_int_equal(outbuf_is_mapped(ob), 0);
	if (ob->choice.map == OUTBUF_AUTO)
		assert_string_equal(stats_of(ob).map_why, "small");
	assert_int_equal(outbuf_size(ob), SMALL);
	/* A larger plan is a plan like any. */
	assert_int_equal(outbuf_map(ob, SMALL + 1), 0);
	assert_int_equal(outbuf_is_mapped(ob), can_map());
	assert_string_not_equal(stats_of(ob).map_why, "small");
	outbuf_close(ob);
	/* What is asked for is done. */
	o.map = OUTBUF_REQUIRE;
	ob = open_with(s->path, &o);
	assert_int_equal(outbuf_map(ob, 100), required_mapping());
	outbuf_close(ob);
	o.map = OUTBUF_AUTO;
	o.prealloc = OUTBUF_REQUIRE;
	ob = open_with(s->path, &o);
	assert_int_equal(outbuf_map(ob, 100), required_blocks());
	outbuf_close(ob);
	/* The plan is refused as a large one is. */
	o = (struct outbuf_options)OUTBUF_OPTIONS_INIT;
	o.max_size = 1000;
	ob = open_with(s->path, &o);
	assert_int_equal(outbuf_map(ob, 1001), -EFBIG);
	assert_int_equal(outbuf_map(ob, 1000), 0);
	assert_int_equal(outbuf_map(ob, 999), -EINVAL);
	outbuf_close(ob);
}

/* Nothing is written, or less than was planned: zeros. */
static void test_unwritten(void **state)
{
	static const uint64_t sizes[] = { 1, 4095, 4096, 5000, SMALL };
	static unsigned char want[SMALL];
	struct sandbox *s = *state;
	size_t i;
	int part;

	for (i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (part = 0; part < 3; part++) {
			struct outbuf *ob = open_with(s->path, NULL);
			size_t n = part == 0 ? 0 : part == 1 ? 1 : (size_t)sizes[i] / 2;

			assert_int_equal(outbuf_map(ob, sizes[i]), 0);
			if (n > 0)
				write_view(ob, 0, 'x', n);
			assert_int_equal(commit(ob), 0);
			outbuf_close(ob);
			memset(want, 0, sizeof want);
			memset(want, 'x', n);
			assert_file(s->path, want, (size_t)sizes[i]);
		}
}

/* Far past the plan; and a plan that becomes large, over what is there. */
static void test_grows(void **state)
{
	const size_t far = (size_t)3 << 20;
	struct sandbox *s = *state;
	unsigned char *want = calloc(1, far + 100);
	int plan;

	assert_non_null(want);
	memset(want, 'a', 1000);
	memset(want + far, 'b', 100);
	for (plan = 0; plan < 2; plan++) {
		struct outbuf *ob = open_with(s->path, NULL);

		assert_int_equal(outbuf_map(ob, 1000), 0);
		write_view(ob, 0, 'a', 1000);
		if (plan)
			assert_int_equal(outbuf_map(ob, far), 0);
		write_view(ob, far, 'b', 100);
		assert_int_equal(commit(ob), 0);
		outbuf_close(ob);
		assert_file(s->path, want, far + 100);
	}
	free(want);
}

/*
 * The memory of one output is used by the next: nothing of it may show there, whether the first one wrote by Views, by
 * a pointer, or failed.
 */
static void test_memory_is_clean(void **state)
{
	static const unsigned char zeros[SMALL];
	struct sandbox *s = *state;
	int round;

	for (round = 0; round < 12; round++) {
		struct outbuf *ob = open_with(s->path, NULL);
		void *data;

		assert_int_equal(outbuf_map(ob, SMALL), 0);
		if (round % 3 == 0) {
			assert_int_equal(outbuf_data(ob, 0, SMALL, &data), 0);
			memset(data, 0xee, SMALL);
		} else {
			uint64_t at;

			for (at = 0; at < SMALL; at += 1000)
				write_view(ob, at, 0xee, SMALL - at < 1000 ? (size_t)(SMALL - at) : 1000);
		}
		if (round % 2 == 0)
			assert_int_equal(commit(ob), 0);
		outbuf_close(ob);
		ob = open_with(s->path, NULL);
		assert_int_equal(outbuf_map(ob, SMALL), 0);
		write_view(ob, SMALL - 1, 0, 1);
		assert_int_equal(outbuf_data(ob, 0, SMALL, &data), 0);
		assert_memory_equal(data, zeros, SMALL);
		outbuf_close(ob);
	}
}

#ifdef HAVE_VM
/* Memory that a pointer was handed out to is unmapped: what is stored through it later gets into no other output. */
static void test_lent_memory(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	uintptr_t page = ob__space_page_size();
	struct outbuf_view v;
	void *lent;

	assert_int_equal(outbuf_view(ob, &v, 0, 100), 0);
	assert_int_equal(outbuf_write_ref(&v, "x", 1, &lent), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(ob__sys_is_mapped((void *)((uintptr_t)lent & ~(page - 1)), page), 1);
	assert_int_equal(commit(ob), 0);
	if (ob->flush.backend != &ob__flush_memory)
		assert_int_equal(ob__sys_is_mapped((void *)((uintptr_t)lent & ~(page - 1)), page), 0);
	outbuf_close(ob);
}
#endif

/* Several at once, by several threads. */
static int write_many(void *arg, unsigned i)
{
	const struct sandbox *s = arg;
	unsigned char want[3000];
	char path[400];
	int n;

	memset(want, (int)('a' + i), sizeof want);
	snprintf(path, sizeof path, "%s/out-%u", s->dir, i);
	for (n = 0; n < 50; n++) {
		struct outbuf *ob;
		struct outbuf_view v;

		if (open_any(&ob, path, NULL) < 0)
			return -1;
		if (outbuf_map(ob, sizeof want) < 0 || outbuf_view(ob, &v, 0, sizeof want) < 0 ||
		    outbuf_write(&v, want, sizeof want) < 0 || outbuf_view_end(&v) < 0 || commit(ob) < 0)
			return -2;
		outbuf_close(ob);
	}
	return same_file(path, want, sizeof want);
}

static void test_threads(void **state)
{
	assert_int_equal(run_threads(8, write_many, *state), 0);
	assert_int_equal(sandbox_entries(*state), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		small_test(test_calls),
		small_test(test_why),
		small_test(test_unwritten),
		small_test(test_grows),
		small_test(test_memory_is_clean),
#ifdef HAVE_VM
		small_test(test_lent_memory),
#endif
		small_test(test_threads),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("small", tests, NULL, NULL);
}
