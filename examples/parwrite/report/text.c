/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "report/text.h"

#include <errno.h>
#include <outbuf.h>
#include <stdlib.h>

#include "report/report.h"

/* The library's own words. Returns -1. */
static int fail_output(struct outbuf *ob, struct error *error)
{
	char text[600];

	outbuf_error_text(ob, text, sizeof text);
	return fail(error, NULL, "%s", text);
}

int text_open(struct text *t, const char *path, struct error *error)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	int r;

	options.mode = 0666;
	r = outbuf_open(&t->ob, path, &options);
	if (r)
		return fail_output(t->ob, error);
	t->file = open_memstream(&t->bytes, &t->size);
	return t->file ? 0 : fail(error, NULL, "out of memory");
}

/* Write the whole text through one View. The size is known by now. Returns 0 or a negative errno. */
static int write_bytes(struct text *t)
{
	struct outbuf_view view;
	int r = outbuf_map(t->ob, t->size);

	if (!r)
		r = outbuf_view(t->ob, &view, 0, t->size);
	if (r)
		return r;
	outbuf_write(&view, t->bytes, t->size);
	r = outbuf_view_end(&view);
	return r ? r : outbuf_commit(t->ob);
}

int text_commit(struct text *t, struct error *error)
{
	int r = ferror(t->file);

	r |= fclose(t->file);
	t->file = NULL;
	if (r)
		return fail(error, NULL, "out of memory");
	r = write_bytes(t);
	return r ? fail_output(t->ob, error) : 0;
}

void text_close(struct text *t)
{
	if (t->file)
		fclose(t->file);
	free(t->bytes);
	outbuf_close(t->ob);
}
