/* SPDX-License-Identifier: MIT */
/*
 * The choice of a backend.
 *
 * The table lists backends in order of preference. The first that can write to the output is used. stream can write
 * to any descriptor, but only sequentially, so it comes last. uring is used only on request, because it is no faster
 * than pwrite: flush_uring.c has the measurement.
 */
#include "config.h"

#include "flush/flush.h"

#include <errno.h>

#include "outbuf.h"

static const struct flush_backend *const backends[] = {
	&ob__flush_memory, /* this one and the next are for outputs without a descriptor */
	&ob__flush_sink,
	&ob__flush_pwrite,
	&ob__flush_stream,
};

/* The backend of a member of enum outbuf_flush; NULL for OUTBUF_FLUSH_AUTO. */
static const struct flush_backend *backend_of_number(uint32_t wanted)
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

static int try_backend(struct flush *f, const struct flush_backend *backend)
{
	f->backend = backend;
	f->state = NULL;
	return f->sequential_only && backend->put != NULL ? -ENOTSUP : backend->open(f);
}

int ob__flush_open(struct flush *f, uint32_t wanted, uint32_t preferred, int *refused)
{
	size_t i;
	int r;

	*refused = 0;
	if (backend_of_number(wanted) != NULL)
		return try_backend(f, backend_of_number(wanted));
	if (backend_of_number(preferred) != NULL) {
		*refused = try_backend(f, backend_of_number(preferred));
		if (*refused == 0)
			return 0;
	}
	for (i = 0; i < sizeof backends / sizeof *backends; i++) {
		r = try_backend(f, backends[i]);
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
