/* SPDX-License-Identifier: MIT */
/*
 * The life of a model's output (model.h): what the owner does, and the end.
 *
 * What is known of errors: the first of any View sticks, commit returns it, and what stood at the
 * path stands there still (in place: if nothing had been written yet). So every case ends with
 * one of two files, byte for byte, and with no other name in the directory.
 */
#include "config.h"

#include "model/model.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "support/files.h"

uint64_t model_pattern(struct model *m)
{
	uint64_t z = (m->pattern += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t model_length(struct model *m)
{
	switch (below(m, 9)) {
	case 0:
	case 1:
		return below(m, 20);
	case 2:
	case 3:
		return 4090 + below(m, 12);
	case 4:
	case 5:
		return below(m, 1000);
	case 6:
		return 65000 + below(m, 80000); /* from 64 KiB on: straight from the caller's memory */
	default:
		return below(m, 40000);
	}
}

void model_fail(struct model *m, int error)
{
	if (m->error == 0)
		m->error = error;
}

void model_raw(struct model *m, void *data, uint64_t at, uint64_t length)
{
	m->raw.data = data;
	m->raw.at = at;
	m->raw.length = length;
}

void model_cover(struct model *m, uint64_t from, uint64_t to)
{
	if (from < to)
		memset(m->covered + from, 1, to - from);
}

/* The first bytes of the stated size that nobody wrote: its length, and *at. */
static uint64_t first_gap(const struct model *m, uint64_t *at)
{
	uint64_t end;

	for (*at = 0; *at < m->stated && m->covered[*at]; ++*at)
		continue;
	for (end = *at; end < m->stated && !m->covered[end]; end++)
		continue;
	return end - *at;
}

void model_used(struct model *m, uint64_t end)
{
	if (m->used < end)
		m->used = end;
}

/* --------------------------------------------------------------- what the owner does */

static const char *map_output(struct model *m, int busy)
{
	uint64_t to = m->size + model_length(m);
	int r, required = m->options.map == OUTBUF_REQUIRE || m->options.prealloc == OUTBUF_REQUIRE;

	if (to > 250000 || (to > m->limit && !rarely(m, 4)))
		to = m->size;
	m->touched |= to > 0 && m->options.map != OUTBUF_NO;
	r = outbuf_map(m->ob, to);
	if (m->discarded || busy) {
		check(r == (m->discarded ? -EINVAL : -EBUSY));
		return NULL;
	}
	if (to > m->limit) {
		check(r == -EFBIG);
		return NULL;
	}
	if (r < 0) {
		check(required && outbuf_size(m->ob) == m->size);
		return NULL;
	}
	m->maps += to > 0;
	m->unmapped = 0;
	m->size = m->stated = to;
	if (m->size > 0)
		check(outbuf_map(m->ob, m->size - 1) == -EINVAL);
	return NULL;
}

static const char *set_size(struct model *m, int busy)
{
	uint64_t to = below(m, m->size + 5000);
	int want = m->discarded ? -EINVAL : busy ? -EBUSY : m->unmapped ? -EINVAL : 0;
	int was = outbuf_is_mapped(m->ob);
	struct outbuf_stats before = { .size = sizeof before }, after = { .size = sizeof after };

	/* Sometimes all but the first pages, as of a plan that was generous; or nothing. */
	switch (below(m, 8)) {
	case 0:
		to = below(m, 10000);
		break;
	case 1:
		to = below(m, 2) * 4096;
		break;
	}
	if (to > 250000)
		to = m->size;
	outbuf_stats(m->ob, &before);
	if (want == 0 && to > m->size && to > m->limit)
		want = -EFBIG;
	check(outbuf_set_size(m->ob, to) == want);
	outbuf_stats(m->ob, &after);
	check(outbuf_is_mapped(m->ob) == was);
	check(after.mapped + after.heap == outbuf_size(m->ob));
	check(after.mapped <= before.mapped || to > m->size);
	if (want < 0)
		return NULL;
	if (to < m->used) {
		memset(m->bytes + to, 0, m->used - to);
		m->used = to;
	}
	memset(m->given + to, 0, sizeof m->given - to);
	if (m->raw.length > 0 && to < m->raw.at + m->raw.length)
		m->raw.length = 0;
	memset(m->covered + to, 0, sizeof m->covered - to);
	model_cover(m, m->size, to);
	m->cuts += to < m->size;
	m->size = m->stated = to;
	return NULL;
}

static const char *unmap(struct model *m, int busy)
{
	int was = outbuf_is_mapped(m->ob) && !m->unmapped;

	if (m->discarded || busy) {
		check(outbuf_unmap(m->ob) == (m->discarded ? -EINVAL : -EBUSY));
		return NULL;
	}
	check(outbuf_unmap(m->ob) == (was ? m->error : 0));
	was = was && m->error == 0;
	m->unmapped |= was;
	m->unmaps += (unsigned long)was;
	if (was)
		m->raw.length = 0;
	return NULL;
}

/* Bytes of the output by a pointer: all as the model has them, and some are changed. */
static const char *use_raw(struct model *m)
{
	uint64_t from, n, i, x = model_pattern(m);

	pass(model_views_end_in(m, m->raw.at, m->raw.at + m->raw.length));
	check(m->error != 0 || memcmp(m->raw.data, m->bytes + m->raw.at, m->raw.length) == 0);
	from = below(m, m->raw.length);
	n = 1 + below(m, m->raw.length - from);
	for (i = 0; i < n; i++)
		m->raw.data[from + i] = m->bytes[m->raw.at + from + i] = (unsigned char)(x >> (i % 53));
	model_used(m, m->raw.at + from + n);
	return NULL;
}

static const char *take_raw(struct model *m)
{
	uint64_t at = below(m, m->size + (below(m, 2) ? 100 : 1));
	uint64_t n = below(m, 2) ? 1 : model_length(m);
	int want = 0;
	void *data;

	if (n > MODEL_MAX - at)
		n = MODEL_MAX - at;
	if (at + n > m->limit && !rarely(m, 4))
		return NULL;
	pass(model_views_end_in(m, at, at + n));
	if (m->discarded)
		want = m->error;
	else if (m->unmapped)
		want = -EINVAL;
	else if (at + n > m->limit)
		want = -EFBIG;
	check(outbuf_data(m->ob, at, n, &data) == want);
	check((data == NULL) == (want < 0));
	if (want < 0)
		return NULL;
	model_raw(m, data, at, n);
	model_cover(m, at, at + n);
	if (n > 0 && at + n > m->size)
		m->size = at + n;
	return n > 0 ? use_raw(m) : NULL;
}

/* What a walk over the output is told. */
struct seen {
	const struct model *m;
	size_t block;
	uint64_t fails_from; /* blocks with this number or a higher one do */
	_Atomic uint64_t bytes;
	_Atomic int wrong;
};

static int see_block(void *arg, uint64_t i, uint64_t offset, const void *data, size_t n)
{
	struct seen *s = arg;
	uint64_t left = s->m->size - offset;

	if (offset != i * s->block || n != (left < s->block ? left : s->block) ||
	    memcmp(data, s->m->bytes + offset, n) != 0)
		atomic_store(&s->wrong, 1);
	atomic_fetch_add(&s->bytes, n);
	if (i >= s->fails_from)
		return -1000 - (int)i;
	/* Its memory may go: it was looked at. */
	return i % 3 == 0 ? outbuf_release(s->m->ob, offset, n) : 0;
}

static const char *walk(struct model *m, int busy)
{
	struct seen s = { .m = m, .block = 1 + below(m, below(m, 2) ? 100000 : 1000000), .fails_from = UINT64_MAX };
	int want = m->discarded ? -EINVAL : busy ? -EBUSY : m->error;
	uint64_t n = m->size / s.block + (m->size % s.block > 0);

	if (m->size / s.block > 200)
		s.block = m->size;
	if (rarely(m, 4) && n > 0 && s.block != m->size) {
		s.fails_from = below(m, n);
		want = want < 0 ? want : -1000 - (int)s.fails_from;
	}
	check(outbuf_walk(m->ob, s.block, see_block, &s) == want);
	check(s.wrong == 0);
	check(want < 0 || s.bytes == m->size);
	/* Pointers into what was given back are dead. */
	if (want == 0 || s.fails_from != UINT64_MAX)
		m->raw.length = 0;
	return NULL;
}

static const char *release(struct model *m)
{
	uint64_t at = below(m, m->size + 100), n = below(m, 3) ? model_length(m) : MODEL_MAX;

	if (n > MODEL_MAX - at)
		n = MODEL_MAX - at;
	pass(model_views_end_in(m, at, at + n));
	check(outbuf_release(m->ob, at, n) == m->error);
	if (m->raw.at < at + n && at < m->raw.at + m->raw.length)
		m->raw.length = 0;
	return NULL;
}

static const char *give_up(struct model *m)
{
	int error;

	switch (below(m, 2)) {
	case 0:
		check(outbuf_discard(m->ob) == 0);
		m->discarded = 1;
		model_fail(m, -ECANCELED);
		break;
	default:
		error = -1 - (int)below(m, 100);
		model_fail(m, error);
		check(outbuf_fail(m->ob, error) == m->error);
	}
	check(outbuf_error(m->ob) == m->error);
	return NULL;
}

/* Refused while a View is open, else done. */
static const char *owner_step(struct model *m)
{
	int busy, want;

	/* Mostly with all Views ended, or there would be nothing but -EBUSY. */
	if (below(m, 3) != 0)
		pass(model_views_end(m));
	busy = m->open > 0;
	want = m->discarded ? -EINVAL : busy ? -EBUSY : 0;
	switch (below(m, m->tame ? 9 : 11)) {
	case 0:
		pass(map_output(m, busy));
		break;
	case 1:
		m->touched |= !m->sequential;
		check(outbuf_flush(m->ob) == (want < 0 ? want : m->error));
		break;
	case 2:
		pass(set_size(m, busy));
		break;
	case 3:
		pass(unmap(m, busy));
		break;
	case 4:
		pass(take_raw(m));
		break;
	case 5:
		if (m->raw.length > 0)
			pass(use_raw(m));
		break;
	case 6:
		if (busy && !m->discarded)
			check(outbuf_commit(m->ob) == -EBUSY);
		break;
	case 7:
		pass(walk(m, busy));
		break;
	case 8:
		pass(release(m));
		break;
	case 9:
		m->touched |= !m->sequential;
		check(outbuf_sync(m->ob) == (want < 0 ? want : m->error));
		break;
	case 10:
		if (below(m, 4) == 0)
			pass(give_up(m));
		break;
	}
	check(outbuf_size(m->ob) == m->size);
	return NULL;
}

const char *model_step(struct model *m)
{
	struct model_view *w = &m->views[below(m, MODEL_VIEWS)];

	if (m->ob == NULL)
		return NULL; /* refused */
	m->operations++;
	if (below(m, 5) == 0 || (!w->open && m->unmapped && !rarely(m, 32)))
		return owner_step(m);
	return model_view_step(m, w);
}

/* ----------------------------------------------------------------------- the end */

static const char *check_failed(struct model *m)
{
	int created = m->options.replace == OUTBUF_REPLACE_IN_PLACE && m->kind == MODEL_FILE;

	m->failed += m->ob != NULL;
	if (m->old_size == UINT64_MAX)
		/* finish() looks once more after close. */
		check((created && m->open_stays) || access(m->path, F_OK) < 0);
	else if (!created || !m->touched)
		check(same_file(m->path, model_old, m->old_size) == 0);
	return NULL;
}

static const char *check_committed(struct model *m)
{
	const void *data;
	uint64_t size;

	check(outbuf_commit(m->ob) == -EINVAL);
	check(outbuf_discard(m->ob) == -EINVAL);
	check(outbuf_map(m->ob, m->size) == -EINVAL);
	check(outbuf_size(m->ob) == m->size);
	data = outbuf_memory(m->ob, &size);
	check((data != NULL) == (m->kind == MODEL_MEMORY));
	if (m->kind == MODEL_MEMORY)
		check(size == m->size && memcmp(data, m->bytes, size) == 0);
	else if (m->kind == MODEL_SINK)
		check(m->received == m->size);
	else
		check(same_file(m->path, m->bytes, m->size) == 0);
	return NULL;
}

static const char *finish(struct model *m)
{
	uint64_t at, length, gap_at, gap;
	int want, r, found, there;
	unsigned beside;

	if (m->ob == NULL)
		return check_failed(m);
	pass(model_views_end(m));
	want = m->error;
	gap = first_gap(m, &gap_at);
	if (want == 0 && m->options.check_complete && gap > 0)
		want = -ENODATA;
	if (want == 0 && m->kind == MODEL_SINK && m->size > m->sink_end)
		want = -EIO;
	r = outbuf_commit(m->ob);
	check(r == want);
	/* outbuf_fail() may have been called with that errno, too: then nobody has looked for a gap. */
	found = r == -ENODATA && m->error == 0;
	check(outbuf_gap(m->ob, &at, &length) == found);
	check(!found || (at == gap_at && length == gap));
	if (r == 0) {
		pass(check_committed(m));
	} else {
		check(outbuf_commit(m->ob) == want && outbuf_error(m->ob) == want);
		pass(check_failed(m));
	}
	check(outbuf_size(m->ob) == m->size);
	check(outbuf_close(m->ob) == 0);
	m->ob = NULL;
	there = m->kind == MODEL_FD || (m->kind == MODEL_FILE && (r == 0 || m->old_size != UINT64_MAX));
	/* And the spare that is for the next one; prepare_spare() takes it away. */
	beside = count_beside(m->path);
	check(beside == (unsigned)there ||
	      (m->kind == MODEL_FILE && m->options.recycle && beside == (unsigned)there + 1));
	return NULL;
}

const char *model_finish(struct model *m)
{
	const char *wrong = finish(m);

	if (wrong != NULL && m->ob != NULL) {
		unsigned i;

		for (i = 0; i < MODEL_VIEWS; i++)
			outbuf_view_end(&m->views[i].v);
		outbuf_close(m->ob);
	}
	m->ob = NULL;
	if (m->fd >= 0)
		close(m->fd);
	return wrong;
}
