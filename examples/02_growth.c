/* SPDX-License-Identifier: MIT */
/*
 * 02_growth.c - several threads write more bytes than were planned
 *
 * The size given to outbuf_map() is a guess, and this program guesses far too low: 10,000 bytes for 1,280,000. Nothing
 * changes for the writers. A View may lie in the mapping, past it, or across its end, as that of line 312 does. The
 * memory past the mapping grows under the library's own lock, and commit writes its bytes to the file.
 *
 * Thread t writes the lines t, t + 4, t + 8, ... Each line has a fixed offset, so the file does not depend on the
 * order in which the threads run.
 */
#include <outbuf.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 4, LINES = 40000, LINE_LENGTH = 32, PLANNED = 10000 };

struct worker {
	pthread_t thread;
	struct outbuf *ob;
	int first_line;
};

static void *write_lines(void *arg)
{
	const struct worker *w = arg;

	for (int line = w->first_line; line < LINES; line += THREADS) {
		struct outbuf_view view;
		char text[LINE_LENGTH];
		snprintf(text, sizeof text, "line %d by thread %d", line, w->first_line);
		outbuf_view(w->ob, &view, (uint64_t)line * LINE_LENGTH, LINE_LENGTH);
		/* The text is cut or padded, so that all lines have the same length. */
		outbuf_write_stringpad(&view, text, LINE_LENGTH - 1, " .", 2);
		outbuf_write8(&view, '\n');
		outbuf_view_end(&view);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob = NULL;
	char text[400];
	struct outbuf_stats stats = { .size = sizeof stats };
	struct worker workers[THREADS];
	int started = 0;

	if (argc != 2)
		return fprintf(stderr, "usage: %s OUTPUT\n", argv[0]), 2;
	options.check_complete = 1;
	int error = outbuf_open(&ob, argv[1], &options);
	if (!error)
		error = outbuf_map(ob, PLANNED);
	while (!error && started < THREADS) {
		struct worker *w = &workers[started];
		w->ob = ob;
		w->first_line = started;
		error = -pthread_create(&w->thread, NULL, write_lines, w);
		if (!error)
			started++;
	}
	while (started > 0)
		pthread_join(workers[--started].thread, NULL);
	if (!error)
		error = outbuf_stats(ob, &stats);
	if (!error)
		error = outbuf_commit(ob);
	if (error) {
		outbuf_error_text(ob, text, sizeof text);
		fprintf(stderr, "%s: %s\n", argv[0], text);
	} else {
		printf("%" PRIu64 " bytes in the mapping, %" PRIu64 " behind it\n", stats.mapped, stats.heap);
	}
	outbuf_close(ob);
	return error != 0;
}
