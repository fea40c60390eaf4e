/* SPDX-License-Identifier: MIT */
/*
 * One output from open to the end, in every way there is: test_die.c stops it at every call, test_fail.c
 * has every call fail.
 *
 * A way is a mode, how the file comes to stand at its path, with a backend, how the bytes reach the file.
 * Both are tables in ways.c; a new one is a row there.
 */
#ifndef TESTS_WAYS_H
#define TESTS_WAYS_H

#include <stddef.h>

#include "support/support.h"

enum {
	MODE_NAMED = 1,    /* without nameless files */
	MODE_IN_PLACE = 2, /* what stands there may be broken */
	MODE_SYNC = 4,     /* outbuf_sync() before commit */
	MODE_DISCARD = 8,  /* not committed, but discarded, with a View open */
	MODE_SPARE = 16,   /* a hidden file may stay, for the next run; there is one before */
	MODE_REPLACING = 32, /* only tried over an old file */
	MODE_ELSE = 64     /* what cannot be replaced is written over */
};

struct mode {
	const char *name;
	void (*choose)(struct outbuf_options *options);
	unsigned flags;
	unsigned litter; /* hidden files that death may leave, the spare counted */
};

struct backend {
	const char *name;
	void (*choose)(struct outbuf_options *options);
	int (*refused)(void); /* 0, or why it cannot be had in this build and place */
};

struct way {
	char name[80];
	const struct mode *mode;
	const struct backend *backend;
	int old; /* does a file stand at the path before? */
};

/*
 * Set *way to number i, counted from 0. Returns 0, -1 after the last; 1 if that one cannot be had here
 * (which is printed).
 */
int way_get(struct way *way, unsigned i);

/*
 * Write the content of that number (1 or 2) in this way: mapped and behind the mapping, staged, straight,
 * and through a pointer, by two threads, with a gap. Returns the first error, the output closed.
 */
int way_run(const struct way *way, const char *path, int content);

/* What is at the path: 0 nothing, 1 or 2 that content, 3 the old content; -1 something else. */
enum { NOTHING_THERE, CONTENT_1, CONTENT_2, OLD_CONTENT };
int what_stands_at(const char *path);

/* Remove what is in the sandbox, and put the old content there, and a spare, if the way has one. */
void way_prepare(const struct way *way, const struct sandbox *s);

/* Files beside the path: hidden ones of the library's, and others. */
struct found {
	unsigned hidden, others;
};
struct found look_around(const struct sandbox *s);

#endif
