/* SPDX-License-Identifier: MIT */
/*
 * Which backend.
 *
 * In order of preference; the first that takes the descriptor. stream takes any, but it
 * writes front to back, so it comes last. uring is only taken when it is asked for: see flush_uring.c
 * for the measurement.
 */
#include "config.h"

#include "flush/flush.h"

#include <errno.h>

#include "outbuf.h"

static const struct flush_backend *const backends[] = {
	&ob__flush_memory, /* no descriptor: these two */
	&ob__flush_sink,
	&ob__flush_pwrite,
	&ob__flush_stream,
};

static const struct flush_backend *by_name(uint32_t wanted)
{
	switch (wanted) {
	case OUTBUF_FLUSH_PWRITE:
		return &ob__flush_pwrite;
	case OUTBUF_FLUSH_URING:
		return &ob__flush_uring;
	case OUTBUF_FLUSH_STREAM:
		return &ob__flush_stream;
	default:
		return NULL;
	}
}

static int try(struct flush *f, const struct flush_backend *backend)
{
	f->backend = backend;
	f->state = NULL;
	return f->in_order && backend->put != NULL ? -ENOTSUP : backend->open(f);
}

int ob__flush_open(struct flush *f, uint32_t wanted, uint32_t preferred, int *refused)
{
	size_t i;
	int r;

	*refused = 0;
	if (by_name(wanted) != NULL)
		return try(f, by_name(wanted));
	if (by_name(preferred) != NULL) {
		*refused = try(f, by_name(preferred));
		if (*refused == 0)
			return 0;
	}
	for (i = 0; i < sizeof backends / sizeof *backends; i++) {
		r = try(f, backends[i]);
		if (r != -ENOTSUP)
			return r;
	}
	return r;
}

int ob__flush_write(struct flush *f, const void *data, uint64_t offset, uint64_t n)
{
	return n == 0 ? 0 : f->backend->write(f, data, offset, n);
}

void ob__flush_close(struct flush *f)
{
	if (f->state != NULL && f->backend->close != NULL)
		f->backend->close(f);
	f->state = NULL;
}
