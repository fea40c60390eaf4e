/* SPDX-License-Identifier: MIT */
/* options.h - the command line */
#ifndef PARWRITE_OPTIONS_H
#define PARWRITE_OPTIONS_H

#include <stddef.h>

#include "emit/build_id.h"
#include "input/input.h"

struct error;

/* Words of a command line; args.c. All are copies. */
struct args {
	char **list; /* list[n] is NULL once complete */
	size_t n, room;
};

enum stats_form { STATS_NONE, STATS_TEXT, STATS_JSON };

struct options {
	struct args args; /* what the others point into */
	const char *output;
	const char *map_file, *trace_file; /* NULL: none */
	struct input *inputs;
	size_t n_inputs;
	struct leave_out leave_out;
	struct build_id build_id;
	unsigned threads;
	enum stats_form stats;
	int no_map, recycle, check_overlap;
	int progress; /* whether to show it */
};

/* Returns -1 to go on, or the status to exit with: something was printed. */
int options_parse(struct options *options, int argc, char **argv);

void options_free(struct options *options);

/* The words of argv with @FILE replaced by the words in FILE. Returns 0 or -1. */
int args_expand(struct args *args, int argc, char **argv, struct error *error);

void args_free(struct args *args);

/* libraries.c: -l and -L. */
struct libraries {
	const char **directories;
	size_t n, room;
};

int libraries_add(struct libraries *l, const char *directory, struct error *error);

/* The path of lib`name`.a, or of the file after ":", in the first directory that has it; to be freed. NULL: none. */
char *libraries_find(const struct libraries *l, const char *name, struct error *error);

#endif
