/* SPDX-License-Identifier: MIT */
/*
 * Closing descriptors in the background, and what depends on that: room on the disk.
 *
 * Problem: to close the last descriptor of a removed file frees its blocks, which takes 8 ms for 256 MiB
 * (target/unix/background.c). A thread that nobody waits for does that. But until it has, the disk has less room than
 * the caller was told: outputs in a loop on a disk with room for three failed with ENOSPC in 9 of 12. The process has a
 * descriptor more, too.
 *
 * Choice: what is pending is counted for the whole process. A call that fails because the disk is full, or because
 * there are too many descriptors, waits until nothing is pending (ob__sys_wait_for_room()), and is made once more.
 * Nothing is asked before that, so a call that succeeds pays nothing. The signal handler of the guard may wait, too, so
 * waiting uses atomics and system calls alone.
 *
 * Each descriptor has its own thread, which is joined: by the next call that needs a thread, or when the library is
 * unloaded, as its code must not vanish under the thread. (dlclose(3) unloads a plug-in that has the static library and
 * is linked without -z nodelete.) The same destructor runs when the process exits. There the kernel would free the
 * blocks and let the process wait, so it waits no longer than it would anyway.
 *
 * A forked child has none of these threads. It begins with a fresh state, as a mutex that another thread held during
 * fork(2) stays locked there.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "system/unix/sys_table.h"
#include "system/unix/sys_unix.h"

#define SECOND ((uint64_t)1000000000)
/* No wait is longer: a close can take for ever where a server is gone. */
#define ROOM_WAIT (10 * SECOND)
#define EXIT_WAIT (60 * SECOND)
/* A close that ended so short ago may have ended after the call that failed. */
#define JUST_NOW SECOND
/* So often, a millisecond apart, the mutex is tried when the process exits. It is held for 0.1 ms. */
#define EXIT_TRIES 1000

/* One descriptor, and the thread that closes it. */
struct closing {
	struct closing *next;  /* under `mutex` */
	pthread_t thread;      /* constant once it is in the list */
	struct background *of; /* constant */
	int fd;                /* constant */
	_Atomic int done;      /* 1: the thread does nothing any more but end; set by it */
};

struct background {
	_Atomic long pid;              /* the process that it belongs to; 0: none yet; written once */
	pthread_mutex_t mutex;         /* guards `closings` */
	struct closing *closings;      /* those whose thread was not joined yet */
	_Atomic unsigned running;      /* those that are not closed yet; any thread */
	_Atomic uint64_t last_end;     /* when the last one was closed, by ob__sys_now(); 0: none was */
	struct background *inherited;  /* the parent's, of which nothing is used; constant */
};

/* Of this process, or of the one that it was forked from. A forked child replaces it; nothing is ever freed. */
static struct background first = { .mutex = PTHREAD_MUTEX_INITIALIZER };
static _Atomic(struct background *) current = &first;

/* This process's state, NULL if it has none. Safe in a signal handler. */
static struct background *get(void)
{
	struct background *b = atomic_load(&current);

	return atomic_load(&b->pid) == (long)getpid() ? b : NULL;
}

/* This process's state, which is made if there is none. NULL: no memory. */
static struct background *get_or_make(void)
{
	struct background *b = atomic_load(&current), *new;
	long pid = (long)getpid(), none = 0;

	if (atomic_compare_exchange_strong(&b->pid, &none, pid) || none == pid)
		return b;
	new = calloc(1, sizeof *new);
	if (new == NULL)
		return NULL;
	pthread_mutex_init(&new->mutex, NULL);
	atomic_init(&new->pid, pid);
	new->inherited = b;
	if (atomic_compare_exchange_strong(&current, &b, new))
		return new;
	/* Another thread of this process was faster. */
	free(new);
	return b;
}

static void *close_and_note(void *arg)
{
	struct closing *c = arg;

	ob__sys_table.close(c->fd);
	atomic_store(&c->of->last_end, ob__sys_now());
	atomic_fetch_sub(&c->of->running, 1);
	atomic_store(&c->done, 1);
	return NULL;
}

/* Join the threads that have closed their descriptor, which takes a moment at most. The mutex is held. */
static void join_done(struct background *b)
{
	struct closing **at = &b->closings, *c;

	while ((c = *at) != NULL)
		if (atomic_load(&c->done)) {
			*at = c->next;
			pthread_join(c->thread, NULL);
			free(c);
		} else {
			at = &c->next;
		}
}

int ob__sys_close_later(int fd)
{
	struct background *b = get_or_make();
	struct closing *c = b == NULL ? NULL : malloc(sizeof *c);
	int r;

	if (c == NULL)
		return -ENOMEM;
	*c = (struct closing){ .of = b, .fd = fd };
	pthread_mutex_lock(&b->mutex);
	join_done(b);
	atomic_fetch_add(&b->running, 1);
	r = ob__sys_start_thread(&c->thread, close_and_note, c);
	if (r < 0) {
		atomic_fetch_sub(&b->running, 1);
		free(c);
	} else {
		c->next = b->closings;
		b->closings = c;
	}
	pthread_mutex_unlock(&b->mutex);
	return r;
}

static void sleep_for_a_millisecond(void)
{
	const struct timespec duration = { .tv_nsec = 1000000 };

	nanosleep(&duration, NULL);
}

int ob__sys_wait_for_room(int error)
{
	struct background *b;
	uint64_t now, end, last_end;

	if (error != -ENOSPC && error != -EDQUOT && error != -EMFILE && error != -ENFILE)
		return 0;
	b = get();
	if (b == NULL)
		return 0;
	now = ob__sys_now();
	last_end = atomic_load(&b->last_end);
	if (atomic_load(&b->running) == 0)
		return last_end != 0 && now < last_end + JUST_NOW;
	for (end = now + ROOM_WAIT; atomic_load(&b->running) > 0 && ob__sys_now() < end;)
		sleep_for_a_millisecond();
	return 1;
}

/*
 * The library is unloaded, or the process exits. If the mutex is not to be had, this thread may have it itself: a
 * signal handler that calls exit(3) has interrupted it. Then the process exits without waiting.
 */
__attribute__((destructor)) static void join_all(void)
{
	struct background *b = get();
	uint64_t end = ob__sys_now() + EXIT_WAIT;
	int left = b != NULL, tries = 0;

	while (left && tries < EXIT_TRIES && ob__sys_now() < end) {
		if (pthread_mutex_trylock(&b->mutex) == 0) {
			join_done(b);
			left = b->closings != NULL;
			pthread_mutex_unlock(&b->mutex);
			tries = 0;
		} else {
			tries++;
		}
		if (left)
			sleep_for_a_millisecond();
	}
}
