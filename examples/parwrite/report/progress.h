/* SPDX-License-Identifier: MIT */
/* progress.h - a bar that shows how much has been written */
#ifndef PARWRITE_PROGRESS_H
#define PARWRITE_PROGRESS_H

#include <stdatomic.h>
#include <stdint.h>

struct progress {
	_Atomic uint64_t done; /* bytes written so far; any thread adds, the main thread reads */
	/* The main thread only. */
	uint64_t total;
	uint64_t drawn_ns; /* when; 0: not yet */
	int shown;         /* whether there is to be a bar at all */
	int open;          /* a bar stands in a line that is not ended yet */
};

static inline void progress_add(struct progress *p, uint64_t bytes)
{
	/* Once per task of about 1 MiB: cheap, and nothing is ordered by it. */
	atomic_fetch_add_explicit(&p->done, bytes, memory_order_relaxed);
}

/* A tick of the work queue (workqueue.h): draw, if the last time is long enough ago. */
void progress_tick(void *progress);

/* Draw it as it is now, end its line. To be called before anything else is printed. */
void progress_end(struct progress *p);

#endif
