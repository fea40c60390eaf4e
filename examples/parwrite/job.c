/* SPDX-License-Identifier: MIT */
/*
 * job.c - one run, from options to a committed file
 *
 * A run is a table of steps:
 *
 *     read     map the inputs and check their headers                 read.c, archive.c, object.c
 *     open     open the output: an error such as a missing folder is found before the work is done.
 *              Nothing appears at the path, or in the pipe, yet
 *     groups   if several objects have the same COMDAT group, keep one groups.c
 *     layout   decide which sections there are, and their offsets     layout.c, notes.c
 *     symbols  merge the symbols by name, and number them             symbols.c
 *     map      map the part of the output that has section contents and relocations, which is most of it
 *     emit     write these, through parallel Views                    emit.c, relocate.c
 *     in place adjust addends that lie in section contents (REL)      relocate.c
 *     append   write symbols, names and headers, past the mapping     tables.c, headers.c
 *     build id hash all these bytes, if there is --build-id           build_id.c
 *     map file write a description for people, if there is -Map       mapfile.c
 *     commit   put the complete file at the path; after an error the path has the file from before
 *
 * There is no global state. Everything is in struct job, and each step writes the members that are its own. Threads
 * exist only inside steps, and while the library flushes bytes to the file, for which it borrows the same work queue.
 * Any error ends the run at once, with one line that says why, and job_free() discards the output.
 *
 * Nothing here exits the process or needs a command line, so one program can do many runs: the one in tests/fuzz does
 * thousands of them.
 */
#include "config.h"

#include "emit/mapfile.h"
#include "input/read.h"
#include "options/clash.h"
#include "report/clock.h"
#include "symbols/groups.h"
#include "job.h"

#include <stdlib.h>
#include <string.h>

static int step_read(struct job *job)
{
	return inputs_read(&job->in, job->options.inputs, job->options.n_inputs, &job->options.leave_out,
	                   &job->queue, &job->error);
}

static int step_open(struct job *job)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;

	if (clash_check(&job->options, &job->in, &job->error))
		return -1;
	options.mode = 0666;
	options.order = job->in.format.big ? OUTBUF_BIG_ENDIAN : OUTBUF_LITTLE_ENDIAN;
	options.map = job->options.no_map ? OUTBUF_NO : OUTBUF_AUTO;
	options.check_overlap = (uint32_t)job->options.check_overlap;
	options.check_complete = 1;
	options.guard = 1;
	/* As ld -r, which writes over what it cannot replace. */
	options.replace = OUTBUF_REPLACE_ELSE_IN_PLACE;
	options.recycle = (uint32_t)job->options.recycle;
	options.durability = job->options.durability;
	options.run = workqueue_pool;
	options.run_arg = &job->queue;
	return emit_result(&job->emission, outbuf_open(&job->ob, job->options.output, &options));
}

static int step_groups(struct job *job)
{
	return groups_resolve(&job->in, &job->queue, &job->error);
}

static int step_layout(struct job *job)
{
	if (job->options.build_id.kind != BUILD_ID_NONE &&
	    build_id_section(&job->options.build_id, &job->in, &job->layout.build_id, &job->error))
		return -1;
	return layout_make(&job->layout, &job->in, &job->queue, &job->error);
}

static int step_symbols(struct job *job)
{
	return symbols_resolve(&job->symbols, &job->in, &job->layout, &job->queue, &job->error);
}

static int step_map(struct job *job)
{
	job->emission.ob = job->ob;
	emit_place(&job->emission);
	if (!job->in.format.wide && job->emission.tables.end > INT32_MAX)
		return fail(&job->error, NULL, "the output would be larger than 2 GiB, which 32-bit objects cannot be");
	job->progress.total = job->emission.tables.end;
	return emit_result(&job->emission, outbuf_map(job->ob, job->layout.contents_end));
}

static int step_emit(struct job *job)
{
	return emit_contents(&job->emission);
}

static int step_in_place(struct job *job)
{
	return relocate_in_place(&job->emission);
}

static int step_append(struct job *job)
{
	return emit_tables(&job->emission);
}

static int step_build_id(struct job *job)
{
	if (job->options.build_id.kind == BUILD_ID_NONE)
		return 0;
	return build_id_write(&job->emission, &job->options.build_id, &job->layout.build_id);
}

static int step_map_file(struct job *job)
{
	if (!job->options.map_file)
		return 0;
	return mapfile_write(job->options.map_file, &job->layout, &job->in, &job->error);
}

static int step_commit(struct job *job)
{
	return emit_result(&job->emission, outbuf_commit(job->ob));
}

static int (*const steps[STEPS])(struct job *job) = {
	[STEP_READ] = step_read,         [STEP_OPEN] = step_open,     [STEP_GROUPS] = step_groups,
	[STEP_LAYOUT] = step_layout,     [STEP_SYMBOLS] = step_symbols, [STEP_MAP] = step_map,
	[STEP_EMIT] = step_emit,         [STEP_IN_PLACE] = step_in_place, [STEP_APPEND] = step_append,
	[STEP_BUILD_ID] = step_build_id, [STEP_MAP_FILE] = step_map_file, [STEP_COMMIT] = step_commit,
};

static int run_step(struct job *job, enum step i)
{
	uint64_t before = now_ns();

	if (job->trace)
		trace_step(job->trace, step_names[i]);
	if (steps[i](job))
		return -1;
	if (job->trace)
		trace_step_end(job->trace);
	job->step_ns[i] = now_ns() - before;
	return 0;
}

static int run_steps(struct job *job)
{
	if (job->options.trace_file) {
		job->trace = trace_new(job->options.trace_file, job->queue.threads, &job->error);
		if (!job->trace)
			return -1;
		job->emission.trace = job->trace;
		job->queue.observe = trace_task;
		job->queue.observe_arg = job->trace;
	}
	for (int i = 0; i < STEPS; i++) {
		if (run_step(job, (enum step)i))
			return -1;
	}
	atomic_store(&job->progress.done, job->progress.total);
	progress_end(&job->progress);
	if (job->trace && trace_write(job->trace, &job->error))
		return -1;
	return job->options.stats != STATS_NONE ? stats_print(job) : 0;
}

int job_run(struct job *job)
{
	const char *output = job->options.output;
	int r;

	job->in.arena = (struct arena)ARENA_INIT;
	job->queue.threads = job->options.threads;
	job->queue.tick = progress_tick;
	job->queue.tick_arg = &job->progress;
	job->progress.enabled = job->options.progress;
	job->emission = (struct emission){
		.path = strcmp(output, "-") == 0 ? "standard output" : output,
		.in = &job->in,
		.layout = &job->layout,
		.symbols = &job->symbols,
		.queue = &job->queue,
		.progress = &job->progress,
		.error = &job->error,
		.arena = &job->in.arena,
	};
	r = run_steps(job);
	progress_end(&job->progress);
	return r;
}

void job_free(struct job *job)
{
	outbuf_close(job->ob);
	/* Inputs stay mapped until here, because Views of the output copy straight from them. */
	inputs_free(&job->in);
	layout_free(&job->layout);
	trace_free(job->trace);
	error_free(&job->error);
}
