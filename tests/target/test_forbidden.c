/* SPDX-License-Identifier: MIT */
/* Systems that forbid link(2) or rename(2), and directories in which nothing can be created. */
#include "config.h"

#include "rigs/put.h"
#include "support/abilities.h"
#include "support/files.h"
#include "system/unix/sys_names.h"
#include "system/unix/sys_table.h"
#include "target/unix/named.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#endif
#include <unistd.h>

#define SKIPPED 77

static struct sys_table real;

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
		assert_put(s->path, 'a');
		/* The next one does not try. */
		links_tried = 0;
		assert_int_equal(put(s->path, NULL, 'b', &stats), 0);
		assert_int_equal(links_tried, 0);
		assert_put(s->path, 'b');
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
		assert_put(s->path, 'a');
		assert_int_equal(stat(s->path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 04755 & ~(mode_t)022);
		assert_int_equal(sandbox_entries(s), 1);
		/* Remembered. */
		links_tried = 0;
		assert_int_equal(put(s->path, &o, 'b', NULL), 0);
		assert_int_equal(links_tried, 0);
		assert_put(s->path, 'b');
	}
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

/* The directory is gone at commit. That says nothing about link(2) for later outputs. */
static void test_directory_gone(void **state)
{
	struct sandbox *s = *state;
	char dir[400], path[500];
	struct outbuf *ob;

	skip_if_named(s);
	snprintf(dir, sizeof dir, "%s/gone", s->dir);
	snprintf(path, sizeof path, "%s/out", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	ob = open_with(path, NULL);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(outbuf_commit(ob), -ENOENT);
	outbuf_close(ob);
	ob = open_with(s->path, NULL);
	assert_string_equal(stats_of(ob).placement, "nameless");
	outbuf_close(ob);
}

#ifdef __linux__
/* Where closing reports errors, that of the copy is reported before it is published. */
static int failing_close(int fd)
{
	real.close(fd);
	return call_fails() ? -1 : 0;
}

static void test_close_of_copy_fails(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	int call, seen = 0;

	skip_if_named(s);
	only_names = 1;
	link_error = EPERM;
	write_file(s->path, "old", 3, 0644);
	for (call = 1; call < 6; call++) {
		int r;

		pretend_file_system(0x6969);
		atomic_store(&ob__named_links, 1);
		ob__sys_table.linkat = refused_link;
		ob = open_with(s->path, NULL);
		assert_int_equal(fill_some(ob, 'n', 10), 0);
		ob__sys_table.close = failing_close;
		arm(call, EDQUOT, 1);
		r = outbuf_commit(ob);
		arm(0, 0, 0);
		ob__sys_table = real;
		outbuf_close(ob);
		/* Either it was reported, or it was not about what was written, or there were not so many. */
		seen += r == -EDQUOT;
		if (r == -EDQUOT)
			assert_file(s->path, "old", 3);
		else
			assert_int_equal(r, 0);
		write_file(s->path, "old", 3, 0644);
		assert_int_equal(sandbox_entries(s), 1);
	}
	/* That of the file without a name, and that of the copy. */
	assert_int_equal(seen, 2);
}
#endif

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
	assert_put(s->path, 'b');
	assert_int_equal(sandbox_entries(s), 1);
}

/* -------------------------------------------------------------------------- rename(2) */

static int rename_error;
static int even_closed; /* 0: a file is renamed that nobody has open */
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
		assert_put(s->path, 'b');
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

/* Other errors of rename(2) are no reason to write over the old file. */
static void test_rename_fails(void **state)
{
	static const int errors[] = { ENOSPC, EIO, ENOENT, EROFS, ENOMEM };
	struct outbuf_options o = with_replace(OUTBUF_REPLACE_ELSE_IN_PLACE);
	struct sandbox *s = *state;
	size_t i;

	ob__sys_table.renameat = refused_rename;
	even_closed = 1;
	for (i = 0; i < sizeof errors / sizeof *errors; i++) {
		rename_error = errors[i];
		write_file(s->path, "old", 3, 0640);
		assert_int_equal(put(s->path, &o, 'b', NULL), -rename_error);
		assert_file(s->path, "old", 3);
		assert_int_equal(sandbox_entries(s), 1);
	}
}

/* The disk has no room for a longer file: that is known before the old content goes. */
static int no_room(int fd, int mode, off_t offset, off_t length)
{
	(void)fd, (void)mode, (void)offset, (void)length;
	errno = ENOSPC;
	return -1;
}

static void test_no_room_over(void **state)
{
	struct outbuf_options o = with_replace(OUTBUF_REPLACE_ELSE_IN_PLACE);
	struct sandbox *s = *state;
	struct outbuf_stats stats;

	o.prealloc = OUTBUF_NO;
	ob__sys_table.renameat = refused_rename;
	ob__sys_table.fallocate = no_room;
	even_closed = 1;
	rename_error = EBUSY;
	write_file(s->path, "old", 3, 0640);
	if (strcmp(file_system_of(s->dir), "fuse") == 0) {
		print_message("a server is not asked for room\n");
		skip();
	}
	assert_int_equal(put(s->path, &o, 'b', &stats), -ENOSPC);
	assert_int_equal(stats.replace_error, 0);
	assert_file(s->path, "old", 3);
	assert_int_equal(sandbox_entries(s), 1);
}

/* The directory cannot be looked at: that is an error in any mode. */
static int blind_stat(int dirfd, const char *path, struct stat *st, struct sys_name_info *info)
{
	if (*path == '\0') {
		errno = EIO;
		return -1;
	}
	return real.stat_name(dirfd, path, st, info);
}

static void test_blind(void **state)
{
	struct outbuf_options o = with_replace(OUTBUF_REPLACE_ELSE_IN_PLACE);
	struct sandbox *s = *state;

	write_file(s->path, "old", 3, 0640);
	ob__sys_table.stat_name = blind_stat;
	assert_int_equal(put(s->path, &o, 'b', NULL), -EIO);
	assert_int_equal(put(s->path, NULL, 'b', NULL), -EIO);
	assert_file(s->path, "old", 3);
}

/* chattr +a: a new file gets its name, and nothing else gets one that would stay. */
static int fixed_stat(int dirfd, const char *path, struct stat *st, struct sys_name_info *info)
{
	int r = real.stat_name(dirfd, path, st, info);

	if (r == 0 && *path == '\0')
		info->traits |= SYS_APPEND_ONLY;
	return r;
}

static void test_fixed_directory(void **state)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT, otherwise = with_replace(OUTBUF_REPLACE_ELSE_IN_PLACE);
	struct sandbox *s = *state;
	struct outbuf *ob;

	skip_if_named(s);
	ob__sys_table.stat_name = fixed_stat;
	assert_int_equal(put(s->path, NULL, 'a', NULL), 0);
	assert_put(s->path, 'a');
	/* It is there now, and cannot be replaced. */
	assert_int_equal(put(s->path, NULL, 'b', NULL), -EPERM);
	assert_int_equal(put(s->path, &otherwise, 'c', NULL), 0);
	assert_put(s->path, 'c');
	assert_int_equal(unlink(s->path), 0);
	o.lock = OUTBUF_LOCK_WAIT;
	assert_int_equal(put(s->path, &o, 'd', NULL), -EPERM);
	/* Somebody else creates it meanwhile. */
	ob = open_with(s->path, NULL);
	assert_int_equal(fill_some(ob, 'e', 100), 0);
	write_file(s->path, "old", 3, 0640);
	assert_int_equal(outbuf_commit(ob), -EPERM);
	outbuf_close(ob);
	assert_file(s->path, "old", 3);
	/* link(2) is forbidden, too. */
	assert_int_equal(unlink(s->path), 0);
	atomic_store(&ob__named_links, -1);
	assert_int_equal(put(s->path, NULL, 'f', NULL), -EPERM);
	assert_int_equal(sandbox_entries(s), 0);
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
	assert_put(s->path, 'a');
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
	assert_put(s->path, 'a');
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

	/* tests/scripts/each-way.sh has these refused: the one tells of mounts, the other has another errno then. */
#ifndef HAVE_STATX /* musl 1.2.3 */
	print_message("the C library has no statx(2)\n");
	skip();
#endif
	if (is_refused("statx") || is_refused("renameat")) {
		print_message("a mount point is not told without this system call\n");
		skip();
	}
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
	assert_put(other, 'a');
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
	assert_put(s->path, 'b');
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
	unsigned char want[100];
	struct outbuf *ob;

	write_file(s->path, "old", 3, 0644);
	ob__sys_table.openat = no_inode;
	assert_int_equal(put(s->path, NULL, 'a', NULL), -ENOSPC);
	assert_file(s->path, "old", 3);
	/* The old content stays until all bytes are there, and there is room for them. */
	o.prealloc = OUTBUF_NO;
	assert_int_equal(outbuf_open(&ob, s->path, &o), 0);
	assert_int_equal(outbuf_map(ob, PUT_SIZE), 0);
	assert_int_equal(fill_some(ob, 'x', PUT_SIZE), 0);
	outbuf_close(ob);
	assert_file(s->path, "old", 3);
	if (strcmp(file_system_of(s->dir), "fuse") != 0) {
		ob__sys_table.fallocate = no_room;
		assert_int_equal(put(s->path, &o, 'x', NULL), -ENOSPC);
		assert_file(s->path, "old", 3);
		ob__sys_table.fallocate = real.fallocate;
	}
	assert_int_equal(put(s->path, &o, 'b', &stats), 0);
	assert_int_equal(stats.replace_error, -ENOSPC);
	assert_put(s->path, 'b');
	/* Over a longer one. */
	assert_int_equal(put_bytes(s->path, &o, 'c', 100, NULL), 0);
	memset(want, 'c', sizeof want);
	assert_file(s->path, want, sizeof want);
	assert_int_equal(sandbox_entries(s), 1);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		odd_test(test_no_link),
		odd_test(test_link_forbidden_at_commit),
		odd_test(test_copy_fails),
		odd_test(test_directory_gone),
#ifdef __linux__
		odd_test(test_close_of_copy_fails),
#endif
		odd_test(test_named_on_request),
		odd_test(test_no_rename),
		odd_test(test_no_rename_new),
		odd_test(test_rename_fails),
		odd_test(test_no_room_over),
		odd_test(test_blind),
		odd_test(test_fixed_directory),
#ifdef __linux__
		odd_test(test_no_rename_open),
		odd_test(test_mount_point),
#endif
		odd_test(test_directory_not_writable),
		odd_test(test_no_inode),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("forbidden", tests, NULL, NULL);
}
