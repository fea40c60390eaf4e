/* SPDX-License-Identifier: MIT */
/*
 * The sequential backends, for outputs without a seekable file. They write from the first byte to the last, at
 * commit.
 *
 * Any byte may change until commit, and bytes that a pipe has accepted cannot be changed any more. So the whole
 * output stays in memory until commit, and is written once. More threads would not help. The caller ensures the
 * order: it makes one write, from offset 0 to the end.
 *
 * There are three of them: stream writes to a descriptor, sink calls a function of the caller's, and memory does
 * nothing, because the output stays where it is.
 */
#include "config.h"

#include "flush/flush.h"

#include <errno.h>

#include "system/sys.h"

/* The sink is called with at most so many bytes at a time: it may want to show progress, or to stop. */
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
		/*
		 * The sink must return 0 or a negative errno. A positive value is a count, or an errno without its
		 * sign.
		 */
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
