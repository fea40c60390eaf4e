/* SPDX-License-Identifier: MIT */
/* What the files of an output's life share: open.c, mapping.c, carry.c, outbuf.c. All are the owner's. */
#ifndef OUTBUF_LIB_LIFE_H
#define OUTBUF_LIB_LIFE_H

#include "internal.h"

/* Tell the observer, and the time. */
uint64_t phase_begin(struct outbuf *ob, enum outbuf_phase phase, uint64_t bytes);
void phase_end(struct outbuf *ob, enum outbuf_phase phase, uint64_t bytes, uint64_t began);

/*
 * Nobody writes from here to exclusive_end(). Returns the state to come back to, or a negative
 * errno: -EBUSY while a View is open, -EINVAL when the life is over.
 */
int exclusive_begin(struct outbuf *ob);
void exclusive_end(struct outbuf *ob, int state);

/*
 * Give up the output from inside: memory was lost, or commit failed. The memory that is
 * left stays until close.
 */
void give_up(struct outbuf *ob, int error);

/* Views may put blocks into the file: not while it has an old content that may have to stay. */
void decide_staging(struct outbuf *ob);

/* End of the bytes in the heap that the file may lack; they begin at mapped_end. */
uint64_t heap_end(const struct outbuf *ob);

/* Have [0, size) in the file, with blocks if that is wanted. */
int reserve(struct outbuf *ob, uint64_t size);

/* What is true in the heap's [from, to) alone, to the same place in the file. */
int carry(struct outbuf *ob, uint64_t from, uint64_t to);

/* All that is in the heap alone to the file. Errors stick. */
int flush_heap(struct outbuf *ob);

/* The whole output, front to back, once. Errors stick. */
int flush_in_order(struct outbuf *ob);

/* Give the memory back; the file has it all. */
int unmap_all(struct outbuf *ob);

#endif
