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

/* An interval of time in which a thread did something. */
struct span {
	uint64_t begin_ns, end_ns; /* by now_ns() */
	const char *name;          /* of the step or of the section; not a copy */
	/*
	 * If size > 0: so many bytes of the output were written, at this offset. If it is 0, `offset` is the number of
	 * the task, or NO_TASK for a whole step.
	 */
	uint64_t offset, size;
};

#define NO_TASK UINT64_MAX

/*
 * The spans of one thread, in the order in which they ended. Only that thread uses its lane while tasks run, so there
 * is no lock. The main thread uses all lanes while no tasks run.
 */
struct lane {
	struct span *spans;
	size_t n, room;
	uint64_t task_began_ns; /* when this thread's current task began */
	int out_of_memory;      /* 1: a span was lost because there was no memory for it */
};

struct trace {
	/* Constant after trace_new(); `text` is written by trace_write(). */
	struct text text;
	uint64_t origin_ns; /* when the trace began; times in the file count from here */
	struct lane *lanes; /* lanes[i] belongs to thread i of the work queue */
	unsigned n_lanes;

	/* Written by the main thread while no tasks run. Tasks read `step`. */
	const char *step;       /* the current step */
	uint64_t step_began_ns; /* when that began */
};

/* The lane of this thread, while it is in a task; else NULL. */
static _Thread_local struct lane *current_lane;

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

/* Add a span that ends now. */
static void add_span(struct lane *lane, struct span span)
{
	span.end_ns = now_ns();
	if (lane->n == lane->room) {
		size_t room = lane->room ? lane->room * 2 : 64;
		struct span *spans = realloc(lane->spans, room * sizeof *spans);

		if (!spans) {
			lane->out_of_memory = 1;
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
		add_span(lane, (struct span){ .begin_ns = lane->task_began_ns, .name = trace->step, .offset = i });
	else
		lane->task_began_ns = now_ns();
	current_lane = ended ? NULL : lane;
}

void trace_step(struct trace *trace, const char *name)
{
	trace->step = name;
	trace->step_began_ns = now_ns();
}

void trace_step_end(struct trace *trace)
{
	add_span(&trace->lanes[0],
	         (struct span){ .begin_ns = trace->step_began_ns, .name = trace->step, .offset = NO_TASK });
}

void trace_span(struct trace *trace, const char *name, uint64_t begin_ns, uint64_t offset, uint64_t size)
{
	if (trace && size > 0)
		add_span(current_lane,
		         (struct span){ .begin_ns = begin_ns, .name = name, .offset = offset, .size = size });
}

static void write_string(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		/* Names may have any bytes, but JSON is UTF-8. So bytes that are not printable ASCII are escaped. */
		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

/* Write a time in microseconds, with three decimals: the format's unit, and nothing is rounded. */
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
	int comma = 0, incomplete = 0;

	fputs("{\"traceEvents\":[\n", f);
	for (unsigned i = 0; i < trace->n_lanes; i++) {
		const struct lane *lane = &trace->lanes[i];

		incomplete |= lane->out_of_memory;
		for (size_t k = 0; k < lane->n; k++) {
			fputs(comma++ ? ",\n" : "", f);
			write_span(f, trace, i, &lane->spans[k]);
		}
	}
	fputs("\n]}\n", f);
	return incomplete ? fail(error, NULL, "out of memory") : text_commit(&trace->text, error);
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
