/* SPDX-License-Identifier: MIT */
/*
 * What commit waits for, and in which order: the file is on the disk before it has the path's name, the
 * directory after that. And what becomes of the output if one of them fails. Calls are written down
 * as they come, one letter each.
 */
#include "config.h"

#include "inject/faults.h"
#include "policy/fspolicy.h"
#include "rigs/spare.h"
#include "system/unix/sys_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sys_table real;

/* M fchmod, T ftruncate, F fsync of the file, D of the directory, d fdatasync, L linkat, R renameat, X exchange */
static char calls[64];
static char failing; /* the letter that fails */

static int note(char letter)
{
	size_t n = strlen(calls);

	if (n + 1 < sizeof calls)
		calls[n] = letter;
	errno = EIO;
	return letter == failing;
}

static int f_fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	return note(S_ISDIR(st.st_mode) ? 'D' : 'F') ? -1 : real.fsync(fd);
}

static const char *running; /* the output, which is a program; NULL: nobody asks */
static int ran;

/* The directory is synced: by now the output may be run, so nobody may have it open for writing. */
static int f_fsync_and_run(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && running != NULL)
		ran = WEXITSTATUS(system(running));
	return real.fsync(fd);
}

static int f_fdatasync(int fd) { return note('d') ? -1 : real.fdatasync(fd); }
static int f_fchmod(int fd, mode_t mode) { return note('M') ? -1 : real.fchmod(fd, mode); }

static int f_ftruncate(int fd, off_t size)
{
	return note('T') ? -1 : real.ftruncate(fd, size);
}

static ssize_t f_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	note('w');
	return real.pwrite(fd, data, n, offset);
}

/* Only what worked. */
static int f_linkat(int fromdir, const char *from, int todir, const char *to, int flags)
{
	int r = real.linkat(fromdir, from, todir, to, flags);

	if (r == 0)
		note('L');
	return r;
}

static int f_renameat(int fromdir, const char *from, int todir, const char *to)
{
	int r = real.renameat(fromdir, from, todir, to);

	if (r == 0)
		note('R');
	return r;
}

static int f_exchange(int dirfd, const char *a, const char *b)
{
	int r = real.exchange(dirfd, a, b);

	if (r == 0)
		note('X');
	return r;
}

static void write_down(void)
{
	ob__sys_table.fsync = f_fsync;
	ob__sys_table.fdatasync = f_fdatasync;
	ob__sys_table.fchmod = f_fchmod;
	ob__sys_table.ftruncate = f_ftruncate;
	ob__sys_table.linkat = f_linkat;
	ob__sys_table.renameat = f_renameat;
	ob__sys_table.exchange = f_exchange;
	ob__sys_table.pwrite = f_pwrite;
}

/* How an output comes to its path, and the calls that give it its name. */
static const struct placing { const char *placement, *naming; } placings[] = {
	{ "nameless", "LR" }, { "named", "R" }, { "recycled", "X" }, { "in-place", "" },
};

#define PLACINGS (sizeof placings / sizeof *placings)

/* "old" at the path, and an output that is to replace it; NULL: not to be had here. */
static struct outbuf *begin(const struct sandbox *s, const struct placing *p, uint32_t durability,
                            uint32_t mode)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;
	char spare[600];

	/* Where it cannot be exchanged, a recycled file is renamed. */
	if (*p->naming == 'X' && !can_exchange(s))
		return NULL;
	spare_path(s, spare);
	unlink(spare);
	unlink(s->path);
	write_file(s->path, "old", 3, 0644);
	o.durability = durability;
	o.mode = mode;
	o.recycle = strcmp(p->placement, "recycled") == 0;
	o.replace = strcmp(p->placement, "in-place") == 0 ? OUTBUF_REPLACE_IN_PLACE
	                                                  : OUTBUF_REPLACE_ATOMIC;
	if (o.recycle)
		spare_plant(s, 30000);
	ob__sys_table.openat = strcmp(p->placement, "named") == 0 ? no_nameless : real.openat;
	memset(calls, 0, sizeof calls);
	ob = open_with(s->path, &o);
	if (strcmp(stats_of(ob).placement, p->placement) != 0) {
		print_message("not %s: %s\n", p->placement, stats_of(ob).placement);
		outbuf_close(ob);
		unlink(spare);
		return NULL;
	}
	/* A spare is not written over before the disk has what made it one. */
	assert_int_equal(strchr(calls, 'D') != NULL, o.recycle && durability != OUTBUF_DURABLE_NONE);
	assert_int_equal(outbuf_map(ob, 5000), 0);
	assert_int_equal(fill_some(ob, 'n', 20001), 0);
	memset(calls, 0, sizeof calls);
	return ob;
}

/* The calls without those that have nothing to do with it. */
static void assert_these_calls(const char *durable, const struct placing *p)
{
	char want[64], got[64] = "";
	size_t i, n = 0;

	/* A file without a name gets one before it is synced: btrfs does not log it else (Linux 6.1, 6.12). */
	if (durable[0] == 'F' && p->naming[0] == 'L')
		snprintf(want, sizeof want, "LF%s", p->naming + 1);
	else
		snprintf(want, sizeof want, "%s%s", durable[0] == 'F' ? "F" : "", p->naming);
	/* Then what is behind the name: "F" once more, on some file systems, and the directory. */
	strcat(want, durable + (durable[0] == 'F'));
	for (i = 0; calls[i] != '\0'; i++)
		if (strchr("wTM", calls[i]) == NULL)
			got[n++] = calls[i];
	assert_string_equal(got, want);
	/* After the file's sync nothing changes it any more. */
	if (durable[0] == 'F') {
		const char *after = strchr(calls, 'F');

		assert_non_null(after);
		assert_null(strpbrk(after, "wTM"));
	}
}

/* Does the library sync the file once more here, after rename(2), as on vfat? */
static int syncs_twice(const struct sandbox *s)
{
	int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct fspolicy *row;

	assert_int_equal(ob__fspolicy_of_file(dir, &row), 0);
	close(dir);
	return row->sync_renamed;
}

/* The same, where "FD" may stand for "FFD". */
static void assert_calls(const struct sandbox *s, const char *durable, const struct placing *p)
{
	int renamed = strchr(p->naming, 'R') != NULL;

	assert_these_calls(renamed && strcmp(durable, "FD") == 0 && syncs_twice(s) ? "FFD" : durable, p);
}

static void test_levels(void **state)
{
	static const char *const want[] = { "", "F", "FD" };
	struct sandbox *s = *state;
	uint32_t level;
	size_t i;

	write_down();
	for (level = OUTBUF_DURABLE_NONE; level <= OUTBUF_DURABLE_FULL; level++)
		for (i = 0; i < PLACINGS; i++) {
			struct outbuf *ob = begin(s, &placings[i], level, 0);

			if (ob == NULL)
				continue;
			assert_int_equal(outbuf_commit(ob), 0);
			/* What was exchanged is written over by the next run: the exchange must be on the disk. */
			assert_calls(s, level == OUTBUF_DURABLE_DATA && placings[i].naming[0] == 'X' ? "FD"
			                                                                         : want[level],
			             &placings[i]);
			assert_int_equal(stats_of(ob).phase_ns[OUTBUF_PHASE_SYNC] > 0, level > 0);
			outbuf_close(ob);
			assert_all(s->path, 'n', 20001);
		}
}

/* Also where nothing stands at the path it has a hidden name while it is synced. Without durability one call names it. */
static void test_new_file(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;
	char want[8];

	write_down();
	o.durability = OUTBUF_DURABLE_FULL;
	ob = open_with(s->path, &o);
	assert_int_equal(fill_some(ob, 'n', 100), 0);
	memset(calls, 0, sizeof calls);
	assert_int_equal(outbuf_commit(ob), 0);
	snprintf(want, sizeof want, "%sFR%sD", strcmp(stats_of(ob).placement, "nameless") == 0 ? "L" : "",
	         syncs_twice(s) ? "F" : "");
	assert_string_equal(strpbrk(calls, "LF"), want);
	outbuf_close(ob);
	unlink(s->path);

	o.durability = OUTBUF_DURABLE_NONE;
	ob = open_with(s->path, &o);
	assert_int_equal(fill_some(ob, 'n', 100), 0);
	memset(calls, 0, sizeof calls);
	assert_int_equal(outbuf_commit(ob), 0);
	assert_string_equal(strpbrk(calls, "LR"), strcmp(stats_of(ob).placement, "nameless") == 0 ? "L" : "R");
	outbuf_close(ob);
}

#ifdef __linux__
/* On FAT, what a name leads to is written with the file, and not with the directory: the file is synced once more. */
static void test_name_is_synced(void **state)
{
	static const struct { uint32_t magic; int twice; } systems[] = {
		{ 0x4d44, 1 }, { 0x7366746e, 1 }, { 0x12345, 1 }, { 0x2011bab0, 0 }, { 0xef53, 0 }, { 0x58465342, 0 },
	};
	struct sandbox *s = *state;
	size_t i;

	for (i = 0; i < sizeof systems / sizeof *systems; i++) {
		struct outbuf *ob;

		write_down();
		pretend_file_system(systems[i].magic);
		ob = begin(s, &placings[1], OUTBUF_DURABLE_FULL, 0);
		assert_non_null(ob);
		assert_int_equal(outbuf_commit(ob), 0);
		assert_these_calls(systems[i].twice ? "FFD" : "FD", &placings[1]);
		outbuf_close(ob);
		ob = begin(s, &placings[1], OUTBUF_DURABLE_DATA, 0);
		assert_int_equal(outbuf_commit(ob), 0);
		assert_these_calls("F", &placings[1]);
		outbuf_close(ob);
		/* In place nothing is renamed. */
		ob = begin(s, &placings[3], OUTBUF_DURABLE_FULL, 0);
		assert_int_equal(outbuf_commit(ob), 0);
		assert_these_calls("FD", &placings[3]);
		outbuf_close(ob);
		assert_all(s->path, 'n', 20001);
	}
}
#endif

static void test_runs_at_once(void **state)
{
	static const char script[] = "#!/bin/sh\nexit 7\n";
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct sandbox *s = *state;
	struct outbuf_view v;
	struct outbuf *ob;

	o.durability = OUTBUF_DURABLE_FULL;
	o.mode = 0777;
	ob = open_with(s->path, &o);
	assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
	outbuf_write_string(&v, script);
	assert_int_equal(outbuf_view_end(&v), 0);
	running = s->path;
	ran = -1;
	ob__sys_table.fsync = f_fsync_and_run;
	assert_int_equal(outbuf_commit(ob), 0);
	running = NULL;
	outbuf_close(ob);
	/* 126: it is busy. */
	assert_int_equal(ran, 7);
}

/* The bits that give rights away come after the last byte and before the disk has it. */
static void test_mode_is_synced(void **state)
{
	struct sandbox *s = *state;
	size_t i;

	need_permissions(s);
	write_down();
	for (i = 0; i < 3; i++) {
		struct outbuf *ob = begin(s, &placings[i], OUTBUF_DURABLE_DATA, 04755);
		const char *m;

		if (ob == NULL)
			continue;
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		m = strchr(calls, 'M');
		assert_non_null(m);
		assert_true(m[1] == 'F' || (m[1] == 'L' && m[2] == 'F'));
		assert_null(strpbrk(m, "wT"));
	}
}

static void test_file_fails(void **state)
{
	struct sandbox *s = *state;
	size_t i;

	write_down();
	for (i = 0; i < PLACINGS; i++) {
		int in_place = strcmp(placings[i].placement, "in-place") == 0;
		struct outbuf *ob = begin(s, &placings[i], OUTBUF_DURABLE_FULL, 0);

		if (ob == NULL)
			continue;
		failing = 'F';
		assert_int_equal(outbuf_commit(ob), -EIO);
		failing = 0;
		/* At most it has a hidden name, which is removed. */
		assert_null(strpbrk(calls, "RXD"));
		assert_int_equal(outbuf_error(ob), -EIO);
		assert_int_equal(outbuf_commit(ob), -EIO);
		assert_int_equal(outbuf_discard(ob), 0);
		outbuf_close(ob);
		if (!in_place)
			assert_file(s->path, "old", 3);
		assert_int_equal(sandbox_entries(s), 1);
	}
}

/* The new file is there for good, the error says what is missing; it is not to be given up. */
static void test_directory_fails(void **state)
{
	struct sandbox *s = *state;
	size_t i;

	write_down();
	for (i = 0; i < PLACINGS; i++) {
		struct outbuf *ob = begin(s, &placings[i], OUTBUF_DURABLE_FULL, 0);

		if (ob == NULL)
			continue;
		failing = 'D';
		assert_int_equal(outbuf_commit(ob), -EIO);
		failing = 0;
		assert_calls(s, "FD", &placings[i]);
		assert_all(s->path, 'n', 20001);
		assert_int_equal(outbuf_error(ob), -EIO);
		assert_int_equal(outbuf_discard(ob), -EINVAL);
		assert_int_equal(outbuf_commit(ob), -EINVAL);
		outbuf_close(ob);
		assert_all(s->path, 'n', 20001);
	}
}

/* Without read permission a directory can be written to, but not synced. */
static int open_unreadable(void *arg)
{
	const struct sandbox *s = arg;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;
	int r;

	o.durability = OUTBUF_DURABLE_FULL;
	if (outbuf_open(&ob, s->path, &o) != -EACCES || ob != NULL)
		return 1;
	o.durability = OUTBUF_DURABLE_DATA;
	if (outbuf_open(&ob, s->path, &o) != 0)
		return 2;
	r = fill_some(ob, 'n', 10) != 0 || outbuf_commit(ob) != 0 ? 3 : 0;
	outbuf_close(ob);
	return r;
}

static void test_unreadable_directory(void **state)
{
	struct sandbox *s = *state;
	int r;

	need_permissions(s);
	assert_int_equal(chmod(s->dir, 0333), 0);
	r = in_child(1, open_unreadable, s);
	assert_int_equal(chmod(s->dir, 0755), 0);
	if (r == 1 && sandbox_entries(s) == 0) {
		struct stat st;

		assert_int_equal(stat(s->dir, &st), 0);
		if ((st.st_mode & 0777) != 0755) {
			print_message("no permissions here\n");
			skip();
		}
	}
	assert_int_equal(r, 0);
	assert_file(s->path, "nnnnnnnnnn", 10);
}

/* Others than files: what can be waited for, is; a pipe cannot. */
static void test_descriptors(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;
	int fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), ends[2];

	write_down();
	o.durability = OUTBUF_DURABLE_DATA;
	assert_int_equal(outbuf_open_fd(&ob, fd, &o), 0);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	memset(calls, 0, sizeof calls);
	assert_int_equal(outbuf_commit(ob), 0);
	assert_string_equal(calls, "d");
	outbuf_close(ob);
	close(fd);
	assert_file(s->path, "nnnnnnnnnn", 10);

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(outbuf_open_fd(&ob, ends[1], &o), 0);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(outbuf_open_memory(&ob, &o), 0);
	memset(calls, 0, sizeof calls);
	assert_int_equal(outbuf_commit(ob), 0);
	assert_string_equal(calls, "");
	outbuf_close(ob);
}

static void test_options(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	o.durability = OUTBUF_DURABLE_FULL + 1;
	assert_int_equal(outbuf_open(&ob, s->path, &o), -EINVAL);
	o.durability = 0;
	o.lock = OUTBUF_LOCK_WAIT + 1;
	assert_int_equal(outbuf_open(&ob, s->path, &o), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_levels),
		fault_test(test_new_file),
#ifdef __linux__
		fault_test(test_name_is_synced),
#endif
		fault_test(test_runs_at_once),
		fault_test(test_mode_is_synced),
		fault_test(test_file_fails),
		fault_test(test_directory_fails),
		fault_test(test_unreadable_directory),
		fault_test(test_descriptors),
		fault_test(test_options),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("durable", tests, NULL, NULL);
}
