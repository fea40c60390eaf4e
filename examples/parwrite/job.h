/* SPDX-License-Identifier: MIT */
/* job.h - one run of parwrite: job.c does it, stats.c prints its statistics */
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

/* The steps of a run, in their order; see job.c. */
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

/*
 * One run. The thread that calls job_run() writes the members, except where their types say that tasks do so. All but
 * `options` are freed by job_free().
 */
struct job {
	struct options options;   /* set by the caller, who also owns all that it points to; constant during the run */
	struct inputs in;         /* written by STEP_READ; some members by later steps, see input.h */
	struct layout layout;     /* written by STEP_LAYOUT; some members by STEP_SYMBOLS, see layout.h */
	struct symbols symbols;   /* written by STEP_SYMBOLS */
	struct emission emission; /* written by job_run(), STEP_MAP */
	struct workqueue queue;   /* runs the tasks of all steps, and of the library */
	struct progress progress; /* tasks add to its counter */
	struct error error;       /* any thread */
	struct outbuf *ob;        /* written by STEP_OPEN; NULL before */
	struct trace *trace;      /* NULL: there is no --trace */
	uint64_t step_ns[STEPS];  /* how long each step took; 0 if it was not reached */
};

/*
 * Do what job->options says. job->error must be ERROR_INIT, and all other members zero.
 *
 * Returns 0, or -1 with one line in job->error. After an error the file at the output's path is as it was before, with
 * one exception: if only the trace or the statistics could not be written, the new file is already there, because these
 * are written after the commit, whose time they include.
 */
int job_run(struct job *job);

/* Free all but the options. Call this also after a run that failed, or if there was no run. */
void job_free(struct job *job);

/* stats.c: the name of each step, in statistics and traces. */
extern const char *const step_names[STEPS];

/* stats.c: print what --stats asks for. Call this after commit. Returns 0, or -1 with a message in job->error. */
int stats_print(struct job *job);

#endif
