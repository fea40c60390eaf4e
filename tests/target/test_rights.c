/* SPDX-License-Identifier: MIT */
/* Who may write what: files of others, planted links, read-only and full file systems, programs that run, long paths. */
#include "config.h"

#include "rigs/put.h"
#include "support/abilities.h"
#include "support/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#endif

#define SKIPPED 77

static const uint32_t replaces[] = { OUTBUF_REPLACE_ATOMIC, OUTBUF_REPLACE_IN_PLACE };

/* ------------------------------------------------------------------ rights and users */

static int put_without_rights(void *arg)
{
	const char *const *paths = arg;
	struct stat st;

	/* Read-only, and of somebody else: in a directory of ours that does not matter. */
	if (put_n(paths[0], OUTBUF_REPLACE_ATOMIC, 5) != 0)
		return 1;
	if (stat(paths[0], &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 0200) == 0)
		return 2;
	/* In place it does. */
	if (put_n(paths[1], OUTBUF_REPLACE_IN_PLACE, 5) != -EACCES)
		return 3;
	/* May be written, and stays theirs. */
	if (put_n(paths[2], OUTBUF_REPLACE_IN_PLACE, 5) != 0)
		return 4;
	if (stat(paths[2], &st) < 0 || st.st_uid == geteuid())
		return 5;
	return 0;
}

/* Nobody else's link in a directory like /tmp leads to a descriptor or device of ours. */
static int follow_planted_link(void *arg)
{
	const struct sandbox *s = arg;
	struct outbuf *ob;

	return outbuf_open(&ob, s->path, NULL) == -EPERM ? 0 : 1;
}

static void test_planted_links(void **state)
{
	static const char *const to[] = { "/proc/self/fd/1", "/dev/null" };
	struct sandbox *s = *state;
	size_t i;

	if (geteuid() != 0) {
		print_message("needs root: a link of somebody else must be made\n");
		skip();
	}
	need(chmod(s->dir, 01777));
	for (i = 0; i < 2; i++) {
		need(symlink(to[i], s->path));
		need(lchown(s->path, 12345, 12345));
		assert_int_equal(in_child(1, follow_planted_link, s), 0);
		unlink(s->path);
	}
	/* One's own, and the directory's owner's, do. */
	need(symlink("/dev/null", s->path));
	assert_int_equal(put_n(s->path, OUTBUF_REPLACE_ATOMIC, 5), 0);
	unlink(s->path);
}

static void test_files_of_others(void **state)
{
	struct sandbox *s = *state;
	char file[3][400];
	char *paths[3] = { file[0], file[1], file[2] };
	struct stat st;
	size_t i;

	if (geteuid() != 0) {
		print_message("needs root: a file of somebody else must be made\n");
		skip();
	}
	assert_int_equal(chmod(s->dir, 0777), 0);
	for (i = 0; i < 3; i++) {
		snprintf(file[i], sizeof file[i], "%s/file-%zu", s->dir, i);
		write_file(file[i], "old", 3, 0644);
		need(chmod(file[i], i < 2 ? 0444 : 0666));
		assert_int_equal(stat(file[i], &st), 0);
		if ((st.st_mode & 0777) != (i < 2 ? 0444 : 0666) || st.st_uid != 0) {
			print_message("the file system has no owners and rights\n");
			skip();
		}
	}
	assert_int_equal(in_child(1, put_without_rights, paths), 0);
	assert_file(file[0], "nnnnn", 5);
	assert_file(file[1], "old", 3);
	assert_file(file[2], "nnnnn", 5);
	assert_int_equal(sandbox_entries(s), 3);
}

static int put_in_place(void *arg)
{
	/* Twice: the second one is shorter. */
	return put_n(arg, OUTBUF_REPLACE_IN_PLACE, 50000) == 0 && put_n(arg, OUTBUF_REPLACE_IN_PLACE, 5) == 0 ? 0 : 1;
}

/* In place, over a file that may be written but not read, as open(O_WRONLY) does it. */
static void test_write_only_file(void **state)
{
	struct sandbox *s = *state;
	struct stat st;

	write_file(s->path, "the old content", 15, 0644);
	need(chmod(s->path, 0222));
	assert_int_equal(stat(s->path, &st), 0);
	if ((st.st_mode & 0777) != 0222) {
		print_message("files have no permissions here\n");
		skip();
	}
	if (geteuid() == 0) {
		need(chown(s->path, 65534, 65534));
		assert_int_equal(chmod(s->dir, 0755), 0);
	}
	assert_int_equal(in_child(1, put_in_place, s->path), 0);
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0222);
	assert_int_equal(chmod(s->path, 0644), 0);
	assert_file(s->path, "nnnnn", 5);
	assert_int_equal(sandbox_entries(s), 1);
}

/* ----------------------------------------------------------- read-only file systems */

#ifdef __linux__
/* In a mount namespace of our own: nothing is left to unmount. */
static int put_on_read_only(void *arg)
{
	const struct sandbox *s = arg;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", s->dir, "tmpfs", 0, "size=1m") < 0)
		return SKIPPED;
	if (put_n(s->path, OUTBUF_REPLACE_ATOMIC, 5) != 0)
		return 1;
	if (mount("none", s->dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) < 0)
		return SKIPPED;
	if (put_n(s->path, OUTBUF_REPLACE_ATOMIC, 5) != -EROFS)
		return 2;
	if (put_n(s->path, OUTBUF_REPLACE_IN_PLACE, 5) != -EROFS)
		return 3;
	if (unlink(s->path) == 0 || mount("none", s->dir, "tmpfs", MS_REMOUNT, NULL) < 0 ||
	    unlink(s->path) < 0 || mount("none", s->dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) < 0)
		return 4;
	if (put_n(s->path, OUTBUF_REPLACE_ATOMIC, 5) != -EROFS)
		return 5;
	if (put_n(s->path, OUTBUF_REPLACE_IN_PLACE, 5) != -EROFS)
		return 6;
	return 0;
}

/* The disk is full: at a byte that nobody can reserve, with and without a mapping. */
static int put_on_full(void *arg)
{
	const struct sandbox *s = arg;
	uint32_t map;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", s->dir, "tmpfs", 0, "size=1m") < 0)
		return SKIPPED;
	if (put_n(s->path, OUTBUF_REPLACE_ATOMIC, 5) != 0)
		return 1;
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++) {
		struct outbuf_options o = OUTBUF_OPTIONS_INIT;
		struct outbuf *ob;
		struct stat st;

		o.map = map;
		if (outbuf_open(&ob, s->path, &o) != 0 || outbuf_map(ob, 500000) != 0)
			return 2;
		/* A View may say it, if its bytes are on their way already; commit must. */
		fill_some(ob, 'n', 3 << 20);
		if (outbuf_commit(ob) != -ENOSPC)
			return 3;
		outbuf_close(ob);
		if (stat(s->path, &st) < 0 || st.st_size != 5 || sandbox_entries(s) != 1)
			return 4;
	}
	return 0;
}
#endif

/* In a child, as the mount namespace is its own. NULL: not on this system. */
static void on_file_system(void **state, int (*put_on)(void *arg))
{
	int r = put_on == NULL ? SKIPPED : in_child(0, put_on, *state);

	if (r == SKIPPED) {
		print_message("cannot mount a file system\n");
		skip();
	}
	assert_int_equal(r, 0);
}

#ifndef __linux__
#define put_on_read_only NULL
#define put_on_full NULL
#endif

static void test_read_only_file_system(void **state)
{
	on_file_system(state, put_on_read_only);
}

static void test_full_file_system(void **state)
{
	on_file_system(state, put_on_full);
}

/* -------------------------------------------------------------------------- programs */

static int copy(const char *from, const char *to)
{
	static char bytes[4 << 20];
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	ssize_t n = in < 0 ? -1 : read(in, bytes, sizeof bytes);

	if (n > 0)
		out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	if (out >= 0 && write(out, bytes, (size_t)n) != n)
		n = -1;
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return out >= 0 && n > 0 && (size_t)n < sizeof bytes ? 0 : -1;
}

static void test_program_that_runs(void **state)
{
	struct sandbox *s = *state;
	char sleep_name[] = "sleep", seconds[] = "60";
	char *const arguments[] = { sleep_name, seconds, NULL }, *const environment[] = { NULL };
	int in_place, atomic, alive, status, loaded[2];
	char nothing;
	pid_t pid;

	assert_int_equal(pipe2(loaded, O_CLOEXEC), 0);
	if (copy("/bin/sleep", s->path) < 0 ||
	    posix_spawn(&pid, s->path, NULL, NULL, arguments, environment) != 0) {
		close(loaded[0]);
		close(loaded[1]);
		print_message("no program can be run here\n");
		skip();
	}
	/* posix_spawn() returns when the program has been loaded, but not under qemu-user, where vfork(2) is fork(2). */
	close(loaded[1]);
	assert_int_equal(read(loaded[0], &nothing, 1), 0);
	close(loaded[0]);
	in_place = put_n(s->path, OUTBUF_REPLACE_IN_PLACE, 5);
	atomic = put_n(s->path, OUTBUF_REPLACE_ATOMIC, 5);
	alive = waitpid(pid, &status, WNOHANG) == 0;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_true(alive);
	/* On SMB who runs it has it open, and what is open cannot be replaced. */
	if (atomic == -EACCES && strcmp(file_system_of(s->dir), "cifs") == 0) {
		print_message("a program that runs cannot be replaced here\n");
		skip();
	}
	assert_int_equal(atomic, 0);
	assert_file(s->path, "nnnnn", 5);
	assert_int_equal(sandbox_entries(s), 1);
	/* Linux 6.11 and 6.12, and gVisor, let a program be overwritten. */
	if (in_place != 0)
		assert_int_equal(in_place, -ETXTBSY);
}

/* A path of n bytes for "out" in the directory. Returns n. */
static size_t long_path(char *path, const char *dir, size_t n)
{
	size_t at = (size_t)sprintf(path, "%s", dir);

	while (at < n - strlen("/out"))
		path[at++] = '/';
	strcpy(path + at, "/out");
	return strlen(path);
}

/* open(2) takes PATH_MAX bytes with the NUL, so what is longer could be opened by nobody. */
static void test_long_path(void **state)
{
	struct sandbox *s = *state;
	char path[PATH_MAX + 600];
	size_t n, i;

	/* One byte too long, and more. */
	for (n = PATH_MAX; n < PATH_MAX + 500; n += 400) {
		assert_int_equal(long_path(path, s->dir, n), n);
		for (i = 0; i < 2; i++)
			assert_int_equal(put_n(path, replaces[i], 5), -ENAMETOOLONG);
	}
	assert_int_equal(long_path(path, s->dir, PATH_MAX - 1), PATH_MAX - 1);
	for (i = 0; i < 2; i++)
		assert_int_equal(put_n(path, replaces[i], 5), 0);
	assert_file(s->path, "nnnnn", 5);
	assert_int_equal(sandbox_entries(s), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_files_of_others),
		sandbox_test(test_write_only_file),
		sandbox_test(test_planted_links),
		sandbox_test(test_read_only_file_system),
		sandbox_test(test_full_file_system),
		sandbox_test(test_program_that_runs),
		sandbox_test(test_long_path),
	};

	return cmocka_run_group_tests_name("rights", tests, NULL, NULL);
}
