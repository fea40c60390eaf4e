/* SPDX-License-Identifier: MIT */
/*
 * Which spares are written over, and which are left alone: everything that is somebody's, or that a
 * new file would not look like. What is under the hidden name may have been put there by anybody.
 */
#include "config.h"

#include "inject/faults.h"
#include "rigs/spare.h"
#include "system/unix/sys_table.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef HAVE_VM
#include <sys/mman.h>
#endif
#ifdef __linux__
#include <sys/xattr.h>
#endif

#define SIZE ((size_t)40000)
#define SKIPPED 77

static struct sys_table real;

/* One run that must not be recycled. */
static void refused(const struct sandbox *s, const char *why)
{
	struct outbuf_stats stats = run_once(s, 'n', 30000);

	assert_not_recycled(&stats, why);
}

/* ---------------------------------------------------------------- spares that are in use */

/* A process that has something of ours until it is told to end. */
struct holder {
	pid_t pid;
	int tell, hear;
};

/* Runs fn(path, 0) in a child, then fn(path, 1) when it is to end; its exit status. */
static void hold(struct holder *h, int (*fn)(const char *path, int end), const char *path)
{
	int tell[2], hear[2];
	char c;

	assert_int_equal(pipe(tell), 0);
	assert_int_equal(pipe(hear), 0);
	h->pid = fork();
	assert_true(h->pid >= 0);
	if (h->pid == 0) {
		close(tell[1]);
		if (fn(path, 0) != 0 || write(hear[1], "x", 1) != 1)
			_exit(1);
		if (read(tell[0], &c, 1) < 0)
			_exit(2);
		_exit(fn(path, 1));
	}
	close(tell[0]);
	close(hear[1]);
	h->tell = tell[1];
	assert_int_equal(read(hear[0], &c, 1), 1);
	close(hear[0]);
}

static int release(struct holder *h)
{
	int status;

	close(h->tell);
	assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
	return status;
}

static int all_old(const unsigned char *data, ssize_t n)
{
	ssize_t i;

	for (i = 0; i < n; i++)
		if (data[i] != OLD)
			return 0;
	return n == (ssize_t)SIZE;
}

static int have_open(const char *path, int end)
{
	static unsigned char data[SIZE + 1];
	static int fd;

	if (!end) {
		fd = open(path, O_RDONLY);
		return fd < 0;
	}
	return !all_old(data, read(fd, data, sizeof data));
}

#ifdef HAVE_VM
/* Privately, by a descriptor that is closed again. */
static int have_mapped(const char *path, int end)
{
	static unsigned char *data;
	int fd;

	if (end)
		return !all_old(data, (ssize_t)SIZE);
	fd = open(path, O_RDONLY);
	data = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return data == MAP_FAILED;
}
#endif

static void in_use(const struct sandbox *s, int (*fn)(const char *path, int end))
{
	struct outbuf_stats stats;
	struct holder h;
	char spare[600];

	spare_path(s, spare);
	write_file(s->path, "old", 3, 0644);
	spare_plant(s, SIZE);
	hold(&h, fn, spare);
	refused(s, "the spare is in use");
	/* The next one is nobody's. */
	stats = run_once(s, 'm', 20000);
	assert_recycled(&stats);
	assert_int_equal(release(&h), 0);
	assert_int_equal(sandbox_entries(s), 2);
}

static void test_open_elsewhere(void **state)
{
	skip_unrecycled(*state);
	in_use(*state, have_open);
}

static void test_mapped_elsewhere(void **state)
{
#ifdef HAVE_VM
	skip_unrecycled(*state);
	in_use(*state, have_mapped);
#else
	(void)state;
	print_message("nothing is mapped in this build\n");
	skip();
#endif
}

/* ---------------------------------------------------------------- programs that run */

static unsigned char program[1 << 20];
static size_t program_size;

static void read_program(void)
{
	int fd = open("/bin/sleep", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, program, sizeof program);

	if (fd >= 0)
		close(fd);
	if (n <= 0 || (size_t)n == sizeof program) {
		print_message("no /bin/sleep to copy\n");
		skip();
	}
	program_size = (size_t)n;
}

static struct outbuf_stats put_program(const struct sandbox *s)
{
	struct outbuf_options options = recycling();
	struct outbuf_stats stats;
	struct outbuf_view v;
	struct outbuf *ob;

	options.mode = 0777;
	ob = open_with(s->path, &options);
	assert_int_equal(outbuf_map(ob, program_size), 0);
	outbuf_view(ob, &v, 0, program_size);
	outbuf_write(&v, program, program_size);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	stats = stats_of(ob);
	outbuf_close(ob);
	return stats;
}

/* The program runs when this returns. */
static pid_t run_program(const char *path)
{
	int ends[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ends), 0);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		execl(path, "sleep", "20", (char *)NULL);
		_exit(write(ends[1], "x", 1) == 1 ? 1 : 2);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 0); /* closed by execve(2) */
	close(ends[0]);
	return pid;
}

static void assert_running(pid_t pid)
{
	char exe[64];

	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	snprintf(exe, sizeof exe, "/proc/%ld/exe", (long)pid);
	assert_file(exe, program, program_size);
}

static void end_program(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The output is run, becomes the spare when it is replaced, and is still what is run. */
static void test_running(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_stats stats;
	pid_t pid;

	skip_unrecycled(s);
	read_program();
	put_program(s);
	put_program(s);
	pid = run_program(s->path);
	stats = put_program(s);
	assert_recycled(&stats);
	assert_file(s->path, program, program_size);
	assert_running(pid);
	refused(s, "the spare is being run or written");
	assert_running(pid);
	/* Its place was free for another. */
	stats = run_once(s, 'm', 20000);
	assert_recycled(&stats);
	assert_running(pid);
	end_program(pid);
	assert_int_equal(sandbox_entries(s), 2);
}

/* ---------------------------------------------------------------- other names, other things */

static void test_hard_links(void **state)
{
	struct sandbox *s = *state;
	char spare[600], other[600];
	struct victim victim;
	int round;

	skip_unrecycled(s);
	beside(s, "other", other);
	spare_path(s, spare);
	victim_make(&victim, spare, SIZE, 0600);
	need(link(spare, other));
	write_file(s->path, "old", 3, 0644);
	for (round = 0; round < 3; round++) {
		refused(s, "the spare has other names");
		assert_untouched(&victim);
	}
}

/* A link to the output keeps what it had; the output is never kept as a spare then. */
static void test_linked_output(void **state)
{
	struct sandbox *s = *state;
	struct victim victim;
	char other[600];
	struct stat st;
	int round;

	beside(s, "other", other);
	victim_make(&victim, s->path, SIZE, 0600);
	snprintf(victim.path, sizeof victim.path, "%s", other);
	need(link(s->path, other));
	for (round = 0; round < 5; round++) {
		run_once(s, (uint8_t)round, 30000);
		assert_untouched(&victim);
		if (round == 0) {
			assert_int_equal(sandbox_entries(s), 2);
			assert_int_equal(lstat(other, &st), 0);
			assert_int_equal(st.st_nlink, 1);
		}
	}
	assert_in_range(sandbox_entries(s), 2, 3);
}

/* Nothing here may block, either: the alarm would say so. */
static void test_planted(void **state)
{
	static const char why[] = "the spare's name is not a regular file's";
	struct sandbox *s = *state;
	char spare[600], path[600];
	struct victim victim;
	struct stat st;

	skip_unrecycled(s);
	alarm(60);
	spare_path(s, spare);
	beside(s, "victim", path);
	victim_make(&victim, path, SIZE, 0600);
	write_file(s->path, "old", 3, 0644);

	assert_int_equal(symlink(path, spare), 0);
	refused(s, why);
	assert_int_equal(lstat(spare, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_untouched(&victim);
	assert_int_equal(unlink(spare), 0);

	assert_int_equal(mkfifo(spare, 0600), 0);
	refused(s, why);
	assert_int_equal(unlink(spare), 0);

	assert_int_equal(mkdir(spare, 0700), 0);
	refused(s, why);
	assert_int_equal(rmdir(spare), 0);
	assert_int_equal(sandbox_entries(s), 2);
	alarm(0);
}

static struct sandbox *box;

/* `arg`: the reason that it must be told. */
static int refuse_as_other(void *arg)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf_stats stats = { .size = sizeof stats };
	struct outbuf *ob;
	int r;

	options.recycle = 1;
	if (outbuf_open(&ob, box->path, &options) != 0)
		return 1;
	if (outbuf_stats(ob, &stats) != 0 || stats.recycle_why == NULL)
		return 2;
	if (strcmp(stats.recycle_why, arg) != 0)
		return 3;
	r = fill_some(ob, 'n', 1000) != 0 || outbuf_commit(ob) != 0 ? 4 : 0;
	outbuf_close(ob);
	return r;
}

/* Readable and writable for all: whose it is counts. For root too, who may do everything. */
static void test_of_others(void **state)
{
	static char somebody_elses[] = "the spare is somebody else's";
	struct sandbox *s = *state;
	struct victim victim;
	char spare[600];

	skip_unrecycled(s);
	if (geteuid() != 0) {
		print_message("only root can give a file to another user\n");
		skip();
	}
	spare_path(s, spare);
	victim_make(&victim, spare, SIZE, 0666);
	assert_int_equal(chmod(s->dir, 0777), 0);
	box = s;
	assert_int_equal(in_child(1, refuse_as_other, somebody_elses), 0);
	assert_all(s->path, 'n', 1000);
	assert_untouched(&victim);

	assert_int_equal(chown(spare, 65534, (gid_t)-1), 0);
	assert_int_equal(lstat(spare, &victim.st), 0);
	refused(s, "the spare is somebody else's");
	assert_untouched(&victim);
	/* Of the output that another made none is kept. */
	assert_int_equal(unlink(spare), 0);
	assert_int_equal(chown(s->path, 65534, (gid_t)-1), 0);
	run_once(s, 'n', 1000);
	assert_int_equal(sandbox_entries(s), 1);

	/* A group is whose a file is, too. */
	spare_plant(s, SIZE);
	assert_int_equal(chown(spare, (uid_t)-1, 12345), 0);
	refused(s, "the spare has another group");
	spare_plant(s, SIZE);
	assert_recycled(&(struct outbuf_stats){ .placement = run_once(s, 'n', 1000).placement });
}

/* An immutable file (chattr(1)). */
static int not_permitted(int dirfd, const char *path, int flags, mode_t mode)
{
	if ((flags & O_ACCMODE) == O_RDWR && !(flags & O_CREAT) && strncmp(path, ".out.outbuf-", 12) == 0) {
		errno = EPERM;
		return -1;
	}
	return real.openat(dirfd, path, flags, mode);
}

/* The spare is ours, but may not be written. It is not somebody else's, and makes room for a better one. */
static void test_not_writable(void **state)
{
	static char why[] = "the spare may not be opened for writing";
	static const mode_t modes[] = { 0400, 0200, 0444 };
	struct sandbox *s = *state;
	char spare[600];
	size_t i;

	skip_unrecycled(s);
	spare_path(s, spare);
	box = s;
	for (i = 0; i < sizeof modes / sizeof *modes; i++) {
		spare_plant(s, SIZE);
		write_file(s->path, "old", 3, 0644);
		assert_int_equal(chmod(spare, modes[i]), 0);
		if (geteuid() == 0) {
			assert_int_equal(chown(spare, 65534, 65534), 0);
			assert_int_equal(chown(s->dir, 65534, 65534), 0);
			assert_int_equal(chown(s->path, 65534, 65534), 0);
		}
		assert_int_equal(in_child(1, refuse_as_other, why), 0);
		assert_all(s->path, 'n', 1000);
		/* What was at the path is the next spare. */
		assert_int_equal(sandbox_entries(s), 2);
		assert_file(spare, "old", 3);
		assert_int_equal(unlink(spare), 0);
		assert_int_equal(unlink(s->path), 0);
	}
	spare_plant(s, SIZE);
	write_file(s->path, "old", 3, 0644);
	ob__sys_table.openat = not_permitted;
	refused(s, why);
}

/* ---------------------------------------------------------------- as a new file */

static void test_mode(void **state)
{
	static const mode_t modes[] = { 0644, 0750, 04640, 06750, 0777, 04755, 02755, 06777 };
	struct outbuf_options options = recycling();
	struct sandbox *s = *state;
	char spare[600];
	size_t i;

	skip_unrecycled(s);
	spare_path(s, spare);
	for (i = 0; i < sizeof modes / sizeof *modes; i++) {
		mode_t before = umask(027);
		struct outbuf *ob;
		struct stat st;

		options.mode = i % 2 == 0 ? 0666 : 0775;
		spare_plant(s, SIZE);
		assert_int_equal(chmod(spare, modes[i]), 0);
		ob = open_with(s->path, &options);
		umask(before);
		assert_null(stats_of(ob).recycle_why);
		assert_int_equal(stat(spare, &st), 0);
		assert_int_equal(st.st_mode & 07777, options.mode & 0750);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_int_equal(stat(s->path, &st), 0);
		assert_int_equal(st.st_mode & 07777, options.mode & 0750);
		assert_int_equal(unlink(s->path), 0);
	}
}

/* What somebody made private is not given to all again while it is there to be read. */
static void test_private_spare(void **state)
{
	static const mode_t modes[] = { 0600, 0, 0400, 0604 };
	struct outbuf_options options = recycling();
	struct sandbox *s = *state;
	char spare[600];
	size_t i;

	skip_unrecycled(s);
	spare_path(s, spare);
	for (i = 0; i < sizeof modes / sizeof *modes; i++) {
		mode_t before = umask(022);
		struct outbuf *ob;

		spare_plant(s, SIZE);
		assert_int_equal(chmod(spare, modes[i]), 0);
		ob = open_with(s->path, &options);
		umask(before);
		assert_string_not_equal(stats_of(ob).placement, "recycled");
		/* Not to be opened by who may not. */
		if (geteuid() == 0 || (modes[i] & 0600) == 0600) {
			assert_string_equal(stats_of(ob).recycle_why, "the spare had fewer permissions");
			assert_absent(spare);
		}
		outbuf_close(ob);
		unlink(spare);
	}
}

static int f_fchmod(int fd, mode_t mode)
{
	return call_fails() ? -1 : real.fchmod(fd, mode);
}

static void test_mode_stays(void **state)
{
	struct outbuf_options options = recycling();
	struct sandbox *s = *state;
	struct outbuf *ob;
	char spare[600];

	skip_unrecycled(s);
	spare_path(s, spare);
	spare_plant(s, SIZE);
	assert_int_equal(chmod(spare, 0777), 0);
	ob__sys_table.fchmod = f_fchmod;
	arm(1, EPERM, 0);
	ob = open_with(s->path, &options);
	assert_non_null(stats_of(ob).recycle_why);
	assert_string_equal(stats_of(ob).recycle_why, "the spare's permissions cannot be set");
	/* It is no good and ours, so it is gone at once. */
	assert_absent(spare);
	outbuf_close(ob);
}

static void test_attributes(void **state)
{
#ifdef __linux__
	/* Version 2; user rwx, user 1 r, group r, mask r, other none: see acl(5), linux/posix_acl_xattr.h. */
	static const unsigned char acl[] = {
		2, 0, 0, 0, 1,    0, 6, 0, 255, 255, 255, 255, 2,    0, 4, 0, 1,   0,   0,   0,
		4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
	};
	struct sandbox *s = *state;
	struct outbuf_stats stats;
	char spare[600], value[16];

	skip_unrecycled(s);
	spare_path(s, spare);
	write_file(s->path, "old", 3, 0644);
	spare_plant(s, SIZE);
	if (setxattr(spare, "user.outbuf", "x", 1, 0) < 0 && errno == EOPNOTSUPP) {
		print_message("no extended attributes of users here\n");
	} else {
		refused(s, "the spare has other attributes");
		assert_int_equal(getxattr(s->path, "user.outbuf", value, sizeof value), -1);
	}
	spare_plant(s, SIZE);
	if (setxattr(spare, "system.posix_acl_access", acl, sizeof acl, 0) < 0) {
		assert_int_equal(errno, EOPNOTSUPP);
		print_message("no access control lists here\n");
		skip();
	}
	refused(s, "the spare has other attributes");
	/* Those that a new file has as well are no reason. */
	assert_int_equal(setxattr(s->dir, "system.posix_acl_default", acl, sizeof acl, 0), 0);
	spare_path(s, spare);
	assert_int_equal(unlink(spare), 0);
	spare_plant(s, SIZE);
	stats = run_once(s, 'n', 1000);
	assert_recycled(&stats);
	assert_true(getxattr(s->path, "system.posix_acl_access", NULL, 0) > 0);
#else
	(void)state;
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_open_elsewhere),
		fault_test(test_mapped_elsewhere),
		fault_test(test_running),
		fault_test(test_hard_links),
		fault_test(test_linked_output),
		fault_test(test_planted),
		fault_test(test_of_others),
		fault_test(test_not_writable),
		fault_test(test_mode),
		fault_test(test_private_spare),
		fault_test(test_mode_stays),
		fault_test(test_attributes),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("spare", tests, NULL, NULL);
}
