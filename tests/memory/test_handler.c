/* SPDX-License-Identifier: MIT */
/*
 * The action of SIGBUS belongs to the program: what was there before a guarded output is called for faults
 * that are not ours, and is there again afterwards; what came later is not taken away.
 */
#include "config.h"

#include "rigs/guarded.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct sigaction bus_action(void)
{
	struct sigaction now;

	sigaction(SIGBUS, NULL, &now);
	return now;
}

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
	guarded_store(window, 0);
}

/* Not ours: the action that was there before; and afterwards it is there again, bit by bit. */
static void test_passes_on(void **state)
{
	struct sandbox *s = *state;
	struct sigaction cmockas = bus_action();
	int with_info;

	skip_unguardable();
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
		ob = guarded_open(s->path, GUARDED_SIZE);
		now = bus_action();
		assert_true(now.sa_sigaction != theirs_with_info && now.sa_handler != theirs);
		make_window(s);
		called = 0;
		poke();
		assert_int_equal(called, 1);
		munmap(window, 4096);
		/* And one of ours, in between: they do not hear of it. */
		assert_int_equal(outbuf_data(ob, 0, GUARDED_SIZE, &p), 0);
		guarded_truncate(ob, 0);
		guarded_store(p, 0);
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

	skip_unguardable();
	for (ignored = 0; ignored < 2; ignored++) {
		struct outbuf *ob = guarded_open(s->path, GUARDED_SIZE);
		void *p;

		sigaction(SIGBUS, &action, NULL);
		outbuf_close(ob);
		nobodys.sa_handler = ignored ? SIG_IGN : SIG_DFL;
		sigaction(SIGBUS, &nobodys, NULL);
		ob = guarded_open(s->path, GUARDED_SIZE);
		assert_int_equal(outbuf_data(ob, 0, GUARDED_SIZE, &p), 0);
		guarded_truncate(ob, 0);
		guarded_store(p, 0);
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

	skip_unguardable();
	snprintf(other, sizeof other, "%s2", s->path);
	a = guarded_open(s->path, GUARDED_SIZE);
	assert_true(bus_action().sa_sigaction != before.sa_sigaction);
	b = guarded_open(other, GUARDED_SIZE);
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

	skip_unguardable();
	ob = guarded_open(s->path, GUARDED_SIZE);
	memset(&action, 0, sizeof action);
	action.sa_sigaction = over;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGBUS, &action, &under);
	outbuf_close(ob);
	assert_true(bus_action().sa_sigaction == over);
	for (round = 0; round < 2; round++) {
		ob = guarded_open(s->path, GUARDED_SIZE);
		assert_int_equal(outbuf_data(ob, 0, GUARDED_SIZE, &p), 0);
		guarded_truncate(ob, 0);
		called = 0;
		guarded_store(p, 0);
		assert_in_range(called, 1, 2); /* once more if memory takes its place */
		assert_int_equal(outbuf_error(ob), -EIO);
		outbuf_close(ob);
	}
	/* Uncovered again, it goes with the next one. */
	sigaction(SIGBUS, &under, NULL);
	ob = guarded_open(s->path, GUARDED_SIZE);
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
	ob = guarded_open(s->path, GUARDED_SIZE);
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

	skip_unguardable();
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

	skip_unmappable();
	ob = open_mapping(s->path, OUTBUF_REQUIRE, 0);
	assert_int_equal(outbuf_map(ob, GUARDED_SIZE), 0);
	assert_true(bus_action().sa_sigaction == before.sa_sigaction);
	outbuf_close(ob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_passes_on),
		sandbox_test(test_taken_away),
		sandbox_test(test_last_one_removes),
		sandbox_test(test_covered),
		sandbox_test(test_default_and_ignore),
		sandbox_test(test_not_asked),
	};

	return cmocka_run_group_tests_name("handler", tests, NULL, NULL);
}
