/* SPDX-License-Identifier: MIT */
/* struct outbuf, and what the files of its life, its Views and statistics share. No other room sees it. */
#ifndef OUTBUF_LIB_INTERNAL_H
#define OUTBUF_LIB_INTERNAL_H

#include <stdatomic.h>
#include <stdint.h>

#include "outbuf.h"

#include "blocks.h"
#include "choose.h"
#include "coverage.h"
#include "dirty.h"
#include "flush.h"
#include "guard.h"
#include "heap.h"
#include "parallel.h"
#include "stale.h"
#include "target.h"

/*
 * The life of an output.
 *
 *   OPEN        Views may be opened. map, flush, sync, set_size stay here, also when they fail.
 *   EXCLUSIVE   the owner is inside one of those, or in unmap or commit: new Views
 *               wait. Back to where it came from if a View turns out to be open.
 *   UNMAPPED    all is in the file, no memory. map leads back to OPEN, or stays on failure.
 *   COMMITTED   the file stands at the path. Only stats, size and close.
 *   DISCARDED   by outbuf_discard(), or a commit that failed: `error` says why. The file
 *               is gone, the memory stays for those who still write, until close.
 *
 * From OPEN and UNMAPPED commit leads to COMMITTED or DISCARDED, discard to DISCARDED.
 */
enum outbuf_state {
	STATE_OPEN,
	STATE_EXCLUSIVE,
	STATE_UNMAPPED,
	STATE_COMMITTED,
	STATE_DISCARDED,
};

/* Bits of outbuf.dirty: why the heap may hold what the file does not. */
enum {
	DIRTY_VIEW = 1, /* a View was open since the last flush */
	DIRTY_RAW = 2,  /* a pointer was handed out: it may be written through at any time */
};

struct outbuf {
	/* Constant after outbuf_open(). */
	struct outbuf_options options;
	struct parallel parallel;
	int swap;          /* the output's byte order is not the machine's */
	int sequential;    /* the backend writes front to back: all at commit */
	int tracked;       /* dirty_ranges says where the heap's bytes are true */
	uint64_t limit;    /* RLIMIT_FSIZE: writing beyond would raise SIGXFSZ */
	struct choice choice;
	int flush_refused; /* why the preferred backend is not the one */

	/*
	 * The owner's, changed while no View is open only; any thread that has one may read them, and
	 * put through `flush`.
	 */
	struct flush flush;
	int stage; /* Views are staged: window.c */

	/* The owner's, as above: of target its descriptor, and mapped_end, are read by Views. */
	struct target target;
	uint64_t planned;    /* size the output has at least */
	uint64_t mapped;     /* bytes that were mapped last, as outbuf_map() was told */
	uint64_t mapped_end; /* the mapping in whole pages: here the heap begins; 0: none */
	uint64_t flushed;    /* bytes, by the owner's flushes */
	int given_up;        /* from inside: the state is to be DISCARDED */
	int sync_wanted;     /* outbuf_sync() of an output that is written at commit */
	uint64_t phase_ns[OUTBUF_PHASES];
	int map_error;
	int prealloc_error;
	struct guard guard; /* of the mapping, with options.guard */

	/* Any thread's, by their own rules. */
	struct heap heap;
	struct coverage coverage; /* used with options.check_overlap */
	struct blocks blocks;
	struct dirty dirty_ranges; /* used if tracked */
	struct stale stale;        /* of a recycled file */
	_Atomic uint64_t put;      /* bytes that Views put into the file */
	_Atomic uint64_t zeroed;   /* bytes of a recycled file */
	_Atomic uint64_t faults;   /* by the guard's handler */
	/*
	 * views_opened and state are a Dekker pair, both sequentially consistent: a View counts
	 * itself, then looks at the state; the owner sets the state, then looks at the count. One
	 * of them sees the other.
	 *
	 * Ending is counted apart, with release order, and read only by who must be alone: with one
	 * counter each View would synchronise with those that ended before it, which hides two
	 * Views on the same bytes from race detectors unless they meet to the nanosecond.
	 */
	_Atomic uint64_t views_opened;
	_Atomic uint64_t views_ended;
	_Atomic int state;
	_Atomic int error; /* the first one; set once, by compare-exchange */
	_Atomic int dirty; /* bits set by any thread, DIRTY_VIEW cleared by the owner alone */
};

/* Copy the caller's options, whatever header it was built with, and check them. */
int options_take(struct outbuf_options *to, const struct outbuf_options *from);

/*
 * Count a View in; 0, or why the output takes none. While the owner is at work with the whole
 * output the View is not counted and waits: a map or commit that turns out to come too early
 * (-EBUSY) must not be seen by anybody, and one that succeeds decides what becomes of the View.
 * It is counted in any case: until view_count_out(), or as one that ended.
 */
int view_count_in(struct outbuf *ob);

/* As if it had never been there. */
static inline void view_count_out(struct outbuf *ob)
{
	atomic_fetch_sub(&ob->views_opened, 1);
}

/* The owner asks: is a View open? What those that ended wrote is visible. */
static inline int outbuf_has_views(struct outbuf *ob)
{
	uint64_t opened = atomic_load(&ob->views_opened);

	return atomic_load_explicit(&ob->views_ended, memory_order_acquire) != opened;
}

/* Set bits of `dirty`, touching the cache line only when it changes something. */
static inline void outbuf_taint(struct outbuf *ob, int bits)
{
	if ((atomic_load_explicit(&ob->dirty, memory_order_relaxed) & bits) != bits)
		atomic_fetch_or_explicit(&ob->dirty, bits, memory_order_relaxed);
}

#endif
