/* SPDX-License-Identifier: MIT */
/* run.c - tasks of an emission on all threads, and what their results mean */
#include "config.h"

#include "emit/emit.h"

#include <outbuf.h>
#include <string.h>

#include "report/report.h"
#include "workqueue.h"

int emit_result(struct emission *e, int result)
{
	struct outbuf_overlap o;

	if (result >= 0)
		return result ? -1 : 0; /* positive: TASK_FAILED, and the message is there */
	if (e->ob && outbuf_overlap(e->ob, &o))
		return fail(e->error, e->path,
		            "%llu bytes at offset %llu overlap %llu bytes at offset %llu",
		            (unsigned long long)o.length, (unsigned long long)o.offset,
		            (unsigned long long)o.other_length, (unsigned long long)o.other_offset);
	return fail(e->error, e->path, "%s", strerror(-result));
}

struct tasks {
	const struct emission *e;
	int (*task)(const struct emission *e, size_t i);
};

static int do_task(void *arg, size_t i)
{
	const struct tasks *t = arg;

	return t->task(t->e, i);
}

int emit_run(struct emission *e, size_t n, int (*task)(const struct emission *e, size_t i))
{
	struct tasks t = { e, task };

	return emit_result(e, workqueue_run(e->queue, n, do_task, &t));
}
