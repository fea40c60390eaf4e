/* SPDX-License-Identifier: MIT */
/* A guarded output whose file is taken away under its mapping, and stores into it. */
#ifndef TESTS_GUARDED_H
#define TESTS_GUARDED_H

#include "support/support.h"

#define GUARDED_SIZE ((size_t)4 << 20)

/* Mapped, not staged. */
struct outbuf *guarded_open(const char *path, size_t size);

/* As any process may that can open the file. */
void guarded_truncate(struct outbuf *ob, off_t size);

/*
 * For tests of faults: not where files cannot be mapped, or a fault cannot be mended. qemu-user 7.2 takes any advice
 * and answers 0, so that the guard takes a page for populated that is not, and the store faults for ever.
 */
void skip_unguardable(void);

/* A store that may fault: the handler must find what was set before, and what it did be seen after. */
void guarded_store(void *p, size_t offset);

#endif
