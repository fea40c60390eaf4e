/* SPDX-License-Identifier: MIT */
/*
 * Threads for the short time of a flush.
 *
 * Tasks are taken from one shared counter, so a thread that is held up does not hold up its
 * share. Threads are started for each call and not kept: starting and joining one costs 70 to
 * 90 us, a flush worth threads takes milliseconds, and idle threads of a library are a nuisance to
 * whoever forks or counts them. Who has a pool passes it (run).
 *
 * The cap: others measured writing to one file to get slower beyond 4 to 10 threads on most
 * file systems (wild#1499), and a linker shares the machine with a build.
 */
#include "config.h"

#include "parallel.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "sys.h"

#define THREADS_MAX 8u    /* chosen by the library */
#define THREADS_LIMIT 64u /* chosen by the caller */

struct crew {
	void (*task)(void *arg, size_t i);
	void *arg;
	size_t n;
	_Atomic size_t next; /* the first task nobody has taken; any thread of the crew */
};

static void *work(void *arg)
{
	struct crew *crew = arg;
	size_t i;

	while ((i = atomic_fetch_add_explicit(&crew->next, 1, memory_order_relaxed)) < crew->n)
		crew->task(crew->arg, i);
	return NULL;
}

int parallel_run(const struct parallel *p, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
	struct crew crew = { .task = task, .arg = arg, .n = n };
	pthread_t threads[THREADS_LIMIT];
	sigset_t all, before;
	unsigned want = p->threads, started = 0;

	if (p->run != NULL)
		return p->run(p->run_arg, n, task, arg);
	if (want == 0) {
		want = sys_cpus();
		want = want > THREADS_MAX ? THREADS_MAX : want;
	}
	want = want > THREADS_LIMIT ? THREADS_LIMIT : want;
	want = want > n ? (unsigned)n : want;

	if (want > 1) {
		/* The program's signal handlers must not find themselves on our threads. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		while (started + 1 < want &&
		       pthread_create(&threads[started], NULL, work, &crew) == 0)
			started++;
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	/* Threads that could not be had are not missed: this one does what is left. */
	work(&crew);
	while (started > 0)
		pthread_join(threads[--started], NULL);
	return 0;
}
