/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "report/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/clock.h"
#include "report/report.h"
#include "report/text.h"

/* A time in which a thread did something. */
struct span {
	uint64_t begin_ns, end_ns;
	const char *name;
	uint64_t offset, size; /* bytes of the output; no size: task `offset`, or NO_TASK */
};

#define NO_TASK UINT64_MAX

/* Its thread's alone, while there are several. */
struct lane {
	struct span *spans;
	size_t n, room;
	uint64_t task_ns; /* when the task under way began */
	int failed;       /* no memory for one */
};

struct trace {
	/* Constant. */
	struct text text;
	uint64_t origin_ns;
	struct lane *lanes; /* by the thread's number in the work queue */
	unsigned n_lanes;
	/* The main thread's, while no others run. */
	const char *step;
	uint64_t step_ns;
};

/* The lane of the task that this thread is in. */
static _Thread_local struct lane *here;

struct trace *trace_new(const char *path, unsigned threads, struct error *error)
{
	struct trace *trace = allocate(error, 1, sizeof *trace);

	if (!trace)
		return NULL;
	trace->origin_ns = now_ns();
	trace->n_lanes = threads > 0 ? threads : 1;
	trace->lanes = allocate(error, trace->n_lanes, sizeof *trace->lanes);
	if (!trace->lanes || text_open(&trace->text, path, error)) {
		trace_free(trace);
		trace = NULL;
	}
	return trace;
}

static void add(struct lane *lane, struct span span)
{
	span.end_ns = now_ns();
	if (lane->n == lane->room) {
		size_t room = lane->room ? lane->room * 2 : 64;
		struct span *spans = realloc(lane->spans, room * sizeof *spans);

		if (!spans) {
			lane->failed = 1;
			return;
		}
		lane->spans = spans;
		lane->room = room;
	}
	lane->spans[lane->n++] = span;
}

void trace_task(void *arg, unsigned thread, size_t i, int ended)
{
	struct trace *trace = arg;
	struct lane *lane = &trace->lanes[thread];

	if (ended)
		add(lane, (struct span){ .begin_ns = lane->task_ns, .name = trace->step, .offset = i });
	else
		lane->task_ns = now_ns();
	here = ended ? NULL : lane;
}

void trace_step(struct trace *trace, const char *name)
{
	trace->step = name;
	trace->step_ns = now_ns();
}

void trace_step_end(struct trace *trace)
{
	add(&trace->lanes[0], (struct span){ .begin_ns = trace->step_ns, .name = trace->step, .offset = NO_TASK });
}

void trace_span(struct trace *trace, const char *name, uint64_t begin_ns, uint64_t offset, uint64_t size)
{
	if (trace && size > 0)
		add(here, (struct span){ .begin_ns = begin_ns, .name = name, .offset = offset, .size = size });
}

static void write_string(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		/* Names may hold any bytes, JSON is UTF-8: what is no ASCII is told by its value. */
		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

/* Microseconds, to the nanosecond. */
static void write_time(FILE *f, const char *key, uint64_t ns)
{
	fprintf(f, ",\"%s\":%" PRIu64 ".%03u", key, ns / 1000, (unsigned)(ns % 1000));
}

static void write_span(FILE *f, const struct trace *trace, unsigned thread, const struct span *s)
{
	fprintf(f, "{\"ph\":\"X\",\"pid\":1,\"tid\":%u", thread);
	write_time(f, "ts", s->begin_ns - trace->origin_ns);
	write_time(f, "dur", s->end_ns - s->begin_ns);
	fputs(",\"name\":", f);
	write_string(f, s->name);
	if (s->size > 0)
		fprintf(f, ",\"args\":{\"offset\":%" PRIu64 ",\"size\":%" PRIu64 "}", s->offset, s->size);
	else if (s->offset != NO_TASK)
		fprintf(f, ",\"args\":{\"task\":%" PRIu64 "}", s->offset);
	fputc('}', f);
}

int trace_write(struct trace *trace, struct error *error)
{
	FILE *f = trace->text.file;
	int comma = 0, missing = 0;

	fputs("{\"traceEvents\":[\n", f);
	for (unsigned i = 0; i < trace->n_lanes; i++) {
		const struct lane *lane = &trace->lanes[i];

		missing |= lane->failed;
		for (size_t k = 0; k < lane->n; k++) {
			fputs(comma++ ? ",\n" : "", f);
			write_span(f, trace, i, &lane->spans[k]);
		}
	}
	fputs("\n]}\n", f);
	return missing ? fail(error, NULL, "out of memory") : text_commit(&trace->text, error);
}

void trace_free(struct trace *trace)
{
	if (!trace)
		return;
	text_close(&trace->text);
	for (unsigned i = 0; trace->lanes && i < trace->n_lanes; i++)
		free(trace->lanes[i].spans);
	free(trace->lanes);
	free(trace);
}
