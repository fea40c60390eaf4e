/* SPDX-License-Identifier: MIT */
/*
 * Storing bytes at their place, which is the heap's memory or the file. All functions may be called by any thread
 * that has a View open, or counts as one, and by the owner. They return 0 or a negative errno, and leave it to the
 * caller to make that the sticky error.
 */
#ifndef OUTBUF_LIB_STORE_H
#define OUTBUF_LIB_STORE_H

#include "output/output.h"

/*
 * Memory becomes the authoritative copy of bytes [offset, offset + n), as far as they are in the heap: it is made
 * usable, and what the file has of them is loaded. -EFBIG, -ENOMEM, or what pread(2) returned.
 */
int ob__store_claim_memory(struct outbuf *ob, uint64_t offset, uint64_t n);

/* The same for bytes that a caller is to have a pointer to. He will most likely store to all of them. */
int ob__store_claim_for_pointer(struct outbuf *ob, uint64_t offset, uint64_t n);

/* These bytes will be stored to through a pointer: as far as they are in the heap, ask for large pages. */
void ob__store_advise(struct outbuf *ob, uint64_t offset, uint64_t n);

/* Write n bytes to the file. -EFBIG beyond RLIMIT_FSIZE, which raises no SIGXFSZ, or what the backend returned. */
int ob__store_put(struct outbuf *ob, const unsigned char *from, uint64_t offset, size_t n);

/* Store n bytes in memory. -EFBIG, -ENOMEM, or what pread(2) returned for what had to be loaded. */
int ob__store_in_memory(struct outbuf *ob, uint64_t offset, const unsigned char *from, size_t n);

/*
 * Write n bytes to the file, except those whose authoritative copy is in memory: these are stored there. Does nothing
 * if the output has failed: nobody will read the bytes, and after a discard there is no file. -ENOMEM, or as
 * ob__store_put().
 */
int ob__store_in_file(struct outbuf *ob, uint64_t offset, const unsigned char *from, size_t n);

/*
 * Write the dirty bytes of the heap's [from, to), whole pages that nobody else uses, to the file, and free their
 * memory. Does nothing where bytes must stay in memory until commit. -ENOMEM, or as ob__store_put().
 */
int ob__store_move_to_file(struct outbuf *ob, uint64_t from, uint64_t to);

#endif
