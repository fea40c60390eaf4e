/* SPDX-License-Identifier: MIT */
/*
 * What is no ordinary file at the path, or may not be written: devices, FIFOs, sockets, links,
 * programs that run, files of others, file systems that cannot be written. What is not a regular
 * file is never removed or replaced.
 */
#include "config.h"

#include "inject/faults.h"
#include "rigs/put.h"
#include "rigs/reader.h"
#include "support/abilities.h"
#include "support/files.h"
#include "support/support.h"
#include "system/unix/sys_table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#endif

static const uint32_t replaces[] = { OUTBUF_REPLACE_ATOMIC, OUTBUF_REPLACE_IN_PLACE };

/* The same thing as before stands there. */
static int is_still(const char *path, const struct stat *before)
{
	struct stat now;

	return lstat(path, &now) == 0 && now.st_ino == before->st_ino &&
	       now.st_dev == before->st_dev && now.st_mode == before->st_mode &&
	       now.st_rdev == before->st_rdev && now.st_uid == before->st_uid;
}

/* ------------------------------------------------------------------------ devices */

static void write_device(const char *path, int result)
{
	struct stat before;
	size_t i;

	assert_int_equal(lstat(path, &before), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(put_n(path, replaces[i], 100000), result);
		assert_true(is_still(path, &before));
		/* Nothing to write: a full disk is not noticed. */
		assert_int_equal(put_n(path, replaces[i], 0), 0);
		assert_true(is_still(path, &before));
	}
}

static void test_null_and_full(void **state)
{
	struct sandbox *s = *state;

#ifdef __linux__
	/* First one of our own, lest a mistake takes that of the machine away. */
	if (mknod(s->path, S_IFCHR | 0666, makedev(1, 3)) == 0) {
		int fd = open(s->path, O_WRONLY);

		if (fd >= 0) { /* the file system may be mounted without devices */
			close(fd);
			write_device(s->path, 0);
			unlink(s->path);
			assert_int_equal(mknod(s->path, S_IFCHR | 0666, makedev(1, 7)), 0);
			write_device(s->path, -ENOSPC);
		}
		unlink(s->path);
	}
#endif
	write_device("/dev/null", 0);
	if (access("/dev/full", W_OK) == 0)
		write_device("/dev/full", -ENOSPC);
	/* A link to one, of whatever kind it is, stays a link. */
	need(symlink("/dev/null", s->path));
	write_device(s->path, 0);
	assert_int_equal(sandbox_entries(s), 1);
}

#ifdef __linux__
/*
 * A block device of 1 MiB over memory, which goes when its last descriptor is closed. -1: none. (Over a file of the
 * sandbox it would go a moment later, and NFS keeps the name of a removed file as long.)
 */
static int make_loop(dev_t *device)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), tries, loop = -1;
	int backing = memfd_create("backing", MFD_CLOEXEC);

	for (tries = 0; control >= 0 && backing >= 0 && loop < 0 && tries < 16; tries++) {
		struct loop_info64 info;
		struct stat st;
		char name[32];

		snprintf(name, sizeof name, "/dev/loop%d", ioctl(control, LOOP_CTL_GET_FREE));
		loop = open(name, O_RDWR | O_CLOEXEC);
		if (loop < 0)
			break;
		memset(&info, 0, sizeof info);
		info.lo_flags = LO_FLAGS_AUTOCLEAR;
		if (ftruncate(backing, 1 << 20) < 0 || fstat(loop, &st) < 0 ||
		    ioctl(loop, LOOP_SET_FD, backing) < 0) {
			close(loop); /* somebody else was faster */
			loop = -1;
			continue;
		}
		*device = st.st_rdev;
		if (ioctl(loop, LOOP_SET_STATUS64, &info) < 0) {
			ioctl(loop, LOOP_CLR_FD, 0);
			close(loop);
			loop = -1;
			break;
		}
	}
	if (control >= 0)
		close(control);
	if (backing >= 0)
		close(backing);
	return loop;
}
#endif

static void test_block_device(void **state)
{
#ifdef __linux__
	struct sandbox *s = *state;
	unsigned char bytes[5001] = "";
	struct stat before = { .st_mode = 0 };
	dev_t device = 0;
	int loop, made, small, same[2], large, got = 0;

	loop = geteuid() == 0 ? make_loop(&device) : -1;
	/* Through a name of our own: not the machine's. */
	made = loop >= 0 && mknod(s->path, S_IFBLK | 0600, device) == 0 &&
	       lstat(s->path, &before) == 0;
	small = made ? put_n(s->path, OUTBUF_REPLACE_ATOMIC, 5000) : 0;
	same[0] = is_still(s->path, &before);
	if (made && small == 0)
		got = (int)pread(loop, bytes, sizeof bytes, 0);
	large = made ? put_n(s->path, OUTBUF_REPLACE_IN_PLACE, 3 << 20) : 0;
	same[1] = is_still(s->path, &before);
	/* Whatever comes now, the device is gone. */
	if (loop >= 0)
		close(loop);
	if (!made || small == -EACCES) {
		print_message("no loop device to be had\n");
		skip();
	}
	assert_int_equal(small, 0);
	assert_int_equal(got, sizeof bytes);
	assert_int_equal(bytes[0], 'n');
	assert_int_equal(bytes[4999], 'n');
	assert_int_equal(bytes[5000], 0);
	assert_int_equal(large, -ENOSPC);
	assert_true(same[0] && same[1]);
#else
	(void)state;
	skip();
#endif
}

/* --------------------------------------------------------------- FIFOs and sockets */

static void test_fifo(void **state)
{
	struct sandbox *s = *state;
	struct stat before;
	size_t i, j, n = 300000;

	need(mkfifo(s->path, 0600));
	assert_int_equal(lstat(s->path, &before), 0);
	for (i = 0; i < 2; i++) {
		struct reader reader = { .path = s->path, .pause_us = 500 };

		assert_int_equal(reader_start(&reader), 0);
		assert_int_equal(put_n(s->path, replaces[i], n), 0);
		reader_join(&reader);
		assert_int_equal(reader.n, n);
		for (j = 0; j < n; j++)
			if (reader.data[j] != 'n')
				fail_msg("byte %zu is %02x", j, reader.data[j]);
		free(reader.data);
		assert_true(is_still(s->path, &before));
	}
	assert_int_equal(sandbox_entries(s), 1);
}

static void test_socket(void **state)
{
	struct sandbox *s = *state;
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct stat before;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t i;

	assert_true(fd >= 0);
	if (strlen(s->path) >= sizeof name.sun_path) {
		close(fd);
		print_message("the path is too long for a socket\n");
		skip();
	}
	strcpy(name.sun_path, s->path);
	if (bind(fd, (struct sockaddr *)&name, sizeof name) < 0) {
		close(fd);
		need(-1);
	}
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(lstat(s->path, &before), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(put_n(s->path, replaces[i], 10), -ENXIO);
		assert_true(is_still(s->path, &before));
	}
	close(fd);
	assert_int_equal(sandbox_entries(s), 1);
}

/* Something special comes to the path between open and commit: it stays. */
static void test_comes_before_commit(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	struct stat before;

	need(mkfifo(s->path, 0600));
	unlink(s->path);
	ob = open_with(s->path, NULL);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(mkfifo(s->path, 0600), 0);
	assert_int_equal(lstat(s->path, &before), 0);
	assert_int_equal(outbuf_commit(ob), -ENOTSUP);
	outbuf_close(ob);
	assert_true(is_still(s->path, &before));
	unlink(s->path);

	ob = open_with(s->path, NULL);
	assert_int_equal(symlink("/dev/null", s->path), 0);
	assert_int_equal(lstat(s->path, &before), 0);
	assert_int_equal(outbuf_commit(ob), -ENOTSUP);
	outbuf_close(ob);
	assert_true(is_still(s->path, &before));
	assert_int_equal(sandbox_entries(s), 1);
}

/* -------------------------------------------------------------------------- links */

static void test_links_to_files(void **state)
{
	struct sandbox *s = *state;
	char target[400];
	struct stat st, before;

	snprintf(target, sizeof target, "%s/target", s->dir);
	write_file(target, "old", 3, 0640);
	assert_int_equal(lstat(target, &before), 0);

	/* In place it is followed. */
	need(symlink("target", s->path));
	assert_int_equal(put_n(s->path, OUTBUF_REPLACE_IN_PLACE, 5), 0);
	assert_file(target, "nnnnn", 5);
	assert_true(is_still(target, &before));
	assert_int_equal(lstat(s->path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));

	/* Else it is what is replaced. */
	assert_int_equal(put_n(s->path, OUTBUF_REPLACE_ATOMIC, 7), 0);
	assert_file(target, "nnnnn", 5);
	assert_true(is_still(target, &before));
	assert_int_equal(lstat(s->path, &st), 0);
	assert_true(S_ISREG(st.st_mode) && st.st_size == 7);
	assert_int_equal(sandbox_entries(s), 2);
}

static struct sys_table real;
static int links_read, overlaps;

/* Both pointers are `restrict`, so a checked or optimised readlinkat(2) may do anything if they overlap. */
static ssize_t check_readlinkat(int dirfd, const char *path, char *to, size_t n)
{
	uintptr_t from = (uintptr_t)path, begin = (uintptr_t)to;

	links_read++;
	overlaps += from + strlen(path) + 1 > begin && from < begin + n;
	return real.readlinkat(dirfd, path, to, n);
}

/* Links to links, in this directory and by a way round it, the last of which leads to a descriptor or to a file. */
static void test_links_to_links(void **state)
{
	static const char *const last[] = { "/proc/self/fd/", "target" };
	struct sandbox *s = *state;
	char path[400], to[400], back[8];
	int i, links, ends[2];

	need_symbolic_links(s);
	ob__sys_table.readlinkat = check_readlinkat;
	for (i = 0; i < 2; i++) {
		assert_int_equal(pipe(ends), 0);
		if (i == 0)
			snprintf(to, sizeof to, "%s%d", last[i], ends[1]);
		else
			snprintf(to, sizeof to, "%s", last[i]);
		for (links = 0; links < 5; links++) {
			snprintf(path, sizeof path, "%s/%s%d", s->dir, "link", links);
			need(symlink(to, path));
			if (links % 2)
				snprintf(to, sizeof to, "../%s/link%d", strrchr(s->dir, '/') + 1, links);
			else
				snprintf(to, sizeof to, "link%d", links);
		}
		links_read = overlaps = 0;
		assert_int_equal(put_n(path, OUTBUF_REPLACE_ATOMIC, 5), 0);
		assert_in_range(links_read, 5, 6);
		assert_int_equal(overlaps, 0);
		close(ends[1]);
		/* Only a descriptor is looked through: else the link itself is replaced. */
		assert_int_equal(read(ends[0], back, sizeof back), i == 0 ? 5 : 0);
		close(ends[0]);
		for (links = 0; links < 5; links++) {
			snprintf(path, sizeof path, "%s/%s%d", s->dir, "link", links);
			unlink(path);
		}
	}
	assert_int_equal(sandbox_entries(s), 0);
}

static void test_dangling_links(void **state)
{
	struct sandbox *s = *state;
	char target[400];
	struct stat st;

	snprintf(target, sizeof target, "%s/target", s->dir);
	need(symlink("target", s->path));
	assert_int_equal(put_n(s->path, OUTBUF_REPLACE_IN_PLACE, 5), 0);
	assert_file(target, "nnnnn", 5);
	assert_int_equal(lstat(s->path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));

	unlink(target);
	assert_int_equal(put_n(s->path, OUTBUF_REPLACE_ATOMIC, 7), 0);
	assert_absent(target);
	assert_int_equal(lstat(s->path, &st), 0);
	assert_true(S_ISREG(st.st_mode) && st.st_size == 7);

	/* Into a directory that is not there: in place it can only fail. */
	unlink(s->path);
	assert_int_equal(symlink("missing/target", s->path), 0);
	assert_int_equal(put_n(s->path, OUTBUF_REPLACE_IN_PLACE, 5), -ENOENT);
	assert_int_equal(lstat(s->path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(sandbox_entries(s), 1);
}

/* A directory is one whatever leads to it. */
static void test_directory(void **state)
{
	struct sandbox *s = *state;
	char link_path[400];
	struct stat before;
	size_t i;

	snprintf(link_path, sizeof link_path, "%s/link", s->dir);
	assert_int_equal(mkdir(s->path, 0700), 0);
	need(symlink("out", link_path));
	assert_int_equal(lstat(s->path, &before), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(put_n(s->path, replaces[i], 5), -EISDIR);
		assert_int_equal(put_n(link_path, replaces[i], 5), -EISDIR);
	}
	assert_true(is_still(s->path, &before));
	assert_int_equal(sandbox_entries(s), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_null_and_full),
		sandbox_test(test_block_device),
		sandbox_test(test_fifo),
		sandbox_test(test_socket),
		sandbox_test(test_comes_before_commit),
		sandbox_test(test_links_to_files),
		fault_test(test_links_to_links),
		sandbox_test(test_dangling_links),
		sandbox_test(test_directory),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("special", tests, NULL, NULL);
}
