/* SPDX-License-Identifier: MIT */
/* job.h - one run of parwrite: job.c goes through it, stats.c tells of it */
#ifndef PARWRITE_JOB_H
#define PARWRITE_JOB_H

#include <outbuf.h>
#include <stdint.h>

#include "emit/emit.h"
#include "input/input.h"
#include "layout/layout.h"
#include "options/options.h"
#include "report/progress.h"
#include "report/report.h"
#include "report/trace.h"
#include "symbols/symbols.h"
#include "workqueue.h"

enum step {
	STEP_READ,
	STEP_OPEN,
	STEP_GROUPS,
	STEP_LAYOUT,
	STEP_SYMBOLS,
	STEP_MAP,
	STEP_EMIT,
	STEP_IN_PLACE,
	STEP_APPEND,
	STEP_BUILD_ID,
	STEP_MAP_FILE,
	STEP_COMMIT,
	STEPS
};

struct job {
	struct options options; /* the caller's, as all that it points to */
	struct inputs in;
	struct layout layout;
	struct symbols symbols;
	struct emission emission;
	struct workqueue queue;
	struct progress progress;
	struct error error;
	struct outbuf *ob;
	struct trace *trace; /* NULL: nobody asked */
	uint64_t step_ns[STEPS];
};

/*
 * Do what the options say, in a job that is otherwise zero but for ERROR_INIT. Returns 0, or -1 with
 * one line in job->error, and the output is as it was (but if the trace or
 * the statistics could not be written: these tell of the commit, too).
 */
int job_run(struct job *job);

/* Free all but the options; also after a failed run, or none. */
void job_free(struct job *job);

/* stats.c: what a step is called. */
extern const char *const step_names[STEPS];

/* stats.c: what --stats prints, after commit. Returns 0 or -1. */
int stats_print(struct job *job);

#endif
