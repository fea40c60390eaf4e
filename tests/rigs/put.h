/* SPDX-License-Identifier: MIT */
/* One output, as a whole, by a system that may lack something. */
#ifndef TESTS_PUT_H
#define TESTS_PUT_H

#include "inject/faults.h"
#include "support/support.h"

/* An output of n times `byte`, planned. What the first call that failed returned; *stats, unless it is NULL. */
int put_bytes(const char *path, const struct outbuf_options *options, uint8_t byte, size_t n, struct outbuf_stats *stats);

/* n times 'n', of which half was planned. What the first call that failed returned. */
int put_n(const char *path, uint32_t replace, size_t n);

/* Of PUT_SIZE bytes, and that the path has these. */
#define PUT_SIZE 50000
int put(const char *path, const struct outbuf_options *options, uint8_t byte, struct outbuf_stats *stats);
void assert_put(const char *path, uint8_t byte);

struct outbuf_options with_replace(uint32_t replace);

/* Is it a hidden name of "out"? */
int is_hidden(const char *name);
/* Has this process the file of this name open? Where /proc says so. */
int has_open(const char *name);

/* As copy_file_range(2) and write(2) on a full disk. */
ssize_t full_copy(int from, off_t *at, int to, size_t n);
ssize_t full_write(int fd, const void *data, size_t n);

/* cmocka's setup and teardown: as faults_begin(), and what the process has learnt about link(2) is forgotten. */
int odd_begin(void **state);
int odd_end(void **state);

#define odd_test(f) cmocka_unit_test_setup_teardown(f, odd_begin, odd_end)

#endif
