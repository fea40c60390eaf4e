/* SPDX-License-Identifier: MIT */
/*
 * stats.c - what --stats prints: "name: value" lines, for people and for cut(1), or JSON
 *
 * They go to standard output, because the user asked for them. They go to standard error if the combined object itself
 * went to standard output.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job.h"

/*
 * Where the items are printed to, and how. In JSON they are the members of one object, whose names have underscores
 * instead of spaces. Used by one thread.
 */
struct printer {
	FILE *stream;
	int json;    /* 1: JSON, 0: lines of text */
	int n_items; /* JSON: how many items were printed so far */
};

const char *const step_names[STEPS] = {
	[STEP_READ] = "read",     [STEP_OPEN] = "open",         [STEP_GROUPS] = "groups",
	[STEP_LAYOUT] = "layout", [STEP_SYMBOLS] = "symbols",   [STEP_MAP] = "map",
	[STEP_EMIT] = "emit",     [STEP_IN_PLACE] = "in place", [STEP_APPEND] = "append",
	[STEP_BUILD_ID] = "build id", [STEP_MAP_FILE] = "map file", [STEP_COMMIT] = "commit",
};

static const char *const phase_names[OUTBUF_PHASES] = {
	[OUTBUF_PHASE_MAP] = "map",         [OUTBUF_PHASE_FLUSH] = "flush",
	[OUTBUF_PHASE_UNMAP] = "unmap",     [OUTBUF_PHASE_SYNC] = "sync",
	[OUTBUF_PHASE_PUBLISH] = "publish",
};

/*
 * Was the combined object written to standard output? Its path can be "-", or a name of the same file, such as
 * /dev/stdout.
 */
static int is_standard_output(const char *path, const struct outbuf_stats *stats)
{
	struct stat output, standard;

	if (strcmp(stats->placement, "descriptor") != 0)
		return 0;
	return strcmp(path, "-") == 0 ||
	       (stat(path, &output) == 0 && fstat(STDOUT_FILENO, &standard) == 0 &&
	        output.st_dev == standard.st_dev && output.st_ino == standard.st_ino);
}

static void print_name(struct printer *p, const char *name)
{
	if (!p->json) {
		fprintf(p->stream, "%s: ", name);
		return;
	}
	fputs(p->n_items++ ? ",\n  \"" : "{\n  \"", p->stream);
	for (; *name; name++)
		fputc(*name == ' ' ? '_' : *name, p->stream);
	fputs("\": ", p->stream);
}

static void print_number(struct printer *p, const char *name, uint64_t value, const char *unit)
{
	print_name(p, name);
	fprintf(p->stream, "%" PRIu64 "%s", value, p->json ? "" : unit);
	if (!p->json)
		fputc('\n', p->stream);
}

/* Texts come from the library and from this program, not from inputs, so nothing in them has to be escaped for JSON. */
static void print_text(struct printer *p, const char *name, const char *value)
{
	print_name(p, name);
	fprintf(p->stream, p->json ? "\"%s\"" : "%s\n", value);
}

static void print_time(struct printer *p, const char *kind, const char *name, uint64_t ns)
{
	char full_name[64];

	snprintf(full_name, sizeof full_name, "%s %s%s", kind, name, p->json ? " ms" : "");
	print_name(p, full_name);
	fprintf(p->stream, p->json ? "%.3f" : "%.3f ms\n", (double)ns / 1e6);
}

static void print_inputs(struct printer *p, const struct job *job)
{
	uint64_t sections = 0, groups = 0, symbols = 0, relocations = 0;

	for (size_t i = 0; i < job->in.n_objects; i++) {
		const struct object *o = &job->in.objects[i];

		sections += o->n_sections;
		symbols += o->n_symbols;
		groups += o->n_groups;
	}
	for (size_t i = 0; i < job->layout.n_sections; i++) {
		const struct output_section *s = &job->layout.sections[i];

		if (s->relocations_index)
			relocations += s->relocations_size /
			               relocation_size(&job->in.format, s->relocations_type == SHT_RELA);
	}
	print_number(p, "objects", job->in.n_objects, "");
	print_number(p, "sections in", sections, "");
	print_number(p, "sections out", job->layout.n_headers, "");
	print_number(p, "groups in", groups, "");
	print_number(p, "groups out", job->layout.n_groups, "");
	print_number(p, "symbols in", symbols, "");
	print_number(p, "symbols out", job->symbols.total, "");
	print_number(p, "relocations", relocations, "");
}

static void print_output(struct printer *p, const struct job *job, const struct outbuf_stats *stats)
{
	print_number(p, "output", stats->output_size, " bytes");
	print_number(p, "mapped", stats->mapped, " bytes");
	print_number(p, "heap", stats->heap, " bytes");
	print_number(p, "flushed", stats->flushed, " bytes");
	if (stats->mapped == 0)
		print_text(p, "not mapped", job->options.no_map ? "--no-map"
		                            : stats->map_error  ? strerror(-stats->map_error)
		                                                : stats->map_why);
	if (stats->prealloc_error)
		print_text(p, "blocks not reserved", strerror(-stats->prealloc_error));
	print_number(p, "threads", job->queue.used, "");
	print_number(p, "views", stats->views, "");
	print_text(p, "file system", stats->file_system);
	print_text(p, "staged", stats->staged ? "yes" : "no");
	print_text(p, "backend", stats->backend);
	print_text(p, "backend because", stats->flush_why);
	if (stats->flush_error)
		print_text(p, "another backend refused", strerror(-stats->flush_error));
	print_text(p, "placement", stats->placement);
	if (stats->recycle_why != NULL)
		print_text(p, "not recycled", stats->recycle_why);
	if (stats->replace_error != 0)
		print_text(p, "written over", strerror(-stats->replace_error));
}

int stats_print(struct job *job)
{
	struct outbuf_stats stats = { .size = sizeof stats };
	struct printer p = { .json = job->options.stats == STATS_JSON };
	uint64_t total = 0;
	int error = outbuf_stats(job->ob, &stats);

	if (error)
		return fail(&job->error, job->emission.path, "%s", strerror(-error));
	p.stream = is_standard_output(job->options.output, &stats) ? stderr : stdout;
	print_inputs(&p, job);
	print_output(&p, job, &stats);
	for (int i = 0; i < STEPS; i++) {
		print_time(&p, "time", step_names[i], job->step_ns[i]);
		total += job->step_ns[i];
	}
	print_time(&p, "time", "total", total);
	for (int i = 0; i < OUTBUF_PHASES; i++)
		print_time(&p, "library", phase_names[i], stats.phase_ns[i]);
	if (p.json)
		fputs("\n}\n", p.stream);
	if (fflush(p.stream) || ferror(p.stream))
		return fail(&job->error, NULL, "standard %s: cannot be written",
		            p.stream == stdout ? "output" : "error");
	return 0;
}
