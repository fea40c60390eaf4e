/* SPDX-License-Identifier: MIT */
/*
 * Outputs that are no file one can seek in: front to back, in order, at commit.
 *
 * Until commit any byte may still change, and what a pipe has taken cannot be taken back. So the
 * whole output is in memory until then, and is written once; there is nothing to gain from
 * threads. The caller sees to the order: one write from offset 0 to the end.
 *
 * Three kinds: a descriptor, a function of the caller's, and memory that stays where it is.
 */
#include "config.h"

#include "flush/flush.h"

#include <errno.h>

#include "system/sys.h"

/* A function is called with this much at a time: it may want to show progress, or to stop. */
#define SINK_BLOCK ((uint64_t)1 << 20)

static int stream_open(struct flush *f)
{
	return f->fd < 0 ? -ENOTSUP : 0;
}

static int stream_write(struct flush *f, const void *data, uint64_t offset, uint64_t n)
{
	(void)offset;
	return ob__sys_write_all(f->fd, data, (size_t)n);
}

const struct flush_backend ob__flush_stream = {
	.name = "stream",
	.open = stream_open,
	.write = stream_write,
};

static int sink_open(struct flush *f)
{
	return f->sink == NULL ? -ENOTSUP : 0;
}

static int sink_write(struct flush *f, const void *data, uint64_t offset, uint64_t n)
{
	const unsigned char *from = data;
	int r = 0;

	while (r == 0 && n > 0) {
		size_t step = (size_t)(n < SINK_BLOCK ? n : SINK_BLOCK);

		r = f->sink(f->sink_arg, offset, from, step);
		/* A count, or errno's own sign: not what was agreed. */
		if (r > 0)
			r = -EINVAL;
		from += step;
		offset += step;
		n -= step;
	}
	return r;
}

const struct flush_backend ob__flush_sink = {
	.name = "sink",
	.open = sink_open,
	.write = sink_write,
};

static int memory_open(struct flush *f)
{
	return f->fd >= 0 || f->sink != NULL ? -ENOTSUP : 0;
}

static int memory_write(struct flush *f, const void *data, uint64_t offset, uint64_t n)
{
	(void)f, (void)data, (void)offset, (void)n;
	return 0;
}

const struct flush_backend ob__flush_memory = {
	.name = "memory",
	.open = memory_open,
	.write = memory_write,
};
