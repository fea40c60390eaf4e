/* SPDX-License-Identifier: MIT */
/*
 * text.h - a text file that describes the output: -Map, --trace
 *
 * The file is an output of liboutbuf, too. So it appears at its path when it is complete, and after an error the path
 * has the file that was there before. One thread at a time may use a struct text.
 */
#ifndef PARWRITE_TEXT_H
#define PARWRITE_TEXT_H

#include <stddef.h>
#include <stdio.h>

struct error;
struct outbuf;

struct text {
	FILE *file; /* the caller writes here; the text stays in memory until text_commit(). NULL: not open */

	/* Used by text.c only. */
	char *bytes;       /* the text, once `file` is flushed or closed; to be freed by free() */
	size_t size;       /* its length in bytes */
	struct outbuf *ob; /* NULL: not open */
};

/*
 * Open a text that text_commit() will write to `path`; "-" is standard output. All members must be zero. Returns 0, or
 * -1 with a message. Call text_close() in either case.
 */
int text_open(struct text *t, const char *path, struct error *error);

/* Write the text to its path. Returns 0, or -1 with a message. */
int text_commit(struct text *t, struct error *error);

/* Free all. A text that was not committed leaves no file behind. All members may be zero. */
void text_close(struct text *t);

#endif
