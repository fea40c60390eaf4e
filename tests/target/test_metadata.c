/* SPDX-License-Identifier: MIT */
/*
 * What a file is besides its bytes: mode, owner, links, attributes. What the output has of them, what it
 * does not take over from the file it replaces, and when a program gets the rights it is to have.
 */
#include "config.h"

#include "inject/faults.h"
#include "rigs/spare.h"
#include "system/unix/sys_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/xattr.h>
#endif

static struct sys_table real;

/* ------------------------------------------------------------- rights that come last */

static int file = -1; /* the output's descriptor */
static int named, seen;

static int note_open(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd = named ? no_nameless(dirfd, path, flags, mode) : real.openat(dirfd, path, flags, mode);

	if (fd >= 0 && (flags & O_ACCMODE) == O_RDWR)
		file = fd;
	return fd;
}

static int special_bits(void)
{
	struct stat st;

	return fstat(file, &st) < 0 ? -1 : (int)(st.st_mode & 07000);
}

static ssize_t look_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	seen |= special_bits();
	return real.pwrite(fd, data, n, offset);
}

static ssize_t look_write(int fd, const void *data, size_t n)
{
	seen |= special_bits();
	return real.write(fd, data, n);
}

static int look_truncate(int fd, off_t size)
{
	seen |= special_bits();
	return real.ftruncate(fd, size);
}

/* 0, or the line that failed. */
static int special_mode(const char *path, mode_t mode, const struct outbuf_options *from)
{
	struct outbuf_options options = *from;
	mode_t before = umask(022);
	struct outbuf *ob;
	struct stat st;
	int r;

	options.mode = mode;
	r = outbuf_open(&ob, path, &options);
	umask(before);
	if (r != 0)
		return __LINE__;
	seen = special_bits();
	if (outbuf_map(ob, 100000) != 0 || fill_some(ob, 'n', 200000) != 0)
		return __LINE__;
	seen |= special_bits();
	if (outbuf_commit(ob) != 0)
		return __LINE__;
	outbuf_close(ob);
	if (seen != 0)
		return __LINE__;
	if (stat(path, &st) != 0 || (st.st_mode & 07777) != (mode & 07755))
		return __LINE__;
	return 0;
}

static int special_modes(void *arg)
{
	static const mode_t modes[] = { 04755, 02755, 06777, 01644, 0755 };
	struct sandbox *s = arg;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	size_t i;
	int way, r;

	for (i = 0; i < sizeof modes / sizeof *modes; i++)
		for (way = 0; way < 4; way++) {
			named = way == 1;
			o.replace = way == 2 ? OUTBUF_REPLACE_IN_PLACE : OUTBUF_REPLACE_ATOMIC;
			o.recycle = way == 3;
			if (way == 2)
				unlink(s->path);
			r = special_mode(s->path, modes[i], &o);
			if (r == 0 && way == 3) /* over what was just made */
				r = special_mode(s->path, modes[i], &o);
			if (r == 0 && way == 3)
				r = special_mode(s->path, modes[i], &o);
			if (r != 0) {
				fprintf(stderr, "mode %o, way %d: line %d\n", modes[i], way, r);
				return 1;
			}
		}
	return 0;
}

static void look_on(void)
{
	ob__sys_table.openat = note_open;
	ob__sys_table.pwrite = look_pwrite;
	ob__sys_table.write = look_write;
	ob__sys_table.ftruncate = look_truncate;
}

static void test_special_modes(void **state)
{
	struct sandbox *s = *state;
	struct stat st;

	write_file(s->path, "old", 3, 0644);
	if (chmod(s->path, 04755) < 0 || stat(s->path, &st) < 0 || !(st.st_mode & 04000)) {
		print_message("no such modes here\n");
		skip();
	}
	look_on();
	assert_int_equal(special_modes(s), 0);
	unlink(s->path);
	assert_int_equal(chmod(s->dir, 0777), 0);
	assert_int_equal(in_child(1, special_modes, s), 0);
}

/* An old program with rights is not kept when a new one comes, who knows why. */
static void test_no_old_rights(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_stats stats;

	skip_unrecycled(s);
	write_file(s->path, "old", 3, 0644);
	assert_int_equal(chmod(s->path, 04755), 0);
	stats = run_once(s, 'n', 1000);
	assert_not_recycled(&stats, "no spare yet");
	assert_int_equal(sandbox_entries(s), 1);
}

/* ------------------------------------------------------------- what is taken over */

/* The output is a new file: nothing but the name is the old one's. */
static void test_not_carried_over(void **state)
{
	struct sandbox *s = *state;
	struct stat before, after;
	struct outbuf *ob;
	mode_t mask;

	need_permissions(s);
	mask = umask(022);
	write_file(s->path, "old", 3, 0644);
	assert_int_equal(chmod(s->path, 0600), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(s->path, 65534, 65533), 0);
#ifdef __linux__
	if (setxattr(s->path, "user.outbuf", "x", 1, 0) < 0)
		print_message("no extended attributes of users here\n");
#endif
	assert_int_equal(stat(s->path, &before), 0);
	ob = open_with(s->path, NULL);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	umask(mask);
	assert_int_equal(stat(s->path, &after), 0);
	assert_int_not_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_uid, geteuid());
	assert_int_equal(after.st_gid, getegid());
	if ((before.st_mode & 0777) == 0600) /* not so on vfat */
		assert_int_equal(after.st_mode & 07777, 0644);
#ifdef __linux__
	assert_int_equal(getxattr(s->path, "user.outbuf", NULL, 0), -1);
#endif
}

static void test_in_place_keeps(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct stat before, after;
	char other[600];
	struct outbuf *ob;
	int attribute = 0;

	need_hard_links(s);
	need_permissions(s);
	beside(s, "other", other);
	write_file(s->path, "old", 3, 0644);
	assert_int_equal(chmod(s->path, 0640), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(s->path, 65534, 65533), 0);
	/* Last: bindfs has an inode for each name, and what it told of one of them stands for a second. */
	need(link(s->path, other));
#ifdef __linux__
	attribute = setxattr(s->path, "user.outbuf", "x", 1, 0) == 0;
#endif
	assert_int_equal(stat(s->path, &before), 0);
	o.replace = OUTBUF_REPLACE_IN_PLACE;
	o.mode = 04777;
	ob = open_with(s->path, &o);
	assert_int_equal(fill_some(ob, 'n', 5000), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_int_equal(stat(other, &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_uid, before.st_uid);
	assert_int_equal(after.st_gid, before.st_gid);
	assert_int_equal(after.st_nlink, 2);
	assert_all(other, 'n', 5000);
#ifdef __linux__
	if (attribute)
		assert_int_equal(getxattr(s->path, "user.outbuf", NULL, 0), 1);
#else
	(void)attribute;
#endif
}

/* What the directory says of new files holds for outputs. */
static void test_default_acl(void **state)
{
#ifdef __linux__
	/* Version 2; user rwx, user 1 r, group r, mask r, other none: see acl(5). */
	static const unsigned char acl[] = {
		2, 0, 0, 0, 1,    0, 6, 0, 255, 255, 255, 255, 2,    0, 4, 0, 1,   0,   0,   0,
		4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
	};
	struct sandbox *s = *state;
	char plain[600];
	ssize_t want, got;
	unsigned char there[256], ours[256];
	int i;

	if (setxattr(s->dir, "system.posix_acl_default", acl, sizeof acl, 0) < 0) {
		print_message("no access control lists here: %s\n", strerror(errno));
		skip();
	}
	beside(s, "plain", plain);
	close(open(plain, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	want = getxattr(plain, "system.posix_acl_access", there, sizeof there);
	ob__sys_table.openat = note_open;
	for (i = 0; i < 2; i++) {
		struct outbuf *ob;
		struct stat st;

		named = i;
		ob = open_with(s->path, NULL);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		got = getxattr(s->path, "system.posix_acl_access", ours, sizeof ours);
		assert_int_equal(got, want);
		assert_true(got <= 0 || memcmp(there, ours, (size_t)got) == 0);
		assert_int_equal(stat(s->path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0640);
	}
#else
	(void)state;
	skip();
#endif
}

/* ------------------------------------------------------------- run at once */

#define PROGRAMS 4
#define ROUNDS 13

static unsigned char program[1 << 20];
static size_t program_size;

static int write_program(void *arg, unsigned i)
{
	const struct sandbox *s = arg;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf_view v;
	struct outbuf *ob;
	char path[600];

	snprintf(path, sizeof path, "%s/program-%u", s->dir, i);
	o.mode = 0755;
	o.recycle = i % 2;
	if (outbuf_open(&ob, path, &o) != 0 || outbuf_map(ob, program_size) != 0)
		return __LINE__;
	outbuf_view(ob, &v, 0, program_size);
	outbuf_write(&v, program, program_size);
	if (outbuf_view_end(&v) != 0 || outbuf_commit(ob) != 0)
		return __LINE__;
	outbuf_close(ob);
	return 0;
}

/* No descriptor for writing is left when commit returns: ETXTBSY. (Who forks meanwhile has copies.) */
static void test_run_at_once(void **state)
{
	struct sandbox *s = *state;
	int fd = open("/bin/true", O_RDONLY | O_CLOEXEC), round, status;
	ssize_t n = fd < 0 ? 0 : read(fd, program, sizeof program);
	char path[600];
	unsigned i;

	if (fd >= 0)
		close(fd);
	if (n <= 0 || (size_t)n == sizeof program) {
		print_message("no /bin/true to copy\n");
		skip();
	}
	program_size = (size_t)n;
	for (round = 0; round < ROUNDS; round++) {
		assert_int_equal(run_threads(PROGRAMS, write_program, s), 0);
		for (i = 0; i < PROGRAMS; i++) {
			pid_t pid;

			snprintf(path, sizeof path, "%s/program-%u", s->dir, i);
			pid = fork();
			if (pid == 0) {
				execl(path, "true", (char *)NULL);
				_exit(errno);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_int_equal(status, 0);
		}
	}
}

/* A group that is not the writer's: chmod(2) leaves setgid out, and says nothing. Commit does. */
static int with_foreign_group(void *arg)
{
	const struct sandbox *s = arg;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;
	int r;

	o.mode = 02755;
	if (outbuf_open(&ob, s->path, &o) != 0 || fill_some(ob, 'n', 100) != 0)
		return 1;
	r = outbuf_commit(ob);
	outbuf_close(ob);
	return r == -EPERM ? 0 : 2;
}

static void test_foreign_group(void **state)
{
	struct sandbox *s = *state;
	struct stat st;

	need_permissions(s);
	if (geteuid() != 0) {
		print_message("only root can play others\n");
		skip();
	}
	/* Files in it have the directory's group. */
	assert_int_equal(chmod(s->dir, 02777), 0);
	assert_int_equal(stat(s->dir, &st), 0);
	if (!(st.st_mode & 02000)) {
		print_message("no such modes here\n");
		skip();
	}
	write_file(s->path, "old", 3, 0666);
	assert_int_equal(in_child(1, with_foreign_group, s), 0);
	assert_file(s->path, "old", 3);
	assert_int_equal(sandbox_entries(s), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_special_modes),
		fault_test(test_no_old_rights),
		fault_test(test_not_carried_over),
		fault_test(test_in_place_keeps),
		fault_test(test_foreign_group),
		fault_test(test_default_acl),
		fault_test(test_run_at_once),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("metadata", tests, NULL, NULL);
}
