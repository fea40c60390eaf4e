/* SPDX-License-Identifier: MIT */
/*
 * workqueue.c - tasks are numbers, and the queue is one atomic counter
 *
 * The problem: an output has sections of 10 bytes and sections of 1 GiB. If each thread gets the same number of
 * sections, all threads but one are soon idle. If each thread gets the same number of bytes in advance, threads become
 * idle as well, because one thread may get its pages more slowly than another.
 *
 * The choice: cut the work into many more tasks than threads, number the tasks, and let each thread take the next
 * number when it has finished its last task. A task writes a block of at least 1 MiB, as in Go's linker: outbuf writes
 * such a block in 100 to 500 us, and taking a number costs well under 1 us even when threads compete for it. There is
 * no list, no node and no condition variable, because a task that is described by a number needs no memory.
 *
 * The cost: tasks cannot add tasks, and the number of tasks must be known before a run starts. Threads are started and
 * joined in each run (70 to 90 us each), which is little for the two or three runs of a link. In return there is no
 * idle pool to shut down and no wake-up to lose, and results need no synchronisation other than joining.
 *
 * Errors: which of several failing tasks fails first depends on timing. But numbers are handed out in order, so every
 * task with a lower number than a failed one has been started already. These tasks are finished, and the error of the
 * lowest number is kept. So the reported error is the one that a single thread would have met.
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

	/* The lowest number that is not yet handed out; n or more: none is left. Any thread changes it, atomically. */
	atomic_size_t next;

	/* Written by any thread, under the lock. Read without the lock after all threads were joined. */
	pthread_mutex_t lock;
	size_t failed; /* the lowest number of a failed task; n: none has failed */
	int error;     /* what that task returned */
};

/* A thread of a run. Written by the caller of workqueue_run(), constant while the thread runs. */
struct worker {
	pthread_t id;
	struct run *run;
	unsigned number; /* as for workqueue.observe: from 1 on */
};

/* Run task i, and tell the observer if there is one. */
static int run_task(const struct run *run, unsigned thread, size_t i)
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

/* Take the next number and run its task. Returns 0 if no number is left. */
static int run_next_task(struct run *run, unsigned thread)
{
	/* Relaxed is enough: no other memory depends on the counter. Starting and joining threads orders the rest. */
	size_t i = atomic_fetch_add_explicit(&run->next, 1, memory_order_relaxed);
	if (i >= run->n)
		return 0;
	int error = run_task(run, thread, i);
	if (error) {
		/* This uses the numbers up, so that no thread gets another one. A flag is not needed. */
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

static void *worker_main(void *arg)
{
	const struct worker *worker = arg;

	while (run_next_task(worker->run, worker->number))
		;
	return NULL;
}

/*
 * The signal handlers of a program expect to run on threads that the program knows. So the threads of a run block all
 * signals except those that a fault raises on the faulting thread itself. A blocked one of these would kill the process
 * instead of calling its handler, such as the guard's handler of liboutbuf. New threads inherit the signal mask: it is
 * set in the parent, so that it is in force from a thread's first instruction. Windows has no such signals.
 */
#ifdef SIGBUS
typedef sigset_t signal_mask;

static void block_signals(signal_mask *previous)
{
	static const int faults[] = { SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP };
	sigset_t blocked;

	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
		sigdelset(&blocked, faults[i]);
	pthread_sigmask(SIG_SETMASK, &blocked, previous);
}

static void restore_signals(const signal_mask *previous)
{
	pthread_sigmask(SIG_SETMASK, previous, NULL);
}
#else
typedef int signal_mask;

static void block_signals(signal_mask *previous)
{
	(void)previous;
}

static void restore_signals(const signal_mask *previous)
{
	(void)previous;
}
#endif

/* Start up to `wanted` threads. Returns how many were started. */
static unsigned start_workers(struct worker *workers, unsigned wanted, struct run *run)
{
	signal_mask previous;
	unsigned started = 0;

	block_signals(&previous);
	/* If no more threads can be created (a limit, a cgroup), those that exist do all the work. */
	while (started < wanted) {
		workers[started] = (struct worker){ .run = run, .number = started + 1 };
		if (pthread_create(&workers[started].id, NULL, worker_main, &workers[started]))
			break;
		started++;
	}
	restore_signals(&previous);
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
	if (wanted > n - 1) /* the calling thread runs at least one task */
		wanted = (unsigned)(n - 1);
	if (wanted > 0)
		workers = calloc(wanted, sizeof *workers);
	if (workers)
		started = start_workers(workers, wanted, &run);
	if (queue->used < started + 1)
		queue->used = started + 1;

	while (run_next_task(&run, 0)) {
		if (queue->tick)
			queue->tick(queue->tick_arg);
	}
	for (unsigned t = 0; t < started; t++)
		pthread_join(workers[t].id, NULL);
	free(workers);
	pthread_mutex_destroy(&run.lock);
	return run.error;
}

/* A task that returns nothing. */
struct void_task {
	void (*task)(void *arg, size_t i);
	void *arg;
};

static int run_void_task(void *arg, size_t i)
{
	const struct void_task *t = arg;
	t->task(t->arg, i);
	return 0;
}

int workqueue_pool(void *queue, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
	struct void_task t = { task, arg };
	return workqueue_run(queue, n, run_void_task, &t);
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
