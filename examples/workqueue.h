/* SPDX-License-Identifier: MIT */
/*
 * workqueue.h - run n tasks on k threads, and cut large pieces of work into tasks
 *
 * This file knows nothing of outputs: a task is a function and a number. workqueue.c says why it is built this way,
 * 05_pool.c shows how a liboutbuf output uses it, and parwrite is a larger user.
 */
#ifndef WORKQUEUE_H
#define WORKQUEUE_H

#include <stddef.h>
#include <stdint.h>

/* How tasks are run. The caller fills it in before a run. During a run it is constant, except `used`. */
struct workqueue {
	unsigned threads;        /* at most so many threads, the calling one included; 0 counts as 1 */
	void (*tick)(void *arg); /* NULL, or called on the calling thread after each of its tasks */
	void *tick_arg;
	/*
	 * NULL, or called by each thread before (`ended` is 0) and after (`ended` is 1) each task i. `thread` is the
	 * thread's number in this run: 0 for the calling thread, else from 1 on and below `threads`.
	 */
	void (*observe)(void *arg, unsigned thread, size_t i, int ended);
	void *observe_arg;
	unsigned used;           /* the most threads that any run has had; written by the calling thread of a run */
};

/*
 * Call task(arg, i) once for every i below n, on several threads at once, and return when the last call has returned.
 * Numbers are handed out in rising order.
 *
 * A task returns 0 to go on, or anything else if it has failed. After a failure no further numbers are handed out, and
 * tasks that are running are finished. Returns 0, or what the failed task with the lowest number returned. Which task
 * that is does not depend on the number of threads.
 */
int workqueue_run(struct workqueue *queue, size_t n, int (*task)(void *arg, size_t i), void *arg);

/*
 * workqueue_run() for tasks that return nothing and report errors by themselves. Its type is that of
 * outbuf_options.run; `queue` is a struct workqueue. Returns 0.
 */
int workqueue_pool(void *queue, size_t n, void (*task)(void *arg, size_t i), void *arg);

/* Bytes in a block: so many that taking a block from the queue costs nothing compared with writing it. */
#define WORKQUEUE_BLOCK ((uint64_t)1 << 20)

/*
 * The number of blocks that `size` bytes are cut into. Each block is WORKQUEUE_BLOCK bytes long, except the last one:
 * it includes the remainder, and is up to twice as long. 0 only for size 0. There can be at most SIZE_MAX blocks: 4 PiB
 * where size_t has 32 bits.
 */
size_t workqueue_blocks(uint64_t size);

/* The offset of block i, in bytes; for i == workqueue_blocks(size) the end of the last block, which is `size`. */
uint64_t workqueue_block_start(uint64_t size, size_t i);

#endif /* WORKQUEUE_H */
