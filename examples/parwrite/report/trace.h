/* SPDX-License-Identifier: MIT */
/*
 * trace.h - which thread did what, and when: --trace
 *
 * A file for chrome://tracing and ui.perfetto.dev: each step, in it the tasks of each thread, and in those the
 * sections that were written. Each thread has a list of its own, so nobody waits for anybody.
 */
#ifndef PARWRITE_TRACE_H
#define PARWRITE_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct trace;

/* For a file that is written by trace_write(), and so many threads. NULL: there is a message. */
struct trace *trace_new(const char *path, unsigned threads, struct error *error);

/* For struct workqueue.observe: tasks are told by the name of the step that is under way. */
void trace_task(void *trace, unsigned thread, size_t i, int ended);

/* The main thread: a step begins, or ends. */
void trace_step(struct trace *trace, const char *name);
void trace_step_end(struct trace *trace);

/*
 * Within a task: from begin_ns until now `size` bytes of a section, or none, were written at `offset` of the
 * output. The name stays where it is until trace_write(). `trace` may be NULL.
 */
void trace_span(struct trace *trace, const char *name, uint64_t begin_ns, uint64_t offset, uint64_t size);

/* Write all of them. Returns 0 or -1. */
int trace_write(struct trace *trace, struct error *error);

void trace_free(struct trace *trace);

#endif
