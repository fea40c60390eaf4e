/* SPDX-License-Identifier: MIT */
/*
 * "Plan generously, cut at the end": outbuf_set_size() over a mapping. It touches no page, what is cut off is zero when
 * the output grows over it again, and no failure on the way loses a byte without a word. Random sequences of it are in
 * test_model.c; a disk that is full is in test_full.c.
 */
#include "config.h"

#include "inject/faults.h"
#include "output/output.h"
#include "support/support.h"
#include "system/unix/sys_table.h"
#include "system/unix/sys_vm.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

static struct sys_table real;
static struct sys_vm_table real_vm;

static long page_faults(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_minflt + usage.ru_majflt;
}

static struct outbuf *open_mapped(const char *path, uint32_t prealloc, uint64_t planned)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	o.map = OUTBUF_REQUIRE;
	o.prealloc = prealloc;
	ob = open_with(path, &o);
	assert_int_equal(outbuf_map(ob, planned), 0);
	return ob;
}

/* Everything was handed out, so that all of it counts as written; little of it was. */
static void test_touches_nothing(void **state)
{
	const uint64_t sizes[] = { 1 * MIB, 1 * MIB + 1, 12345, 1, 0 };
	struct sandbox *s = *state;
	uint32_t prealloc;
	size_t i;

	skip_unmappable();
	for (prealloc = OUTBUF_AUTO; prealloc <= OUTBUF_NO; prealloc++)
		for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			struct outbuf *ob = open_mapped(s->path, prealloc, 64 * MIB);
			static unsigned char want[2 << 20];
			struct stat st;
			long before;
			void *p;

			assert_int_equal(outbuf_data(ob, 0, 64 * MIB, &p), 0);
			memset(p, 'x', 2 * MIB);
			before = page_faults();
			assert_int_equal(outbuf_set_size(ob, sizes[i]), 0);
			/* The sanitizers' shadows may fault, too. It was 180 for large pages, 12,288 for small ones. */
			assert_in_range(page_faults() - before, 0, 50);
			assert_int_equal(outbuf_size(ob), sizes[i]);
			assert_int_equal(outbuf_is_mapped(ob), 1);
			assert_int_equal(stats_of(ob).mapped, sizes[i]);
			assert_int_equal(stats_of(ob).heap, 0);
			/* The blocks are given back now, and not at commit. */
			assert_int_equal(fstat(ob->target.fd, &st), 0);
			assert_in_range(st.st_size, sizes[i], sizes[i] + ob__space_page_size());
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			memset(want, 'x', sizes[i]);
			assert_file(s->path, want, sizes[i]);
		}
}

/* What was cut off is zero again, whoever grows over it: a View, a pointer, another mapping. */
static void test_grows_again(void **state)
{
	struct sandbox *s = *state;
	static unsigned char want[2 << 20];
	uint32_t prealloc;
	int again;

	skip_unmappable();
	for (prealloc = OUTBUF_AUTO; prealloc <= OUTBUF_NO; prealloc++)
		for (again = 0; again < 2; again++) {
			struct outbuf *ob = open_mapped(s->path, prealloc, 1 * MIB);
			void *p, *q;

			assert_int_equal(fill_some(ob, 'n', 2 * MIB), 0); /* the heap behind it as well */
			assert_int_equal(outbuf_data(ob, 0, 1, &p), 0);
			assert_int_equal(outbuf_set_size(ob, 300001), 0);
			assert_int_equal(outbuf_set_size(ob, 600000), 0);
			assert_int_equal(stats_of(ob).mapped, 300001);
			assert_int_equal(stats_of(ob).heap, 600000 - 300001);
			if (again) {
				assert_int_equal(outbuf_map(ob, 2 * MIB), 0);
				assert_int_equal(stats_of(ob).mapped, 2 * MIB);
			}
			assert_int_equal(outbuf_data(ob, 0, 2 * MIB, &q), 0);
			assert_ptr_equal(p, q);
			memset(want, 0, sizeof want);
			memset(want, 'n', 300001);
			assert_memory_equal(q, want, sizeof want);
			memset((char *)q + 300001, 'y', 10000); /* over the end of the mapping */
			((char *)q)[2 * MIB - 1] = 'z';
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			memset(want + 300001, 'y', 10000);
			want[2 * MIB - 1] = 'z';
			assert_file(s->path, want, sizeof want);
		}
}

/* ------------------------------------------------------------------------ failures */

/* (A hole in place of what was cut is in test_memory.c.) */
static void *no_cut(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (prot == PROT_NONE && (flags & MAP_FIXED)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return real_vm.mmap(at, n, prot, flags, fd, offset);
}

static void test_cannot_cut(void **state)
{
	struct sandbox *s = *state;
	static unsigned char want[1 << 20];
	uint32_t prealloc;

	skip_unmappable();
	memset(want, 'n', 100001);
	for (prealloc = OUTBUF_AUTO; prealloc <= OUTBUF_NO; prealloc++) {
		struct outbuf *ob = open_mapped(s->path, prealloc, 1 * MIB);
		void *p;

		assert_int_equal(fill_some(ob, 'n', 1 * MIB + 5000), 0);
		ob__sys_vm_table.mmap = no_cut;
		assert_int_equal(outbuf_set_size(ob, 100001), 0);
		ob__sys_vm_table = real_vm;
		assert_int_equal(outbuf_set_size(ob, 1 * MIB), 0);
		assert_int_equal(outbuf_data(ob, 0, 1 * MIB, &p), 0);
		assert_memory_equal(p, want, sizeof want);
		assert_int_equal(outbuf_error(ob), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_file(s->path, want, sizeof want);
	}
}

static int no_ftruncate(int fd, off_t size)
{
	return call_fails() ? -1 : real.ftruncate(fd, size);
}

/* The file cannot be cut. If it was unmapped already, that is sticky; if not, nothing has changed. */
static void test_file_fails(void **state)
{
	struct sandbox *s = *state;
	int nth;

	skip_unmappable();
	for (nth = 1; nth <= 2; nth++) {
		struct outbuf *ob = open_mapped(s->path, OUTBUF_NO, 1 * MIB);

		assert_int_equal(fill_some(ob, 'n', 1 * MIB), 0);
		/* To the size; and to the end of its page again. */
		ob__sys_table.ftruncate = no_ftruncate;
		arm(nth, EIO, 1);
		assert_int_equal(outbuf_set_size(ob, 100001), -EIO);
		ob__sys_table = real;
		assert_int_equal(outbuf_error(ob), -EIO);
		assert_int_equal(outbuf_commit(ob), -EIO);
		outbuf_close(ob);
		assert_int_equal(sandbox_entries(s), 0);

		/* Nothing to unmap: the file is cut within its last page. */
		ob = open_mapped(s->path, OUTBUF_NO, 8000);
		assert_int_equal(fill_some(ob, 'n', 8000), 0);
		ob__sys_table.ftruncate = no_ftruncate;
		arm(nth, EIO, 1);
		assert_int_equal(outbuf_set_size(ob, 7000), -EIO);
		ob__sys_table = real;
		assert_int_equal(outbuf_error(ob), nth == 1 ? 0 : -EIO);
		assert_int_equal(outbuf_size(ob), 8000);
		assert_int_equal(outbuf_commit(ob), nth == 1 ? 0 : -EIO);
		outbuf_close(ob);
		if (nth == 1) {
			assert_filled(s, 8000);
			unlink(s->path);
		}
	}
}

/* Somebody else has truncated the file: nothing is cut, and commit says it, too. */
static void test_truncated(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;

	skip_unmappable();
	ob = open_mapped(s->path, OUTBUF_NO, 1 * MIB);
	assert_int_equal(fill_some(ob, 'n', 1000), 0);
	assert_int_equal(ftruncate(ob->target.fd, 5000), 0);
	assert_int_equal(outbuf_set_size(ob, 1000), -EIO);
	assert_int_equal(outbuf_size(ob), 1 * MIB);
	assert_int_equal(outbuf_error(ob), 0);
	assert_int_equal(outbuf_commit(ob), -EIO);
	outbuf_close(ob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_touches_nothing),
		fault_test(test_grows_again),
		fault_test(test_cannot_cut),
		fault_test(test_file_fails),
		fault_test(test_truncated),
	};

	real = ob__sys_table;
	real_vm = ob__sys_vm_table;
	return cmocka_run_group_tests_name("cut", tests, NULL, NULL);
}
