/* SPDX-License-Identifier: MIT */
/*
 * progress.c - the main thread draws the bar, between its tasks
 *
 * A separate thread for the bar would have to be woken, stopped while an error is printed, and joined. The main thread
 * takes part in the work anyway, and its tasks take well under a millisecond. Between two tasks it can afford to read
 * the clock (20 ns) and, ten times a second, to draw. The threads share only the counter of bytes.
 */
#include "config.h"

#include "report/progress.h"

#include <inttypes.h>
#include <stdio.h>

#include "report/clock.h"

enum { BAR = 40, INTERVAL_NS = 100000000 };

static void draw(struct progress *p)
{
	uint64_t done = atomic_load_explicit(&p->done, memory_order_relaxed);
	char bar[BAR + 1];
	double part = p->total ? (double)done / (double)p->total : 0.0;
	int filled = part < 1.0 ? (int)(part * BAR) : BAR;

	for (int i = 0; i < BAR; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[BAR] = '\0';
	fprintf(stderr, "\r[%s] %3d %%  %" PRIu64 " of %" PRIu64 " KiB", bar, (int)(part * 100.0),
	        done >> 10, p->total >> 10);
	fflush(stderr);
	p->line_open = 1;
}

void progress_tick(void *arg)
{
	struct progress *p = arg;
	uint64_t now = p->enabled ? now_ns() : 0;

	if (!p->enabled)
		return;
	if (p->last_drawn_ns && now - p->last_drawn_ns < INTERVAL_NS)
		return;
	p->last_drawn_ns = now;
	draw(p);
}

void progress_end(struct progress *p)
{
	if (!p->line_open)
		return;
	draw(p);
	fputc('\n', stderr);
	p->line_open = 0;
}
