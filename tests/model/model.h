/* SPDX-License-Identifier: MIT */
/*
 * model.h - an output beside a plain array of bytes, which is what it must become
 *
 * Somebody chooses (random numbers in test_model.c, the bytes of an input in fuzz/fuzz_ops.c), the
 * model does: it opens an output with some options, calls what can be called on it and on
 * several Views, does the same to its array, and says what differs. It knows what must fail, too,
 * and by which error.
 *
 *     model_begin, model_step... , model_finish
 *
 * Functions return NULL, or what was not as it should be: "FILE:LINE: condition", a constant.
 */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include <stdint.h>

#include "outbuf.h"

enum { MODEL_MAX = 400000, MODEL_VIEWS = 4 };

enum model_kind { MODEL_FILE, MODEL_FD, MODEL_SINK, MODEL_MEMORY, MODEL_KINDS };

struct model_view {
	struct outbuf_view v;
	int open, bounded, edit;
	int error;                    /* that sticks to it */
	uint64_t start, end, at, high; /* end: of what it may touch */
};

struct model {
	/* The user's. Members that are zero are the default. */
	uint64_t (*below)(void *arg, uint64_t n); /* a number below n, n > 0 */
	void *arg;
	const char *path; /* in a directory of its own, as what stands in it is counted */
	int tame;         /* nothing that fails, and options that the environment may change */
	enum model_kind kind; /* if tame; else it is chosen */
	int no_blocks;    /* cannot be reserved there: nobody requires it */
	int open_stays;   /* what is removed while it is open stays until it is closed: Windows, SMB */

	/* The model's. */
	struct outbuf *ob;
	struct outbuf_options options;
	uint64_t limit;    /* no byte at or past it */
	uint64_t size;     /* what outbuf_size() must be */
	uint64_t used;     /* bytes past it are zero */
	uint64_t pattern;  /* where written bytes come from */
	int error;         /* that sticks to the output */
	int direct;        /* Views are not staged: they see each other's bytes at once */
	int sequential;    /* written at commit */
	int unmapped;      /* by outbuf_unmap() */
	int discarded;
	int touched;       /* in place: the old content may be gone */
	uint64_t old_size; /* of what stands at the path; UINT64_MAX: nothing */
	int fd;            /* MODEL_FD; else -1 */
	uint64_t received; /* by the sink */
	uint64_t sink_end; /* where it fails with -EIO; UINT64_MAX: nowhere */
	unsigned open;     /* Views */
	struct model_view views[MODEL_VIEWS];
	struct { /* memory that was handed out and is still good; length 0: none */
		unsigned char *data;
		uint64_t at, length;
	} raw;
	unsigned long operations, maps, unmaps, cuts, failed, recycled; /* so far, of all cases */
	unsigned char bytes[MODEL_MAX];
	unsigned char given[MODEL_MAX]; /* check_overlap: a View had it */
	uint64_t stated;                /* check_complete: the size that was stated last, */
	unsigned char covered[MODEL_MAX]; /* and who wrote it: a View that has ended, a pointer, or set_size */
};

const char *model_begin(struct model *m);
const char *model_step(struct model *m);
/* End the Views, commit, compare; also after model_begin() or model_step() has failed. */
const char *model_finish(struct model *m);

/* ------------------------------------------------------------- between the model's files */

/* What stands at the path before, if something does. */
enum { MODEL_OLD = 5000 };
extern const unsigned char model_old[MODEL_OLD];

#define MODEL_WHERE(file, line, text) file ":" #line ": " text
#define MODEL_WHERE_AT(line, text) MODEL_WHERE(__FILE__, line, text)

#define check(condition)                                                \
	do {                                                            \
		if (!(condition))                                       \
			return MODEL_WHERE_AT(__LINE__, #condition);    \
	} while (0)

/* Something else that returns such text. */
#define pass(call)                                                      \
	do {                                                            \
		const char *passed = (call);                            \
		if (passed != NULL)                                     \
			return passed;                                  \
	} while (0)

static inline uint64_t below(struct model *m, uint64_t n)
{
	return m->below(m->arg, n);
}

/* Once in n, and never where all is to go well. */
static inline int rarely(struct model *m, uint64_t n)
{
	return !m->tame && below(m, n) == n - 1;
}

/* The next byte pattern: splitmix64. */
uint64_t model_pattern(struct model *m);

/* Mostly small, sometimes around a page, sometimes large. */
uint64_t model_length(struct model *m);

/* The first error of any View is the output's. */
void model_fail(struct model *m, int error);

/* Memory was handed out. */
void model_raw(struct model *m, void *data, uint64_t at, uint64_t length);

/* Bytes of [from, to) count as written: check_complete. */
void model_cover(struct model *m, uint64_t from, uint64_t to);

/* Bytes before `end` may be other than zero. */
void model_used(struct model *m, uint64_t end);

/* model_view.c: one operation on a View, which it opens if it is not. */
const char *model_view_step(struct model *m, struct model_view *w);
const char *model_view_end(struct model *m, struct model_view *w);
const char *model_views_end(struct model *m);

/*
 * Where Views are staged, the bytes of one that is open are not yet where others see them: so end
 * those that share some with [from, to). Where they are not, let them write over each other.
 */
const char *model_views_end_in(struct model *m, uint64_t from, uint64_t to);

#endif
