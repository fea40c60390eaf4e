/* SPDX-License-Identifier: MIT */
/*
 * stats.c - what --stats prints: "name: value" lines, for people and for cut(1)
 *
 * To standard output, as that is what was asked for; to standard error if the object went there.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job.h"

static const char *const step_names[STEPS] = {
	[STEP_OPEN] = "open",       [STEP_READ] = "read",     [STEP_LAYOUT] = "layout",
	[STEP_SYMBOLS] = "symbols", [STEP_MAP] = "map",       [STEP_EMIT] = "emit",
	[STEP_APPEND] = "append",   [STEP_COMMIT] = "commit",
};

static const char *const phase_names[OUTBUF_PHASES] = {
	[OUTBUF_PHASE_MAP] = "map",         [OUTBUF_PHASE_FLUSH] = "flush",
	[OUTBUF_PHASE_UNMAP] = "unmap",     [OUTBUF_PHASE_SYNC] = "sync",
	[OUTBUF_PHASE_PUBLISH] = "publish",
};

/* Did the object itself go to standard output, by whatever name? */
static int is_standard_output(const char *path, const struct outbuf_stats *stats)
{
	struct stat output, standard;

	if (strcmp(stats->placement, "descriptor") != 0)
		return 0;
	return strcmp(path, "-") == 0 ||
	       (stat(path, &output) == 0 && fstat(STDOUT_FILENO, &standard) == 0 &&
	        output.st_dev == standard.st_dev && output.st_ino == standard.st_ino);
}

static void print_time(FILE *to, const char *of, const char *name, uint64_t ns)
{
	fprintf(to, "%s %s: %.3f ms\n", of, name, (double)ns / 1e6);
}

static void print_inputs(FILE *to, const struct job *job)
{
	size_t sections = 0, relocations = 0;

	for (size_t i = 0; i < job->in.n_objects; i++)
		sections += job->in.objects[i].n_sections;
	for (size_t i = job->layout.n_contents; i < job->layout.n_sections; i++)
		relocations += job->layout.sections[i].size / sizeof(Elf64_Rela);
	fprintf(to, "objects: %zu\n", job->in.n_objects);
	fprintf(to, "sections: %zu in, %zu out\n", sections, job->layout.n_sections + EXTRA_HEADERS);
	fprintf(to, "symbols: %" PRIu32 "\n", job->symbols.total);
	fprintf(to, "relocations: %zu\n", relocations);
}

int stats_print(struct job *job)
{
	struct outbuf_stats stats = { .size = sizeof stats };
	uint64_t total = 0;
	FILE *to;
	int error = outbuf_stats(job->ob, &stats);

	if (error)
		return fail(&job->error, job->emission.path, "%s", strerror(-error));
	to = is_standard_output(job->options.output, &stats) ? stderr : stdout;
	print_inputs(to, job);
	fprintf(to, "output: %" PRIu64 " bytes\n", stats.output_size);
	fprintf(to, "mapped: %" PRIu64 " bytes\n", stats.mapped);
	fprintf(to, "heap: %" PRIu64 " bytes\n", stats.heap);
	fprintf(to, "flushed: %" PRIu64 " bytes\n", stats.flushed);
	if (stats.mapped == 0)
		fprintf(to, "not mapped: %s\n", job->options.no_map ? "--no-map"
		                               : stats.map_error    ? strerror(-stats.map_error)
		                                                    : stats.map_why);
	if (stats.prealloc_error)
		fprintf(to, "blocks not reserved: %s\n", strerror(-stats.prealloc_error));
	fprintf(to, "threads: %u\n", job->queue.used);
	fprintf(to, "views: %" PRIu64 "\n", stats.views);
	fprintf(to, "file system: %s\n", stats.file_system);
	fprintf(to, "staged: %s\n", stats.staged ? "yes" : "no");
	fprintf(to, "backend: %s\n", stats.backend);
	fprintf(to, "asked for by: %s\n", stats.flush_why);
	if (stats.flush_error)
		fprintf(to, "another backend refused: %s\n", strerror(-stats.flush_error));
	fprintf(to, "placement: %s\n", stats.placement);
	if (stats.recycle_why != NULL)
		fprintf(to, "not recycled: %s\n", stats.recycle_why);
	for (int i = 0; i < STEPS; i++) {
		print_time(to, "time", step_names[i], job->step_ns[i]);
		total += job->step_ns[i];
	}
	print_time(to, "time", "total", total);
	for (int i = 0; i < OUTBUF_PHASES; i++)
		print_time(to, "library", phase_names[i], stats.phase_ns[i]);
	if (fflush(to) || ferror(to))
		return fail(&job->error, NULL, "standard %s: cannot be written",
		            to == stdout ? "output" : "error");
	return 0;
}
