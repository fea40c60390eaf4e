/* SPDX-License-Identifier: MIT */
/*
 * What writers of one path leave under hidden names when they are killed, the next run that needs such a name removes:
 * all of it, whichever names the others had. What a writer that is alive has there stays.
 */
#include "config.h"

#include "inject/faults.h"
#include "rigs/spare.h"
#include "system/unix/sys_table.h"
#include "target/hidden_name.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sys_table real;

static void known_path(const struct sandbox *s, int try, char path[600])
{
	char *hidden;

	assert_int_equal(ob__hidden_name("out", try, &hidden), 0);
	beside(s, hidden, path);
	free(hidden);
}

/* The known names can be told, and are not each other's, the lock file's or a random one. */
static void test_names(void **state)
{
	char *names[HIDDEN_KNOWN + 3], *again;
	int i, j;

	(void)state;
	for (i = 0; i < HIDDEN_KNOWN + 2; i++)
		assert_int_equal(ob__hidden_name("out", i, &names[i]), 0);
	assert_int_equal(ob__hidden_lock_name("out", &names[i]), 0);
	for (i = 0; i < HIDDEN_KNOWN + 3; i++)
		for (j = 0; j < i; j++)
			assert_string_not_equal(names[i], names[j]);
	for (i = 0; i < HIDDEN_KNOWN + 2; i++) {
		assert_int_equal(ob__hidden_name("out", i, &again), 0);
		assert_int_equal(strcmp(names[i], again) == 0, i < HIDDEN_KNOWN);
		free(again);
	}
	for (i = 0; i < HIDDEN_KNOWN + 3; i++)
		free(names[i]);
	/* Other versions of the library must find what this one leaves. */
	assert_int_equal(ob__hidden_name("out", 0, &again), 0);
	assert_string_equal(again, ".out.outbuf-77tx3qed345tb");
	free(again);
	assert_int_equal(ob__hidden_name("out", 1, &again), 0);
	assert_string_equal(again, ".out.outbuf-zafuulednszpa");
	free(again);
}

/* The ways that need a hidden name. */
enum way { NAMED, REPLACING, RECYCLED, WAYS };

static struct outbuf *open_way(const struct sandbox *s, enum way way)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;

	options.recycle = way == RECYCLED;
	ob__sys_table.openat = way == NAMED ? no_nameless : real.openat;
	return open_with(s->path, &options);
}

static void run_way(const struct sandbox *s, enum way way)
{
	struct outbuf *ob = open_way(s, way);

	assert_int_equal(fill_some(ob, 'n', 5000), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_filled(s, 5000);
}

/*
 * One leftover under each name, alone and with all others. Alone under another name than the first, it is found when
 * that name has its turn.
 */
static void test_all_are_found(void **state)
{
	struct sandbox *s = *state;
	int way, only, runs, i;

	for (way = 0; way < WAYS; way++)
		for (only = -1; only < HIDDEN_KNOWN; only++) {
			write_file(s->path, "old", 3, 0644);
			for (i = 0; i < HIDDEN_KNOWN; i++) {
				char path[600];

				known_path(s, i, path);
				if (only < 0 || i == only)
					write_file(path, "left", 4, 0644);
			}
			/* With recycling the first one is no leftover but a spare, so it is no sign of trouble. */
			runs = only > 0 || way == RECYCLED ? 1000 : 1;
			do
				run_way(s, (enum way)way);
			while (--runs > 0 && sandbox_entries(s) > (way == RECYCLED ? 2 : 1));
			/* With recycling the last output stays as the spare, where that works. */
			if (sandbox_entries(s) > (way == RECYCLED ? 2 : 1))
				fail_msg("way %d, %d: %u files are left", way, only, sandbox_entries(s) - 1);
		}
}

/* Writers that are alive have the first names. The others are looked at all the same, and theirs stay. */
static void test_live_ones_stay(void **state)
{
	struct sandbox *s = *state;
	int fds[HIDDEN_KNOWN], way, live, i;
	char path[600];

	for (way = 0; way < WAYS; way++)
		for (live = 1; live <= HIDDEN_KNOWN; live++) {
			write_file(s->path, "old", 3, 0644);
			for (i = 0; i < HIDDEN_KNOWN; i++) {
				known_path(s, i, path);
				write_file(path, "x", 1, 0644);
				fds[i] = i < live ? open(path, O_RDWR | O_CLOEXEC) : -1;
				if (i < live)
					assert_int_equal(flock(fds[i], LOCK_EX), 0);
			}
			run_way(s, (enum way)way);
			assert_int_equal(sandbox_entries(s), 1 + (unsigned)live);
			for (i = 0; i < HIDDEN_KNOWN; i++) {
				known_path(s, i, path);
				if (i < live)
					assert_file(path, "x", 1);
				else
					assert_absent(path);
				if (i < live)
					close(fds[i]);
			}
			/* Now they are over, as if killed. */
			run_way(s, NAMED);
			assert_int_equal(sandbox_entries(s), 1);
		}
}

/* ---------------------------------------------------------------- killed writers */

/* Open outputs of the sandbox's path in n processes, and kill them all. */
static void kill_writers(const struct sandbox *s, int n)
{
	pid_t pids[HIDDEN_KNOWN + 1];
	int ends[2], i;
	char c;

	ob__sys_table.openat = no_nameless;
	assert_int_equal(pipe(ends), 0);
	for (i = 0; i < n; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			struct outbuf *ob;

			if (outbuf_open(&ob, s->path, NULL) != 0 || write(ends[1], "x", 1) != 1)
				_exit(1);
			pause();
		}
		/* One after the other: then they have the first n names. */
		assert_int_equal(read(ends[0], &c, 1), 1);
	}
	assert_int_equal(sandbox_entries(s), n);
	for (i = 0; i < n; i++) {
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
	close(ends[0]);
	close(ends[1]);
}

static void test_killed(void **state)
{
	struct sandbox *s = *state;

	kill_writers(s, HIDDEN_KNOWN);
	run_way(s, NAMED);
	assert_int_equal(sandbox_entries(s), 1);
}

/* NFS: an exclusive lock needs a descriptor that is open for writing. */
static int flock_of_nfs(int fd, int operation)
{
	int flags = fcntl(fd, F_GETFL);

	if ((operation & LOCK_EX) && (flags & O_ACCMODE) == O_RDONLY) {
		errno = EBADF;
		return -1;
	}
	return real.flock(fd, operation);
}

static void test_killed_on_nfs(void **state)
{
	struct sandbox *s = *state;

	ob__sys_table.flock = flock_of_nfs;
	kill_writers(s, 3);
	run_way(s, NAMED);
	assert_int_equal(sandbox_entries(s), 1);
}

static int run_as_other(void *arg)
{
	struct outbuf *ob;

	ob__sys_table.openat = no_nameless;
	if (outbuf_open(&ob, arg, NULL) != 0 || fill_some(ob, 'n', 10) != 0)
		return 1;
	return outbuf_commit(ob) != 0 || outbuf_close(ob) != 0 ? 2 : 0;
}

/* An output may be one that its owner cannot read, or not write. (Root can do both.) */
static void test_modes(void **state)
{
	static const mode_t modes[] = { 0400, 0200, 0600 };
	struct sandbox *s = *state;
	int i;

	for (i = 0; i < 3; i++) {
		char path[600];

		known_path(s, i, path);
		write_file(path, "left", 4, 0600);
		assert_int_equal(chmod(path, modes[i]), 0);
		if (geteuid() == 0)
			assert_int_equal(chown(path, 65534, 65534), 0);
	}
	if (geteuid() == 0)
		assert_int_equal(chown(s->dir, 65534, 65534), 0);
	assert_int_equal(in_child(1, run_as_other, s->path), 0);
	assert_int_equal(sandbox_entries(s), 1);
}

static int opened_for_writing;

static int note_writing(int dirfd, const char *path, int flags, mode_t mode)
{
	opened_for_writing += strncmp(path, ".out.", 5) == 0 && !(flags & O_CREAT) && (flags & O_ACCMODE) != O_RDONLY;
	return no_nameless(dirfd, path, flags, mode);
}

/* A file that is open for writing cannot be run, and what looks like a leftover may be published at this moment. */
static void test_reading_is_enough(void **state)
{
	struct sandbox *s = *state;
	int fd, r;

	write_file(s->path, "x", 1, 0600);
	fd = open(s->path, O_RDONLY | O_CLOEXEC);
	r = flock(fd, LOCK_EX);
	close(fd);
	unlink(s->path);
	if (r < 0) {
		print_message("what is open for reading cannot be locked: %s\n", strerror(errno));
		skip();
	}
	kill_writers(s, 2);
	ob__sys_table.openat = note_writing;
	opened_for_writing = 0;
	outbuf_close(open_with(s->path, NULL));
	assert_int_equal(opened_for_writing, 0);
	assert_int_equal(sandbox_entries(s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_names),
		fault_test(test_all_are_found),
		fault_test(test_live_ones_stay),
		fault_test(test_killed),
		fault_test(test_killed_on_nfs),
		fault_test(test_modes),
		fault_test(test_reading_is_enough),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("leftovers", tests, NULL, NULL);
}
