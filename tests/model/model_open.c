/* SPDX-License-Identifier: MIT */
/*
 * How a model's output (model.h) begins: where to, with which options, over what.
 *
 * Options that ask for what may not be there can be refused, and then nothing may have happened. A new
 * option is a line in the table.
 */
#include "config.h"

#include "model/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef _WIN32
#include "support/port_windows.h"
#endif

#include "support/files.h"
#include "target/hidden_name.h"

/* Options and the values tried; the first `tame` of them where nothing may be refused. One line each. */
struct option_values {
	size_t at;
	unsigned tame, n;
	uint32_t values[8];
};

#define OPTION(name, tame, n, ...) { offsetof(struct outbuf_options, name), tame, n, { __VA_ARGS__ } }

static const struct option_values option_table[] = {
	OPTION(order, 2, 2, OUTBUF_LITTLE_ENDIAN, OUTBUF_BIG_ENDIAN),
	OPTION(replace, 2, 2, OUTBUF_REPLACE_ATOMIC, OUTBUF_REPLACE_IN_PLACE),
	OPTION(map, 2, 3, OUTBUF_AUTO, OUTBUF_NO, OUTBUF_REQUIRE),
	OPTION(stage, 2, 3, OUTBUF_AUTO, OUTBUF_NO, OUTBUF_REQUIRE),
	OPTION(flush, 1, 4, OUTBUF_FLUSH_AUTO, OUTBUF_FLUSH_PWRITE, OUTBUF_FLUSH_URING, OUTBUF_FLUSH_STREAM),
	OPTION(prealloc, 2, 3, OUTBUF_AUTO, OUTBUF_NO, OUTBUF_REQUIRE),
	OPTION(check_overlap, 1, 2, 0, 1),
	/* Seldom, as most outputs of this kind have gaps, and come to nothing then. */
	OPTION(check_complete, 1, 6, 0, 0, 0, 0, 0, 1),
	OPTION(threads, 4, 4, 0, 1, 2, 3),
	OPTION(guard, 2, 2, 0, 1),
	OPTION(recycle, 2, 2, 0, 1),
	/* Seldom, as the disk has to be waited for. */
	OPTION(durability, 1, 8, 0, 0, 0, 0, 0, 0, OUTBUF_DURABLE_DATA, OUTBUF_DURABLE_FULL),
	OPTION(lock, 3, 3, OUTBUF_LOCK_NONE, OUTBUF_LOCK_TRY, OUTBUF_LOCK_WAIT),
	OPTION(mode, 1, 3, 0, 0600, 0777),
};

/* Of max_size; 0 is whatever the library takes. */
static const uint64_t limits[] = { 1 << 20, 0, 300001, 1 << 16 };

const unsigned char model_old[MODEL_OLD] = "what stood at the path before";

static int sink(void *arg, uint64_t offset, const void *data, size_t n)
{
	struct model *m = arg;

	if (offset != m->received || n > 1 << 20 || offset + n > m->size ||
	    memcmp(data, m->bytes + offset, n) != 0)
		return -EDOM; /* nobody else returns that */
	m->received += n;
	return m->received > m->sink_end ? -EIO : 0;
}

static void choose_options(struct model *m)
{
	size_t i;

	m->options = (struct outbuf_options)OUTBUF_OPTIONS_INIT;
	for (i = 0; i < sizeof option_table / sizeof *option_table; i++) {
		const struct option_values *o = &option_table[i];
		uint32_t value = o->values[below(m, m->tame ? o->tame : o->n)];

		memcpy((char *)&m->options + o->at, &value, sizeof value);
	}
	/* Flushes and the commit would be refused; test_faults.c and test_location.c see to that. */
	if (m->no_blocks && m->options.prealloc == OUTBUF_REQUIRE)
		m->options.prealloc = OUTBUF_AUTO;
	m->options.max_size = limits[m->tame ? 0 : below(m, sizeof limits / sizeof *limits)];
	m->limit = m->options.max_size ? m->options.max_size : UINT64_MAX;
}

/*
 * A spare for options.recycle, full of bytes that nobody wrote: or none, and what an earlier output left is
 * gone.
 */
static const char *prepare_spare(struct model *m)
{
	static unsigned char old[400000];
	const char *slash = strrchr(m->path, '/');
	const char *name = slash == NULL ? m->path : slash + 1;
	char path[600], *hidden;

	check(ob__hidden_name(name, 0, &hidden) == 0);
	check((size_t)snprintf(path, sizeof path, "%.*s%s", (int)(name - m->path), m->path, hidden) <
	      sizeof path);
	free(hidden);
	unlink(path);
	if (m->kind != MODEL_FILE || !m->options.recycle || below(m, 3) == 0)
		return NULL;
	memset(old, 0xa5, sizeof old);
	check(put_file(path, old, below(m, sizeof old + 1)) == 0);
	return NULL;
}

/* Something or nothing stands at the path. */
static const char *prepare_path(struct model *m)
{
	m->old_size = UINT64_MAX;
	unlink(m->path);
	if (m->kind != MODEL_FILE || below(m, 2) != 0)
		return NULL;
	m->old_size = MODEL_OLD;
	check(put_file(m->path, model_old, MODEL_OLD) == 0);
	return NULL;
}

static int open_output(struct model *m)
{
	switch (m->kind) {
	case MODEL_FD:
		m->fd = open(m->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		m->old_size = 0;
		return outbuf_open_fd(&m->ob, m->fd, &m->options);
	case MODEL_SINK:
		m->sink_end = rarely(m, 8) ? below(m, 50000) : UINT64_MAX;
		return outbuf_open_sink(&m->ob, sink, m, &m->options);
	case MODEL_MEMORY:
		return outbuf_open_memory(&m->ob, &m->options);
	case MODEL_FILE:
	case MODEL_KINDS:
	default:
		return outbuf_open(&m->ob, m->path, &m->options);
	}
}

/* What an option asks for may not be there, or not for this output. */
static int may_refuse(const struct model *m)
{
	const struct outbuf_options *o = &m->options;

	return o->map == OUTBUF_REQUIRE || o->stage == OUTBUF_REQUIRE || o->flush == OUTBUF_FLUSH_URING ||
	       (o->flush == OUTBUF_FLUSH_PWRITE && m->kind != MODEL_FILE) ||
	       (o->flush == OUTBUF_FLUSH_STREAM && (m->kind == MODEL_SINK || m->kind == MODEL_MEMORY));
}

const char *model_begin(struct model *m)
{
	struct outbuf_stats stats = { .size = sizeof stats };
	int r;

	memset(m->bytes, 0, m->used);
	memset(m->given, 0, sizeof m->given);
	memset(m->covered, 0, sizeof m->covered);
	m->stated = 0;
	memset(m->views, 0, sizeof m->views);
	memset(&m->raw, 0, sizeof m->raw);
	m->size = m->used = m->open = 0;
	m->error = m->direct = m->sequential = m->unmapped = m->discarded = m->touched = 0;
	m->received = 0;
	m->fd = -1;
	m->ob = NULL;
	m->pattern = below(m, 256);
	if (!m->tame)
		m->kind = (enum model_kind)(below(m, 8) < 5 ? MODEL_FILE : below(m, MODEL_KINDS));
	choose_options(m);
	pass(prepare_path(m));
	pass(prepare_spare(m));
	r = open_output(m);
	check(r == 0 || may_refuse(m));
	check((m->ob == NULL) == (r < 0));
	if (r < 0)
		return NULL;
	check(outbuf_stats(m->ob, &stats) == 0);
	m->sequential = strcmp(stats.backend, "pwrite") != 0 && strcmp(stats.backend, "uring") != 0;
	m->recycled += strcmp(stats.placement, "recycled") == 0;
	/* (Of a recycled file what an open View stored is still old, and zeroed for who wants a pointer.) */
	m->direct = (m->sequential || m->options.stage == OUTBUF_NO) &&
	            strcmp(stats.placement, "recycled") != 0;
	return NULL;
}
