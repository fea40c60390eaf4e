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
 * An output that is planned with so many bytes at most is not mapped by default (mapping.c). Written by tests alone:
 * where it is 0 small outputs are mapped as large ones are.
 */
extern uint64_t ob__mapping_small;

/*
 * The output becomes `size` bytes long, which is not more than it has: cut its mapping, its file and its heap. What is
 * cut off reads as zero if the output grows over it again. 0; -EIO if somebody else has truncated the file; or the
 * errno of ftruncate(2), -ENOMEM. If part of the output was cut off before the error, that is sticky.
 */
int ob__mapping_shorten(struct outbuf *ob, uint64_t size);

/*
 * Free all memory of the output. The file has all bytes: the heap is written back before. Returns 0; the error of
 * writing the mapping back (Windows); the error of close(2) of the guard's descriptor; -EIO if the file differs from
 * what was stored, which is checked where fspolicy.verify is set; or an error of pread(2).
 */
int ob__mapping_remove(struct outbuf *ob);

#endif
