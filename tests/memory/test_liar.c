/* SPDX-License-Identifier: MIT */
/*
 * Mappings that lie. Where nothing is known about a file system, a mapping is tried out before it is
 * believed, and looked at once more at the end. Here the test is such a file system.
 */
#include "config.h"

#include "inject/faults.h"
#include "output/output.h"
#include "rigs/mixed.h"
#include "system/unix/sys_table.h"
#include "system/unix/sys_vm.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

static struct sys_vm_table real_vm;

/* One page is asked whether it can be mapped, and two are tried. */
#define AFTER_TRIAL 4

static _Atomic int mappings; /* shared ones of files, so far */
static int lie_from; /* number of the first that lies, counted from 1; constant while threads run */

/* As VirtualBox' shared folders: it works, and nothing comes to the file. */
static void *lying_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (fd < 0 || !(flags & MAP_SHARED))
		return real_vm.mmap(at, n, prot, flags, fd, offset);
	if (atomic_fetch_add(&mappings, 1) + 1 < lie_from)
		return real_vm.mmap(at, n, prot, flags, fd, offset);
	flags = (flags & ~MAP_SHARED) | MAP_PRIVATE | MAP_ANONYMOUS;
	return real_vm.mmap(at, n, prot, flags, -1, 0);
}

static struct outbuf *open_liar(struct sandbox *s, int from, uint32_t map, int in_place)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;

#ifdef __linux__
	pretend_file_system(0x12345); /* nobody knows it */
#endif
	atomic_store(&mappings, 0);
	ob__sys_vm_table.mmap = lying_mmap;
	lie_from = from;
	o.map = map;
	o.replace = in_place ? OUTBUF_REPLACE_IN_PLACE : OUTBUF_REPLACE_ATOMIC;
	return open_with(s->path, &o);
}

static void test_liar_is_found_out(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_stats stats;
	struct outbuf *ob;
	int in_place, from;

	skip_unmappable();
	/* Stores that do not get to the file; writes that do not show in the mapping. */
	for (from = 2, in_place = 0; from < AFTER_TRIAL; from += in_place, in_place = !in_place) {
		write_file(s->path, "old", 3, 0644);
		ob = open_liar(s, from, OUTBUF_AUTO, in_place);
		assert_int_equal(mixed_emit(ob), 0);
		stats = stats_of(ob);
		assert_int_equal(outbuf_is_mapped(ob), 0);
		assert_int_equal(stats.map_error, -EIO);
		assert_int_equal(stats.mapped, 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_file(s->path, mixed_want, MIXED_SIZE);

		/* Required, it is an error of map, and the output can go on without. */
		ob = open_liar(s, 1, OUTBUF_REQUIRE, in_place);
		assert_int_equal(outbuf_map(ob, MIXED_PLANNED), -EIO);
		assert_int_equal(outbuf_is_mapped(ob), 0);
		assert_int_equal(outbuf_error(ob), 0);
		assert_int_equal(fill_some(ob, 'n', 40000), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_filled(s, 40000);
		assert_int_equal(sandbox_entries(s), 1);
	}
}

/* Bytes that were written before the trial are there after it. */
static void test_trial_leaves_no_trace(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	int liar;

	skip_unmappable();
	for (liar = 0; liar < 2; liar++) {
		ob = open_liar(s, liar ? 1 : 100, OUTBUF_AUTO, 0);
		assert_int_equal(fill_some(ob, 'n', 50000), 0);
		assert_int_equal(outbuf_flush(ob), 0);
		assert_int_equal(outbuf_map(ob, 50000), 0);
		assert_int_equal(outbuf_is_mapped(ob), !liar);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_filled(s, 50000);
		/* Nor does it in a file of zeros. */
		ob = open_liar(s, liar ? 1 : 100, OUTBUF_AUTO, 0);
		assert_int_equal(outbuf_map(ob, 100), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		{
			static const unsigned char zeros[100];

			assert_file(s->path, zeros, 100);
		}
	}
}

/* One that keeps the first page, and loses the rest. */
static void test_liar_after_the_trial(void **state)
{
	/* Only these are looked at: the first bytes, and the last. */
	static const uint64_t offsets[] = { 0, 4000, MIXED_PLANNED - 1, MIXED_PLANNED - 4000 };
	struct sandbox *s = *state;
	struct outbuf *ob;
	struct outbuf_view v;
	size_t i;
	int in_place;

	skip_unmappable();
	for (in_place = 0; in_place < 2; in_place++) {
		write_file(s->path, "old", 3, 0644);
		ob = open_liar(s, AFTER_TRIAL, OUTBUF_AUTO, in_place);
		assert_int_equal(mixed_emit(ob), 0);
		assert_int_equal(outbuf_is_mapped(ob), 1);
		assert_int_equal(outbuf_commit(ob), -EIO);
		assert_int_equal(outbuf_error(ob), -EIO);
		assert_int_equal(outbuf_commit(ob), -EIO);
		outbuf_close(ob);
		if (!in_place)
			assert_file(s->path, "old", 3);
		assert_int_equal(sandbox_entries(s), 1);
	}
	write_file(s->path, "old", 3, 0644);
	for (i = 0; i < sizeof offsets / sizeof *offsets; i++) {
		void *data;

		ob = open_liar(s, AFTER_TRIAL, OUTBUF_AUTO, 0);
		assert_int_equal(outbuf_map(ob, MIXED_PLANNED), 0);
		assert_int_equal(outbuf_view(ob, &v, offsets[i], 1), 0);
		assert_int_equal(outbuf_write8(&v, 1), 0);
		assert_int_equal(outbuf_view_end(&v), 0);
		/* By unmapping, too. */
		if (i % 2)
			assert_int_equal(outbuf_unmap(ob), -EIO);
		else
			assert_int_equal(outbuf_data(ob, 0, 1, &data), 0);
		assert_int_equal(outbuf_commit(ob), -EIO);
		outbuf_close(ob);
		assert_file(s->path, "old", 3);
	}
	assert_int_equal(sandbox_entries(s), 1);
}

static int prepare(void **state)
{
	forget_wishes();
	real_vm = ob__sys_vm_table;
	return mixed_make(state);
}

static int no_room(int fd)
{
	(void)fd;
	errno = ENOSPC;
	return -1;
}

/* Somebody has truncated the file. To look into the mapping then would be SIGBUS; the disk may know a reason. */
static void test_truncated(void **state)
{
	struct sandbox *s = *state;
	int unmap, full;

	skip_unmappable();
	for (unmap = 0; unmap < 2; unmap++)
		for (full = 0; full < 2; full++) {
			struct outbuf *ob = open_liar(s, 1000, OUTBUF_REQUIRE, 0);

			ob__sys_table.fdatasync = full ? no_room : fdatasync;
			assert_int_equal(outbuf_map(ob, 1 << 20), 0);
			assert_int_equal(fill_some(ob, 'n', 1000), 0);
			assert_int_equal(ftruncate(ob->target.fd, 0), 0);
			if (unmap)
				assert_int_equal(outbuf_unmap(ob), full ? -ENOSPC : -EIO);
			assert_int_equal(outbuf_commit(ob), full ? -ENOSPC : -EIO);
			outbuf_close(ob);
			assert_int_equal(sandbox_entries(s), 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_liar_is_found_out),
		fault_test(test_trial_leaves_no_trace),
		fault_test(test_liar_after_the_trial),
		fault_test(test_truncated),
	};

	return cmocka_run_group_tests_name("liar", tests, prepare, NULL);
}
