/* SPDX-License-Identifier: MIT */
/* progress.h - the progress bar, which shows how much of the output has been written */
#ifndef PARWRITE_PROGRESS_H
#define PARWRITE_PROGRESS_H

#include <stdatomic.h>
#include <stdint.h>

struct progress {
	_Atomic uint64_t done; /* bytes written so far; any thread adds, the main thread reads */

	/* Used by the main thread only. */
	uint64_t total;         /* bytes of the whole output; 0 until they are known (step_map() in job.c) */
	uint64_t last_drawn_ns; /* when the bar was last drawn, by now_ns(); 0: never */
	int enabled;            /* 1: show a bar; constant, set by job_run() */
	int line_open;          /* 1: a bar was drawn and its line is not ended yet */
};

/* Count `bytes` as written. Any thread. */
static inline void progress_add(struct progress *p, uint64_t bytes)
{
	/* This is called once per task of about 1 MiB, so it costs little. No other memory depends on it: relaxed. */
	atomic_fetch_add_explicit(&p->done, bytes, memory_order_relaxed);
}

/*
 * For struct workqueue.tick (workqueue.h): draw the bar if it was not drawn during the last 100 ms. `progress` is a
 * struct progress. Main thread.
 */
void progress_tick(void *progress);

/*
 * If a bar was drawn, draw it once more and end its line. Call this before anything else is printed. It may be called
 * again. Main thread.
 */
void progress_end(struct progress *p);

#endif
