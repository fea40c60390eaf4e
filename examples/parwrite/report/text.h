/* SPDX-License-Identifier: MIT */
/*
 * text.h - a file with text that tells of the output: -Map, --trace
 *
 * It is an output of its own, so it comes to its path complete or not at all, and what stood there stays after an
 * error.
 */
#ifndef PARWRITE_TEXT_H
#define PARWRITE_TEXT_H

#include <stddef.h>
#include <stdio.h>

struct error;
struct outbuf;

struct text {
	FILE *file; /* the caller writes to it; in memory until text_commit() */
	/* text.c's. */
	char *bytes;
	size_t size;
	const char *path;
	struct outbuf *ob;
};

/* For `path`, "-" is standard output; all members are zero. Returns 0 or -1. */
int text_open(struct text *t, const char *path, struct error *error);

/* What was written to the file stands at the path. Returns 0 or -1. */
int text_commit(struct text *t, struct error *error);

/* Free it, and if it was not committed leave no trace; also if all members are zero. */
void text_close(struct text *t);

#endif
