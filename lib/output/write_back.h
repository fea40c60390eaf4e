/* SPDX-License-Identifier: MIT */
/* Writing the heap back to the file. All functions are the owner's, exclusively, and return 0 or a negative errno. */
#ifndef OUTBUF_LIB_WRITE_BACK_H
#define OUTBUF_LIB_WRITE_BACK_H

#include "output/output.h"

/* The end of the bytes in the heap that the file may lack; they begin at mapped_end. */
uint64_t ob__write_back_end(struct outbuf *ob);

/*
 * Make the file at least `size` bytes long, and preallocate blocks for it as options.prealloc says. An error leaves
 * its length as it was, but a file that is written in place may be empty then.
 */
int ob__write_back_extend_file(struct outbuf *ob, uint64_t size);

/* Write the dirty bytes of the heap's [from, to) to the same place in the file. They still count as dirty. */
int ob__write_back_range(struct outbuf *ob, uint64_t from, uint64_t to);

/* Write all dirty bytes of the heap to the file. An error is sticky. */
int ob__write_back_heap(struct outbuf *ob);

/* Write the whole output from its first byte to its last, once, by a sequential backend. An error is sticky. */
int ob__write_back_sequential(struct outbuf *ob);

#endif
