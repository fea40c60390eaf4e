/* SPDX-License-Identifier: MIT */
/*
 * job.c - one run, from options to a committed file
 *
 * One table of steps is the program:
 *
 *     open     nothing appears at the path, or in the pipe; if it cannot be written, that is known now
 *     read     inputs are mapped, their headers checked       input.c, object.c
 *     layout   which sections, and where in the file          layout.c
 *     symbols  one name, one symbol, one number               symbols.c
 *     map      as many bytes of the output as are known
 *     emit     their contents, in parallel Views              emit.c, strings.c
 *     append   what was not known, past the mapping           tables.c, headers.c
 *     commit   the complete file stands at the path, or the one from before does
 *
 * There is no global state: all of it is in struct job, steps write the parts that are theirs, and
 * threads exist only inside emit, append and the library's own carrying of bytes to the
 * file (which borrows the same queue). Any error leaves by one path, and the output is
 * discarded with it; one line says why.
 *
 * Nothing here exits or speaks of a command line, so that a program can do many runs: the one in
 * tests/fuzz does thousands of them.
 */
#include "config.h"

#include "job.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int step_open(struct job *job)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;

	options.mode = 0666;
	options.order = OUTBUF_LITTLE_ENDIAN;
	options.map = job->options.no_map ? OUTBUF_NO : OUTBUF_AUTO;
	options.check_overlap = (uint32_t)job->options.check_overlap;
	options.guard = 1;
	options.recycle = (uint32_t)job->options.recycle;
	options.run = workqueue_pool;
	options.run_arg = &job->queue;
	return emit_result(&job->emission, outbuf_open(&job->ob, job->options.output, &options));
}

static int step_read(struct job *job)
{
	for (size_t i = 0; i < job->options.n_inputs; i++) {
		if (inputs_add(&job->in, job->options.inputs[i], &job->error))
			return -1;
	}
	if (job->in.n_objects == 0)
		return fail(&job->error, job->options.inputs[0], "no objects in the input files");
	return inputs_read(&job->in, &job->error);
}

static int step_layout(struct job *job)
{
	return layout_make(&job->layout, &job->in, &job->error);
}

static int step_symbols(struct job *job)
{
	return symbols_resolve(&job->symbols, &job->in, &job->layout, &job->error);
}

static int step_map(struct job *job)
{
	/* A guess until names are known: those of the inputs are not fewer. */
	job->progress.total = job->layout.contents_end + job->symbols.total * sizeof(Elf64_Sym);
	for (size_t i = 0; i < job->in.n_objects; i++)
		job->progress.total += job->in.objects[i].strings_size;
	job->emission.ob = job->ob;
	return emit_result(&job->emission, outbuf_map(job->ob, job->layout.contents_end));
}

static int step_emit(struct job *job)
{
	return emit_contents(&job->emission);
}

static int step_append(struct job *job)
{
	return emit_tables(&job->emission);
}

static int step_commit(struct job *job)
{
	return emit_result(&job->emission, outbuf_commit(job->ob));
}

static int (*const steps[STEPS])(struct job *job) = {
	[STEP_OPEN] = step_open,       [STEP_READ] = step_read, [STEP_LAYOUT] = step_layout,
	[STEP_SYMBOLS] = step_symbols, [STEP_MAP] = step_map,   [STEP_EMIT] = step_emit,
	[STEP_APPEND] = step_append,   [STEP_COMMIT] = step_commit,
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int combine(struct job *job)
{
	for (int i = 0; i < STEPS; i++) {
		uint64_t before = now_ns();
		if (steps[i](job))
			return -1;
		job->step_ns[i] = now_ns() - before;
	}
	atomic_store(&job->progress.done, job->progress.total);
	progress_end(&job->progress);
	return job->options.stats ? stats_print(job) : 0;
}

int job_run(struct job *job)
{
	const char *output = job->options.output;
	int r;

	job->queue.threads = job->options.threads;
	job->queue.tick = progress_tick;
	job->queue.tick_arg = &job->progress;
	job->progress.shown = job->options.progress;
	job->emission = (struct emission){
		.path = strcmp(output, "-") == 0 ? "standard output" : output,
		.in = &job->in,
		.layout = &job->layout,
		.symbols = &job->symbols,
		.queue = &job->queue,
		.progress = &job->progress,
		.error = &job->error,
	};
	r = combine(job);
	progress_end(&job->progress);
	return r;
}

void job_free(struct job *job)
{
	outbuf_close(job->ob);
	/* Inputs stay mapped until here, as the output's Views copy straight from them. */
	inputs_free(&job->in);
	layout_free(&job->layout);
	symbols_free(&job->symbols);
	free(job->emission.tables.section_names);
	error_free(&job->error);
}
