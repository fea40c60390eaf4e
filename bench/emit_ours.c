/* SPDX-License-Identifier: MIT */
/*
 * The ways that use this library. All of them write by Views; options choose how the bytes reach the file.
 *
 * "auto" has the default options. In all ways the library decides how many threads a flush has: one on each of the
 * file systems that bench/file-systems measures (fspolicy.c).
 */
#include "config.h"

#include "emit.h"
#include "measure.h"

static void task_view(struct emission *e, const struct task *t)
{
	struct outbuf_view v;
	size_t i, offset, length;

	/* Errors are not checked here: the first one becomes the sticky error, which commit returns. */
	outbuf_view(e->ob, &v, t->offset, t->length);
	for (i = 0; i < t->count; i++) {
		const unsigned char *data = part(t, i, &offset, &length);

		if (outbuf_tell(&v) != offset)
			outbuf_align(&v, ALIGN, 0);
		outbuf_write(&v, data, length);
	}
	outbuf_view_end(&v);
}

static struct outbuf_options options_of(const struct way *way)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;

	options.map = way->map;
	options.stage = way->stage;
	options.flush = way->flush;
	options.recycle = way->recycle;
	return options;
}

static int fill(struct emission *e, unsigned threads)
{
	int r = outbuf_map(e->ob, job.size);

	if (r < 0) {
		outbuf_close(e->ob);
		return refuse("outbuf_map", r);
	}
	emit(e, threads);
	r = outbuf_commit(e->ob);
	if (r < 0)
		die(path, r);
	return 0;
}

static int to_file(const struct way *way, unsigned threads)
{
	struct outbuf_options options = options_of(way);
	struct emission e = { .task = task_view };
	int r = outbuf_open(&e.ob, path, &options);

	if (r < 0)
		return refuse("outbuf_open", r);
	r = fill(&e, threads);
	if (r == 0)
		outbuf_close(e.ob);
	return r;
}

static int to_memory(const struct way *way, unsigned threads)
{
	struct outbuf_options options = options_of(way);
	struct emission e = { .task = task_view };
	const void *data;
	uint64_t size = 0;
	int r = outbuf_open_memory(&e.ob, &options);

	if (r < 0)
		return refuse("outbuf_open_memory", r);
	r = fill(&e, threads);
	if (r < 0)
		return r;
	data = outbuf_memory(e.ob, &size);
	if (checking)
		check_bytes(way, data, (size_t)size);
	outbuf_close(e.ob);
	return 0;
}

#define FILE_WAY(name, map, stage, flush) { OURS, name, to_file, map, stage, flush, 0, 0, 0, NEW, 0 }
#define AGAIN_WAY(name, map, stage, recycle, when) \
	{ OURS, name, to_file, map, stage, OUTBUF_FLUSH_AUTO, 0, 0, 0, when, recycle }

const struct way ways_ours[] = {
	AGAIN_WAY("auto", OUTBUF_AUTO, OUTBUF_AUTO, 0, BOTH),
	AGAIN_WAY("recycle, auto", OUTBUF_AUTO, OUTBUF_AUTO, 1, AGAIN),
	AGAIN_WAY("recycle, map, direct", OUTBUF_REQUIRE, OUTBUF_NO, 1, AGAIN),
	AGAIN_WAY("recycle, pwrite, staged", OUTBUF_NO, OUTBUF_REQUIRE, 1, AGAIN),
	FILE_WAY("map, direct", OUTBUF_REQUIRE, OUTBUF_NO, OUTBUF_FLUSH_AUTO),
	FILE_WAY("map, staged", OUTBUF_REQUIRE, OUTBUF_REQUIRE, OUTBUF_FLUSH_AUTO),
	FILE_WAY("pwrite, whole in memory", OUTBUF_NO, OUTBUF_NO, OUTBUF_FLUSH_PWRITE),
	FILE_WAY("pwrite, staged", OUTBUF_NO, OUTBUF_REQUIRE, OUTBUF_FLUSH_PWRITE),
	FILE_WAY("uring, whole in memory", OUTBUF_NO, OUTBUF_NO, OUTBUF_FLUSH_URING),
	FILE_WAY("uring, staged", OUTBUF_NO, OUTBUF_REQUIRE, OUTBUF_FLUSH_URING),
	FILE_WAY("stream", OUTBUF_NO, OUTBUF_NO, OUTBUF_FLUSH_STREAM),
	{ LIMIT, "memory only", to_memory, 0, 0, 0, 0, 0, 0, NEW, 0 },
};

const size_t ways_ours_count = sizeof ways_ours / sizeof *ways_ours;
