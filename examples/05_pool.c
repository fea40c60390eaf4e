/* SPDX-License-Identifier: MIT */
/*
 * 05_pool.c - the library works on the program's own threads, and reports what it is doing
 *
 * A program that has a thread pool does not want a second one inside a library. The library writes bytes that are not
 * in the mapping to the file in parallel. With options.run it hands this work to the program's pool. It calls
 * options.observe when a phase begins and when it ends, which is enough for a progress line or a trace.
 *
 * Here the pool is examples/workqueue.c, which also writes the content. The file is not mapped (options.map), so that
 * all bytes have to be written to the file.
 */
#include <outbuf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "workqueue.h"

enum { SIZE = 8 << 20 };

static void observe(void *arg, enum outbuf_phase phase, int done, uint64_t bytes)
{
	static const char *const names[OUTBUF_PHASES] = {
		[OUTBUF_PHASE_MAP] = "map",     [OUTBUF_PHASE_FLUSH] = "flush",
		[OUTBUF_PHASE_UNMAP] = "unmap", [OUTBUF_PHASE_SYNC] = "sync",
		[OUTBUF_PHASE_PUBLISH] = "publish",
	};

	(void)arg;
	if ((unsigned)phase < OUTBUF_PHASES) /* a newer library may have more phases */
		printf("%s %s, %" PRIu64 " bytes\n", names[phase], done ? "ends" : "begins",
		       bytes);
}

/* One block of the content: each 64-bit word holds its own offset. */
static int write_block(void *arg, size_t i)
{
	uint64_t from = workqueue_block_start(SIZE, i);
	uint64_t to = workqueue_block_start(SIZE, i + 1);
	struct outbuf_view view;

	outbuf_view(arg, &view, from, to - from);
	for (uint64_t offset = from; offset < to; offset += 8)
		outbuf_write64(&view, offset);
	return outbuf_view_end(&view);
}

int main(int argc, char **argv)
{
	struct workqueue queue = { .threads = 4 };
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob = NULL;
	char text[400];

	if (argc != 2)
		return fprintf(stderr, "usage: %s OUTPUT\n", argv[0]), 2;
	options.map = OUTBUF_NO;
	options.check_complete = 1;
	options.run = workqueue_pool; /* its type is that of options.run */
	options.run_arg = &queue;
	options.observe = observe;
	int error = outbuf_open(&ob, argv[1], &options);
	if (!error)
		error = outbuf_map(ob, SIZE); /* without a mapping, this states the planned size */
	if (!error)
		error = workqueue_run(&queue, workqueue_blocks(SIZE), write_block, ob);
	if (!error)
		error = outbuf_commit(ob);
	if (error) {
		outbuf_error_text(ob, text, sizeof text);
		fprintf(stderr, "%s: %s\n", argv[0], text);
	}
	outbuf_close(ob);
	return error != 0;
}
