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

/* Where the tables lie that follow the contents. All are file offsets. Written by emit_place(), constant afterwards. */
struct tables {
	/* .symtab, .symtab_shndx (if there is one), .strtab, .shstrtab, the section headers, the end of the file. */
	uint64_t symbols_at, extended_at, strings_at, section_names_at, headers_at, end;
};

/*
 * Given to all tasks that write. Constant while they run. What the members point to is constant then, too, except where
 * the types say otherwise. Set by job.c; `tables` by emit_place().
 */
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
	struct arena *arena; /* the inputs', for memory that lives as long as the job */
	struct trace *trace; /* NULL: there is no --trace */
};

/* tables.c: decide where the tables lie. Call this when symbols and layout are known. */
void emit_place(struct emission *e);

/*
 * emit.c, phase 1: write section contents and relocations, which lie inside the mapping. Returns 0, or -1 with a
 * message.
 */
int emit_contents(struct emission *e);

/*
 * tables.c, phase 2: write the symbol table, the string tables and the section headers, which lie past the mapping, and
 * the file's header. Returns 0, or -1 with a message.
 */
int emit_tables(struct emission *e);

/*
 * headers.c: tasks of phase 2, which write the headers and names of sections in blocks. headers_blocks() is the number
 * of these tasks. headers_block() is task i of them; any thread. It returns 0 or a negative errno.
 */
size_t headers_blocks(const struct emission *e);
int headers_block(const struct emission *e, size_t i);

/*
 * headers.c, one more task of phase 2: write the file's header, the section headers that every output has (the empty
 * one and those of the tables), the names of these, the symbols of sections, and the padding before tables. Any thread.
 * Returns 0 or a negative errno.
 */
int headers_write(const struct emission *e);

/*
 * relocate.c: change the relocations in bytes [from, to) of a piece, which must be whole records, to those of the
 * output, and write them. Any thread, with a View of its own. Returns 0, or -1 with a message of task `order`. If a
 * write fails, the error is sticky in the View, and outbuf_view_end() returns it.
 */
int relocate(const struct emission *e, const struct piece *piece, struct outbuf_view *view, uint64_t from, uint64_t to,
             size_t order);

/*
 * relocate.c: adjust the addends that lie in section contents (REL). Call this when all contents are written. Returns
 * 0, or -1 with a message.
 */
int relocate_in_place(struct emission *e);

/*
 * What a task returns: 0, a negative errno of the output, or TASK_FAILED if it has stored a message in e->error itself.
 */
enum { TASK_FAILED = 1 };

/* run.c: run task(e, i) for all i below n on all threads. Returns 0, or -1 with a message. Main thread. */
int emit_run(struct emission *e, size_t n, int (*task)(const struct emission *e, size_t i));

/* run.c: turn what a task or a function of the library has returned into 0, or -1 with a message. Main thread. */
int emit_result(struct emission *e, int result);

#endif
