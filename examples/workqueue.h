/* SPDX-License-Identifier: MIT */
/*
 * workqueue.h - run n tasks on k threads, and cut large things into tasks
 *
 * Knows nothing of outputs: a task is a function and a number. See workqueue.c for why it is
 * built this way, 05_pool.c for how a liboutbuf output borrows it, parwrite for real use.
 */
#ifndef WORKQUEUE_H
#define WORKQUEUE_H

#include <stddef.h>
#include <stdint.h>

/* How work is to be done. The caller fills it; constant during a run, except `used`. */
struct workqueue {
	unsigned threads;        /* at most so many, the caller's own included; 0 counts as 1 */
	void (*tick)(void *arg); /* NULL, or called on the caller's thread between its tasks */
	void *tick_arg;
	/*
	 * NULL, or called by each thread before (ended 0) and after (1) each task. Threads of a run have
	 * numbers below `threads`, the caller's is 0.
	 */
	void (*observe)(void *arg, unsigned thread, size_t i, int ended);
	void *observe_arg;
	unsigned used;           /* the most threads any run has had; written by the caller's */
};

/*
 * Call task(arg, i) once for every i below n, on several threads at once, and return when
 * the last one is done. Numbers are handed out in rising order.
 *
 * A task returns 0, or anything else to stop: no further numbers are handed out, tasks under way
 * are finished, and the value of the lowest-numbered failed task is returned. That
 * one does not depend on the number of threads.
 */
int workqueue_run(struct workqueue *queue, size_t n, int (*task)(void *arg, size_t i), void *arg);

/*
 * The same for tasks that report by themselves, in the shape of outbuf_options.run: `queue` is a
 * struct workqueue. Returns 0.
 */
int workqueue_pool(void *queue, size_t n, void (*task)(void *arg, size_t i), void *arg);

/* A block is long enough that taking it from the queue costs nothing beside writing it. */
#define WORKQUEUE_BLOCK ((uint64_t)1 << 20)

/*
 * The number of blocks that `size` bytes are cut into: each WORKQUEUE_BLOCK long but the
 * last, which takes the remainder and is up to twice as long. 0 only for size 0. At most SIZE_MAX blocks:
 * 4 PiB where size_t has 32 bits.
 */
size_t workqueue_blocks(uint64_t size);

/* Where block i begins; for i == workqueue_blocks(size), where the last one ends: size. */
uint64_t workqueue_block_start(uint64_t size, size_t i);

#endif /* WORKQUEUE_H */
