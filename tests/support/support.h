/* SPDX-License-Identifier: MIT */
/* What the tests share: a directory of their own, files, threads, random numbers. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include "support/cmocka_all.h"

#include <sys/types.h>

#include "outbuf.h"

#ifdef _WIN32
#include "support/port_windows.h"
#endif

/* A fresh directory for each test, below $OUTBUF_TEST_DIR or the working directory. */
struct sandbox {
	char dir[256];
	char path[300]; /* DIR/out, where nothing is yet */
};

/* cmocka's setup and teardown; *state is a struct sandbox. Teardown wants nothing left open. */
int sandbox_make(void **state);
int sandbox_remove(void **state);

#define sandbox_test(f) cmocka_unit_test_setup_teardown(f, sandbox_make, sandbox_remove)

/* Names in the directory, "." and ".." not counted. */
unsigned sandbox_entries(const struct sandbox *sandbox);

/* The file has exactly these bytes. */
void assert_file(const char *path, const void *data, size_t n);
/* Nothing at the path. */
void assert_absent(const char *path);
void write_file(const char *path, const void *data, size_t n, mode_t mode);

/*
 * What is being tested, when nobody asks for anything else: the build, the file system of
 * $OUTBUF_TEST_DIR and the environment decide. Are outputs mapped? Are they written front to back at
 * commit? tests/each-way.sh runs the suite in many ways.
 */
int can_map(void);
int in_order(void);
/* For tests of what only is where bytes reach the file before commit. */
void skip_in_order(void);
/* For tests of a mapping. */
void skip_unmapped(void);
/* For tests whose workers commit. */
void skip_without_file(void);
/* What options.map = OUTBUF_REQUIRE must answer here: 0, -ENOTSUP, or why the file system cannot. */
int required_mapping(void);
/* For tests that require one. */
void skip_unmappable(void);
/* And options.prealloc = OUTBUF_REQUIRE: 0, or why no blocks can be reserved. */
int required_blocks(void);
/* Was the library built with addresses of its own to give out? */
int has_vm(void);

/*
 * outbuf_open() and outbuf_commit(); with $OUTBUF_TEST_MEMORY set the output is one in memory,
 * which commit copies to the path.
 */
int open_any(struct outbuf **ob, const char *path, const struct outbuf_options *options);
int commit(struct outbuf *ob);

/* open_any() with options, asserting that it works. */
struct outbuf *open_with(const char *path, const struct outbuf_options *options);
struct outbuf *open_mapping(const char *path, uint32_t map, uint32_t order);
/* Not staged: Views store into the mapping and the heap, which commit carries to the file by pwrite. */
struct outbuf *open_direct(const char *path, uint32_t map);

/* Statistics, by value. */
struct outbuf_stats stats_of(struct outbuf *ob);

/* The byte n times from offset 0, through a View without end; what ending the View returned. */
int fill_some(struct outbuf *ob, uint8_t byte, size_t n);
/* n times 'n' stands at the sandbox's path. */
void assert_filled(const struct sandbox *s, size_t n);

/* Bytes of the disk that the file has. */
uint64_t allocated(const char *path);

/* A path for a file of a moment beside the sandboxes. */
void probe_path(char *path, size_t n);

/* Open descriptors of this process, to see that none is lost. */
unsigned count_fds(void);

/*
 * Run fn(arg, i) on n threads at once and return the first result that is not 0, in the
 * order of i.
 */
int run_threads(unsigned n, int (*fn)(void *arg, unsigned i), void *arg);

/* splitmix64: the same numbers everywhere. */
uint64_t random_next(uint64_t *seed);
uint64_t random_below(uint64_t *seed, uint64_t n);

/* For tests of their own choice: what outbuf.h says of the environment, as the suite was started with, is gone. */
void forget_wishes(void);

/* Is this system call refused, by tests/scripts/refuse? */
int is_refused(const char *call);

/* An environment variable as a number. */
unsigned long env_number(const char *name, unsigned long otherwise);
/*
 * Of what a test does hundreds of times only one in n is done, n being $OUTBUF_TEST_EVERY; else 1, or 3 or
 * 5 under sanitizers, where a process is slow to come and go. scripts/check says which builds do how much.
 */
unsigned long one_in(void);
/* Of dozens: one in one_in(), but at least one in `most`. Is it the turn of this one, whatever its number? */
int is_turn(unsigned long number, unsigned long most);
/* n times what is done often: one in one_in() of it, but at least one in `most`. */
unsigned long fewer(unsigned long n, unsigned long most);
/* Random sequences, then: $OUTBUF_TEST_SEQUENCES, else one_in() of these. */
unsigned long sequences(unsigned long n);

/* fork(), run fn in the child without privileges (uid 65534) if `drop`, return its exit status. */
int in_child(int drop, int (*fn)(void *arg), void *arg);

#endif
