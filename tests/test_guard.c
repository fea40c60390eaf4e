/* SPDX-License-Identifier: MIT */
/*
 * Faults in a mapping: which output's they are, what becomes of the thread, and whose handler is called.
 *
 * A full disk needs a disk of its own (test_full.c). But SIGBUS is also raised where a file has been
 * truncated while it is mapped, which any process may do at any time, and here the test does it.
 */
#include "config.h"

#include "internal.h"
#include "support.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE ((size_t)4 << 20)

static struct sys_table real;

/* A store that may fault: the handler must find what was set before, and what it did be seen after. */
static void store(void *p, size_t offset)
{
	__asm__ volatile("" ::: "memory");
	((volatile char *)p)[offset] = 'x';
	__asm__ volatile("" ::: "memory");
}

static struct outbuf *open_guarded(const char *path, size_t size)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	o.map = OUTBUF_REQUIRE;
	o.stage = OUTBUF_NO;
	o.guard = 1;
	ob = open_with(path, &o);
	assert_int_equal(outbuf_map(ob, size), 0);
	return ob;
}

static void need_mapping(void)
{
	if (required_mapping() != 0 || in_order()) {
		print_message("files cannot be mapped here\n");
		skip();
	}
}

static void truncate_it(struct outbuf *ob, off_t size)
{
	assert_int_equal(ftruncate(ob->target.fd, size), 0);
}

static struct sigaction bus_action(void)
{
	struct sigaction now;

	sigaction(SIGBUS, NULL, &now);
	return now;
}

/* --------------------------------------------------------------- one output */

static void test_truncated(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	void *p;
	size_t i;

	need_mapping();
	write_file(s->path, "old", 3, 0644);
	ob = open_guarded(s->path, 64 << 20);
	assert_int_equal(fill_some(ob, 'n', SIZE), 0);
	truncate_it(ob, SIZE / 2);
	assert_int_equal(outbuf_data(ob, 0, 64 << 20, &p), 0);
	for (i = 0; i < 64 << 20; i += 4096)
		store(p, i + 1);
	/* What is there of the file can still be read, and what was stored since. */
	for (i = 0; i < SIZE / 2; i += 4096)
		assert_int_equal(((volatile char *)p)[i], 'n');
	for (i = 0; i < 64 << 20; i += 4096)
		assert_int_equal(((volatile char *)p)[i + 1], 'x');
	assert_int_equal(outbuf_error(ob), -EIO);
	/* 16,384 pages, of which 15,872 are gone: 2 for the first, then 1, 2, 4, 8, 16, 32 MiB. */
	print_message("%llu faults\n", (unsigned long long)stats_of(ob).faults);
	assert_in_range(stats_of(ob).faults, 1, 10);
	/* Nobody is told that it is on the disk, or may be mapped again. */
	assert_int_equal(outbuf_flush(ob), -EIO);
	assert_int_equal(outbuf_sync(ob), -EIO);
	assert_int_equal(outbuf_unmap(ob), -EIO);
	assert_int_equal(outbuf_is_mapped(ob), 1);
	assert_int_equal(outbuf_commit(ob), -EIO);
	outbuf_close(ob);
	assert_file(s->path, "old", 3);
	assert_int_equal(sandbox_entries(s), 1);
}

/* Nothing of it reaches the file any more: the last good bytes in place are not made worse. */
static void test_private_from_then_on(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;
	void *p;
	char got[1];

	need_mapping();
	o.map = OUTBUF_REQUIRE;
	o.replace = OUTBUF_REPLACE_IN_PLACE;
	o.stage = OUTBUF_NO;
	o.guard = 1;
	ob = open_with(s->path, &o);
	assert_int_equal(outbuf_map(ob, SIZE), 0);
	assert_int_equal(outbuf_data(ob, 0, SIZE, &p), 0);
	((volatile char *)p)[5] = 'a';
	truncate_it(ob, 4096);
	store(p, SIZE - 1);
	((volatile char *)p)[5] = 'b';
	assert_int_equal(pread(ob->target.fd, got, 1, 5), 1);
	assert_int_equal(got[0], 'a');
	assert_int_equal(((volatile char *)p)[5], 'b');
	outbuf_close(ob);
}

/* After discard the descriptor is gone, and threads may still store. */
static void test_after_discard(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	struct outbuf_view v;
	int fd;

	need_mapping();
	ob = open_guarded(s->path, SIZE);
	fd = dup(ob->target.fd);
	assert_true(fd >= 0);
	outbuf_view(ob, &v, 0, SIZE);
	outbuf_write8(&v, 1);
	assert_int_equal(outbuf_discard(ob), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	outbuf_fill(&v, 'x', SIZE - 1);
	outbuf_view_end(&v);
	assert_true(stats_of(ob).faults > 0);
	outbuf_close(ob);
	assert_int_equal(sandbox_entries(s), 0);
}

/* Unmapped and mapped again, larger: the new mapping is guarded, the old one no more. */
static void test_mapped_again(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	void *p;

	need_mapping();
	ob = open_guarded(s->path, SIZE);
	assert_int_equal(outbuf_map(ob, 2 * SIZE), 0);
	assert_int_equal(outbuf_unmap(ob), 0);
	assert_int_equal(outbuf_map(ob, 3 * SIZE), 0);
	assert_int_equal(outbuf_data(ob, 0, 3 * SIZE, &p), 0);
	truncate_it(ob, 0);
	store(p, 3 * SIZE - 1);
	assert_int_equal(outbuf_error(ob), -EIO);
	outbuf_close(ob);
}

static int no_dup(int fd)
{
	(void)fd;
	errno = EMFILE;
	return -1;
}

/* It cannot be guarded: then it is not mapped, and all is as before. A guard that is there grows. */
static void test_cannot_guard(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	uint64_t first;

	need_mapping();
	o.map = OUTBUF_REQUIRE;
	o.stage = OUTBUF_NO;
	o.guard = 1;
	for (first = 0; first <= SIZE; first += SIZE) {
		struct outbuf *ob = open_with(s->path, &o);

		assert_int_equal(outbuf_map(ob, first), 0);
		real = sys_table;
		sys_table.dup = no_dup;
		assert_int_equal(outbuf_map(ob, 3 * SIZE), first == 0 ? -EMFILE : 0);
		sys_table = real;
		assert_int_equal(outbuf_is_mapped(ob), first > 0);
		assert_int_equal(outbuf_size(ob), first == 0 ? 0 : 3 * SIZE);
		assert_int_equal(outbuf_set_size(ob, 0), 0);
		assert_int_equal(outbuf_error(ob), 0);
		assert_int_equal(fill_some(ob, 'n', 2 * SIZE), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_filled(s, 2 * SIZE);
	}
}

/* -------------------------------------------------------------------- reasons */

static volatile int answer; /* what reserving the missing block says */
static volatile int asked;

static int f_fallocate(int fd, int mode, off_t offset, off_t length)
{
	(void)fd, (void)mode, (void)offset, (void)length;
	asked++;
	errno = answer;
	return answer == 0 ? 0 : -1;
}

static volatile int mended_fd;

/* Somebody else makes the file whole again between the fault and the question. */
static int mend_and_stat(int fd, struct stat *st)
{
	if (ftruncate(mended_fd, SIZE) != 0)
		return -1;
	return real.fstat(fd, st);
}

static int long_stat(int fd, struct stat *st)
{
	int r = real.fstat(fd, st);

	st->st_size = SIZE;
	return r;
}

static void test_reasons(void **state)
{
	static const int answers[][2] = {
		{ ENOSPC, -ENOSPC }, { EDQUOT, -EDQUOT }, { EIO, -EIO }, { EFBIG, -EFBIG },
		{ EOPNOTSUPP, -ENOSPC }, { 0, -ENOSPC }, /* success again and again, and still it faults */
	};
	struct sandbox *s = *state;
	size_t i;

	need_mapping();
	real = sys_table;
	for (i = 0; i < sizeof answers / sizeof *answers; i++) {
		struct outbuf *ob = open_guarded(s->path, SIZE);
		void *p;

		assert_int_equal(outbuf_data(ob, 0, SIZE, &p), 0);
		truncate_it(ob, 0);
		sys_table.fstat = long_stat;
		sys_table.fallocate = f_fallocate;
		answer = answers[i][0];
		asked = 0;
		store(p, 100);
		sys_table = real;
		assert_in_range(asked, 1, 100);
		assert_int_equal(outbuf_error(ob), answers[i][1]);
		assert_int_equal(((volatile char *)p)[100], 'x');
		assert_int_equal(outbuf_commit(ob), answers[i][1]);
		outbuf_close(ob);
	}
	assert_int_equal(sandbox_entries(s), 0);
}

/* The store works the second time: no harm was done. */
static void test_passing(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	char *want = calloc(1, SIZE);
	size_t i;
	void *p;

	need_mapping();
	real = sys_table;
	ob = open_guarded(s->path, SIZE);
	assert_int_equal(outbuf_data(ob, 0, SIZE, &p), 0);
	mended_fd = ob->target.fd;
	/* As often as 40 threads would that meet one shortage. */
	for (i = 0; i < 40; i++) {
		truncate_it(ob, 0);
		sys_table.fstat = mend_and_stat;
		store(p, SIZE - 7 - i * 65536);
		sys_table = real;
		assert_int_equal(outbuf_error(ob), 0);
		assert_int_equal(stats_of(ob).faults, i + 1);
	}
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_non_null(want);
	want[SIZE - 7 - 39 * 65536] = 'x'; /* the others were cut off again */
	assert_file(s->path, want, SIZE);
	free(want);
}

/* ------------------------------------------------------------ many at once */

static struct outbuf *many[8];

static int store_all(void *arg, unsigned i)
{
	struct outbuf_view v;

	(void)arg;
	outbuf_view(many[i / 2], &v, i % 2 * (SIZE / 2), SIZE / 2);
	outbuf_fill(&v, 'n', SIZE / 2);
	return outbuf_view_end(&v) == 0 || i / 2 % 2 == 1 ? 0 : -1;
}

/* 8 outputs, 16 threads; every other output is truncated, and only those fail. */
static void test_many(void **state)
{
	struct sandbox *s = *state;
	char path[320];
	unsigned i;

	need_mapping();
	for (i = 0; i < 8; i++) {
		snprintf(path, sizeof path, "%s-%u", s->path, i);
		many[i] = open_guarded(path, SIZE);
		if (i % 2 == 1)
			truncate_it(many[i], 4096 * i);
	}
	assert_int_equal(run_threads(16, store_all, NULL), 0);
	for (i = 0; i < 8; i++) {
		assert_int_equal(outbuf_commit(many[i]), i % 2 == 1 ? -EIO : 0);
		outbuf_close(many[i]);
		if (i % 2 == 0) {
			struct sandbox one = *s;

			assert_true((size_t)snprintf(one.path, sizeof one.path, "%s-%u", s->path, i) <
			            sizeof one.path);
			assert_filled(&one, SIZE);
		}
	}
	assert_int_equal(sandbox_entries(s), 4);
}

/* -------------------------------------------------------------- whose handler */

static volatile sig_atomic_t called;
static void *window; /* one page of a file of the test's own, truncated */

/* As a program that guards a mapping of its own. */
static void plug(void)
{
	called++;
	mmap(window, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void theirs(int signal)
{
	(void)signal;
	plug();
}

static void theirs_with_info(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	if (info->si_addr == window)
		plug();
}

static void make_window(const struct sandbox *s)
{
	char path[400];
	int fd;

	snprintf(path, sizeof path, "%s.window", s->path);
	write_file(path, "x", 1, 0600);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	window = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(window, MAP_FAILED);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	unlink(path);
}

static void poke(void)
{
	store(window, 0);
}

/* Not ours: the action that was there before; and afterwards it is there again, bit by bit. */
static void test_passes_on(void **state)
{
	struct sandbox *s = *state;
	struct sigaction cmockas = bus_action();
	int with_info;

	need_mapping();
	for (with_info = 0; with_info < 2; with_info++) {
		struct sigaction action, now;
		struct outbuf *ob;
		void *p;

		memset(&action, 0, sizeof action);
		if (with_info) {
			action.sa_sigaction = theirs_with_info;
			action.sa_flags = SA_SIGINFO | SA_RESTART;
		} else {
			action.sa_handler = theirs;
		}
		sigaddset(&action.sa_mask, SIGUSR1);
		sigaction(SIGBUS, &action, NULL);
		ob = open_guarded(s->path, SIZE);
		now = bus_action();
		assert_true(now.sa_sigaction != theirs_with_info && now.sa_handler != theirs);
		make_window(s);
		called = 0;
		poke();
		assert_int_equal(called, 1);
		munmap(window, 4096);
		/* And one of ours, in between: they do not hear of it. */
		assert_int_equal(outbuf_data(ob, 0, SIZE, &p), 0);
		truncate_it(ob, 0);
		store(p, 0);
		assert_int_equal(called, 1);
		assert_int_equal(outbuf_error(ob), -EIO);
		outbuf_close(ob);
		now = bus_action();
		assert_true(with_info ? now.sa_sigaction == theirs_with_info : now.sa_handler == theirs);
		assert_int_equal(now.sa_flags & ~0x04000000, action.sa_flags); /* SA_RESTORER is glibc's */
		assert_int_equal(sigismember(&now.sa_mask, SIGUSR1), 1);
		sigaction(SIGBUS, &cmockas, NULL);
	}
}

/*
 * Somebody's handler came after ours, and went for good while ours had to stay behind it: the next output
 * is guarded even so.
 */
static void test_taken_away(void **state)
{
	struct sigaction nobodys = { .sa_handler = SIG_DFL }, cmockas = bus_action();
	struct sigaction action = { .sa_sigaction = theirs_with_info, .sa_flags = SA_SIGINFO };
	struct sandbox *s = *state;
	int ignored;

	need_mapping();
	for (ignored = 0; ignored < 2; ignored++) {
		struct outbuf *ob = open_guarded(s->path, SIZE);
		void *p;

		sigaction(SIGBUS, &action, NULL);
		outbuf_close(ob);
		nobodys.sa_handler = ignored ? SIG_IGN : SIG_DFL;
		sigaction(SIGBUS, &nobodys, NULL);
		ob = open_guarded(s->path, SIZE);
		assert_int_equal(outbuf_data(ob, 0, SIZE, &p), 0);
		truncate_it(ob, 0);
		store(p, 0);
		assert_int_equal(outbuf_error(ob), -EIO);
		outbuf_close(ob);
		assert_true(bus_action().sa_handler == nobodys.sa_handler);
	}
	sigaction(SIGBUS, &cmockas, NULL);
}

/* Several outputs, one handler; it goes with the last. */
static void test_last_one_removes(void **state)
{
	struct sandbox *s = *state;
	struct sigaction before = bus_action();
	struct outbuf *a, *b;
	char other[400];

	need_mapping();
	snprintf(other, sizeof other, "%s2", s->path);
	a = open_guarded(s->path, SIZE);
	assert_true(bus_action().sa_sigaction != before.sa_sigaction);
	b = open_guarded(other, SIZE);
	assert_int_equal(outbuf_commit(a), 0); /* unmapped: not guarded any more, before it is closed */
	assert_true(bus_action().sa_sigaction != before.sa_sigaction);
	assert_int_equal(outbuf_commit(b), 0);
	assert_true(bus_action().sa_sigaction == before.sa_sigaction);
	outbuf_close(a);
	outbuf_close(b);
	assert_true(bus_action().sa_sigaction == before.sa_sigaction);
}

/* Somebody has come after us and calls us: we may not go from under him. */
static struct sigaction under;

static void over(int signal, siginfo_t *info, void *context)
{
	called++;
	under.sa_sigaction(signal, info, context);
}

static void test_covered(void **state)
{
	struct sandbox *s = *state;
	struct sigaction before = bus_action(), action;
	struct outbuf *ob;
	void *p;
	int round;

	need_mapping();
	ob = open_guarded(s->path, SIZE);
	memset(&action, 0, sizeof action);
	action.sa_sigaction = over;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGBUS, &action, &under);
	outbuf_close(ob);
	assert_true(bus_action().sa_sigaction == over);
	for (round = 0; round < 2; round++) {
		ob = open_guarded(s->path, SIZE);
		assert_int_equal(outbuf_data(ob, 0, SIZE, &p), 0);
		truncate_it(ob, 0);
		called = 0;
		store(p, 0);
		assert_in_range(called, 1, 2); /* once more if memory takes its place */
		assert_int_equal(outbuf_error(ob), -EIO);
		outbuf_close(ob);
	}
	/* Uncovered again, it goes with the next one. */
	sigaction(SIGBUS, &under, NULL);
	ob = open_guarded(s->path, SIZE);
	outbuf_close(ob);
	assert_true(bus_action().sa_sigaction == before.sa_sigaction);
}

enum { FAULT, SENT };

static int dies(void *arg)
{
	const struct sandbox *s = ((void **)arg)[0];
	int how = *(int *)((void **)arg)[1];
	void (*action)(int) = *(void (**)(int))((void **)arg)[2];
	struct outbuf *ob;

	signal(SIGBUS, action);
	ob = open_guarded(s->path, SIZE);
	if (how == FAULT) {
		make_window(s);
		poke();
	} else {
		kill(getpid(), SIGBUS);
	}
	outbuf_close(ob);
	return 42;
}

static void test_default_and_ignore(void **state)
{
	void (*actions[])(int) = { SIG_DFL, SIG_IGN };
	int a, how;

	need_mapping();
	for (a = 0; a < 2; a++)
		for (how = FAULT; how <= SENT; how++) {
			void *arg[] = { *state, &how, &actions[a] };
			int status = in_child(0, dies, arg);

			/* Only a signal that somebody sent can be ignored. */
			if (actions[a] == SIG_IGN && how == SENT)
				assert_int_equal(status, 42);
			else if (getenv("OUTBUF_TEST_SANITIZED") == NULL)
				assert_int_equal(status, 128 + SIGBUS);
			else
				assert_int_not_equal(status, 42);
		}
}

/* Nobody asked: no handler is installed. */
static void test_not_asked(void **state)
{
	struct sandbox *s = *state;
	struct sigaction before = bus_action();
	struct outbuf *ob;

	need_mapping();
	ob = open_mapping(s->path, OUTBUF_REQUIRE, 0);
	assert_int_equal(outbuf_map(ob, SIZE), 0);
	assert_true(bus_action().sa_sigaction == before.sa_sigaction);
	outbuf_close(ob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_truncated),
		sandbox_test(test_private_from_then_on),
		sandbox_test(test_after_discard),
		sandbox_test(test_mapped_again),
		sandbox_test(test_cannot_guard),
		sandbox_test(test_reasons),
		sandbox_test(test_passing),
		sandbox_test(test_many),
		sandbox_test(test_passes_on),
		sandbox_test(test_taken_away),
		sandbox_test(test_last_one_removes),
		sandbox_test(test_covered),
		sandbox_test(test_default_and_ignore),
		sandbox_test(test_not_asked),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
