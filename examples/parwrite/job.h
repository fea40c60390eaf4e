/* SPDX-License-Identifier: MIT */
/* job.h - one run of parwrite, as main.c goes through it and stats.c tells of it */
#ifndef PARWRITE_JOB_H
#define PARWRITE_JOB_H

#include <outbuf.h>
#include <stdint.h>

#include "../workqueue.h"
#include "emit.h"
#include "input.h"
#include "layout.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "symbols.h"

enum step {
	STEP_OPEN,
	STEP_READ,
	STEP_LAYOUT,
	STEP_SYMBOLS,
	STEP_MAP,
	STEP_EMIT,
	STEP_APPEND,
	STEP_COMMIT,
	STEPS
};

struct job {
	struct options options;
	struct inputs in;
	struct layout layout;
	struct symbols symbols;
	struct emission emission;
	struct workqueue queue;
	struct progress progress;
	struct error error;
	struct outbuf *ob;
	uint64_t step_ns[STEPS];
};

/* stats.c: what --stats prints, after commit. Returns 0 or -1. */
int stats_print(struct job *job);

#endif
