/* SPDX-License-Identifier: MIT */
/*
 * A directory like /tmp, where anybody may have put anything under the names that we use: links and
 * hard links to a file of a third one's, FIFOs, files that are theirs. Whatever is written there,
 * in whatever way, by root or not, the third one's file stays as it is, and nothing waits.
 */
#include "config.h"

#include "inject/faults.h"
#include "rigs/spare.h"
#include "system/unix/sys_table.h"
#include "target/hidden_name.h"
#include "target/unix/background.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef O_PATH
#define O_PATH 0
#endif

/* Who plants, and whose file it is about; the writer is root, or 65534. */
#define PLANTER 65533
#define THIRD 65532

static struct sys_table real;

enum place { AT_PATH, AT_SPARE, AT_LOCK, PLACES };
enum thing { SYMLINK, HARD_LINK, A_FIFO, A_FILE, THINGS };

static void planted_path(const struct sandbox *s, enum place place, char path[600])
{
	char *hidden = NULL;

	snprintf(path, 600, "%s", s->path);
	if (place == AT_SPARE)
		assert_int_equal(ob__hidden_name("out", 0, &hidden), 0);
	if (place == AT_LOCK)
		assert_int_equal(ob__hidden_lock_name("out", &hidden), 0);
	if (hidden != NULL)
		beside(s, hidden, path);
	free(hidden);
}

static int plant(const struct victim *victim, const char *path, enum thing thing)
{
	switch (thing) {
	case SYMLINK:
		return symlink(victim->path, path) < 0 ? -1 : lchown(path, PLANTER, PLANTER);
	case HARD_LINK:
		return link(victim->path, path);
	case A_FIFO:
		return mkfifo(path, 0666) < 0 ? -1 : chmod(path, 0666) < 0 ? -1 : chown(path, PLANTER, PLANTER);
	case A_FILE:
	case THINGS:
		break;
	}
	write_file(path, "theirs", 6, 0666);
	return chmod(path, 0666) < 0 ? -1 : chown(path, PLANTER, PLANTER);
}

static struct outbuf_options writing;

/* An error, or an output; both are right. Nothing may block: then the alarm ends the child. */
static int write_there(void *arg)
{
	const struct sandbox *s = arg;
	struct outbuf *ob;

	alarm(60);
	if (outbuf_open(&ob, s->path, &writing) != 0)
		return 10;
	fill_some(ob, 'n', 5000);
	if (outbuf_commit(ob) != 0) {
		outbuf_close(ob);
		return 11;
	}
	outbuf_close(ob);
	return 12;
}

static void each_planted(const struct sandbox *s, int drop, mode_t mode, int places)
{
	/* May the writer's user not remove what others have put there? */
	int bound = drop && (mode & S_ISVTX);
	struct victim victim;
	char path[600], theirs[600];
	int way, place, thing;

	assert_int_equal(chmod(s->dir, mode), 0);
	beside(s, "victim", path);
	for (place = AT_PATH; place < places; place++)
		for (thing = SYMLINK; thing < THINGS; thing++)
			for (way = 0; way < 4; way++) {
				struct stat before, after;
				int r;

				if (!is_turn((unsigned)(place + thing + way), 5))
					continue;
				victim_make(&victim, path, 777, 0666);
				assert_int_equal(chown(path, THIRD, THIRD), 0);
				assert_int_equal(lstat(path, &victim.st), 0);
				planted_path(s, (enum place)place, theirs);
				need(plant(&victim, theirs, (enum thing)thing));
				assert_int_equal(lstat(theirs, &before), 0);
				writing = (struct outbuf_options)OUTBUF_OPTIONS_INIT;
				writing.replace = way == 1 ? OUTBUF_REPLACE_IN_PLACE
				                           : OUTBUF_REPLACE_ATOMIC;
				writing.recycle = way == 2;
				writing.lock = way == 3 ? OUTBUF_LOCK_WAIT : OUTBUF_LOCK_NONE;
				r = in_child(drop, write_there, (void *)(uintptr_t)s);
				if (r < 10 || r > 12)
					fail_msg("place %d, thing %d, way %d: status %d", place, thing, way, r);
				assert_untouched(&victim);
				/* Of a user's who may not remove it, what was planted is still there. */
				if (bound) {
					assert_int_equal(lstat(theirs, &after), 0);
					assert_int_equal(after.st_ino, before.st_ino);
				}
				if (thing == A_FILE && lstat(theirs, &after) == 0 && after.st_ino == before.st_ino)
					assert_file(theirs, "theirs", 6);
				/* Elsewhere than at the path it is no obstacle, but for the lock it asked for. */
				if (place == AT_SPARE || (place == AT_LOCK && way != 3))
					assert_int_equal(r, 12);
				/* What others lead us to, or own, is refused; at a path that we may not replace. */
				if (place == AT_PATH && (bound || thing == A_FIFO || way == 1))
					assert_int_equal(r, 10);
				unlink(theirs);
				unlink(s->path);
				assert_int_equal(unlink(path), 0);
				planted_path(s, AT_LOCK, theirs);
				unlink(theirs);
				planted_path(s, AT_SPARE, theirs);
				unlink(theirs);
				assert_int_equal(sandbox_entries(s), 0);
			}
}

static void test_planted(void **state)
{
	struct sandbox *s = *state;

	need_permissions(s);
	if (geteuid() != 0) {
		print_message("only root can play others\n");
		skip();
	}
	each_planted(s, 0, 01777, PLACES);
	each_planted(s, 1, 01777, PLACES);
	/* Where anybody may remove anything, too, and for root where a group may write. */
	each_planted(s, 0, 0777, AT_PATH + 1);
	each_planted(s, 1, 0777, AT_PATH + 1);
	each_planted(s, 0, 01775, AT_PATH + 1);
}

static const struct sandbox *box;
static int to_come;

/* Between the look at the path and its opening somebody puts a file of his own there. */
static int late_open(int dirfd, const char *path, int flags, mode_t mode)
{
	if (to_come && strcmp(path, "out") == 0) {
		to_come = 0;
		write_file(box->path, "theirs", 6, 0666);
		if (chown(box->path, PLANTER, PLANTER) < 0)
			return -1;
	}
	return real.openat(dirfd, path, flags, mode);
}

static void test_planted_late(void **state)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	box = *state;
	need_permissions(box);
	if (geteuid() != 0) {
		print_message("only root can play others\n");
		skip();
	}
	assert_int_equal(chmod(box->dir, 01777), 0);
	options.replace = OUTBUF_REPLACE_IN_PLACE;
	to_come = 1;
	ob__sys_table.openat = late_open;
	/* Either the kernel (fs.protected_regular) or we. */
	assert_in_range(-outbuf_open(&ob, box->path, &options), 1, 4095);
	assert_int_equal(to_come, 0);
	assert_null(ob);
	assert_file(box->path, "theirs", 6);
}

/* ------------------------------------------------------------- what is freed later */

#define LARGE ((size_t)17 << 20)

static pthread_t owner;
static _Atomic int watched = -1; /* the descriptor that keeps the old file */
static _Atomic int closed_by_owner, closed_by_other;

static int note_open(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd = real.openat(dirfd, path, flags, mode);

	if (fd >= 0 && O_PATH != 0 && (flags & O_PATH) && !(flags & O_DIRECTORY))
		watched = fd;
	return fd;
}

static int note_close(int fd)
{
	int was = fd == watched;

	if (was) {
		watched = -1;
		if (pthread_equal(pthread_self(), owner))
			closed_by_owner++;
	}
	/* Counted last: the test ends when it sees it. */
	int r = real.close(fd);

	if (was && !pthread_equal(pthread_self(), owner))
		closed_by_other++;
	return r;
}

static void make_large(const char *path, size_t n)
{
	static unsigned char data[1 << 20];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t at;

	memset(data, 'l', sizeof data);
	for (at = 0; at < n; at += sizeof data)
		assert_int_equal(write(fd, data, sizeof data), sizeof data);
	fsync(fd); /* btrfs and xfs tell blocks only then */
	close(fd);
}

static void replace_old(const struct sandbox *s)
{
	struct outbuf *ob;

	closed_by_owner = closed_by_other = 0;
	watched = -1;
	ob = open_with(s->path, NULL);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
}

static void wait_for_other(void)
{
	int i;

	for (i = 0; i < 10000 && closed_by_other == 0; i++)
		usleep(1000);
	assert_int_equal(closed_by_other, 1);
	assert_int_equal(closed_by_owner, 0);
	usleep(1000);
}

/* The old output: a large one is closed by a thread that nobody waits for. */
static void test_freed_later(void **state)
{
	struct sandbox *s = *state;
	char other[600];

	if (O_PATH == 0) {
		print_message("no O_PATH here\n");
		skip();
	}
	owner = pthread_self();
	ob__sys_table.openat = note_open;
	ob__sys_table.close = note_close;
	make_large(s->path, LARGE);
	replace_old(s);
	wait_for_other();

	/* Small ones are not kept, nor those that live on by another name. */
	make_large(s->path, 1 << 20);
	replace_old(s);
	assert_int_equal(closed_by_owner + closed_by_other, 0);
	assert_int_equal(watched, -1);
	beside(s, "other", other);
	make_large(s->path, LARGE);
	if (link(s->path, other) == 0) {
		replace_old(s);
		assert_int_equal(closed_by_owner + closed_by_other, 0);
		assert_int_equal(watched, -1);
	}
}

/* What a killed run left under the hidden name, likewise. */
static void test_litter_freed_later(void **state)
{
	static const size_t sizes[] = { LARGE, 1 << 20 };
	struct sandbox *s = *state;
	char spare[600], *hidden;
	struct stat st;
	size_t i;

	owner = pthread_self();
	assert_int_equal(ob__hidden_name("out", 0, &hidden), 0);
	beside(s, hidden, spare);
	free(hidden);
	ob__sys_table.close = note_close;
	for (i = 0; i < 2; i++) {
		int fd;

		closed_by_owner = closed_by_other = 0;
		make_large(spare, sizes[i]);
		fd = open(spare, O_RDONLY | O_CLOEXEC);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(unlink(spare), 0);
		watched = fd;
		ob__background_close(fd, &st);
		if (i == 0) {
			wait_for_other();
		} else {
			assert_int_equal(closed_by_owner, 1);
			assert_int_equal(closed_by_other, 0);
		}
	}
	ob__background_close(-1, &st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_planted),
		fault_test(test_planted_late),
		fault_test(test_freed_later),
		fault_test(test_litter_freed_later),
	};

	real = ob__sys_table;
	return cmocka_run_group_tests_name("planted", tests, NULL, NULL);
}
