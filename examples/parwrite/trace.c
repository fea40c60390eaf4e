/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "report.h"

struct trace *trace_new(const char *path, struct error *error)
{
	struct trace *trace = allocate(error, 1, sizeof *trace);

	if (trace) {
		trace->path = path;
		trace->file = fopen(path, "we");
		pthread_mutex_init(&trace->lock, NULL);
		trace->origin_ns = now_ns();
		trace->threads[0] = pthread_self();
		trace->n_threads = 1;
		if (!trace->file) {
			fail(error, path, "%s", strerror(errno));
			trace_free(trace);
			trace = NULL;
		}
	}
	return trace;
}

struct event *trace_reserve(struct trace *trace, size_t n, struct error *error)
{
	struct event *events = trace->events, *first;

	if (n > trace->room - trace->n) {
		size_t room = (trace->n + n) * 2;

		events = realloc(events, room * sizeof *events);
		if (!events) {
			fail(error, NULL, "out of memory");
			return NULL;
		}
		trace->events = events;
		trace->room = room;
	}
	first = events + trace->n;
	memset(first, 0, n * sizeof *first);
	trace->n += n;
	return first;
}

void event_begin(struct event *event)
{
	event->begin_ns = now_ns();
}

/* Threads are numbered as they come; the main one has 0. */
static unsigned thread_number(struct trace *trace)
{
	pthread_t self = pthread_self();
	unsigned i;

	pthread_mutex_lock(&trace->lock);
	for (i = trace->n_threads; i-- > 0;)
		if (pthread_equal(trace->threads[i], self))
			break;
	if (i == UINT32_MAX && trace->n_threads < sizeof trace->threads / sizeof *trace->threads) {
		i = trace->n_threads++;
		trace->threads[i] = self;
	}
	pthread_mutex_unlock(&trace->lock);
	return i;
}

void event_end(struct trace *trace, struct event *event)
{
	event->end_ns = now_ns();
	event->thread = thread_number(trace);
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

static void write_event(FILE *f, const struct trace *trace, const struct event *e)
{
	fprintf(f, "{\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%.3f,\"dur\":%.3f,\"name\":", e->thread,
	        (double)(e->begin_ns - trace->origin_ns) / 1e3, (double)(e->end_ns - e->begin_ns) / 1e3);
	write_string(f, e->what);
	if (e->name || e->size) {
		fprintf(f, ",\"args\":{\"offset\":%" PRIu64 ",\"size\":%" PRIu64, e->offset, e->size);
		if (e->name) {
			fputs(",\"from section\":", f);
			write_string(f, e->name);
			fputs(",\"to section\":", f);
			write_string(f, e->last);
		}
		fputc('}', f);
	}
	fputc('}', f);
}

int trace_write(struct trace *trace, struct error *error)
{
	FILE *f = trace->file;
	int failed, comma = 0;

	fputs("{\"traceEvents\":[\n", f);
	for (size_t i = 0; i < trace->n; i++) {
		if (trace->events[i].end_ns == 0)
			continue; /* a task that was not done */
		fputs(comma++ ? ",\n" : "", f);
		write_event(f, trace, &trace->events[i]);
	}
	fputs("\n]}\n", f);
	failed = ferror(f) || fflush(f);
	failed |= fclose(f);
	trace->file = NULL;
	return failed ? fail(error, trace->path, "%s", strerror(errno ? errno : EIO)) : 0;
}

void trace_free(struct trace *trace)
{
	if (!trace)
		return;
	if (trace->file)
		fclose(trace->file);
	pthread_mutex_destroy(&trace->lock);
	free(trace->events);
	free(trace);
}
