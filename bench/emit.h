/* SPDX-License-Identifier: MIT */
/*
 * What the files of bench_emit share: the sections, the tasks, and the ways to emit them. A "way" is a method of
 * writing the output file. The benchmark compares the ways. Functions are called on the main thread, unless their
 * comment says otherwise.
 */
#ifndef BENCH_EMIT_H
#define BENCH_EMIT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "outbuf.h"

/* ------------------------------------------------- what is emitted: emit_sections.c */

#define BLOCK ((size_t)1 << 20) /* the most bytes of a task */
#define ALIGN ((size_t)16)      /* sections begin at multiples of so many bytes; the gaps between them are zero */

struct section {
	size_t offset, length; /* bytes of the output */
};

/* A part of the output that one thread writes: several small sections in a row, or a block of a large one. */
struct task {
	size_t offset, length; /* bytes of the output */
	size_t first, count;   /* the sections of which it has all or a part: `count`, from `first` on */
};

/* The output that each way has to write. Constant after job_make(). */
struct job {
	struct section *sections;
	struct task *tasks;
	size_t section_count, task_count, small_count, size;
	unsigned char *expected; /* the whole output, in memory whose pages have been touched */
};

extern struct job job;

/* Draw the sections of an output of `size` bytes, and fill `job`. The result depends on the size alone. */
void job_make(size_t size);
void job_free(void);

/* The bytes that the output has at this offset; BLOCK bytes can be read from there on. Any thread. */
const unsigned char *content(size_t offset);

/* The i-th part of the task: returns its bytes, and sets its offset and length in the output. Any thread. */
static inline const unsigned char *part(const struct task *t, size_t i, size_t *offset, size_t *length)
{
	const struct section *s = &job.sections[t->first + i];
	size_t end = s->offset + s->length, task_end = t->offset + t->length;

	*offset = s->offset > t->offset ? s->offset : t->offset;
	*length = (end < task_end ? end : task_end) - *offset;
	return content(*offset);
}

/* One emission of the job. Constant while its threads run, except `next`. */
struct emission {
	void (*task)(struct emission *e, const struct task *t); /* writes one task; called on any of the threads */
	_Atomic size_t next; /* the first task that no thread has; incremented by any of the threads */
	/* Where to write; which of these are set depends on `task`. */
	struct outbuf *ob;
	unsigned char *base; /* the address of offset 0 */
	int fd;
};

/* Call e->task for all tasks of the job, on so many threads, the calling one included. */
void emit(struct emission *e, unsigned threads);

/* A `task` for outputs in memory: copies every part to its offset from e->base. Any thread. */
void task_memcpy(struct emission *e, const struct task *t);

/* --------------------------------------------------------------------- ways */

enum kind {
	OURS, /* by this library */
	HAND, /* by system calls or another library, as people write today */
	LIMIT /* makes no file, so it is not compared with those that do */
};

/* For way.reserve: how the file gets its length. */
enum reserve {
	TRUNCATE, /* by ftruncate(2), without blocks */
	FALLOCATE /* by fallocate(2), with blocks */
};

/* In which runs a way is measured. */
enum when {
	NEW,  /* only in those that write a new file each time, which is the default */
	BOTH,
	AGAIN /* only in those that write over the last output (-r) */
};

/* Constant. */
struct way {
	enum kind kind;
	const char *name;
	/*
	 * Emit the job to path[]; afterwards the file is complete and closed. 0, or a negative errno if this file
	 * system or this build cannot do it; way_refused names the call that failed then. Any other error ends the
	 * program.
	 */
	int (*run)(const struct way *way, unsigned threads);
	uint32_t map, stage, flush; /* OURS: the options of that name */
	enum reserve reserve;       /* HAND: how the file gets its length */
	int advise;                 /* HAND: the advice for madvise(2); 0: it is not called */
	unsigned max_threads;       /* the most threads it can have; 0: any number */
	enum when when;
	uint32_t recycle;           /* OURS: the option of that name */
};

extern const struct way ways_ours[], ways_hand[], ways_llvm[];
extern const size_t ways_ours_count, ways_hand_count, ways_llvm_count;

/* The main thread writes these, the way it calls reads them. */
extern char path[4096];         /* the output */
extern const char *way_refused; /* the call that refused a way; set by refuse() */
extern int again;               /* -r: the last output stays, and is written over or replaced */
extern int checking;            /* 1: in this run the bytes are compared; ways into memory compare them themselves */

/* Return `error`, and note for the table that the call `what` failed with it. */
int refuse(const char *what, int error);

/* End the program with a message unless the bytes are the job's output. */
void check_bytes(const struct way *way, const void *data, size_t size);

/* ------------------------------------------------------- results: emit_table.c */

#define MAX_ROUNDS 99
#define MAX_THREADS 64
#define MAX_COLUMNS 8
#define MAX_WAYS 40

/* What was measured of one way with one number of threads. */
struct measurement {
	double seconds[MAX_ROUNDS]; /* wall time of each round */
	int error;                  /* the way was refused: a negative errno; else 0 */
	const char *refused;        /* the call that returned `error` */
	int too_many_threads;       /* 1: the way cannot have so many threads, and was not run */
};

/* All measurements: a row per way, a column per number of threads. */
struct results {
	const struct way *way[MAX_WAYS];
	size_t ways;
	unsigned threads[MAX_COLUMNS];
	size_t columns, rounds; /* how many are used */
	struct measurement measured[MAX_WAYS][MAX_COLUMNS];
};

void print_table(const struct results *r);

/* Write the results to a file, tab-separated, with a line of titles. `file_system` is the first field of each line. */
void write_tsv(const struct results *r, const char *name, const char *file_system);

#endif
