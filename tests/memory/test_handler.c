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

/* Somebody has come after us and calls us: we may not go from under him. The next output is before him again. */
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
		assert_int_equal(called, 0);
		assert_int_equal(outbuf_error(ob), -EIO);
		outbuf_close(ob);
		assert_true(bus_action().sa_sigaction == over);
	}
	/* Uncovered again, it goes with the next one. */
	sigaction(SIGBUS, &under, NULL);
	ob = guarded_open(s->path, GUARDED_SIZE);
	outbuf_close(ob);
	assert_true(bus_action().sa_sigaction == before.sa_sigaction);
}

/* ------------------------------------------------------- the program's handlers come and go */

/*
 * A handler of the program's, of which there are two: it counts, and passes on what is not its own, if it is one that
 * does. Where there is nobody else, it does what is to be done.
 */
static struct {
	struct sigaction replaced;
	int chains;
	volatile sig_atomic_t called;
} programs[2];

static void program(int i, int signal, siginfo_t *info, void *context)
{
	const struct sigaction *next = &programs[i].replaced;

	if (++programs[i].called > 5)
		_exit(99); /* round and round */
	if (programs[i].chains && (next->sa_flags & SA_SIGINFO))
		next->sa_sigaction(signal, info, context);
	else
		plug();
}

static void program_0(int signal, siginfo_t *info, void *context)
{
	program(0, signal, info, context);
}

static void program_1(int signal, siginfo_t *info, void *context)
{
	program(1, signal, info, context);
}

static void install_program(int i, int chains)
{
	struct sigaction action = { .sa_sigaction = i == 0 ? program_0 : program_1, .sa_flags = SA_SIGINFO };

	programs[i].chains = chains;
	sigaction(SIGBUS, &action, &programs[i].replaced);
}

enum { NOTHING, ALONE, CHAINS, TAKES_BACK, TO_DEFAULT, TO_IGNORE };

struct history {
	const struct sandbox *s;
	int first;  /* NOTHING: nobody has a handler before the first guarded output; else there is one */
	int during; /* NOTHING, ALONE, CHAINS: what the program installs while an output is guarded */
	int after;  /* what it does when none is: as before, or it restores what it replaced, or SIG_DFL, SIG_IGN */
	int inside; /* 1: an output is guarded all the time, so that the last guard never ends */
};

/* Is the output guarded? 0, or the line that is wrong. */
static int is_guarded(struct outbuf *ob)
{
	void *p;

	if (outbuf_data(ob, 0, GUARDED_SIZE, &p) != 0)
		return __LINE__;
	guarded_truncate(ob, 0);
	guarded_store(p, 0);
	return outbuf_error(ob) == -EIO ? 0 : __LINE__;
}

/* Does a handler of the program's take its faults at the end of this history? If not, one would end the child. */
static int takes_faults(const struct history *h)
{
	if (h->after >= TO_DEFAULT)
		return 0;
	return h->first != NOTHING || h->after == ALONE || (h->during == ALONE && h->after != TAKES_BACK);
}

/* A fault of the program's reaches whoever takes it, once. 0, or the line that is wrong. */
static int passes_on(const struct history *h)
{
	programs[0].called = programs[1].called = called = 0;
	make_window(h->s);
	poke();
	munmap(window, 4096);
	if (called != 1 || programs[0].called > 1 || programs[1].called > 1)
		return __LINE__;
	return (h->after == ALONE || h->after == CHAINS) && programs[1].called != 1 ? __LINE__ : 0;
}

/* In a child, which a SIGBUS that nobody expects ends. 0, or the line that is wrong. */
static int live_through(void *arg)
{
	const struct history *h = arg;
	struct sigaction nobodys = { .sa_handler = h->after == TO_IGNORE ? SIG_IGN : SIG_DFL }, before, top;
	struct outbuf *outer = NULL, *ob;
	char path[400];
	int round, r;

	signal(SIGBUS, h->first == NOTHING ? SIG_DFL : theirs);
	ob = guarded_open(h->s->path, GUARDED_SIZE);
	if (h->during != NOTHING)
		install_program(0, h->during == CHAINS);
	/* A guard that lasts over all of this has the next one installed beside it. */
	if (h->inside) {
		snprintf(path, sizeof path, "%s-2", h->s->path);
		outer = guarded_open(path, GUARDED_SIZE);
	}
	outbuf_close(ob);
	if (h->after == ALONE || h->after == CHAINS)
		install_program(1, h->after == CHAINS);
	else if (h->after == TAKES_BACK && h->during != NOTHING)
		sigaction(SIGBUS, &programs[0].replaced, NULL);
	else if (h->after >= TO_DEFAULT)
		sigaction(SIGBUS, &nobodys, NULL);
	for (round = 0; round < 3; round++) {
		before = bus_action();
		ob = guarded_open(h->s->path, GUARDED_SIZE);
		r = is_guarded(ob);
		if (r != 0)
			return r;
		r = takes_faults(h) ? passes_on(h) : 0;
		if (r != 0)
			return r;
		outbuf_close(ob);
		/* What the program has installed is there again. (What it took back was ours, which goes by itself.) */
		top = bus_action();
		if (!h->inside && h->after != TAKES_BACK && top.sa_sigaction != before.sa_sigaction)
			return __LINE__;
	}
	outbuf_close(outer);
	return 0;
}

static void test_histories(void **state)
{
	struct history h = { .s = *state };
	unsigned n = 0;

	skip_unguardable();
	for (h.inside = 0; h.inside < 2; h.inside++)
	for (h.first = NOTHING; h.first <= ALONE; h.first++)
	for (h.during = NOTHING; h.during <= CHAINS; h.during++)
	for (h.after = NOTHING; h.after <= TO_IGNORE; h.after++) {
		int r;

		if (!is_turn(n++, 10))
			continue;
		r = in_child(0, live_through, &h);
		if (r != 0)
			print_message("inside %d, first %d, during %d, after %d: line %d\n", h.inside, h.first,
			              h.during, h.after, r);
		assert_int_equal(r, 0);
	}
}

/* Each time a handler is left over ours, and calls nobody: as often as there are handlers of ours. */
static int covers_often(void *arg)
{
	const struct sandbox *s = arg;
	int i;

	signal(SIGBUS, SIG_DFL);
	for (i = 0; i < 8; i++) {
		struct outbuf *ob = guarded_open(s->path, GUARDED_SIZE);
		int r = is_guarded(ob);

		if (r != 0)
			return r;
		install_program(i % 2, 0);
		outbuf_close(ob);
	}
	/* No more; but who calls what he replaced is guarded for ever. And a fault of the program's ends somewhere. */
	for (i = 0; i < 3; i++) {
		struct outbuf *ob = guarded_open(s->path, GUARDED_SIZE);

		make_window(s);
		called = programs[0].called = programs[1].called = 0;
		poke();
		munmap(window, 4096);
		if (called != 1)
			return __LINE__;
		programs[1].chains = 1;
		if (is_guarded(ob) != 0)
			return __LINE__;
		programs[1].chains = 0;
		outbuf_close(ob);
	}
	return 0;
}

static void test_covered_often(void **state)
{
	skip_unguardable();
	assert_int_equal(in_child(0, covers_often, *state), 0);
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
		sandbox_test(test_histories),
		sandbox_test(test_covered_often),
		sandbox_test(test_default_and_ignore),
		sandbox_test(test_not_asked),
	};

	return cmocka_run_group_tests_name("handler", tests, NULL, NULL);
}
