/* SPDX-License-Identifier: MIT */
/* What the files of bench_emit share: the sections, the tasks, and the ways to emit them. */
#ifndef BENCH_EMIT_H
#define BENCH_EMIT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "outbuf.h"

/* ------------------------------------------------- what is emitted: emit_sections.c */

#define BLOCK ((size_t)1 << 20) /* no task is longer */
#define ALIGN ((size_t)16)      /* sections begin at multiples of it; the gaps are zero */

struct section {
	size_t offset, length; /* in the output */
};

/* A part of the output that one thread writes: neighbouring small sections, or a block of one. */
struct task {
	size_t offset, length;
	size_t first, count; /* the sections it has parts of */
};

struct job {
	struct section *sections;
	struct task *tasks;
	size_t section_count, task_count, small_count, size;
	unsigned char *expected; /* the whole output, in warm memory */
};

extern struct job job;

/* Draw the sections of an output of `size` bytes, and fill job. The same for the same size, always. */
void job_make(size_t size);
void job_free(void);

/* What goes to this offset of the output; BLOCK bytes from there on are readable. */
const unsigned char *content(size_t offset);

/* The i-th part of the task: where it lies in the output and what goes there. */
static inline const unsigned char *part(const struct task *t, size_t i, size_t *offset, size_t *length)
{
	const struct section *s = &job.sections[t->first + i];
	size_t end = s->offset + s->length, task_end = t->offset + t->length;

	*offset = s->offset > t->offset ? s->offset : t->offset;
	*length = (end < task_end ? end : task_end) - *offset;
	return content(*offset);
}

/* One emission; `next` is the first task nobody has taken, all else is constant meanwhile. */
struct emission {
	void (*task)(struct emission *e, const struct task *t);
	_Atomic size_t next;
	struct outbuf *ob;
	unsigned char *base;
	int fd;
};

/* All tasks, on so many threads. */
void emit(struct emission *e, unsigned threads);

/* For emissions into memory: every part to its place behind e->base. */
void task_memcpy(struct emission *e, const struct task *t);

/* --------------------------------------------------------------------- ways */

enum kind {
	OURS,
	HAND, /* what people write today */
	LIMIT /* makes no file: not compared with those that do */
};

/* For way.reserve. */
enum reserve {
	TRUNCATE, /* ftruncate(2): as long as it will be, no blocks */
	FALLOCATE
};

/* Which kind of run has it: into a new file each time (the default), or over the last output (-r). */
enum when {
	NEW,
	BOTH,
	AGAIN
};

struct way {
	enum kind kind;
	const char *name;
	/*
	 * Emit the job to path[], complete and closed. 0, or a negative errno if this cannot be done on
	 * this file system or by this build, and way_refused says what refused. Anything else
	 * that goes wrong ends the program.
	 */
	int (*run)(const struct way *way, unsigned threads);
	uint32_t map, stage, flush; /* OURS: the options */
	enum reserve reserve;       /* HAND */
	int advise;                 /* HAND: of madvise(2), 0: none */
	unsigned most_threads;      /* 0: any number */
	enum when when;
	uint32_t recycle;           /* OURS: the option */
};

extern const struct way ways_ours[], ways_hand[], ways_llvm[];
extern const size_t ways_ours_count, ways_hand_count, ways_llvm_count;

extern char path[4096];
extern const char *way_refused;
extern int again;    /* -r: the last output is there */
extern int checking; /* a run whose bytes are compared: ways into memory do so themselves */

int refuse(const char *what, int error);

/* Die unless it is the job's output. */
void check_bytes(const struct way *way, const void *data, size_t size);

/* ------------------------------------------------------- results: emit_table.c */

#define MAX_ROUNDS 99
#define MAX_THREADS 64
#define MAX_COLUMNS 8
#define MAX_WAYS 40

/* What was measured of one way with one number of threads. */
struct result {
	double seconds[MAX_ROUNDS];
	int error;          /* it was refused, by: */
	const char *refused;
	int unfit;          /* it cannot have so many threads */
};

struct results {
	const struct way *way[MAX_WAYS];
	size_t ways;
	unsigned threads[MAX_COLUMNS];
	size_t columns, rounds;
	struct result result[MAX_WAYS][MAX_COLUMNS];
};

void print_table(const struct results *r);

/* Tab-separated, with a line of titles; `file_system` is in each line. */
void write_tsv(const struct results *r, const char *name, const char *file_system);

#endif
