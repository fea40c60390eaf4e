/* SPDX-License-Identifier: MIT */
/*
 * How the file comes to stand at its path, and what stands there when it does not.
 */
#include "config.h"

#include "inject/faults.h"
#include "output/output.h"
#include "support/abilities.h"
#include "support/support.h"
#include "system/unix/sys_table.h"
#include "target/unix/named.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct sys_table real;

/* As a chroot without /proc, for a user without rights. */
static int no_proc(int fromdir, const char *from, int todir, const char *to, int flags)
{
	if (strncmp(from, "/proc/", 6) == 0 || (flags & AT_EMPTY_PATH)) {
		errno = ENOENT;
		return -1;
	}
	return real.linkat(fromdir, from, todir, to, flags);
}

/* The three ways to a file, each seen from outside at every stage. */
static void whole_life(const struct sandbox *s, const char *placement, unsigned hidden)
{
	static unsigned char old[5000], new[20000];
	struct stat st;
	struct outbuf *ob;
	int round;

	memset(old, 'o', sizeof old);
	memset(new, 'n', sizeof new);
	for (round = 0; round < 2; round++) {
		unsigned there = round == 0 ? 0 : 1;

		ob = open_with(s->path, NULL);
		assert_string_equal(stats_of(ob).placement, placement);
		assert_int_equal(sandbox_entries(s), there + hidden);
		assert_int_equal(outbuf_map(ob, 10000), 0);
		fill_some(ob, 'n', sizeof new);
		if (round == 0)
			assert_absent(s->path);
		else
			assert_file(s->path, old, sizeof old);
		assert_int_equal(outbuf_commit(ob), 0);
		assert_file(s->path, new, sizeof new);
		assert_int_equal(sandbox_entries(s), 1);
		outbuf_close(ob);
		write_file(s->path, old, sizeof old, 0644);
	}

	/* Discard, close alone, and a commit that fails leave no trace and the old file. */
	for (round = 0; round < 3; round++) {
		ob = open_with(s->path, NULL);
		assert_int_equal(outbuf_map(ob, 10000), 0);
		fill_some(ob, 'n', sizeof new);
		if (round == 0) {
			assert_int_equal(outbuf_discard(ob), 0);
			assert_int_equal(outbuf_discard(ob), 0);
		} else if (round == 1) {
			outbuf_fail(ob, -EILSEQ);
			assert_int_equal(outbuf_commit(ob), -EILSEQ);
		}
		if (round < 2)
			assert_int_equal(sandbox_entries(s), 1);
		assert_int_equal(outbuf_close(ob), 0);
		assert_int_equal(sandbox_entries(s), 1);
		assert_file(s->path, old, sizeof old);
	}
	assert_int_equal(stat(s->path, &st), 0);
}

static void test_nameless(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	int nameless = strcmp(stats_of(ob).placement, "nameless") == 0;

	outbuf_close(ob);
	if (!nameless) {
		print_message("no nameless files in %s\n", s->dir);
		skip();
	}
	whole_life(s, "nameless", 0);
}

static void test_named(void **state)
{
	ob__sys_table.openat = no_nameless;
	whole_life(*state, "named", 1);
}

static void test_without_proc(void **state)
{
	atomic_store(&ob__named_links, 0);
	ob__sys_table.linkat = no_proc;
	whole_life(*state, "named", 1);
	atomic_store(&ob__named_links, 0);
}

/* The hidden name: derived, unguessable, never longer than a name may be. */
static void test_hidden_name(void **state)
{
	struct sandbox *s = *state;
	char path[sizeof s->dir + 1 + NAME_MAX + 1];
	struct outbuf *ob;
	size_t n, longest;

	ob__sys_table.openat = no_nameless;
	n = (size_t)snprintf(path, sizeof path, "%s/", s->dir);
	/* NAME_MAX, or one less (UDF). vfat says more, as it counts characters. */
	longest = (size_t)pathconf(s->dir, _PC_NAME_MAX);
	longest = longest < NAME_MAX ? longest : NAME_MAX;
	assert_true(longest >= NAME_MAX - 1);
	memset(path + n, 'x', longest);
	path[n + longest] = '\0';
	ob = open_with(path, NULL);
	assert_int_equal(sandbox_entries(s), 1);
	fill_some(ob, 1, 3);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_file(path, "\1\1\1", 3);
}

static char last_names[2][NAME_MAX + 1];
static int all_cloexec;

static int note_open(int dirfd, const char *path, int flags, mode_t mode)
{
	all_cloexec &= (flags & O_CLOEXEC) != 0;
	if (flags & O_EXCL) {
		memcpy(last_names[0], last_names[1], sizeof last_names[0]);
		snprintf(last_names[1], sizeof last_names[1], "%s", path);
	}
	return no_nameless(dirfd, path, flags, mode);
}

static void test_hidden_names_differ(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *a, *b;
	size_t i, same = 0, n;

	ob__sys_table.openat = note_open;
	all_cloexec = 1;
	a = open_with(s->path, NULL);
	b = open_with(s->path, NULL);
	n = strlen(last_names[0]);
	assert_int_equal(strncmp(last_names[0], ".out.outbuf-", 12), 0);
	assert_int_equal(n, strlen(last_names[1]));
	assert_int_equal(n, 12 + 13);
	for (i = 12; i < n; i++)
		same += last_names[0][i] == last_names[1][i];
	assert_in_range(same, 0, 5); /* 13 letters of 32: five the same by chance, 1 in 30,000 */
	outbuf_close(a);
	outbuf_close(b);
	/* No descriptor of ours gets into a program that is run meanwhile. */
	assert_true(all_cloexec);
}

static int collisions;

static int taken(int dirfd, const char *path, int flags, mode_t mode)
{
	if ((flags & O_EXCL) && collisions > 0) {
		collisions--;
		errno = EEXIST;
		return -1;
	}
	return no_nameless(dirfd, path, flags, mode);
}

static int taken_link(int fromdir, const char *from, int todir, const char *to, int flags)
{
	if (strcmp(to, "out") != 0 && collisions > 0) {
		collisions--;
		errno = EEXIST;
		return -1;
	}
	return real.linkat(fromdir, from, todir, to, flags);
}

static void test_hidden_name_taken(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	int round;

	write_file(s->path, "old", 3, 0644);
	for (round = 0; round < 2; round++) {
		collisions = 3;
		if (round == 0)
			ob__sys_table.openat = taken;
		else
			ob__sys_table.linkat = taken_link;
		ob = open_with(s->path, NULL);
		fill_some(ob, 1, 3);
		assert_int_equal(outbuf_commit(ob), 0);
		if (round == 0 || strcmp(stats_of(ob).placement, "nameless") == 0)
			assert_int_equal(collisions, 0);
		outbuf_close(ob);
		assert_file(s->path, "\1\1\1", 3);
		ob__sys_table = real;
	}
	collisions = INT_MAX;
	ob__sys_table.openat = taken;
	assert_int_equal(outbuf_open(&ob, s->path, NULL), -EEXIST);
	assert_null(ob);
}

/* Permissions are what open(2) makes of mode and umask. */
static void test_mode(void **state)
{
	static const struct { uint32_t mode; mode_t umask, want; } rows[] = {
		{ 0, 022, 0644 }, { 0, 0, 0666 }, { 0777, 022, 0755 }, { 0777, 077, 0700 }, { 0600, 0, 0600 },
	};
	struct sandbox *s = *state;
	size_t i;
	int named;

	need_permissions(s);
	for (named = 0; named < 2; named++)
		for (i = 0; i < sizeof rows / sizeof *rows; i++) {
			struct outbuf_options options = OUTBUF_OPTIONS_INIT;
			mode_t before = umask(rows[i].umask);
			struct outbuf *ob;
			struct stat st;

			ob__sys_table.openat = named ? no_nameless : real.openat;
			options.mode = rows[i].mode;
			ob = open_with(s->path, &options);
			umask(before); /* what counts is the umask at open */
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			assert_int_equal(stat(s->path, &st), 0);
			assert_int_equal(st.st_mode & 07777, rows[i].want);
		}
}

static void test_links(void **state)
{
	struct sandbox *s = *state;
	char other[400];
	struct outbuf *ob;
	struct stat st;

	need_symbolic_links(s);
	need_hard_links(s);
	snprintf(other, sizeof other, "%s/other", s->dir);

	/* A hard link keeps the old file. */
	write_file(s->path, "old", 3, 0644);
	assert_int_equal(link(s->path, other), 0);
	ob = open_with(s->path, NULL);
	fill_some(ob, 'x', 1);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, "x", 1);
	assert_file(other, "old", 3);

	/* A symbolic link is replaced, not followed; a dangling one too. */
	unlink(s->path);
	assert_int_equal(symlink("other", s->path), 0);
	ob = open_with(s->path, NULL);
	fill_some(ob, 'y', 1);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, "y", 1);
	assert_file(other, "old", 3);
	assert_int_equal(lstat(s->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));

	unlink(s->path);
	assert_int_equal(symlink("nowhere", s->path), 0);
	ob = open_with(s->path, NULL);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, "", 0);
	assert_int_equal(sandbox_entries(s), 2);
}

/* The file lands in the directory that open saw. */
static void test_chdir_meanwhile(void **state)
{
	struct sandbox *s = *state;
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct outbuf *ob;

	assert_true(here >= 0);
	assert_int_equal(chdir(s->dir), 0);
	ob = open_with("out", NULL);
	assert_int_equal(chdir("/"), 0);
	fill_some(ob, 'x', 1);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_int_equal(fchdir(here), 0);
	close(here);
	assert_file(s->path, "x", 1);
}

static struct outbuf *open_in_place(const char *path, uint32_t map)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;

	options.replace = OUTBUF_REPLACE_IN_PLACE;
	options.map = map;
	return open_with(path, &options);
}

static void test_in_place(void **state)
{
	struct sandbox *s = *state;
	static unsigned char want[9000], old[20000];
	struct stat before, after;
	char link_path[400];
	struct outbuf_view v;
	uint32_t map;

	need_symbolic_links(s);
	snprintf(link_path, sizeof link_path, "%s/link", s->dir);
	memset(old, 0xa5, sizeof old);
	for (map = OUTBUF_AUTO; map <= OUTBUF_NO; map++) {
		struct outbuf *ob;

		write_file(s->path, old, sizeof old, 0640);
		unlink(link_path);
		assert_int_equal(symlink("out", link_path), 0);
		assert_int_equal(stat(s->path, &before), 0);
		ob = open_in_place(link_path, map);
		assert_string_equal(stats_of(ob).placement, "in-place");
		assert_file(s->path, old, sizeof old);
		assert_int_equal(outbuf_map(ob, 5000), 0);
		/* A file that is mapped, or that was tried for it, may be empty by now. */
		if (map == OUTBUF_NO)
			assert_file(s->path, old, sizeof old);
		assert_int_equal(outbuf_view(ob, &v, 8999, 1), 0);
		assert_int_equal(outbuf_write8(&v, 7), 0);
		assert_int_equal(outbuf_view_end(&v), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		/* Not a byte of the old content shines through. */
		want[8999] = 7;
		assert_file(s->path, want, sizeof want);
		assert_int_equal(stat(s->path, &after), 0);
		assert_int_equal(before.st_ino, after.st_ino);
		assert_int_equal(before.st_mode, after.st_mode);
		assert_int_equal(sandbox_entries(s), 2);
	}

	/* An empty output is empty in place, too. */
	struct outbuf *ob = open_in_place(s->path, OUTBUF_AUTO);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, "", 0);
}

static void test_in_place_discard(void **state)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct sandbox *s = *state;
	struct outbuf *ob;
	struct stat st;
	mode_t mask;

	need_permissions(s);
	need_removing_open(s);
	mask = umask(022);
	options.replace = OUTBUF_REPLACE_IN_PLACE;
	options.mode = 0660;
	ob = open_with(s->path, &options);
	umask(mask);

	/* Created by us: gone again. */
	assert_int_equal(sandbox_entries(s), 1);
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(outbuf_map(ob, 100), 0);
	assert_int_equal(outbuf_discard(ob), 0);
	assert_int_equal(sandbox_entries(s), 0);
	outbuf_close(ob);

	/* Created by us, but somebody put another file there. */
	ob = open_in_place(s->path, OUTBUF_AUTO);
	assert_int_equal(unlink(s->path), 0);
	write_file(s->path, "theirs", 6, 0644);
	outbuf_close(ob);
	assert_file(s->path, "theirs", 6);

	/* There before: stays, and without a mapping even its content does. */
	ob = open_in_place(s->path, OUTBUF_NO);
	assert_int_equal(outbuf_map(ob, 100), 0);
	fill_some(ob, 'x', 200);
	assert_int_equal(outbuf_close(ob), 0);
	assert_file(s->path, "theirs", 6);
}

/* The descriptor is closed when commit returns, so that a program can be run at once. */
static void test_run_at_once(void **state)
{
	static const char script[] = "#!/bin/sh\nexit 7\n";
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct sandbox *s = *state;
	unsigned fds = count_fds();
	struct outbuf_view v;
	struct outbuf *ob;
	int i;

	options.mode = 0777;
	for (i = 0; i < 2; i++) {
		ob = open_with(s->path, &options);
		assert_int_equal(outbuf_map(ob, sizeof script - 1), 0);
		outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
		outbuf_write_string(&v, script);
		outbuf_view_end(&v);
		assert_int_equal(outbuf_commit(ob), 0);
		assert_int_equal(count_fds(), fds);
		assert_int_equal(WEXITSTATUS(system(s->path)), 7);
		outbuf_close(ob);
	}
}

/* Two writers of one path: each file is whole, the later commit stays. */
static void test_two_writers(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *a = open_with(s->path, NULL), *b = open_with(s->path, NULL);

	fill_some(a, 'a', 3);
	fill_some(b, 'b', 2);
	assert_int_equal(outbuf_commit(b), 0);
	assert_file(s->path, "bb", 2);
	assert_int_equal(outbuf_commit(a), 0);
	assert_file(s->path, "aaa", 3);
	outbuf_close(a);
	outbuf_close(b);
	assert_int_equal(sandbox_entries(s), 1);
}

/*
 * The hidden name is somebody else's by the time of commit: removed by a script, taken by a writer on
 * another machine. That one's half a file does not come to the path, and stays its own.
 */
static void test_name_lost(void **state)
{
	struct sandbox *s = *state;
	char path[2 * sizeof s->dir];
	int taken, committing;

	need_removing_open(s);
	for (taken = 0; taken < 2; taken++)
		for (committing = 0; committing < 3; committing++) {
			struct outbuf_options options = OUTBUF_OPTIONS_INIT;
			struct outbuf *ob;

			/* Nor is it written over the path. */
			options.replace = committing == 2 ? OUTBUF_REPLACE_ELSE_IN_PLACE : OUTBUF_REPLACE_ATOMIC;

			write_file(s->path, "old", 3, 0644);
			ob__sys_table.openat = note_open;
			ob = open_with(s->path, &options);
			assert_int_equal(fill_some(ob, 'n', 5000), 0);
			snprintf(path, sizeof path, "%s/%s", s->dir, ob->target.hidden);
			assert_int_equal(unlink(path), 0);
			if (taken)
				write_file(path, "half", 4, 0644);
			if (committing)
				assert_int_equal(outbuf_commit(ob), taken ? -ESTALE : -ENOENT);
			outbuf_close(ob);
			assert_file(s->path, "old", 3);
			if (taken) {
				assert_file(path, "half", 4);
				unlink(path);
			}
			assert_int_equal(sandbox_entries(s), 1);
		}
}

#ifdef __linux__
static int truncations;

static int count_ftruncate(int fd, off_t size)
{
	truncations++;
	return real.ftruncate(fd, size);
}

/* On SMB, a file that is truncated under a hidden name stays hidden: its length comes by writing. */
static void test_not_truncated(void **state)
{
	static const size_t written[] = { 0, 5, 5000, 10000, 20000 };
	struct sandbox *s = *state;
	static unsigned char want[20000];
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	size_t i, size;

	/* Who wishes for a mapping gets whole pages, which commit cuts. */
	o.map = OUTBUF_NO;
	for (i = 0; i < sizeof written / sizeof *written; i++) {
		struct outbuf *ob;

		pretend_file_system(0xfe534d42);
		ob__sys_table.ftruncate = count_ftruncate;
		ob = open_with(s->path, &o);
		truncations = 0;
		assert_int_equal(outbuf_map(ob, 10000), 0);
		assert_int_equal(fill_some(ob, 'n', written[i]), 0);
		assert_int_equal(outbuf_flush(ob), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_int_equal(truncations, 0);
		size = written[i] > 10000 ? written[i] : 10000;
		memset(want, 0, sizeof want);
		memset(want, 'n', written[i]);
		assert_file(s->path, want, size);
	}
}
#endif

/* Another process truncates the file: no call of ours fails, and none need touch what is gone. */
static void test_truncated_meanwhile(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 4095, 199999 };
	struct sandbox *s = *state;
	size_t i;

	if (in_order()) {
		print_message("nothing is written before commit\n");
		skip();
	}
	for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct outbuf *ob = open_with(s->path, NULL);

		write_file(s->path, "old", 3, 0644);
		assert_int_equal(outbuf_map(ob, 200000), 0);
		assert_int_equal(fill_some(ob, 'n', 200000), 0);
		assert_int_equal(outbuf_flush(ob), 0);
		assert_int_equal(ftruncate(ob->target.fd, (off_t)sizes[i]), 0);
		assert_int_equal(outbuf_commit(ob), -EIO);
		outbuf_close(ob);
		assert_file(s->path, "old", 3);
		assert_int_equal(sandbox_entries(s), 1);
	}
}

/* The main thread ends, others go on: then /proc/self has no descriptors, by which a file gets its name. */
static void *commit_alone(void *arg)
{
	const struct timespec moment = { .tv_nsec = 50000000 };
	struct outbuf *ob = arg;
	int r;

	nanosleep(&moment, NULL);
	r = outbuf_commit(ob);
	outbuf_close(ob);
	/* Not by _exit(2): valgrind takes the stack of a thread that outlives the first for lost. */
	execlp(r == 0 ? "true" : "false", "true-or-false", (char *)NULL);
	_exit(3);
}

static int end_main_thread(void *arg)
{
	struct outbuf *ob = open_with(arg, NULL);
	pthread_t thread;

	if (fill_some(ob, 'n', 5000) != 0 || pthread_create(&thread, NULL, commit_alone, ob) != 0)
		return 4;
	pthread_exit(NULL);
}

static void test_main_thread_gone(void **state)
{
	struct sandbox *s = *state;

	assert_int_equal(in_child(0, end_main_thread, s->path), 0);
	assert_filled(s, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_nameless),
		fault_test(test_named),
		fault_test(test_without_proc),
		fault_test(test_hidden_name),
		fault_test(test_hidden_names_differ),
		fault_test(test_hidden_name_taken),
		fault_test(test_mode),
		fault_test(test_links),
		fault_test(test_chdir_meanwhile),
		fault_test(test_in_place),
		fault_test(test_in_place_discard),
		fault_test(test_run_at_once),
		fault_test(test_two_writers),
		fault_test(test_name_lost),
#ifdef __linux__
		fault_test(test_not_truncated),
#endif
		fault_test(test_truncated_meanwhile),
		fault_test(test_main_thread_gone),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("commit", tests, NULL, NULL);
}
