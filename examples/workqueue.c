/* SPDX-License-Identifier: MIT */
/*
 * workqueue.c - tasks are numbers, and the queue is one atomic counter
 *
 * The problem: an output has sections of 10 bytes and sections of 1 GiB. Giving each thread
 * the same number of sections leaves all but one idle; giving each the same number of
 * bytes up front does so too, as soon as one thread's pages are slower to come by than
 * another's.
 *
 * The choice: cut the work into many more tasks than threads (blocks of at least 1 MiB, which is
 * what Go's linker uses: outbuf writes a block in 100 to 500 us, taking a number costs
 * well under 1 us even when contended), number them, and let each thread take the next
 * number when it has finished its last. No list, no nodes, no condition variable: a
 * task that can be described by a number needs no memory.
 *
 * What it costs: tasks cannot add tasks, and a run cannot start before the number of its tasks is
 * known. Threads are started and joined per run (70 to 90 us each), which is nothing for the
 * two or three runs of a link, and means there is no idle pool to shut down, no wake-up to
 * lose, and joining is all the synchronisation that results need.
 *
 * Errors: which task fails first in time is chance. Since numbers are handed out in
 * order, every task below a failed one has been started already; letting those finish and
 * keeping the lowest number makes the reported error the one a single thread would have met.
 */
#include "workqueue.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

struct run {
	/* Constant while threads run. */
	const struct workqueue *queue;
	int (*task)(void *arg, size_t i);
	void *arg;
	size_t n;

	/* Any thread, atomically: the lowest number not yet handed out; n or more: none left. */
	atomic_size_t next;

	/* Any thread, under the mutex; read without it once all threads are joined. */
	pthread_mutex_t lock;
	size_t failed; /* lowest number of a failed task, n if there is none */
	int error;     /* what that task returned */
};

/* A thread of a run. Constant while it runs. */
struct worker {
	pthread_t id;
	struct run *run;
	unsigned number;
};

/* Task i, watched if somebody wants to. */
static int do_task(const struct run *run, unsigned thread, size_t i)
{
	const struct workqueue *queue = run->queue;
	int error;

	if (queue->observe)
		queue->observe(queue->observe_arg, thread, i, 0);
	error = run->task(run->arg, i);
	if (queue->observe)
		queue->observe(queue->observe_arg, thread, i, 1);
	return error;
}

/* Take and do one task. Returns 0 when none is left. */
static int take_one(struct run *run, unsigned thread)
{
	/* Relaxed: the counter orders nothing but itself. Starting and joining threads does. */
	size_t i = atomic_fetch_add_explicit(&run->next, 1, memory_order_relaxed);
	if (i >= run->n)
		return 0;
	int error = do_task(run, thread, i);
	if (error) {
		/* Nobody needs a flag to see that it is over: the numbers are used up. */
		atomic_store_explicit(&run->next, run->n, memory_order_relaxed);
		pthread_mutex_lock(&run->lock);
		if (i < run->failed) {
			run->failed = i;
			run->error = error;
		}
		pthread_mutex_unlock(&run->lock);
	}
	return 1;
}

static void *work(void *arg)
{
	const struct worker *worker = arg;

	while (take_one(worker->run, worker->number))
		;
	return NULL;
}

/*
 * A program's signal handlers expect the threads that the program knows of, so ours block every signal but
 * those that a fault of their own raises: these would kill the process instead of calling their handler (the
 * library's guard, say). The mask is inherited, and setting it in the parent leaves no moment in which it is
 * not in force. Windows has no such signals.
 */
#ifdef SIGBUS
typedef sigset_t signal_mask;

static void block_signals(signal_mask *before)
{
	static const int faults[] = { SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP };
	sigset_t others;

	sigfillset(&others);
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
		sigdelset(&others, faults[i]);
	pthread_sigmask(SIG_SETMASK, &others, before);
}

static void restore_signals(const signal_mask *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}
#else
typedef int signal_mask;

static void block_signals(signal_mask *before)
{
	(void)before;
}

static void restore_signals(const signal_mask *before)
{
	(void)before;
}
#endif

/* Start up to `wanted` threads, return how many there are. */
static unsigned start(struct worker *workers, unsigned wanted, struct run *run)
{
	signal_mask before;
	unsigned started = 0;

	block_signals(&before);
	/* No more threads to be had (a limit, a cgroup): those there are do all the work. */
	while (started < wanted) {
		workers[started] = (struct worker){ .run = run, .number = started + 1 };
		if (pthread_create(&workers[started].id, NULL, work, &workers[started]))
			break;
		started++;
	}
	restore_signals(&before);
	return started;
}

int workqueue_run(struct workqueue *queue, size_t n, int (*task)(void *arg, size_t i), void *arg)
{
	struct run run = { .queue = queue, .task = task, .arg = arg, .n = n, .failed = n };
	unsigned wanted = queue->threads > 1 ? queue->threads - 1 : 0;
	unsigned started = 0;
	struct worker *workers = NULL;

	if (n == 0)
		return 0;
	atomic_init(&run.next, 0);
	pthread_mutex_init(&run.lock, NULL);
	if (wanted > n - 1) /* the caller takes one task at least */
		wanted = (unsigned)(n - 1);
	if (wanted > 0)
		workers = calloc(wanted, sizeof *workers);
	if (workers)
		started = start(workers, wanted, &run);
	if (queue->used < started + 1)
		queue->used = started + 1;

	while (take_one(&run, 0)) {
		if (queue->tick)
			queue->tick(queue->tick_arg);
	}
	for (unsigned t = 0; t < started; t++)
		pthread_join(workers[t].id, NULL);
	free(workers);
	pthread_mutex_destroy(&run.lock);
	return run.error;
}

struct silent {
	void (*task)(void *arg, size_t i);
	void *arg;
};

static int do_silent(void *arg, size_t i)
{
	const struct silent *s = arg;
	s->task(s->arg, i);
	return 0;
}

int workqueue_pool(void *queue, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
	struct silent s = { task, arg };
	return workqueue_run(queue, n, do_silent, &s);
}

size_t workqueue_blocks(uint64_t size)
{
	if (size == 0)
		return 0;
	return size < WORKQUEUE_BLOCK ? 1 : (size_t)(size / WORKQUEUE_BLOCK);
}

uint64_t workqueue_block_start(uint64_t size, size_t i)
{
	return i >= workqueue_blocks(size) ? size : i * WORKQUEUE_BLOCK;
}
