/* SPDX-License-Identifier: MIT */
/*
 * Systems and file systems that lack something: link(2), rename(2), ftruncate(2), inode numbers, owners. Made by calls
 * that answer as those do.
 */
#include "config.h"

#include "inject/faults.h"
#include "output/output.h"
#include "support/abilities.h"
#include "support/files.h"
#include "support/support.h"
#include "system/unix/sys_table.h"
#include "target/hidden_name.h"
#include "target/unix/named.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#endif
#include <unistd.h>

#define SIZE 50000
#define SKIPPED 77

static struct sys_table real;

static struct outbuf_options with_replace(uint32_t replace)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;

	o.replace = replace;
	return o;
}

/* One output of SIZE bytes, planned. What the first call that failed returned; *stats if it was committed. */
static int put(const char *path, const struct outbuf_options *options, uint8_t byte, struct outbuf_stats *stats)
{
	struct outbuf *ob;
	int r = outbuf_open(&ob, path, options);

	if (r < 0)
		return r;
	r = outbuf_map(ob, SIZE);
	if (r == 0)
		r = fill_some(ob, byte, SIZE);
	if (r == 0)
		r = outbuf_commit(ob);
	if (stats != NULL)
		*stats = stats_of(ob);
	outbuf_close(ob);
	return r;
}

static void assert_bytes(const char *path, uint8_t byte)
{
	static unsigned char want[SIZE];

	memset(want, byte, sizeof want);
	assert_file(path, want, sizeof want);
}

static int is_hidden(const char *name)
{
	return strncmp(name, ".out.outbuf-", 12) == 0;
}

static int odd_begin(void **state)
{
	atomic_store(&ob__named_links, 0);
	return faults_begin(state);
}

static int odd_end(void **state)
{
	atomic_store(&ob__named_links, 0);
	return faults_end(state);
}

#define odd_test(f) cmocka_unit_test_setup_teardown(f, odd_begin, odd_end)

/* --------------------------------------------------------------------------- link(2) */

static int link_error;
static int only_names; /* 1: the rule looks at what is linked where, so the trial at open is no evidence */
static int links_tried;

static int refused_link(int fromdir, const char *from, int todir, const char *to, int flags)
{
	links_tried++;
	if (only_names && strcmp(to, ".") == 0)
		return real.linkat(fromdir, from, todir, to, flags);
	errno = link_error;
	return -1;
}

static void skip_if_named(const struct sandbox *s)
{
	struct outbuf *ob = open_with(s->path, NULL);
	int nameless = strcmp(stats_of(ob).placement, "nameless") == 0;

	outbuf_close(ob);
	atomic_store(&ob__named_links, 0);
	if (!nameless) {
		print_message("no nameless files here\n");
		skip();
	}
}

/* Forbidden by seccomp(2), as of all calls: that is known at open, and a name from the start is as good. */
static void test_no_link(void **state)
{
	static const int errors[] = { EPERM, EACCES, ENOSYS };
	struct sandbox *s = *state;
	struct outbuf_stats stats;
	size_t i;

	skip_if_named(s);
	ob__sys_table.linkat = refused_link;
	only_names = 0;
	for (i = 0; i < 3; i++) {
		atomic_store(&ob__named_links, 0);
		link_error = errors[i];
		links_tried = 0;
		assert_int_equal(put(s->path, NULL, 'a', &stats), 0);
		assert_string_equal(stats.placement, "named");
		assert_bytes(s->path, 'a');
		/* The next one does not try. */
		links_tried = 0;
		assert_int_equal(put(s->path, NULL, 'b', &stats), 0);
		assert_int_equal(links_tried, 0);
		assert_bytes(s->path, 'b');
		assert_int_equal(sandbox_entries(s), 1);
		unlink(s->path);
	}
}

/* Forbidden by a rule that shows at commit alone (SELinux): the bytes are copied, with the rights and the durability. */
static void test_link_forbidden_at_commit(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf_stats stats;
	struct stat st;
	int round;

	skip_if_named(s);
	need_permissions(s);
	ob__sys_table.linkat = refused_link;
	only_names = 1;
	link_error = EACCES;
	o.mode = 04755;
	for (round = 0; round < 4; round++) {
		o.durability = round % 2 == 0 ? OUTBUF_DURABLE_NONE : OUTBUF_DURABLE_FULL;
		if (round == 2)
			write_file(s->path, "old", 3, 0644);
		else if (round == 0)
			unlink(s->path);
		atomic_store(&ob__named_links, 0);
		assert_int_equal(put(s->path, &o, 'a', &stats), 0);
		assert_string_equal(stats.placement, "named");
		assert_bytes(s->path, 'a');
		assert_int_equal(stat(s->path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 04755 & ~(mode_t)022);
		assert_int_equal(sandbox_entries(s), 1);
		/* Remembered. */
		links_tried = 0;
		assert_int_equal(put(s->path, &o, 'b', NULL), 0);
		assert_int_equal(links_tried, 0);
		assert_bytes(s->path, 'b');
	}
}

/* A full disk while it is copied is an error, and leaves nothing. */
static ssize_t full_copy(int from, off_t *at, int to, size_t n)
{
	(void)from, (void)at, (void)to, (void)n;
	errno = ENOSPC;
	return -1;
}

static ssize_t full_write(int fd, const void *data, size_t n)
{
	(void)fd, (void)data, (void)n;
	errno = ENOSPC;
	return -1;
}

static void test_copy_fails(void **state)
{
	struct sandbox *s = *state;

	skip_if_named(s);
	write_file(s->path, "old", 3, 0644);
	ob__sys_table.linkat = refused_link;
	only_names = 1;
	link_error = EPERM;
	ob__sys_table.copy_range = full_copy;
	ob__sys_table.write = full_write;
	assert_int_equal(put(s->path, NULL, 'a', NULL), -ENOSPC);
	assert_file(s->path, "old", 3);
	assert_int_equal(sandbox_entries(s), 1);
}

static void test_named_on_request(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf_stats stats;

	o.placement = OUTBUF_PLACE_NAMED;
	assert_int_equal(put(s->path, &o, 'a', &stats), 0);
	assert_string_equal(stats.placement, "named");
	assert_int_equal(setenv("OUTBUF_PLACEMENT", "named", 1), 0);
	assert_int_equal(put(s->path, NULL, 'b', &stats), 0);
	assert_int_equal(unsetenv("OUTBUF_PLACEMENT"), 0);
	assert_string_equal(stats.placement, "named");
	assert_bytes(s->path, 'b');
	assert_int_equal(sandbox_entries(s), 1);
}

/* -------------------------------------------------------------------------- rename(2) */

static int rename_error;
static int even_closed; /* 0: a file is renamed that nobody has open */

static int has_open(const char *name)
{
	char path[64], to[PATH_MAX];
	ssize_t n;
	int fd;

	for (fd = 3; fd < 100; fd++) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		n = readlink(path, to, sizeof to - 1);
		if (n <= 0)
			continue;
		to[n] = '\0';
		if (strstr(to, name) != NULL)
			return 1;
	}
	return 0;
}

static int refused_rename(int fromdir, const char *from, int todir, const char *to)
{
	if (!even_closed && !has_open(from))
		return real.renameat(fromdir, from, todir, to);
	errno = rename_error;
	return -1;
}

/* The bytes come over the old file, which stays the same file; without the option that is an error. */
static void test_no_rename(void **state)
{
	static const int errors[] = { EBUSY, ENOSYS, EEXIST, EPERM };
	struct outbuf_options o = with_replace(OUTBUF_REPLACE_ELSE_IN_PLACE);
	struct sandbox *s = *state;
	struct outbuf_stats stats;
	struct stat before, after;
	size_t i;

	ob__sys_table.renameat = refused_rename;
	even_closed = 1;
	for (i = 0; i < 8; i++) {
		rename_error = errors[i % 4];
		o.durability = i < 4 ? OUTBUF_DURABLE_NONE : OUTBUF_DURABLE_FULL;
		o.placement = i % 2 == 0 ? OUTBUF_PLACE_AUTO : OUTBUF_PLACE_NAMED;
		write_file(s->path, "old", 3, 0640);
		assert_int_equal(stat(s->path, &before), 0);
		assert_int_equal(put(s->path, NULL, 'a', NULL), -rename_error);
		assert_file(s->path, "old", 3);
		assert_int_equal(put(s->path, &o, 'b', &stats), 0);
		assert_int_equal(stats.replace_error, -rename_error);
		assert_bytes(s->path, 'b');
		assert_int_equal(stat(s->path, &after), 0);
		assert_int_equal(after.st_ino, before.st_ino);
		assert_int_equal(after.st_mode, before.st_mode);
		assert_int_equal(sandbox_entries(s), 1);
	}
	/* Where a rename works nothing of this happens. */
	ob__sys_table.renameat = real.renameat;
	assert_int_equal(put(s->path, &o, 'c', &stats), 0);
	assert_int_equal(stats.replace_error, 0);
	assert_int_equal(stat(s->path, &after), 0);
	assert_int_not_equal(after.st_ino, before.st_ino);
	assert_int_equal(sandbox_entries(s), 1);
}

/* Nothing is at the path, and the file has a name that cannot be changed: it is copied to a new one. */
static void test_no_rename_new(void **state)
{
	struct outbuf_options o = with_replace(OUTBUF_REPLACE_ELSE_IN_PLACE);
	struct sandbox *s = *state;

	ob__sys_table.renameat = refused_rename;
	ob__sys_table.openat = no_nameless;
	even_closed = 1;
	rename_error = ENOSYS;
	assert_int_equal(put(s->path, &o, 'a', NULL), 0);
	assert_bytes(s->path, 'a');
	assert_int_equal(sandbox_entries(s), 1);
	/* If that fails nothing is left. */
	unlink(s->path);
	ob__sys_table.copy_range = full_copy;
	ob__sys_table.write = full_write;
	assert_int_equal(put(s->path, &o, 'b', NULL), -ENOSPC);
	assert_int_equal(sandbox_entries(s), 0);
}

#ifdef __linux__
/* A server that renames no open file: it is closed, and the old one is replaced in one step all the same. */
static void test_no_rename_open(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_stats stats;

	ob__sys_table.renameat = refused_rename;
	ob__sys_table.openat = no_nameless;
	even_closed = 0;
	rename_error = EOPNOTSUPP;
	write_file(s->path, "old", 3, 0640);
	pretend_file_system(0x65735546);
	assert_int_equal(put(s->path, NULL, 'a', &stats), 0);
	assert_int_equal(stats.replace_error, 0);
	assert_bytes(s->path, 'a');
	assert_int_equal(sandbox_entries(s), 1);
}

/* In a mount namespace of our own: nothing is left to unmount. */
static int put_on_mount_point(void *arg)
{
	const struct sandbox *s = arg;
	struct outbuf_options o = with_replace(OUTBUF_REPLACE_ELSE_IN_PLACE);
	struct outbuf_stats stats;
	char other[400];

	snprintf(other, sizeof other, "%s/other", s->dir);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(other, s->path, "none", MS_BIND, NULL) < 0)
		return SKIPPED;
	if (put(s->path, &o, 'a', &stats) != 0 || stats.replace_error != -EBUSY)
		return 1;
	/* Strictly, it is known before the work (Linux 5.8). */
	return outbuf_open(&(struct outbuf *){ NULL }, s->path, NULL) == -EBUSY ? 0 : 2;
}

/* The path is mounted by itself, as containers do it. */
static void test_mount_point(void **state)
{
	struct sandbox *s = *state;
	char other[400];
	int r;

	snprintf(other, sizeof other, "%s/other", s->dir);
	write_file(other, "old", 3, 0644);
	write_file(s->path, "below", 5, 0644);
	r = in_child(0, put_on_mount_point, s);
	if (r == SKIPPED) {
		print_message("nothing can be mounted here\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_file(s->path, "below", 5);
	assert_bytes(other, 'a');
	assert_int_equal(sandbox_entries(s), 2);
}
#endif

static int put_or_copy(void *arg)
{
	struct outbuf_options o = with_replace(OUTBUF_REPLACE_ELSE_IN_PLACE);
	struct outbuf_stats stats;

	if (put(arg, NULL, 'a', NULL) != -EACCES)
		return 1;
	if (put(arg, &o, 'b', &stats) != 0)
		return 2;
	return stats.replace_error == -EACCES && strcmp(stats.placement, "in-place") == 0 ? 0 : 3;
}

/* The directory may not be written to, the file may. */
static void test_directory_not_writable(void **state)
{
	struct sandbox *s = *state;

	need_permissions(s);
	write_file(s->path, "old", 3, 0644);
	if (geteuid() == 0)
		need(chown(s->path, 65534, 65534));
	assert_int_equal(chmod(s->dir, 0555), 0);
	assert_int_equal(in_child(1, put_or_copy, s->path), 0);
	assert_int_equal(chmod(s->dir, 0755), 0);
	assert_bytes(s->path, 'b');
	assert_int_equal(sandbox_entries(s), 1);
}

/* There is no room for a temporary file, as no inode is left. */
static int no_inode(int dirfd, const char *path, int flags, mode_t mode)
{
	if ((flags & O_CREAT) && is_hidden(path)) {
		errno = ENOSPC;
		return -1;
	}
	return no_nameless(dirfd, path, flags, mode);
}

static void test_no_inode(void **state)
{
	struct outbuf_options o = with_replace(OUTBUF_REPLACE_ELSE_IN_PLACE);
	struct sandbox *s = *state;
	struct outbuf_stats stats;

	write_file(s->path, "old", 3, 0644);
	ob__sys_table.openat = no_inode;
	assert_int_equal(put(s->path, NULL, 'a', NULL), -ENOSPC);
	assert_file(s->path, "old", 3);
	assert_int_equal(put(s->path, &o, 'b', &stats), 0);
	assert_int_equal(stats.replace_error, -ENOSPC);
	assert_bytes(s->path, 'b');
	assert_int_equal(sandbox_entries(s), 1);
}

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
		assert_bytes(s->path, 'b');
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
	for (i = 0; i < 5; i++)
		assert_int_equal(in_child(0, begin_and_die, s), 128 + SIGKILL);
	/* The owner is known when a file has been created: so one is left. */
	assert_in_range(sandbox_entries(s), 1, 2);
	assert_int_equal(put(s->path, NULL, 'a', NULL), 0);
	assert_int_equal(sandbox_entries(s), 1);
	assert_bytes(s->path, 'a');
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
		assert_bytes(s->path, 'a');
		/* Over it, also in place, where the old content goes by open(2). */
		assert_int_equal(put(s->path, &o, 'b', NULL), 0);
		assert_bytes(s->path, 'b');
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

static ssize_t ordered_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	if (offset != 0) {
		errno = EINVAL;
		return -1;
	}
	return real.pwrite(fd, data, n, offset);
}

static int one_way_open(int dirfd, const char *path, int flags, mode_t mode)
{
	if ((flags & O_ACCMODE) == O_RDWR && !(flags & O_DIRECTORY)) {
		errno = EINVAL;
		return -1;
	}
	return no_nameless(dirfd, path, flags, mode);
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
	assert_int_equal(outbuf_map(ob, SIZE), 0);
	assert_int_equal(outbuf_is_mapped(ob), 0);
	assert_int_equal(outbuf_view(ob, &v, SIZE / 2, SIZE - SIZE / 2), 0);
	assert_int_equal(outbuf_fill(&v, 'a', SIZE - SIZE / 2), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_view(ob, &v, 0, SIZE / 2), 0);
	assert_int_equal(outbuf_fill(&v, 'b', SIZE / 2), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_data(ob, 0, SIZE / 2, &data), 0);
	memset(data, 'a', SIZE / 2);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_bytes(path, 'a');
}

/* Servers that take nothing but one byte after the other, or that open a file for writing alone. */
static void test_in_order(void **state)
{
	static const uint32_t replaces[] = { OUTBUF_REPLACE_ATOMIC, OUTBUF_REPLACE_IN_PLACE, OUTBUF_REPLACE_ELSE_IN_PLACE };
	struct sandbox *s = *state;
	int round;

	for (round = 0; round < 12; round++) {
		ob__sys_table = real;
		pretend_file_system(0x65735546);
		if (round % 2 == 0)
			ob__sys_table.pwrite = ordered_pwrite;
		else
			ob__sys_table.openat = one_way_open;
		if (round / 2 % 2 == 0)
			unlink(s->path);
		put_backwards(s->path, replaces[round / 4]);
		assert_int_equal(sandbox_entries(s), 1);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		odd_test(test_no_link),
		odd_test(test_link_forbidden_at_commit),
		odd_test(test_copy_fails),
		odd_test(test_named_on_request),
		odd_test(test_no_rename),
		odd_test(test_no_rename_new),
#ifdef __linux__
		odd_test(test_no_rename_open),
		odd_test(test_mount_point),
#endif
		odd_test(test_directory_not_writable),
		odd_test(test_no_inode),
		odd_test(test_inodes_change),
		odd_test(test_other_owner),
		odd_test(test_unlink_open),
		odd_test(test_no_locks),
		odd_test(test_remove_temporary_files),
		odd_test(test_no_ftruncate),
#ifdef __linux__
		odd_test(test_in_order),
#endif
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("odd", tests, NULL, NULL);
}
