/* SPDX-License-Identifier: MIT */
/* Mapping the output's file, and giving the memory back. Owner, exclusively; 0 or a negative errno. */
#ifndef OUTBUF_LIB_MAPPING_H
#define OUTBUF_LIB_MAPPING_H

#include "output/output.h"

/*
 * Plan for `size` bytes, and map that much of the file if that is wanted and possible: what outbuf_map() promises,
 * whose errors these are. `state` is the state before the call. If memory was lost the output is given up (given_up).
 */
int ob__mapping_extend(struct outbuf *ob, uint64_t size, int state);

/*
 * Give all memory of the output back. The file has all bytes: the heap is written back before. Returns what the system
 * could not write of the mapping; -EIO if a file system that is not known has other bytes than were stored.
 */
int ob__mapping_remove(struct outbuf *ob);

#endif
