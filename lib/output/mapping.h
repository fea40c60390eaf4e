/* SPDX-License-Identifier: MIT */
/* Mapping the output's file, and freeing the memory. Owner, exclusively; 0 or a negative errno. */
#ifndef OUTBUF_LIB_MAPPING_H
#define OUTBUF_LIB_MAPPING_H

#include "output/output.h"

/*
 * Plan for `size` bytes, and map that much of the file if that is wanted and possible: what outbuf_map() promises,
 * whose errors these are. `state` is the state before the call. If memory was lost the output is given up (given_up).
 */
int ob__mapping_extend(struct outbuf *ob, uint64_t size, int state);

/*
 * Free all memory of the output. The file has all bytes: the heap is written back before. Returns 0; the error of
 * writing the mapping back (Windows); the error of close(2) of the guard's descriptor; -EIO if the file differs from
 * what was stored, which is checked where fspolicy.verify is set; or an error of pread(2).
 */
int ob__mapping_remove(struct outbuf *ob);

#endif
