/* SPDX-License-Identifier: MIT */
/*
 * The caller's thread pool.
 *
 * Problem: a pool that does not do its work must not go unnoticed. One that returned EAGAIN as pthread functions do,
 * and one that lost a task and returned 0, each gave a committed file with zeros where the bytes should have been.
 *
 * Choice: the pool gets a function of ours, which does each task once, however often it is called for it, and counts
 * the tasks that were done. A positive result is an error, as it is for sinks and walks. A pool may also return too
 * early, while tasks are running or queued. So this waits for those that are running, and those that are begun later
 * do nothing. They find that out in memory that is then kept for good: some 70 bytes and a bit per task for each call
 * of such a pool, whose output fails.
 *
 * Cost: an allocation, and four atomic operations per task. Tasks are blocks of 1 MiB, of 80 us and more.
 */
#include "config.h"

#include "system/pool.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "system/sys.h"

struct pool_call {
	/* Constant while tasks may run. */
	void (*task)(void *arg, size_t i);
	void *arg;
	size_t n;
	/*
	 * `entered` and `closed` are a Dekker pair, sequentially consistent: a thread counts itself, then reads
	 * `closed`; ob__pool_run() sets `closed`, then reads the count. So no task begins unseen.
	 */
	_Atomic size_t entered; /* calls of our function that have begun; incremented by the pool's threads */
	_Atomic size_t left;    /* calls of it that have ended; the same */
	_Atomic size_t done;    /* tasks that were done; the same */
	_Atomic int closed;     /* 1: the pool has returned, no task may begin */
	struct pool_call *next; /* in `kept` */
	_Atomic uint32_t begun[]; /* a bit per task: 1 once a thread has begun it; set by the pool's threads */
};

/* Calls of pools that did not do their work. They are never freed, as the pool's threads may still look at them. */
static _Atomic(struct pool_call *) kept;

/* Is this thread the first to begin task i? */
static int begin(struct pool_call *call, size_t i)
{
	uint32_t bit = (uint32_t)1 << i % 32;

	return !(atomic_fetch_or_explicit(&call->begun[i / 32], bit, memory_order_relaxed) & bit);
}

static void run_task(void *arg, size_t i)
{
	struct pool_call *call = arg;

	atomic_fetch_add(&call->entered, 1);
	if (!atomic_load(&call->closed) && i < call->n && begin(call, i)) {
		call->task(call->arg, i);
		atomic_fetch_add_explicit(&call->done, 1, memory_order_relaxed);
	}
	/* Release: what the task wrote is visible to ob__pool_run(), however the pool synchronises. */
	atomic_fetch_add_explicit(&call->left, 1, memory_order_release);
}

static void keep(struct pool_call *call)
{
	call->next = atomic_load(&kept);
	while (!atomic_compare_exchange_weak(&kept, &call->next, call))
		continue;
}

int ob__pool_run(pool_function *run, void *run_arg, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
	struct pool_call *call = calloc(1, sizeof *call + (n / 32 + 1) * sizeof *call->begun);
	size_t left;
	int r, complete;

	if (call == NULL)
		return -ENOMEM;
	call->task = task;
	call->arg = arg;
	call->n = n;
	r = run(run_arg, n, run_task, call);
	atomic_store(&call->closed, 1);
	/* `left` first: a call that begins and ends between the two reads would hide one that is still running. */
	while (left = atomic_load_explicit(&call->left, memory_order_acquire), left != atomic_load(&call->entered))
		ob__sys_pause();
	complete = atomic_load_explicit(&call->done, memory_order_relaxed) == n;
	if (r == 0 && complete)
		free(call);
	else
		keep(call);
	if (r > 0)
		return -EINVAL;
	return r < 0 || complete ? r : -EIO;
}
