/* SPDX-License-Identifier: MIT */
/*
 * File systems of servers, which lack lasting inode numbers, owners, locks, ftruncate(2), or take bytes in their order
 * only; and what interrupted and killed runs leave there.
 */
#include "config.h"

#include "rigs/put.h"
#include "support/files.h"
#include "system/unix/sys_table.h"
#include "target/hidden_name.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct sys_table real;

/* ---------------------------------------------------------------------- inode numbers */

static _Atomic ino_t counter = 1000000;
static int offset_by_name; /* 0: another number at each look; else: this much is added by name */

static int odd_fstat(int fd, struct stat *st)
{
	int r = real.fstat(fd, st);

	if (r == 0 && S_ISREG(st->st_mode) && !offset_by_name)
		st->st_ino = atomic_fetch_add(&counter, 1);
	return r;
}

static int odd_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	int r = real.fstatat(dirfd, path, st, flags);

	if (r == 0 && S_ISREG(st->st_mode))
		st->st_ino = offset_by_name ? st->st_ino + (ino_t)offset_by_name : atomic_fetch_add(&counter, 1);
	return r;
}

static void test_inodes_change(void **state)
{
	struct sandbox *s = *state;
	int round;

	ob__sys_table.fstat = odd_fstat;
	ob__sys_table.fstatat = odd_fstatat;
	for (round = 0; round < 16; round++) {
		struct outbuf_options o = with_replace(round & 1 ? OUTBUF_REPLACE_IN_PLACE : OUTBUF_REPLACE_ATOMIC);
		struct outbuf *ob;

		offset_by_name = round & 2 ? 1000000 : 0;
		o.lock = round & 4 ? OUTBUF_LOCK_TRY : OUTBUF_LOCK_WAIT;
		ob__sys_table.openat = round & 8 ? no_nameless : real.openat;
		unlink(s->path);
		assert_int_equal(put(s->path, &o, 'a', NULL), 0);
		assert_int_equal(put(s->path, &o, 'b', NULL), 0);
		assert_put(s->path, 'b');
		assert_int_equal(sandbox_entries(s), 1);
		/* Discarded, also where it was created in place. */
		unlink(s->path);
		assert_int_equal(outbuf_open(&ob, s->path, &o), 0);
		assert_int_equal(fill_some(ob, 'c', 100), 0);
		outbuf_close(ob);
		assert_int_equal(sandbox_entries(s), 0);
	}
}

/* ------------------------------------------------------------------------- what is left */

static int of_somebody(int r, struct stat *st)
{
	if (r == 0 && S_ISREG(st->st_mode))
		st->st_uid = 54321;
	return r;
}

static int squashed_fstat(int fd, struct stat *st) { return of_somebody(real.fstat(fd, st), st); }

static int squashed_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	return of_somebody(real.fstatat(dirfd, path, st, flags), st);
}

/* Begin an output, and be killed. */
static int begin_and_die(void *arg)
{
	const struct sandbox *s = arg;
	struct outbuf *ob;

	if (outbuf_open(&ob, s->path, NULL) < 0)
		return 1;
	kill(getpid(), SIGKILL);
	return 2;
}

/* The file system shows everything as one user's (NFS's all_squash, bindfs): what killed runs left is removed. */
static void test_other_owner(void **state)
{
	struct sandbox *s = *state;
	int i;

	ob__sys_table.openat = no_nameless;
	ob__sys_table.fstat = squashed_fstat;
	ob__sys_table.fstatat = squashed_fstatat;
	for (i = 1; i < 7; i++) {
		assert_int_equal(in_child(0, begin_and_die, s), 128 + SIGKILL);
		/* The owner is known when a file has been created: so one is left. */
		assert_int_equal(sandbox_entries(s), 1);
		if (i % 3 != 0)
			continue;
		assert_int_equal(put(s->path, NULL, 'a', NULL), 0);
		assert_int_equal(sandbox_entries(s), 1);
		assert_put(s->path, 'a');
		assert_int_equal(unlink(s->path), 0);
	}
}

static int busy_unlinks;

static int busy_unlink(int dirfd, const char *path, int flags)
{
	if (is_hidden(path) && has_open(path)) {
		busy_unlinks++;
		errno = EBUSY;
		return -1;
	}
	return real.unlinkat(dirfd, path, flags);
}

/* A file that is open cannot be removed: it is removed after it was closed. */
static void test_unlink_open(void **state)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct sandbox *s = *state;
	struct outbuf *ob;

	ob__sys_table.openat = no_nameless;
	ob__sys_table.unlinkat = busy_unlink;
	o.lock = OUTBUF_LOCK_WAIT;
	busy_unlinks = 0;
	assert_int_equal(outbuf_open(&ob, s->path, &o), 0);
	assert_int_equal(sandbox_entries(s), 2);
	assert_int_equal(outbuf_discard(ob), 0);
	assert_int_equal(sandbox_entries(s), 0);
	outbuf_close(ob);
	assert_int_equal(put(s->path, &o, 'a', NULL), 0);
	assert_int_equal(sandbox_entries(s), 1);
	assert_int_equal(in_child(0, begin_and_die, s), 128 + SIGKILL);
	assert_int_equal(put(s->path, &o, 'b', NULL), 0);
	assert_int_equal(sandbox_entries(s), 1);
	assert_in_range(busy_unlinks, 3, 100);
}

static int no_flock(int fd, int operation)
{
	(void)fd, (void)operation;
	errno = ENOLCK;
	return -1;
}

/* Without locks there can be no lock file: it is not left, unless somebody else made it. */
static void test_no_locks(void **state)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct sandbox *s = *state;
	char path[600], *hidden;

	ob__sys_table.flock = no_flock;
	o.lock = OUTBUF_LOCK_WAIT;
	assert_int_equal(put(s->path, &o, 'a', NULL), -ENOLCK);
	assert_int_equal(sandbox_entries(s), 0);
	assert_int_equal(ob__hidden_lock_name("out", &hidden), 0);
	snprintf(path, sizeof path, "%s/%s", s->dir, hidden);
	free(hidden);
	write_file(path, "", 0, 0644);
	assert_int_equal(put(s->path, &o, 'a', NULL), -ENOLCK);
	assert_int_equal(sandbox_entries(s), 1);
}

/* Interrupted, and exit(3). */
static void remove_and_exit(int signal)
{
	outbuf_remove_temporary_files();
	_exit(signal == SIGTERM ? 3 : 4);
}

static int be_interrupted(void *arg)
{
	const struct sandbox *s = arg;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob[70];
	char path[400];
	int i;

	o.lock = OUTBUF_LOCK_WAIT;
	for (i = 0; i < 70; i++) {
		snprintf(path, sizeof path, "%s/out-%d", s->dir, i);
		if (outbuf_open(&ob[i], path, &o) < 0)
			return 1;
	}
	/* Some have ended, and their places are used again. */
	for (i = 0; i < 70; i += 3) {
		outbuf_close(ob[i]);
		snprintf(path, sizeof path, "%s/out-%d", s->dir, i + 1000);
		if (outbuf_open(&ob[i], path, &o) < 0)
			return 1;
	}
	signal(SIGTERM, remove_and_exit);
	raise(SIGTERM);
	return 2;
}

static int remove_in_child(void *arg)
{
	(void)arg;
	outbuf_remove_temporary_files();
	return 0;
}

static void test_remove_temporary_files(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;

	ob__sys_table.openat = no_nameless;
	assert_int_equal(in_child(0, be_interrupted, s), 3);
	assert_int_equal(sandbox_entries(s), 0);
	/* A child's call is not about its parent's. */
	ob = open_with(s->path, NULL);
	assert_int_equal(in_child(0, remove_in_child, NULL), 0);
	assert_int_equal(sandbox_entries(s), 1);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	/* What has been committed stays. */
	outbuf_remove_temporary_files();
	assert_filled(s, 10);
}

/* --------------------------------------------------------------------- ftruncate(2) */

static int truncate_error;
static int only_longer; /* 1: a file can be made shorter */

static int refused_truncate(int fd, off_t size)
{
	struct stat st;

	if (only_longer && real.fstat(fd, &st) == 0 && size <= st.st_size)
		return real.ftruncate(fd, size);
	errno = truncate_error;
	return -1;
}

static void test_no_ftruncate(void **state)
{
	static const int errors[] = { ENOSYS, EPERM, EINVAL };
	struct sandbox *s = *state;
	int round;

	ob__sys_table.ftruncate = refused_truncate;
	for (round = 0; round < 12; round++) {
		struct outbuf_options o = with_replace(round % 2 == 0 ? OUTBUF_REPLACE_ATOMIC : OUTBUF_REPLACE_IN_PLACE);
		struct outbuf *ob;

		truncate_error = errors[round / 4];
		only_longer = round % 4 >= 2;
		o.map = OUTBUF_NO;
		unlink(s->path);
		assert_int_equal(put(s->path, &o, 'a', NULL), 0);
		assert_put(s->path, 'a');
		/* Over it, also in place, where the old content goes by open(2). */
		assert_int_equal(put(s->path, &o, 'b', NULL), 0);
		assert_put(s->path, 'b');
		/* The end is a gap. */
		assert_int_equal(outbuf_open(&ob, s->path, &o), 0);
		assert_int_equal(outbuf_map(ob, 3), 0);
		assert_int_equal(fill_some(ob, 'n', 1), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_file(s->path, "n\0\0", 3);
		assert_int_equal(sandbox_entries(s), 1);
	}
}

#ifdef __linux__
/* ---------------------------------------------------------------- from first to last */

static ino_t given_up; /* the file that the server takes no more bytes of; 0: none */

/* What was refused once gets nothing any more. */
static ssize_t ordered_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	struct stat st;

	assert_int_equal(real.fstat(fd, &st), 0);
	if (offset != 0 || st.st_ino == given_up) {
		given_up = st.st_ino;
		errno = EINVAL;
		return -1;
	}
	return real.pwrite(fd, data, n, offset);
}

/* But the number of a file that was closed may be another one's. */
static int ordered_close(int fd)
{
	struct stat st;

	if (real.fstat(fd, &st) == 0 && st.st_ino == given_up)
		given_up = 0;
	return real.close(fd);
}

static int one_way_open(int dirfd, const char *path, int flags, mode_t mode)
{
	if ((flags & O_ACCMODE) == O_RDWR && !(flags & O_DIRECTORY)) {
		errno = EINVAL;
		return -1;
	}
	return no_nameless(dirfd, path, flags, mode);
}

/* And that create it before they refuse. */
static int one_way_mknod(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd;

	if ((flags & O_ACCMODE) == O_RDWR && (flags & O_CREAT) && !(flags & O_DIRECTORY)) {
		fd = real.openat(dirfd, path, (flags & ~O_ACCMODE) | O_WRONLY, mode);
		if (fd < 0)
			return -1;
		real.close(fd);
	}
	return one_way_open(dirfd, path, flags, mode);
}

/* By two Views, the second one first, and a pointer. */
static void put_backwards(const char *path, uint32_t replace)
{
	const struct outbuf_options o = with_replace(replace);
	struct outbuf_view v;
	struct outbuf *ob;
	void *data;

	assert_int_equal(outbuf_open(&ob, path, &o), 0);
	assert_string_equal(stats_of(ob).backend, "stream");
	assert_int_equal(outbuf_map(ob, PUT_SIZE), 0);
	assert_int_equal(outbuf_is_mapped(ob), 0);
	assert_int_equal(outbuf_view(ob, &v, PUT_SIZE / 2, PUT_SIZE - PUT_SIZE / 2), 0);
	assert_int_equal(outbuf_fill(&v, 'a', PUT_SIZE - PUT_SIZE / 2), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_view(ob, &v, 0, PUT_SIZE / 2), 0);
	assert_int_equal(outbuf_fill(&v, 'b', PUT_SIZE / 2), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_data(ob, 0, PUT_SIZE / 2, &data), 0);
	memset(data, 'a', PUT_SIZE / 2);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_put(path, 'a');
}

/* Servers that take nothing but one byte after the other, or that open a file for writing alone. */
static void test_in_order(void **state)
{
	static const uint32_t replaces[] = { OUTBUF_REPLACE_ATOMIC, OUTBUF_REPLACE_IN_PLACE,
	                                     OUTBUF_REPLACE_ELSE_IN_PLACE };
	struct sandbox *s = *state;
	int round;

	for (round = 0; round < 18; round++) {
		ob__sys_table = real;
		pretend_file_system(0x65735546);
		given_up = 0;
		if (round % 3 == 0) {
			ob__sys_table.pwrite = ordered_pwrite;
			ob__sys_table.close = ordered_close;
		} else {
			ob__sys_table.openat = round % 3 == 1 ? one_way_open : one_way_mknod;
		}
		if (round / 3 % 2 == 0)
			unlink(s->path);
		put_backwards(s->path, replaces[round / 6]);
		assert_int_equal(sandbox_entries(s), 1);
	}
}

static int no_unlink(int dirfd, const char *path, int flags)
{
	(void)dirfd, (void)path, (void)flags;
	errno = EPERM;
	return -1;
}

/* Where nothing can be removed, nothing is made that would have to be. */
static void test_nothing_removed(void **state)
{
	static const uint32_t replaces[] = { OUTBUF_REPLACE_ATOMIC, OUTBUF_REPLACE_ELSE_IN_PLACE };
	struct sandbox *s = *state;
	int round;

	for (round = 0; round < 4; round++) {
		const struct outbuf_options o = with_replace(replaces[round / 2]);

		ob__sys_table = real;
		if (round % 2 == 0)
			unlink(s->path);
		pretend_file_system(0x65735546);
		ob__sys_table.openat = no_nameless;
		ob__sys_table.unlinkat = no_unlink;
		assert_int_equal(put(s->path, &o, 'a', NULL), 0);
		assert_put(s->path, 'a');
		assert_int_equal(sandbox_entries(s), 1);
	}
	ob__sys_table = real;
}
#endif
int main(void)
{
	const struct CMUnitTest tests[] = {
		odd_test(test_inodes_change),
		odd_test(test_other_owner),
		odd_test(test_unlink_open),
		odd_test(test_no_locks),
		odd_test(test_remove_temporary_files),
		odd_test(test_no_ftruncate),
#ifdef __linux__
		odd_test(test_in_order),
		odd_test(test_nothing_removed),
#endif
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("servers", tests, NULL, NULL);
}
