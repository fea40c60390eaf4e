/* SPDX-License-Identifier: MIT */
/*
 * System calls that fail, one at a time: what the library makes of each error, that the path
 * is untouched, and that nothing is left. The table of calls is replaced (sys.h).
 *
 * Replaced calls run on the flush's threads too, so what they count is atomic.
 */
#include "config.h"

#include "support.h"
#include "flush.h"
#include "sys.h"
#ifdef HAVE_VM
#include "sys_vm.h"
#include <sys/mman.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct sys_table real;
#ifdef HAVE_VM
static struct sys_vm_table real_vm;
#endif

/* What the replacements do. */
static struct plan {
	_Atomic int calls;   /* so far */
	int from, error;     /* the call number that fails first, and its errno */
	int once;            /* only that one */
} plan;

static int fails(void)
{
	int call = atomic_fetch_add(&plan.calls, 1) + 1;

	if (plan.error == 0 || call < plan.from || (plan.once && call > plan.from))
		return 0;
	errno = plan.error;
	return 1;
}

static void arm(int from, int error, int once)
{
	atomic_store(&plan.calls, 0);
	plan.from = from;
	plan.error = error;
	plan.once = once;
}

static int f_ftruncate(int fd, off_t size) { return fails() ? -1 : real.ftruncate(fd, size); }
static int f_fdatasync(int fd) { return fails() ? -1 : real.fdatasync(fd); }
static int f_dup(int fd) { return fails() ? -1 : real.dup(fd); }

static int last_mode = -1;

static int f_fallocate(int fd, int mode, off_t offset, off_t length)
{
	last_mode = mode;
	return fails() ? -1 : real.fallocate(fd, mode, offset, length);
}

static ssize_t f_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	return fails() ? -1 : real.pwrite(fd, data, n, offset);
}

/* As the kernel: a close that fails has closed. */
static int f_close(int fd)
{
	int r = real.close(fd);

	return fails() ? -1 : r;
}

static int f_linkat(int fromdir, const char *from, int todir, const char *to, int flags)
{
	return fails() ? -1 : real.linkat(fromdir, from, todir, to, flags);
}

static int f_renameat(int fromdir, const char *from, int todir, const char *to)
{
	return fails() ? -1 : real.renameat(fromdir, from, todir, to);
}

static ssize_t f_getrandom(void *data, size_t n, unsigned flags)
{
	return fails() ? -1 : real.getrandom(data, n, flags);
}

static int f_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return fails() ? -1 : real.openat(dirfd, path, flags, mode);
}

static int restore(void **state)
{
	sys_table = real;
#ifdef HAVE_VM
	sys_vm_table = real_vm;
#endif
	arm(0, 0, 0);
	return sandbox_remove(state);
}

#define fault_test(f) cmocka_unit_test_setup_teardown(f, sandbox_make, restore)

static int fill_some(struct outbuf *ob, size_t n)
{
	struct outbuf_view v;

	outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
	outbuf_fill(&v, 'n', n);
	return outbuf_view_end(&v);
}

static void assert_content(const struct sandbox *s, size_t n)
{
	unsigned char *want = malloc(n);

	assert_non_null(want);
	memset(want, 'n', n);
	assert_file(s->path, want, n);
	free(want);
}

/* ------------------------------------------------------------------- reserving */

static void test_fallocate_interrupted(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;

	sys_table.fallocate = f_fallocate;
	arm(1, EINTR, 1);
	ob = open_with(s->path, NULL);
	assert_int_equal(outbuf_map(ob, 100), 0);
	assert_int_equal(plan.calls, 2);
	assert_int_equal(last_mode, 0);
	assert_int_equal(stats_of(ob).prealloc_error, 0);
	outbuf_close(ob);
}

static void test_fallocate_not_supported(void **state)
{
	static const int errors[] = { EOPNOTSUPP, ENOSYS, EINVAL, EPERM, EACCES };
	struct sandbox *s = *state;
	uint32_t map;
	size_t i;

	sys_table.fallocate = f_fallocate;
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++)
		for (i = 0; i < sizeof errors / sizeof *errors; i++) {
			struct outbuf_options o = OUTBUF_OPTIONS_INIT;
			struct outbuf *ob;

			o.map = map;
			arm(1, errors[i], 0);
			ob = open_with(s->path, &o);
			assert_int_equal(outbuf_map(ob, 100), 0);
			assert_int_equal(stats_of(ob).prealloc_error, -errors[i]);
			assert_int_equal(fill_some(ob, 5000), 0);
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			assert_content(s, 5000);

			/* Required: an error, of map or else of the flush; and off: not tried. */
			o.prealloc = OUTBUF_REQUIRE;
			ob = open_with(s->path, &o);
			assert_int_equal(outbuf_map(ob, 100), -errors[i]);
			assert_int_equal(outbuf_size(ob), 0);
			assert_int_equal(fill_some(ob, 10), 0);
			assert_int_equal(outbuf_commit(ob), -errors[i]);
			outbuf_close(ob);
			arm(1, errors[i], 0);
			o.prealloc = OUTBUF_NO;
			ob = open_with(s->path, &o);
			assert_int_equal(outbuf_map(ob, 100), 0);
			assert_int_equal(plan.calls, 0);
			outbuf_close(ob);
			assert_content(s, 5000);
			assert_int_equal(sandbox_entries(s), 1);
		}
}

/* A full disk is an error of map; what was reserved before it was full is given back. */
static void test_fallocate_fails(void **state)
{
	static const int errors[] = { ENOSPC, EDQUOT, EFBIG, EIO };
	struct sandbox *s = *state;
	struct stat st;
	uint32_t map;
	size_t i;

	sys_table.fallocate = f_fallocate;
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++)
		for (i = 0; i < sizeof errors / sizeof *errors; i++) {
			struct outbuf *ob = open_mapping(s->path, map, 0);

			/* The output goes on as before: smaller, or in the heap. */
			arm(1, errors[i], 0);
			assert_int_equal(outbuf_map(ob, 100), -errors[i]);
			assert_int_equal(outbuf_is_mapped(ob), 0);
			assert_int_equal(outbuf_size(ob), 0);
			assert_int_equal(outbuf_error(ob), 0);
			arm(0, 0, 0);
			assert_int_equal(outbuf_map(ob, 50), 0);
			arm(1, errors[i], 0);
			assert_int_equal(outbuf_map(ob, 100000), -errors[i]);
			assert_int_equal(outbuf_size(ob), 50);
			arm(0, 0, 0);
			assert_int_equal(fill_some(ob, 60), 0);
			/* In the flush of the heap it is the output's error. */
			assert_int_equal(fill_some(ob, 100000), 0);
			arm(1, errors[i], 0);
			assert_int_equal(outbuf_flush(ob), -errors[i]);
			arm(0, 0, 0);
			assert_int_equal(outbuf_commit(ob), -errors[i]);
			outbuf_close(ob);
			assert_int_equal(sandbox_entries(s), 0);
		}

	/* 1.5 GiB are asked for in steps; one fails (on a small disk the first), nothing is kept. */
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	if (!can_map())
		return;
	o.replace = OUTBUF_REPLACE_IN_PLACE;
	ob = open_with(s->path, &o);
	arm(2, ENOSPC, 0);
	assert_int_equal(outbuf_map(ob, (uint64_t)3 << 29), -ENOSPC);
	assert_in_range(plan.calls, 1, 2);
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_blocks, 0);
	outbuf_close(ob);
}

static void test_ftruncate(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;

	sys_table.ftruncate = f_ftruncate;
	arm(1, EINTR, 1);
	ob = open_with(s->path, NULL);
	assert_int_equal(outbuf_map(ob, 100), 0);
	arm(1, EIO, 0);
	assert_int_equal(outbuf_map(ob, 100000), -EIO);
	assert_int_equal(fill_some(ob, 200), 0);
	assert_int_equal(outbuf_commit(ob), -EIO); /* the exact size cannot be set */
	outbuf_close(ob);
	assert_int_equal(sandbox_entries(s), 0);
}

/* ------------------------------------------------------------- writing the heap */

static int pwrite_zero;

static ssize_t short_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	int call = atomic_fetch_add(&plan.calls, 1);

	if (call % 3 == 0) {
		errno = EINTR;
		return -1;
	}
	if (pwrite_zero)
		return 0;
	return real.pwrite(fd, data, n > 1000 ? n / 3 : n, offset);
}

static void test_pwrite_short(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_mapping(s->path, OUTBUF_NO, 0);

	sys_table.pwrite = short_pwrite;
	arm(0, 0, 0);
	assert_int_equal(fill_some(ob, 5 << 20), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	assert_true(plan.calls > 50);
	outbuf_close(ob);
	assert_content(s, 5 << 20);

	/* No progress is an error and not an endless loop. */
	pwrite_zero = 1;
	ob = open_mapping(s->path, OUTBUF_NO, 0);
	assert_int_equal(fill_some(ob, 10), 0);
	assert_int_equal(outbuf_commit(ob), -EIO);
	outbuf_close(ob);
	pwrite_zero = 0;
	assert_content(s, 5 << 20);
	assert_int_equal(sandbox_entries(s), 1);
}

static void test_pwrite_fails(void **state)
{
	static const int errors[] = { ENOSPC, EDQUOT, EFBIG, EIO };
	struct sandbox *s = *state;
	size_t i;
	int nth;

	sys_table.pwrite = f_pwrite;
	for (nth = 1; nth <= 5; nth += 2)
		for (i = 0; i < sizeof errors / sizeof *errors; i++) {
			struct outbuf *ob = open_with(s->path, NULL);

			assert_int_equal(outbuf_map(ob, 1 << 20), 0);
			assert_int_equal(fill_some(ob, 6 << 20), 0);
			arm(nth, errors[i], 1);
			assert_int_equal(outbuf_commit(ob), -errors[i]);
			assert_int_equal(outbuf_commit(ob), -errors[i]);
			assert_int_equal(outbuf_error(ob), -errors[i]);
			outbuf_close(ob);
			assert_int_equal(sandbox_entries(s), 0);
		}
}

/* A worker of the caller's fails while the bytes are already on their way to the file. */
static struct outbuf *failing;

static ssize_t pwrite_and_fail(int fd, const void *data, size_t n, off_t offset)
{
	outbuf_fail(failing, -EPROTO);
	return real.pwrite(fd, data, n, offset);
}

static void test_failing_during_flush(void **state)
{
	struct sandbox *s = *state;

	failing = open_with(s->path, NULL);
	assert_int_equal(fill_some(failing, 10), 0);
	sys_table.pwrite = pwrite_and_fail;
	assert_int_equal(outbuf_commit(failing), -EPROTO);
	outbuf_close(failing);
	assert_int_equal(sandbox_entries(s), 0);
}

/* A backend alone, from memory that has nothing before or behind the job's bytes. */
static void test_backend(void **state)
{
	static const uint64_t offsets[] = { 0, 1, 4095, (1 << 20) - 1, 1 << 20, (3 << 20) + 5 };
	struct sandbox *s = *state;
	struct parallel parallel = { .threads = 3 };
	size_t i, n = (2 << 20) + 77;

	for (i = 0; i < sizeof offsets / sizeof *offsets; i++) {
		unsigned char *data = malloc(n), *want = calloc(1, offsets[i] + n);
		struct flush_job job = {
			.fd = open(s->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
			.data = data,
			.offset = offsets[i],
			.length = n,
			.parallel = &parallel,
		};

		assert_non_null(data);
		assert_non_null(want);
		memset(data, 0x5a, n);
		memset(want + offsets[i], 0x5a, n);
		assert_int_equal(flush_pwrite.write(&job), 0);
		close(job.fd);
		assert_file(s->path, want, offsets[i] + n);
		free(data);
		free(want);
	}
}

static void test_sync(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);

	sys_table.fdatasync = f_fdatasync;
	assert_int_equal(outbuf_map(ob, 100), 0);
	assert_int_equal(fill_some(ob, 100000), 0);
	arm(1, EINTR, 1);
	assert_int_equal(outbuf_sync(ob), 0);
	assert_int_equal(plan.calls, 2);
	assert_true(stats_of(ob).phase_ns[OUTBUF_PHASE_SYNC] > 0);
	/* A disk that lost data must not become a good output later (fsync(2) tells once). */
	arm(1, EIO, 1);
	assert_int_equal(outbuf_sync(ob), -EIO);
	assert_int_equal(outbuf_commit(ob), -EIO);
	outbuf_close(ob);
	assert_int_equal(sandbox_entries(s), 0);
}

/* ----------------------------------------------------------------- publication */

static void commit_fails(const struct sandbox *s, int calls, int error)
{
	struct outbuf *ob;

	write_file(s->path, "old", 3, 0644);
	ob = open_with(s->path, NULL);
	assert_int_equal(fill_some(ob, 10), 0);
	arm(calls, error, 0);
	assert_int_equal(outbuf_commit(ob), -error);
	arm(0, 0, 0);
	outbuf_close(ob);
	assert_file(s->path, "old", 3);
	assert_int_equal(sandbox_entries(s), 1);
}

static int no_nameless(int dirfd, const char *path, int flags, mode_t mode)
{
#ifdef O_TMPFILE
	if ((flags & O_TMPFILE) == O_TMPFILE) {
		errno = EISDIR; /* Linux before 3.11 */
		return -1;
	}
#endif
	return real.openat(dirfd, path, flags, mode);
}

static void test_publication_fails(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	int nameless = strcmp(stats_of(ob).placement, "nameless") == 0, round;

	outbuf_close(ob);
	for (round = 0; round < 2; round++) {
		if (round == 1)
			sys_table.openat = no_nameless;
		/* close(2) is where NFS and quotas report what did not arrive. */
		sys_table.close = f_close;
		commit_fails(s, 1, EDQUOT);
		commit_fails(s, 1, EIO);
		sys_table.close = real.close;
		sys_table.renameat = f_renameat;
		commit_fails(s, 1, EACCES);
		commit_fails(s, 1, ENOSPC);
		sys_table.renameat = real.renameat;
		if (round == 1 || !nameless)
			continue;
		sys_table.linkat = f_linkat;
		commit_fails(s, 1, ENOSPC);
		commit_fails(s, 2, EMLINK); /* only asked for if the first said EEXIST */
		sys_table.linkat = real.linkat;
		sys_table.dup = f_dup;
		commit_fails(s, 1, EMFILE);
		sys_table.dup = real.dup;
		sys_table.getrandom = f_getrandom;
		commit_fails(s, 1, ENOSYS);
		sys_table.getrandom = real.getrandom;
	}
}

/* EINTR from close(2): the descriptor is gone, there is nothing to repeat and nothing wrong. */
static void test_close_interrupted(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);

	assert_int_equal(fill_some(ob, 10), 0);
	sys_table.close = f_close;
	arm(1, EINTR, 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_content(s, 10);
}

static void test_open_fails(void **state)
{
	static const int errors[] = { EMFILE, ENFILE, ENOSPC, EDQUOT, EROFS, EIO, ENOMEM };
	struct sandbox *s = *state;
	struct outbuf *ob;
	size_t i;
	int nth;

	sys_table.openat = f_openat;
	for (nth = 1; nth <= 2; nth++)
		for (i = 0; i < sizeof errors / sizeof *errors; i++) {
			arm(nth, errors[i], 0);
			assert_int_equal(outbuf_open(&ob, s->path, NULL), -errors[i]);
			assert_null(ob);
		}
	/* The first, and it was only a signal. */
	arm(1, EINTR, 1);
	ob = open_with(s->path, NULL);
	outbuf_close(ob);
	sys_table.openat = no_nameless;
	sys_table.getrandom = f_getrandom;
	arm(1, ENOSYS, 0);
	assert_int_equal(outbuf_open(&ob, s->path, NULL), -ENOSYS);
	assert_int_equal(sandbox_entries(s), 0);
}

/* ---------------------------------------------------------------------- memory */

#ifdef HAVE_VM

/* Mapping a file fails; anonymous memory works. */
static void *no_file_mapping(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (fd >= 0 && fails())
		return MAP_FAILED;
	return real_vm.mmap(at, n, prot, flags, fd, offset);
}

static void test_mapping_refused(void **state)
{
	static const int errors[] = { ENODEV, EINVAL, EACCES, EPERM, ENOMEM };
	struct sandbox *s = *state;
	size_t i;
	int nth; /* the probe, or the mapping itself */

	sys_vm_table.mmap = no_file_mapping;
	for (nth = 1; nth <= 2; nth++)
		for (i = 0; i < sizeof errors / sizeof *errors; i++) {
			struct outbuf *ob = open_with(s->path, NULL);

			/* The same bytes through the heap, and the reason is told. */
			assert_int_equal(fill_some(ob, 50), 0);
			arm(nth, errors[i], 0);
			assert_int_equal(outbuf_map(ob, 10000), 0);
			assert_int_equal(outbuf_is_mapped(ob), 0);
			assert_int_equal(stats_of(ob).map_error, -errors[i]);
			assert_int_equal(stats_of(ob).heap, 10000);
			assert_int_equal(fill_some(ob, 20000), 0);
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			assert_content(s, 20000);

			/* Required, it is an error, and the output goes on unharmed. */
			arm(0, 0, 0);
			ob = open_mapping(s->path, OUTBUF_REQUIRE, 0);
			assert_int_equal(outbuf_map(ob, 100), 0);
			assert_int_equal(fill_some(ob, 30000), 0);
			arm(nth, errors[i], 0);
			assert_int_equal(outbuf_map(ob, 50000), -errors[i]);
			assert_int_equal(outbuf_size(ob), 30000);
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			assert_content(s, 30000);
		}
}

/* After unmap the bytes are in the file alone: no heap may be put over them. */
static void test_mapping_again_refused(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);

	assert_int_equal(outbuf_map(ob, 10000), 0);
	assert_int_equal(fill_some(ob, 10000), 0);
	assert_int_equal(outbuf_unmap(ob), 0);
	sys_vm_table.mmap = no_file_mapping;
	arm(1, ENODEV, 0);
	assert_int_equal(outbuf_map(ob, 10000), -ENODEV);
	assert_int_equal(outbuf_map(ob, 20000), -ENODEV);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_content(s, 10000);
}

/*
 * As old kernels do: the refused MAP_FIXED has already taken away what was there; and as threads
 * do: one gets the hole for memory of its own.
 */
static unsigned char *theirs;

static void *lossy_mapping(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (fd >= 0 && fails()) {
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

static void test_mapping_lost(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	struct outbuf_view v;

	assert_int_equal(fill_some(ob, 100000), 0);
	sys_vm_table.mmap = lossy_mapping;
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

static int no_memory(void *at, size_t n, int prot)
{
	return fails() ? -1 : real_vm.mprotect(at, n, prot);
}

/* No memory for a generous step: take the exact one. None for that: the View's error. */
static void test_growth_fails(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	struct outbuf_view v;

	sys_vm_table.mprotect = no_memory;
	arm(1, ENOMEM, 1);
	assert_int_equal(fill_some(ob, 5000), 0);
	assert_int_equal(plan.calls, 2);
	assert_int_equal(outbuf_view(ob, &v, 5000, OUTBUF_UNBOUNDED), 0);
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
	struct outbuf *ob = open_mapping(s->path, OUTBUF_NO, 0);

	sys_vm_table.mprotect = no_memory;
	arm(1, ENOMEM, 0);
	assert_int_equal(outbuf_map(ob, 8 << 20), -ENOMEM);
	assert_int_equal(outbuf_size(ob), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
}

static void *no_address_space(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (n > (size_t)100 << 20) {
		atomic_fetch_add(&plan.calls, 1);
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

	sys_vm_table.mmap = no_address_space;
	arm(0, 0, 0);
	assert_int_equal(outbuf_map(ob, (uint64_t)101 << 20), -ENOMEM);
	assert_int_equal(outbuf_map(ob, 1 << 20), 0);
	reserved = stats_of(ob).reserved;
	assert_true(plan.calls > 5);
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

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_fallocate_interrupted),
		fault_test(test_fallocate_not_supported),
		fault_test(test_fallocate_fails),
		fault_test(test_ftruncate),
		fault_test(test_pwrite_short),
		fault_test(test_pwrite_fails),
		fault_test(test_failing_during_flush),
		fault_test(test_backend),
		fault_test(test_sync),
		fault_test(test_publication_fails),
		fault_test(test_close_interrupted),
		fault_test(test_open_fails),
#ifdef HAVE_VM
		fault_test(test_mapping_refused),
		fault_test(test_mapping_again_refused),
		fault_test(test_mapping_lost),
		fault_test(test_growth_fails),
		fault_test(test_plan_fails),
		fault_test(test_reservation_shrinks),
#endif
	};

	real = sys_table;
#ifdef HAVE_VM
	real_vm = sys_vm_table;
#endif
	return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
