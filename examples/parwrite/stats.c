/* SPDX-License-Identifier: MIT */
/* stats.c - what --stats prints: "name: value" lines, for people and for cut(1) */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

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

static void print_time(const char *of, const char *name, uint64_t ns)
{
	printf("%s %s: %.3f ms\n", of, name, (double)ns / 1e6);
}

static void print_inputs(const struct job *job)
{
	size_t sections = 0, relocations = 0;

	for (size_t i = 0; i < job->in.n_objects; i++)
		sections += job->in.objects[i].n_sections;
	for (size_t i = job->layout.n_contents; i < job->layout.n_sections; i++)
		relocations += job->layout.sections[i].size / sizeof(Elf64_Rela);
	printf("objects: %zu\n", job->in.n_objects);
	printf("sections: %zu in, %zu out\n", sections, job->layout.n_sections + EXTRA_HEADERS);
	printf("symbols: %" PRIu32 "\n", job->symbols.total);
	printf("relocations: %zu\n", relocations);
}

int stats_print(struct job *job)
{
	struct outbuf_stats stats = { .size = sizeof stats };
	uint64_t total = 0;
	int error = outbuf_stats(job->ob, &stats);

	if (error)
		return fail(&job->error, job->options.output, "%s", strerror(-error));
	print_inputs(job);
	printf("output: %" PRIu64 " bytes\n", stats.output_size);
	printf("mapped: %" PRIu64 " bytes\n", stats.mapped);
	printf("heap: %" PRIu64 " bytes\n", stats.heap);
	printf("flushed: %" PRIu64 " bytes\n", stats.flushed);
	if (stats.mapped == 0)
		printf("not mapped: %s\n", job->options.no_map ? "--no-map"
		                           : stats.map_error   ? strerror(stats.map_error < 0
		                                                              ? -stats.map_error
		                                                              : stats.map_error)
		                                               : "not possible here");
	if (stats.prealloc_error)
		printf("blocks not reserved: %s\n",
		       strerror(stats.prealloc_error < 0 ? -stats.prealloc_error
		                                         : stats.prealloc_error));
	printf("threads: %u\n", job->queue.used);
	printf("views: %" PRIu64 "\n", stats.views);
	printf("backend: %s\n", stats.backend);
	printf("placement: %s\n", stats.placement);
	for (int i = 0; i < STEPS; i++) {
		print_time("time", step_names[i], job->step_ns[i]);
		total += job->step_ns[i];
	}
	print_time("time", "total", total);
	for (int i = 0; i < OUTBUF_PHASES; i++)
		print_time("library", phase_names[i], stats.phase_ns[i]);
	if (fflush(stdout) || ferror(stdout))
		return fail(&job->error, NULL, "standard output: cannot be written");
	return 0;
}
