/* SPDX-License-Identifier: MIT */
/* run.c - runs the tasks of an emission on all threads, and turns what they return into messages */
#include "config.h"

#include "emit/emit.h"

#include <outbuf.h>
#include <string.h>

#include "report/report.h"
#include "workqueue.h"

int emit_result(struct emission *e, int r)
{
	char text[600];

	if (r >= 0)
		return r ? -1 : 0; /* positive: TASK_FAILED, and the task has left a message */
	outbuf_error_text(e->ob, text, sizeof text);
	return fail(e->error, NULL, "%s", text);
}

/* Given to all tasks of one run; constant. */
struct tasks {
	const struct emission *e;
	int (*task)(const struct emission *e, size_t i);
};

static int run_task(void *arg, size_t i)
{
	const struct tasks *t = arg;

	return t->task(t->e, i);
}

int emit_run(struct emission *e, size_t n, int (*task)(const struct emission *e, size_t i))
{
	struct tasks t = { e, task };

	return emit_result(e, workqueue_run(e->queue, n, run_task, &t));
}
