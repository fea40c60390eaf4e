/* SPDX-License-Identifier: MIT */
/* emit.h - the two phases in which the output is written */
#ifndef PARWRITE_EMIT_H
#define PARWRITE_EMIT_H

#include <stddef.h>
#include <stdint.h>

#include <outbuf.h>

#include "input/input.h"

struct arena;
struct error;
struct layout;
struct piece;
struct progress;
struct symbols;
struct trace;
struct workqueue;

/* What follows the contents. All are file offsets. emit_place()'s. */
struct tables {
	uint64_t symbols_at, extended_at, strings_at, section_names_at, headers_at, end;
};

/* Given to all tasks. What it points to is constant while they run, but where that says so. */
struct emission {
	struct outbuf *ob;
	const char *path; /* of the output, for messages */
	const struct inputs *in;
	const struct layout *layout;
	const struct symbols *symbols;
	struct tables tables;
	struct workqueue *queue;
	struct progress *progress;
	struct error *error;
	struct arena *arena;   /* the inputs' */
	struct trace *trace;   /* NULL: nobody asked */
};

/* tables.c: where everything is that follows the contents. */
void emit_place(struct emission *e);

/* emit.c, phase 1: section contents and relocations, at known places, inside the mapping. */
int emit_contents(struct emission *e);

/* tables.c, phase 2: symbol table, string tables, section headers, the header: past the mapping. */
int emit_tables(struct emission *e);

/* headers.c: tasks of phase 2. */
size_t headers_blocks(const struct emission *e);
int headers_block(const struct emission *e, size_t i);
/* The header, what is in the tables once, and the symbols of sections. */
int headers_write(const struct emission *e);

/*
 * relocate.c: write bytes [from, to) of a piece of relocations, which are whole records, as those of the output.
 * Returns 0, or -1 with a message of task `order`; the output's errors stick to the View.
 */
int relocate(const struct emission *e, const struct piece *piece, struct outbuf_view *view, uint64_t from, uint64_t to,
             size_t order);

/* relocate.c: addends that lie in the contents, when all contents are written. Returns 0 or -1. */
int relocate_in_place(struct emission *e);

/*
 * What a task returns: 0, a negative errno of the output, or this for an error that it has put
 * into e->error itself.
 */
enum { TASK_FAILED = 1 };

/* run.c: workqueue_run() for tasks of an emission. Returns 0 or -1. */
int emit_run(struct emission *e, size_t n, int (*task)(const struct emission *e, size_t i));

/* run.c: turn what workqueue_run() returned into 0 or -1 with a message. */
int emit_result(struct emission *e, int result);

#endif
