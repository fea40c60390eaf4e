/* SPDX-License-Identifier: MIT */
/* options.h - the command line */
#ifndef PARWRITE_OPTIONS_H
#define PARWRITE_OPTIONS_H

#include <stddef.h>

#include "emit/build_id.h"
#include "input/input.h"

struct error;

/* The words of a command line, with @FILE expanded; see args.c. The strings are copies. */
struct args {
	char **list;    /* once args_expand() is done, list[n] is NULL */
	size_t n, room; /* how many words there are, and how many the array has room for */
};

enum stats_form { STATS_NONE, STATS_TEXT, STATS_JSON };

/*
 * What the command line says. Written by options_parse(), constant afterwards. Strings, except the paths of inputs, are
 * words of `args`.
 */
struct options {
	struct args args; /* owns the words */
	const char *output;                /* "-": standard output */
	const char *map_file, *trace_file; /* NULL: none; "-": standard output */
	struct input *inputs; /* in the order of the command line; their paths are freed by options_free() */
	size_t n_inputs;
	struct leave_out leave_out;
	struct build_id build_id;
	unsigned threads; /* 1 to 1024 */
	enum stats_form stats;
	int no_map, recycle, check_overlap;
	unsigned durability; /* enum outbuf_durability */
	int progress; /* 1: show a progress bar */
};

/*
 * Parse the command line into *options, which must be zero. Returns -1 if the run can begin. Otherwise returns the
 * status to exit with, and the help, the version or a message was printed. Call options_free() in either case. Main
 * thread: getopt has global variables.
 */
int options_parse(struct options *options, int argc, char **argv);

/* Free what options_parse() allocated. */
void options_free(struct options *options);

/*
 * args.c: append the words of argv to *args, with @FILE replaced by the words of that file. Returns 0, or -1 with a
 * message. Call args_free() in either case.
 */
int args_expand(struct args *args, int argc, char **argv, struct error *error);

void args_free(struct args *args);

/* libraries.c: the directories of -L, in their order. The strings are not copies. */
struct libraries {
	const char **directories; /* to be freed by the caller */
	size_t n, room;
};

/* Add a directory. Returns 0, or -1 with a message. */
int libraries_add(struct libraries *l, const char *directory, struct error *error);

/*
 * Look for lib`name`.a, or if `name` is ":FILE" for FILE. Returns its path in the first directory that has it, to be
 * freed. NULL: no directory has it, or out of memory; `error` has the message.
 */
char *libraries_find(const struct libraries *l, const char *name, struct error *error);

#endif
