/* SPDX-License-Identifier: MIT */
/*
 * trace.h - which thread did what, and when: --trace
 *
 * A file for chrome://tracing and ui.perfetto.dev. Steps are told by the main thread, tasks by the thread that
 * does them: each task has a place of its own, so nobody waits for anybody.
 */
#ifndef PARWRITE_TRACE_H
#define PARWRITE_TRACE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct event {
	uint64_t begin_ns, end_ns;
	const char *what;    /* "contents" */
	const char *name, *last; /* of the first and last section; NULL: none */
	uint64_t offset, size; /* bytes of the output */
	unsigned thread;
};

struct trace {
	/* The main thread's, between runs of tasks. */
	struct event *events;
	size_t n, room;
	uint64_t origin_ns;
	void *file;
	const char *path;
	/* Any thread, under the lock. */
	pthread_mutex_t lock;
	pthread_t threads[1024];
	unsigned n_threads;
};

/* For a file that is opened now. NULL: there is a message. */
struct trace *trace_new(const char *path, struct error *error);

/* The main thread: room for n more events, the first of which is returned. NULL: as above. */
struct event *trace_reserve(struct trace *trace, size_t n, struct error *error);

/* Any thread, for an event of its own: it begins, or ends, now. */
void event_begin(struct event *event);
void event_end(struct trace *trace, struct event *event);

/* Write all of them. Returns 0 or -1. */
int trace_write(struct trace *trace, struct error *error);

void trace_free(struct trace *trace);

#endif
