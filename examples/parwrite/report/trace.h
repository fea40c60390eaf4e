/* SPDX-License-Identifier: MIT */
/*
 * trace.h - records which thread did what, and when: --trace
 *
 * The file is in the format of chrome://tracing and ui.perfetto.dev. It shows each step, the tasks of each thread in
 * that step, and the sections that each task wrote. Each thread adds to a list of its own, so no thread waits for
 * another one.
 */
#ifndef PARWRITE_TRACE_H
#define PARWRITE_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct trace;

/*
 * Begin a trace of at most `threads` threads. trace_write() will write it to `path`. NULL: `error` has the message.
 */
struct trace *trace_new(const char *path, unsigned threads, struct error *error);

/*
 * For struct workqueue.observe: records each task, under the name of the current step. `trace` is a struct trace. Any
 * thread of the queue.
 */
void trace_task(void *trace, unsigned thread, size_t i, int ended);

/* A step begins, or ends. `name` must stay valid until trace_write(). Main thread, while no tasks run. */
void trace_step(struct trace *trace, const char *name);
void trace_step_end(struct trace *trace);

/*
 * From begin_ns (by now_ns()) until now, `size` bytes of section `name` were written at `offset` of the output. Size 0
 * records nothing. `name` must stay valid until trace_write(). `trace` may be NULL: then this does nothing. Call this
 * only inside a task; any thread.
 */
void trace_span(struct trace *trace, const char *name, uint64_t begin_ns, uint64_t offset, uint64_t size);

/*
 * Write the file. Returns 0, or -1 with a message, also if the trace is incomplete because memory ran out. Main thread,
 * while no tasks run.
 */
int trace_write(struct trace *trace, struct error *error);

/* Free the trace, written or not. `trace` may be NULL. */
void trace_free(struct trace *trace);

#endif
