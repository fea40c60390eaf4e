/* SPDX-License-Identifier: MIT */
/* Which version of the output a file is. */
#ifndef TESTS_POWER_FAILURE_LOOK_H
#define TESTS_POWER_FAILURE_LOOK_H

#include <stddef.h>
#include <stdint.h>

enum finding {
	FOUND_VERSION,
	FOUND_NOTHING, /* there is no file */
	FOUND_MIXTURE, /* a file that is no version */
};

/*
 * Compare the file with `expected`/1 to `expected`/`last`, and with `expected`/`other`. *version is the one that it is;
 * if it is none, `why` tells how it looks.
 */
enum finding look(const char *path, const char *expected, uint64_t last, uint64_t other, uint64_t *version, char *why,
                  size_t room);

/* The number of files in the directory besides `name`. They are read, so that they are in memory and may be recycled. */
unsigned look_for_others(const char *dir, const char *name);

#endif
