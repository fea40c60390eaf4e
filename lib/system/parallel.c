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

#include "system/parallel.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "system/sys.h"

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

int ob__parallel_run(const struct parallel *p, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
	struct crew crew = { .task = task, .arg = arg, .n = n };
	pthread_t threads[THREADS_LIMIT];
	unsigned want = p->threads, started = 0;

	if (p->run != NULL)
		return p->run(p->run_arg, n, task, arg);
	if (want == 0) {
		want = ob__sys_cpus();
		want = want > THREADS_MAX ? THREADS_MAX : want;
	}
	want = want > THREADS_LIMIT ? THREADS_LIMIT : want;
	want = want > n ? (unsigned)n : want;

	while (started + 1 < want && ob__sys_thread(&threads[started], work, &crew) == 0)
		started++;
	/* Threads that could not be had are not missed: this one does what is left. */
	work(&crew);
	while (started > 0)
		pthread_join(threads[--started], NULL);
	return 0;
}

struct chore {
	void (*task)(void *arg);
	void *arg;
};

static void *do_chore(void *arg)
{
	struct chore chore = *(struct chore *)arg;

	free(arg);
	chore.task(chore.arg);
	return NULL;
}

int ob__parallel_detached(void (*task)(void *arg), void *arg)
{
	struct chore *chore = malloc(sizeof *chore);
	int r;

	if (chore == NULL)
		return -ENOMEM;
	*chore = (struct chore){ task, arg };
	r = ob__sys_thread(NULL, do_chore, chore);
	if (r < 0)
		free(chore);
	return r;
}
