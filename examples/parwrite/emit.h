/* SPDX-License-Identifier: MIT */
/* emit.h - the two phases in which the output is written */
#ifndef PARWRITE_EMIT_H
#define PARWRITE_EMIT_H

#include <stdint.h>

struct error;
struct inputs;
struct layout;
struct outbuf;
struct outbuf_view;
struct progress;
struct symbols;
struct workqueue;

/* What follows the contents. Written by the main thread and by strings_build(), as said. */
struct tables {
	/* strings_build(), one task of phase 1; read in phase 2. */
	char *section_names; /* the content of .shstrtab */
	uint64_t section_names_size, strings_size;

	/* emit_tables(), before its tasks start. All are file offsets. */
	uint64_t symbols_at, strings_at, section_names_at, headers_at, end;
};

/* Given to all tasks. What it points to is constant while they run, but where that says so. */
struct emission {
	struct outbuf *ob;
	const char *path; /* of the output, for messages */
	struct inputs *in;
	struct layout *layout;
	struct symbols *symbols;
	struct tables tables;
	struct workqueue *queue;
	struct progress *progress;
	struct error *error;
};

/*
 * Phase 1: section contents and relocations, at known places, inside the mapping. Beside that,
 * strings_build() finds out how large phase 2 will be.
 */
int emit_contents(struct emission *e);

/* strings.c: give every name its place. A task: order is its number, for fail_at(). */
int strings_build(struct emission *e, uint64_t order);

/* headers.c, a task of phase 2: the parts whose size does not depend on the inputs' symbols. */
int headers_write(const struct emission *e);

/* tables.c: one record of the symbol table. */
void write_symbol(struct outbuf_view *view, uint64_t name, unsigned info, unsigned other,
                  uint32_t section, uint64_t value, uint64_t size);

/* tables.c, phase 2: symbol table, string tables, section headers; and the header. */
int emit_tables(struct emission *e);

/*
 * What a task returns: 0, a negative errno of the output, or this for an error that it has put
 * into e->error itself.
 */
enum { TASK_FAILED = 1 };

/* Turn what workqueue_run() returned into 0 or -1 with a message. */
int emit_result(struct emission *e, int result);

#endif
