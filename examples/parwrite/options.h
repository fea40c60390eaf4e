/* SPDX-License-Identifier: MIT */
/* options.h - the command line */
#ifndef PARWRITE_OPTIONS_H
#define PARWRITE_OPTIONS_H

#include <stddef.h>

struct error;

/* Words of a command line; args.c. All are copies. */
struct args {
	char **list; /* list[n] is NULL once complete */
	size_t n, room;
};

struct options {
	struct args args; /* what `output` and `inputs` point into */
	const char *output;
	char **inputs;
	size_t n_inputs;
	unsigned threads;
	int stats, no_map, recycle, check_overlap;
	int progress; /* whether to show it */
};

/* Returns -1 to go on, or the status to exit with: something was printed. */
int options_parse(struct options *options, int argc, char **argv);

void options_free(struct options *options);

/* The words of argv with @FILE replaced by the words in FILE. Returns 0 or -1. */
int args_expand(struct args *args, int argc, char **argv, struct error *error);

void args_free(struct args *args);

#endif
