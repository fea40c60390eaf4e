/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "report/text.h"

#include <errno.h>
#include <outbuf.h>
#include <stdlib.h>
#include <string.h>

#include "report/report.h"

int text_open(struct text *t, const char *path, struct error *error)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	int failed;

	options.mode = 0666;
	t->path = strcmp(path, "-") == 0 ? "standard output" : path;
	failed = outbuf_open(&t->ob, path, &options);
	if (failed)
		return fail(error, t->path, "%s", strerror(-failed));
	t->file = open_memstream(&t->bytes, &t->size);
	return t->file ? 0 : fail(error, NULL, "out of memory");
}

/* All of it in one View, as its size is known now. */
static int write_bytes(struct text *t)
{
	struct outbuf_view view;
	int failed = outbuf_map(t->ob, t->size);

	if (!failed)
		failed = outbuf_view(t->ob, &view, 0, t->size);
	if (failed)
		return failed;
	outbuf_write(&view, t->bytes, t->size);
	failed = outbuf_view_end(&view);
	return failed ? failed : outbuf_commit(t->ob);
}

int text_commit(struct text *t, struct error *error)
{
	int failed = ferror(t->file);

	failed |= fclose(t->file);
	t->file = NULL;
	if (failed)
		return fail(error, NULL, "out of memory");
	failed = write_bytes(t);
	return failed ? fail(error, t->path, "%s", strerror(-failed)) : 0;
}

void text_close(struct text *t)
{
	if (t->file)
		fclose(t->file);
	free(t->bytes);
	outbuf_close(t->ob);
}
