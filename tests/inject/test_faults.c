/* SPDX-License-Identifier: MIT */
/*
 * System calls that fail, one at a time: what the library makes of each error, that the path
 * is untouched, and that nothing is left. Calls for memory are in test_memory.c.
 */
#include "config.h"

#include "flush/flush.h"
#include "inject/faults.h"
#include "policy/fspolicy.h"
#include "support/files.h"
#include "support/support.h"
#include "system/unix/sys_table.h"
#include "target/hidden_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct sys_table real;

static int f_ftruncate(int fd, off_t size) { return call_fails() ? -1 : real.ftruncate(fd, size); }
static int f_fdatasync(int fd) { return call_fails() ? -1 : real.fdatasync(fd); }

static int last_mode = -1;

static int f_fallocate(int fd, int mode, off_t offset, off_t length)
{
	last_mode = mode;
	return call_fails() ? -1 : real.fallocate(fd, mode, offset, length);
}

/* The first piece of a large one is reserved in part: a whole GiB would fill a small disk, on which others work. */
static int f_fallocate_part(int fd, int mode, off_t offset, off_t length)
{
	return f_fallocate(fd, mode, offset, length > 1 << 20 ? 1 << 20 : length);
}

static ssize_t f_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	return call_fails() ? -1 : real.pwrite(fd, data, n, offset);
}

/* As the kernel: a close that fails has closed. */
static int f_close(int fd)
{
	int r = real.close(fd);

	return call_fails() ? -1 : r;
}

static int f_linkat(int fromdir, const char *from, int todir, const char *to, int flags)
{
	return call_fails() ? -1 : real.linkat(fromdir, from, todir, to, flags);
}

static int f_renameat(int fromdir, const char *from, int todir, const char *to)
{
	return call_fails() ? -1 : real.renameat(fromdir, from, todir, to);
}

static ssize_t f_getrandom(void *data, size_t n, unsigned flags)
{
	return call_fails() ? -1 : real.getrandom(data, n, flags);
}

static int f_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return call_fails() ? -1 : real.openat(dirfd, path, flags, mode);
}

/* ------------------------------------------------------------------- reserving */

static void test_fallocate_interrupted(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;
	int r = required_blocks(); /* what there is without interruption */

	ob__sys_table.fallocate = f_fallocate;
	arm(1, EINTR, 1);
	o.prealloc = OUTBUF_REQUIRE;
	ob = open_with(s->path, &o);
	assert_int_equal(outbuf_map(ob, 100), r);
	assert_int_equal(calls_made(), 2);
	assert_int_equal(last_mode, 0);
	outbuf_close(ob);
}

/* Where it is known to be of no use, it is not called. */
static void skip_unreserved(const struct sandbox *s)
{
	int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct fspolicy *row;

	assert_int_equal(ob__fspolicy_of_file(dir, &row), 0);
	close(dir);
	if (!row->prealloc) {
		print_message("fallocate(2) is not tried on %s\n", row->name);
		skip();
	}
}

/* As with a timer that is faster than the kernel is with more than 1 MiB; then faster than with anything. */
static off_t interrupted_beyond;

static int slow_fallocate(int fd, int mode, off_t offset, off_t length)
{
	call_fails(); /* counts */
	if (length > interrupted_beyond) {
		errno = EINTR;
		return -1;
	}
	return real.fallocate(fd, mode, offset, length);
}

static void test_fallocate_in_pieces(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	const uint64_t size = ((uint64_t)16 << 20) + 12345;
	struct outbuf *ob;

	skip_unreserved(s);
	if (required_blocks() != 0) {
		print_message("blocks cannot be reserved here\n");
		skip();
	}
	ob__sys_table.fallocate = slow_fallocate;
	o.prealloc = OUTBUF_REQUIRE;
	for (interrupted_beyond = 65536; interrupted_beyond <= 1 << 20; interrupted_beyond *= 4) {
		arm(1, 0, 0);
		ob = open_with(s->path, &o);
		assert_int_equal(outbuf_map(ob, size), 0);
		assert_int_equal(stats_of(ob).prealloc_error, 0);
		assert_in_range(calls_made(), size / (uint64_t)interrupted_beyond,
		                2 * size / (uint64_t)interrupted_beyond + 20);
		outbuf_close(ob);
	}

	/* Nothing gets through: it ends, and counts as a file system that cannot reserve. */
	interrupted_beyond = 0;
	arm(1, 0, 0);
	ob = open_with(s->path, &o);
	assert_int_equal(outbuf_map(ob, size), -EINTR);
	assert_in_range(calls_made(), 2, 100);
	outbuf_close(ob);
	ob = open_with(s->path, NULL);
	assert_int_equal(outbuf_map(ob, size), 0);
	assert_int_equal(stats_of(ob).prealloc_error, -EINTR);
	assert_int_equal(fill_some(ob, 'n', size), 0);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
	assert_filled(s, size);
}

static void test_fallocate_not_supported(void **state)
{
	static const int errors[] = { EOPNOTSUPP, ENOSYS, EINVAL, EPERM, EACCES };
	struct sandbox *s = *state;
	uint32_t map;
	size_t i;

	skip_unreserved(s);
	ob__sys_table.fallocate = f_fallocate;
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++)
		for (i = 0; i < sizeof errors / sizeof *errors; i++) {
			struct outbuf_options o = OUTBUF_OPTIONS_INIT;
			struct outbuf *ob;

			o.map = map;
			arm(1, errors[i], 0);
			ob = open_with(s->path, &o);
			assert_int_equal(outbuf_map(ob, 100), 0);
			assert_int_equal(stats_of(ob).prealloc_error, -errors[i]);
			/* A mapping without blocks may be SIGBUS: only for those who insist. */
			assert_int_equal(outbuf_is_mapped(ob), getenv("OUTBUF_MAP") != NULL && map == 0 ?
			                                       can_map() : 0);
			assert_int_equal(fill_some(ob, 'n', 5000), 0);
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			assert_filled(s, 5000);
			if (map == OUTBUF_AUTO && required_mapping() == 0 && !in_order()) {
				o.map = OUTBUF_REQUIRE;
				ob = open_with(s->path, &o);
				assert_int_equal(outbuf_map(ob, 100), 0);
				assert_int_equal(outbuf_is_mapped(ob), 1);
				assert_int_equal(fill_some(ob, 'n', 5000), 0);
				assert_int_equal(outbuf_commit(ob), 0);
				outbuf_close(ob);
				o.map = map;
			}

			/* Required: an error, of map or else of the flush; and off: not tried. */
			o.prealloc = OUTBUF_REQUIRE;
			ob = open_with(s->path, &o);
			assert_int_equal(outbuf_map(ob, 100), -errors[i]);
			assert_int_equal(outbuf_size(ob), 0);
			assert_int_equal(fill_some(ob, 'n', 10), 0);
			assert_int_equal(outbuf_commit(ob), -errors[i]);
			outbuf_close(ob);
			arm(1, errors[i], 0);
			o.prealloc = OUTBUF_NO;
			ob = open_with(s->path, &o);
			assert_int_equal(outbuf_map(ob, 100), 0);
			assert_int_equal(calls_made(), 0);
			outbuf_close(ob);
			assert_filled(s, 5000);
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

	skip_in_order();
	skip_unreserved(s);
	if (strcmp(file_system_of(s->dir), "fuse") == 0) {
		print_message("what a server says of room is no proof\n");
		skip();
	}
	ob__sys_table.fallocate = f_fallocate;
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++)
		for (i = 0; i < sizeof errors / sizeof *errors; i++) {
			struct outbuf *ob = open_direct(s->path, map);

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
			assert_int_equal(fill_some(ob, 'n', 60), 0);
			/* In the flush of the heap it is the output's error. */
			assert_int_equal(fill_some(ob, 'n', 100000), 0);
			arm(1, errors[i], 0);
			assert_int_equal(outbuf_flush(ob), -errors[i]);
			arm(0, 0, 0);
			assert_int_equal(outbuf_commit(ob), -errors[i]);
			outbuf_close(ob);
			assert_int_equal(sandbox_entries(s), 0);
		}

	/* 1.5 GiB are asked for in steps; the second fails, nothing is kept. */
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	if (!can_map())
		return;
	o.replace = OUTBUF_REPLACE_IN_PLACE;
	ob = open_with(s->path, &o);
	ob__sys_table.fallocate = f_fallocate_part;
	arm(2, ENOSPC, 0);
	assert_int_equal(outbuf_map(ob, (uint64_t)3 << 29), -ENOSPC);
	assert_int_equal(calls_made(), 2);
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_blocks, 0);
	outbuf_close(ob);
}

static void test_ftruncate(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	int r, mapped = can_map();

	if (strcmp(file_system_of(s->dir), "cifs") == 0) {
		print_message("ftruncate(2) is not called on SMB\n");
		skip();
	}
	ob__sys_table.ftruncate = f_ftruncate;
	arm(1, EINTR, 1);
	ob = open_with(s->path, NULL);
	assert_int_equal(outbuf_map(ob, 100), 0);
	arm(1, EIO, 0);
	assert_int_equal(outbuf_map(ob, 100000), -EIO);
	assert_int_equal(fill_some(ob, 'n', 200), 0);
	/* The mapping or fallocate(2) made it too long, and it cannot be cut. Without both it is right. */
	r = outbuf_commit(ob);
	assert_true(r == -EIO || (r == 0 && !mapped));
	outbuf_close(ob);
	if (r == 0)
		assert_filled(s, 200);
	assert_int_equal(sandbox_entries(s), r == 0 ? 1 : 0);
}

/* ------------------------------------------------------------- writing the heap */

static void test_pwrite_short(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;

	ob = open_direct(s->path, OUTBUF_NO);
	ob__sys_table.pwrite = short_pwrite;
	arm(0, 0, 0);
	assert_int_equal(fill_some(ob, 'n', 5 << 20), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	assert_true(calls_made() > 50);
	outbuf_close(ob);
	assert_filled(s, 5 << 20);

	/* No progress is an error and not an endless loop. */
	ob__sys_table.pwrite = zero_pwrite;
	ob = open_direct(s->path, OUTBUF_NO);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(outbuf_commit(ob), -EIO);
	outbuf_close(ob);
	assert_filled(s, 5 << 20);
	assert_int_equal(sandbox_entries(s), 1);
}

static void test_pwrite_fails(void **state)
{
	static const int errors[] = { ENOSPC, EDQUOT, EFBIG, EIO };
	struct sandbox *s = *state;
	size_t i;
	int nth;

	ob__sys_table.pwrite = f_pwrite;
	for (nth = 1; nth <= 5; nth += 2)
		for (i = 0; i < sizeof errors / sizeof *errors; i++) {
			struct outbuf *ob = open_direct(s->path, OUTBUF_AUTO);

			assert_int_equal(outbuf_map(ob, 1 << 20), 0);
			assert_int_equal(fill_some(ob, 'n', 6 << 20), 0);
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

	failing = open_direct(s->path, OUTBUF_AUTO);
	assert_int_equal(fill_some(failing, 'n', 10), 0);
	ob__sys_table.pwrite = pwrite_and_fail;
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
		struct flush flush = {
			.fd = open(s->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
			.parallel = &parallel,
		};
		int refused;

		assert_non_null(data);
		assert_non_null(want);
		memset(data, 0x5a, n);
		memset(want + offsets[i], 0x5a, n);
		assert_int_equal(ob__flush_open(&flush, OUTBUF_FLUSH_PWRITE, OUTBUF_FLUSH_AUTO, &refused), 0);
		assert_int_equal(ob__flush_write(&flush, data, offsets[i], n), 0);
		ob__flush_close(&flush);
		close(flush.fd);
		assert_file(s->path, want, offsets[i] + n);
		free(data);
		free(want);
	}
}

static void test_sync(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;

	skip_in_order();
	ob = open_with(s->path, NULL);
	ob__sys_table.fdatasync = f_fdatasync;
	assert_int_equal(outbuf_map(ob, 100), 0);
	assert_int_equal(fill_some(ob, 'n', 100000), 0);
	arm(1, EINTR, 1);
	assert_int_equal(outbuf_sync(ob), 0);
	assert_int_equal(calls_made(), 2);
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
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	arm(calls, error, 0);
	assert_int_equal(outbuf_commit(ob), -error);
	arm(0, 0, 0);
	outbuf_close(ob);
	assert_file(s->path, "old", 3);
	assert_int_equal(sandbox_entries(s), 1);
}

/* Linux before 3.11. */
static int no_such_flag(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd = no_nameless(dirfd, path, flags, mode);

	if (fd < 0 && errno == EOPNOTSUPP)
		errno = EISDIR;
	return fd;
}

static void test_publication_fails(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	int nameless = strcmp(stats_of(ob).placement, "nameless") == 0, round;

	outbuf_close(ob);
	for (round = 0; round < 2; round++) {
		if (round == 1)
			ob__sys_table.openat = no_such_flag;
		ob__sys_table.renameat = f_renameat;
		commit_fails(s, 1, EACCES);
		commit_fails(s, 1, ENOSPC);
		ob__sys_table.renameat = real.renameat;
		if (round == 1 || !nameless)
			continue;
		ob__sys_table.linkat = f_linkat;
		commit_fails(s, 1, ENOSPC);
		commit_fails(s, 1, EMLINK);
		ob__sys_table.linkat = real.linkat;
	}
}

#ifdef __linux__
static int no_dup(int fd)
{
	(void)fd;
	errno = EMFILE;
	return -1;
}

/*
 * close(2) is where NFS and quotas report what did not arrive: before the file is at its path. If there is no
 * descriptor for that, the file is closed under its hidden name.
 */
static void test_close_fails(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	int round;

	for (round = 0; round < 2; round++) {
		pretend_file_system(0x6969);
		if (round == 1)
			ob__sys_table.openat = no_such_flag;
		ob__sys_table.close = f_close;
		commit_fails(s, 1, EDQUOT);
		commit_fails(s, 1, EIO);
		ob__sys_table.close = real.close;
		ob__sys_table.dup = no_dup;
		ob = open_with(s->path, NULL);
		assert_int_equal(fill_some(ob, 'n', 5000), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_filled(s, 5000);
		assert_int_equal(sandbox_entries(s), 1);
		ob__sys_table.close = f_close;
		commit_fails(s, 1, EIO);
		ob__sys_table = real;
	}
}
#endif

/* Somebody has all names that can be told from the path's, and they are not ours to remove. */
static void take_known_names(const struct sandbox *s, int (*take)(const char *path))
{
	int try;

	for (try = 0; try < HIDDEN_KNOWN; try++) {
		char *hidden, path[600];

		assert_int_equal(ob__hidden_name("out", try, &hidden), 0);
		snprintf(path, sizeof path, "%s/%s", s->dir, hidden);
		free(hidden);
		assert_int_equal(take(path), 0);
	}
}

static int make_dir(const char *path)
{
	return mkdir(path, 0700);
}

/* The other hidden names are made from random numbers. */
static void test_random_names_fail(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	int nameless = strcmp(stats_of(ob).placement, "nameless") == 0;

	outbuf_close(ob);
	take_known_names(s, make_dir);
	write_file(s->path, "old", 3, 0644);
	ob__sys_table.getrandom = f_getrandom;
	if (nameless) {
		ob = open_with(s->path, NULL);
		assert_int_equal(fill_some(ob, 'n', 10), 0);
		arm(1, ENOSYS, 0);
		assert_int_equal(outbuf_commit(ob), -ENOSYS);
		outbuf_close(ob);
	}
	ob__sys_table.openat = no_nameless;
	arm(1, ENOSYS, 0);
	assert_int_equal(outbuf_open(&ob, s->path, NULL), -ENOSYS);
	assert_file(s->path, "old", 3);
	assert_int_equal(sandbox_entries(s), 1 + HIDDEN_KNOWN);

	arm(0, 0, 0);
	ob = open_with(s->path, NULL);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_filled(s, 10);
	assert_int_equal(sandbox_entries(s), 1 + HIDDEN_KNOWN);
	take_known_names(s, rmdir);
}

/* EINTR from close(2): the descriptor is gone, there is nothing to repeat and nothing wrong. */
static void test_close_interrupted(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);

	assert_int_equal(fill_some(ob, 'n', 10), 0);
	ob__sys_table.close = f_close;
	arm(1, EINTR, 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_filled(s, 10);
}

static void test_open_fails(void **state)
{
	static const int errors[] = { EMFILE, ENFILE, ENOSPC, EDQUOT, EROFS, EIO, ENOMEM };
	struct sandbox *s = *state;
	struct outbuf *ob;
	size_t i;
	int nth;

	ob__sys_table.openat = f_openat;
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
	assert_int_equal(sandbox_entries(s), 0);
}

/* What is written front to back is synced when it has been written, if that was asked for. */
static void test_sync_in_order(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	int asked;

	o.flush = OUTBUF_FLUSH_STREAM;
	ob__sys_table.fdatasync = f_fdatasync;
	for (asked = 0; asked < 2; asked++) {
		struct outbuf *ob = open_with(s->path, &o);

		arm(0, 0, 0);
		assert_int_equal(fill_some(ob, 'n', 10), 0);
		if (asked)
			assert_int_equal(outbuf_sync(ob), 0);
		assert_int_equal(calls_made(), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		assert_int_equal(calls_made(), asked);
		outbuf_close(ob);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_fallocate_interrupted),
		fault_test(test_fallocate_in_pieces),
		fault_test(test_fallocate_not_supported),
		fault_test(test_fallocate_fails),
		fault_test(test_ftruncate),
		fault_test(test_pwrite_short),
		fault_test(test_pwrite_fails),
		fault_test(test_failing_during_flush),
		fault_test(test_backend),
		fault_test(test_sync),
		fault_test(test_sync_in_order),
		fault_test(test_publication_fails),
#ifdef __linux__
		fault_test(test_close_fails),
#endif
		fault_test(test_random_names_fail),
		fault_test(test_close_interrupted),
		fault_test(test_open_fails),
	};

	/* This asks by an output, once: before calls fail. */
	can_map();
	real = ob__sys_table;
	return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
