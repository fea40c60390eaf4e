/* SPDX-License-Identifier: MIT */
/* What the tests of the io_uring backend share. */
#ifndef TESTS_RING_H
#define TESTS_RING_H

#include <stddef.h>
#include <stdint.h>

#include "flush/flush.h"

#define BLOCK ((size_t)1 << 20) /* what the backend makes one request of */
#define IN_FLIGHT 8             /* of these, at most */

/* Skip the test, with the reason, if the system lets us have no ring. Asks without the library. */
void need_ring(void);

/* A new file there, and the backend open on it; the test is skipped where that cannot be. */
struct flush ring_at(const char *path);
/* Close both. */
void ring_end(struct flush *f);

/* n bytes as they should stand at this offset, in memory with nothing before or behind; free(). */
unsigned char *bytes_for(uint64_t offset, size_t n);
/* The file is zeros up to the offset, then bytes_for(), and that is all. */
void assert_bytes(const char *path, uint64_t offset, size_t n);

#endif
