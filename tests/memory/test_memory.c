/* SPDX-License-Identifier: MIT */
/*
 * Memory calls that fail: mappings refused, growth refused, addresses scarce. Built only where
 * there is <sys/mman.h>.
 */
#include "config.h"

#include "inject/faults.h"
#include "support/support.h"
#include "system/unix/sys_vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct sys_vm_table real_vm;

/* Mapping a file fails; anonymous memory works. */
static void *no_file_mapping(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (fd >= 0 && call_fails())
		return MAP_FAILED;
	return real_vm.mmap(at, n, prot, flags, fd, offset);
}

static void test_mapping_refused(void **state)
{
	static const int errors[] = { ENODEV, EINVAL, EACCES, EPERM, ENOMEM };
	struct sandbox *s = *state;
	size_t i;
	int nth; /* the probe, or the mapping itself */

	skip_unmapped();
	ob__sys_vm_table.mmap = no_file_mapping;
	for (nth = 1; nth <= 2; nth++)
		for (i = 0; i < sizeof errors / sizeof *errors; i++) {
			struct outbuf *ob = open_with(s->path, NULL);

			/* The same bytes through the heap, and the reason is told. */
			assert_int_equal(fill_some(ob, 'n', 50), 0);
			arm(nth, errors[i], 0);
			assert_int_equal(outbuf_map(ob, 10000), 0);
			assert_int_equal(outbuf_is_mapped(ob), 0);
			assert_int_equal(stats_of(ob).map_error, -errors[i]);
			assert_int_equal(stats_of(ob).heap, 10000);
			assert_int_equal(fill_some(ob, 'n', 20000), 0);
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			assert_filled(s, 20000);

			/* Required, it is an error, and the output goes on unharmed. */
			arm(0, 0, 0);
			ob = open_mapping(s->path, OUTBUF_REQUIRE, 0);
			assert_int_equal(outbuf_map(ob, 100), 0);
			assert_int_equal(fill_some(ob, 'n', 30000), 0);
			arm(nth, errors[i], 0);
			assert_int_equal(outbuf_map(ob, 50000), -errors[i]);
			assert_int_equal(outbuf_size(ob), 30000);
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			assert_filled(s, 30000);
		}
}

/* After unmap the bytes are in the file alone: no heap may be put over them. */
static void test_mapping_again_refused(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;

	skip_unmapped();
	ob = open_with(s->path, NULL);
	assert_int_equal(outbuf_map(ob, 10000), 0);
	assert_int_equal(fill_some(ob, 'n', 10000), 0);
	assert_int_equal(outbuf_unmap(ob), 0);
	ob__sys_vm_table.mmap = no_file_mapping;
	arm(1, ENODEV, 0);
	assert_int_equal(outbuf_map(ob, 10000), -ENODEV);
	assert_int_equal(outbuf_map(ob, 20000), -ENODEV);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_filled(s, 10000);
}

/*
 * As old kernels do: the refused MAP_FIXED has already taken away what was there; and as threads
 * do: one gets the hole for memory of its own.
 */
static unsigned char *theirs;

static void *lossy_mapping(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (fd >= 0 && call_fails()) {
		int error = errno;

		if (flags & MAP_FIXED) {
			real_vm.munmap(at, n);
			theirs = real_vm.mmap(at, n, PROT_READ | PROT_WRITE,
			                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (theirs != at)
				theirs = NULL;
			else
				real_vm.munmap(theirs + n / 8192 * 4096, n - n / 8192 * 4096);
		}
		errno = error;
		return MAP_FAILED;
	}
	return real_vm.mmap(at, n, prot, flags, fd, offset);
}

/* qemu-user takes all advice, and passes little of it on to a kernel. */
static int holes_are_hidden(void)
{
	void *p = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	munmap(p, 1 << 20);
	return posix_madvise(p, 1 << 20, POSIX_MADV_NORMAL) == 0;
}

static void test_mapping_lost(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	struct outbuf_view v;

	skip_unmapped();
	if (holes_are_hidden()) {
		print_message("posix_madvise(2) takes what is unmapped for mapped: the kernel cannot be asked\n");
		skip();
	}
#ifdef __linux__
	/* One where no mapping is tried before. */
	pretend_file_system(0xef53);
#endif
	ob = open_with(s->path, NULL);
	assert_int_equal(fill_some(ob, 'n', 100000), 0);
	ob__sys_vm_table.mmap = lossy_mapping;
	arm(2, ENODEV, 0);
	assert_int_equal(outbuf_map(ob, 100000), -ENOMEM);
	assert_non_null(theirs);
	memset(theirs, 7, 4096);
	assert_int_equal(outbuf_error(ob), -ENOMEM);
	assert_int_equal(outbuf_view(ob, &v, 0, 1), -ENOMEM);
	assert_int_equal(outbuf_commit(ob), -ENOMEM);
	assert_int_equal(outbuf_close(ob), 0);
	/* Still theirs. */
	assert_int_equal(theirs[0], 7);
	assert_int_equal(theirs[4095], 7);
	real_vm.munmap(theirs, 100000 / 8192 * 4096);
	assert_int_equal(sandbox_entries(s), 0);
}

static void *lossy_cut(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (prot == PROT_NONE && (flags & MAP_FIXED)) {
		real_vm.munmap(at, n);
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return real_vm.mmap(at, n, prot, flags, fd, offset);
}

static uint64_t whole_pages(uint64_t n)
{
	uint64_t page = ob__sys_page_size();

	return (n + page - 1) / page * page;
}

/* What was to be cut off is gone, and so are its addresses: the output is complete, but cannot grow any more. */
static void test_cut_loses_addresses(void **state)
{
	struct sandbox *s = *state;
	uint32_t map;

	if (holes_are_hidden()) {
		print_message("posix_madvise(2) takes what is unmapped for mapped: the kernel cannot be asked\n");
		skip();
	}
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++) {
		struct outbuf *ob = open_direct(s->path, map);

		assert_int_equal(outbuf_map(ob, 400000), 0);
		assert_int_equal(fill_some(ob, 'n', 500000), 0);
		ob__sys_vm_table.mmap = lossy_cut;
		assert_int_equal(outbuf_set_size(ob, 100001), 0);
		ob__sys_vm_table = real_vm;
		assert_int_equal(stats_of(ob).reserved, whole_pages(100001));
		assert_int_equal(outbuf_set_size(ob, 300000), -ENOMEM);
		assert_int_equal(outbuf_error(ob), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_filled(s, 100001);
	}
}

static int no_memory(void *at, size_t n, int prot)
{
	return call_fails() ? -1 : real_vm.mprotect(at, n, prot);
}

/* More than a small range has, whose memory is usable from the start. */
#define FIRST 600000

/* No memory for a generous step: take the exact one. None for that: the View's error. */
static void test_growth_fails(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_direct(s->path, OUTBUF_AUTO);
	struct outbuf_view v;

	ob__sys_vm_table.mprotect = no_memory;
	arm(1, ENOMEM, 1);
	assert_int_equal(fill_some(ob, 'n', FIRST), 0);
	assert_int_equal(calls_made(), 2);
	assert_int_equal(outbuf_view(ob, &v, FIRST, OUTBUF_UNBOUNDED), 0);
	arm(1, ENOMEM, 0);
	assert_int_equal(outbuf_fill(&v, 1, 8 << 20), -ENOMEM);
	assert_int_equal(outbuf_view_end(&v), -ENOMEM);
	assert_int_equal(outbuf_commit(ob), -ENOMEM);
	outbuf_close(ob);
	assert_int_equal(sandbox_entries(s), 0);
}

/* Without a mapping, map says at once that there is not enough memory. */
static void test_plan_fails(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_direct(s->path, OUTBUF_NO);

	ob__sys_vm_table.mprotect = no_memory;
	arm(1, ENOMEM, 0);
	assert_int_equal(outbuf_map(ob, 8 << 20), -ENOMEM);
	assert_int_equal(outbuf_size(ob), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
}

static void *no_address_space(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (n > (size_t)100 << 20) {
		call_fails();
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return real_vm.mmap(at, n, prot, flags, fd, offset);
}

static void test_reservation_shrinks(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	struct outbuf_view v;
	uint64_t reserved;
	void *base;

	if (getenv("VALGRIND") != NULL) {
		outbuf_close(ob);
		print_message("valgrind leaves a program so few addresses that a small range is all it begins with\n");
		skip();
	}
	ob__sys_vm_table.mmap = no_address_space;
	arm(0, 0, 0);
	assert_int_equal(outbuf_map(ob, (uint64_t)101 << 20), -ENOMEM);
	assert_int_equal(outbuf_map(ob, 1 << 20), 0);
	reserved = stats_of(ob).reserved;
	assert_true(calls_made() > 5);
	/* Of what there was, half was left to the program. */
	assert_true(reserved >= (16 << 20) && reserved <= (50 << 20));
	/* Aligned for huge pages. */
	assert_int_equal(outbuf_data(ob, 0, 0, &base), 0);
	assert_int_equal((uintptr_t)base % (2 << 20), 0);
	assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_seek(&v, reserved - 1), 0);
	assert_int_equal(outbuf_write8(&v, 1), 0);
	assert_int_equal(outbuf_write8(&v, 1), -ENOMEM);
	assert_int_equal(outbuf_view_end(&v), -ENOMEM);
	outbuf_close(ob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_mapping_refused),
		fault_test(test_mapping_again_refused),
		fault_test(test_mapping_lost),
		fault_test(test_cut_loses_addresses),
		fault_test(test_growth_fails),
		fault_test(test_plan_fails),
		fault_test(test_reservation_shrinks),
	};

	real_vm = ob__sys_vm_table;
	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
