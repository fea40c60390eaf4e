/* SPDX-License-Identifier: MIT */
/*
 * struct outbuf: one output. The rooms api and output see its members, no other room does.
 *
 * "The owner" is the thread that calls the owner functions of outbuf.h, one at a time. "Exclusive" means between
 * ob__state_begin_exclusive() and ob__state_end_exclusive() (state.h): no View is open then.
 */
#ifndef OUTBUF_LIB_OUTPUT_H
#define OUTBUF_LIB_OUTPUT_H

#include <stdatomic.h>
#include <stdint.h>

#include "outbuf.h"

#include "bytes/coverage.h"
#include "bytes/dirty.h"
#include "bytes/unwritten.h"
#include "flush/flush.h"
#include "memory/blocks.h"
#include "memory/guard.h"
#include "memory/heap.h"
#include "output/failure.h"
#include "output/open_views.h"
#include "policy/choice.h"
#include "system/parallel.h"
#include "target/target.h"

/*
 * The states of an output.
 *
 *   OPEN        Views may be opened. map, flush, sync and set_size leave the output in this state, also when they
 *               fail, unless map lost memory (DISCARDED).
 *   EXCLUSIVE   The owner is inside one of those calls, or in unmap, walk or commit. Threads that open a View wait. The
 *               owner restores the previous state if it finds that a View is open.
 *   UNMAPPED    All bytes are in the file, no memory is held. map leads back to OPEN. If it fails the state stays
 *               UNMAPPED, or becomes DISCARDED if memory was lost.
 *   COMMITTED   The file stands at the path. Only close, and questions about the output, are allowed: stats, size,
 *               memory, error.
 *   DISCARDED   The output was discarded, or commit failed: `error` says why. The file is removed. The memory stays
 *               until close, because other threads may still write through their Views.
 *
 * From OPEN and UNMAPPED, commit leads to COMMITTED or DISCARDED, and discard leads to DISCARDED.
 */
enum outbuf_state {
	STATE_OPEN,
	STATE_EXCLUSIVE,
	STATE_UNMAPPED,
	STATE_COMMITTED,
	STATE_DISCARDED,
};

struct outbuf {
	/* -------- Constant after outbuf_open(). */

	struct outbuf_options options; /* as checked by ob__options_copy(): `size` is ours, `mode` is not 0 */
	struct parallel parallel;      /* the threads of a flush */
	int swap;                      /* 1: the output's byte order is not the machine's */
	/*
	 * 1: the backend writes from the first byte to the last, so all bytes stay in memory until commit writes them;
	 * nothing is staged or mapped.
	 */
	int sequential;
	char *path;           /* as given to outbuf_open(), for messages; NULL: none, or no memory for it */
	uint64_t file_limit;  /* RLIMIT_FSIZE at open, in bytes: a write beyond it would raise SIGXFSZ */
	struct choice choice; /* how the file is written, and who decided that */
	int flush_refused;    /* why the preferred backend is not used: a negative errno, or 0 */

	/* -------- Written by the owner, exclusively. Threads that have a View open may read these. */

	struct flush flush;  /* the backend; Views call its `put` */
	int may_stage;       /* 1: Views may be staged (window.h) */
	uint64_t mapped_end; /* [0, mapped_end) is mapped, whole pages; the heap begins here; 0: no mapping */

	/* -------- Written by the owner, exclusively; of `target`, Views read `fd`. */

	struct target target;
	int is_small;                     /* 1: it is not mapped because its plan fits into one write (mapping.c) */
	uint64_t planned;                 /* the output has at least this many bytes */
	uint64_t stated_size;             /* the size that outbuf_map() or outbuf_set_size() was given last */
	uint64_t map_size;                /* what outbuf_map() last mapped, less what outbuf_set_size() cut */
	int heap_written;                 /* 1: bytes of the heap were, or were about to be, written to the file */
	uint64_t flushed;                 /* bytes that the owner's flushes wrote, so far */
	struct outbuf *outer;             /* the output whose exclusive call is around this one: state.c; or NULL */
	int given_up;                     /* 1: it failed inside an owner's call, which ends with STATE_DISCARDED */
	int sync_wanted;                  /* 1: commit of a sequential output waits for the disk */
	uint64_t phase_ns[OUTBUF_PHASES]; /* wall time spent in each phase, so far */
	struct range gap;                 /* the first gap that commit found; length 0: none */
	int map_error;                    /* why the last outbuf_map() did not map: a negative errno, or 0 */
	int prealloc_error;               /* why no blocks could be preallocated: a negative errno, or 0 */
	struct guard guard;               /* of the mapping, with options.guard */

	/* -------- Any thread, each by its own rules. */

	atomic_flag noting;          /* the lock of last_error and last_failure, which any thread reads and writes */
	int last_error;              /* of the last call that failed, sticky or not, but for writes; 0: none has */
	struct failure last_failure; /* what that was about */
	struct heap heap;
	struct coverage coverage; /* used with options.check_overlap */
	struct blocks blocks;     /* write buffers of staged Views */
	struct dirty dirty;       /* of the heap: which copy of a byte is authoritative */
	struct unwritten stale;   /* which bytes of a recycled file are the old output's */
	struct unwritten gaps;    /* which bytes nobody wrote; used with options.check_complete */
	_Atomic uint64_t bytes_put; /* bytes that Views and outbuf_release() wrote to the file, so far */
	_Atomic uint64_t zeroed;  /* bytes of a recycled file that were overwritten by zeros, so far */
	_Atomic uint64_t faults;  /* faults that the guard's handler caught, so far */
	/*
	 * The open Views and the state are a Dekker pair, both sequentially consistent: a View enters the table, then
	 * reads the state; the owner sets the state, then reads the table. At least one of them sees the other.
	 */
	struct open_views views;
	_Atomic int state; /* enum outbuf_state; written by the owner */
	/*
	 * What the sticky error is about. Written once, by the thread that set the error; complete when failure_known
	 * is 1, which is stored with release order.
	 */
	struct failure failure;
	_Atomic int failure_known;
	_Atomic int error; /* the sticky error: the first failure, a negative errno; set once, by compare-exchange */
	/*
	 * 1: a pointer into the output was handed out, so its bytes may change at any time, and no flush makes the
	 * heap clean. Set by any thread, cleared by outbuf_unmap().
	 */
	_Atomic int pointer_out;
};

#endif
