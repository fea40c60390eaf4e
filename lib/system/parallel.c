/* SPDX-License-Identifier: MIT */
/*
 * Threads for the short time of a flush.
 *
 * The next task is taken from one shared counter. So a thread that is delayed does not delay a fixed share of the
 * tasks.
 *
 * Threads are started for each call and not kept. Starting and joining one costs 70 to 90 us, and a flush that is
 * worth threads takes milliseconds. Idle threads of a library are a nuisance to programs that fork or count their
 * threads. A caller that has a pool of threads passes it (options.run).
 *
 * The number of threads that the library chooses is limited. Others measured that writing to one file gets slower
 * beyond 4 to 10 threads on most file systems (wild#1499), and a linker shares the machine with a build.
 */
#include "config.h"

#include "system/parallel.h"

#include <pthread.h>
#include <stdatomic.h>

#include "system/sys.h"

#define THREADS_MAX 8u    /* the most that the library chooses */
#define THREADS_LIMIT 64u /* the most that the caller may choose */

/* The tasks of one call of ob__parallel_run(). Constant while its threads run, except `next`. */
struct shared_tasks {
	void (*task)(void *arg, size_t i);
	void *arg;
	size_t n;
	_Atomic size_t next; /* the first task that no thread has begun; incremented by the threads of this call */
};

static void *run_tasks(void *arg)
{
	struct shared_tasks *shared_tasks = arg;
	size_t i;

	while ((i = atomic_fetch_add_explicit(&shared_tasks->next, 1, memory_order_relaxed)) < shared_tasks->n)
		shared_tasks->task(shared_tasks->arg, i);
	return NULL;
}

int ob__parallel_run(const struct parallel *p, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
	struct shared_tasks shared_tasks = { .task = task, .arg = arg, .n = n };
	pthread_t threads[THREADS_LIMIT];
	unsigned wanted = p->threads, started = 0;

	if (p->run != NULL)
		return ob__pool_run(p->run, p->run_arg, n, task, arg);
	if (wanted == 0) {
		wanted = ob__sys_cpus();
		wanted = wanted > THREADS_MAX ? THREADS_MAX : wanted;
	}
	wanted = wanted > THREADS_LIMIT ? THREADS_LIMIT : wanted;
	wanted = wanted > n ? (unsigned)n : wanted;

	while (started + 1 < wanted && ob__sys_start_thread(&threads[started], run_tasks, &shared_tasks) == 0)
		started++;
	/* A thread that could not be started is not needed: this one does all tasks that are left. */
	run_tasks(&shared_tasks);
	while (started > 0)
		pthread_join(threads[--started], NULL);
	return 0;
}
