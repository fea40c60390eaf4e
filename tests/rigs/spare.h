/* SPDX-License-Identifier: MIT */
/* Outputs that are written over an earlier one, and what lies about them, for several tests. */
#ifndef TESTS_SPARE_H
#define TESTS_SPARE_H

#include "support/abilities.h"
#include "support/support.h"

#include <sys/stat.h>

/* What a spare holds, where nobody wrote over it. */
#define OLD 0xa5

struct outbuf_options recycling(void);

/* Where the library looks for the spare of the sandbox's path. */
void spare_path(const struct sandbox *s, char path[600]);

/* Put a spare of n bytes OLD there, in memory and nobody's. */
void spare_plant(const struct sandbox *s, size_t n);

/* One run: n times `byte` stands at the path. What it says of itself. */
struct outbuf_stats run_once(const struct sandbox *s, uint8_t byte, size_t n);

/* n times `byte` is what the file has. */
void assert_all(const char *path, uint8_t byte, size_t n);

/* Is what the statistics tell a recycled output, or another, for this reason? */
void assert_recycled(const struct outbuf_stats *stats);
void assert_not_recycled(const struct outbuf_stats *stats, const char *why);

/* Can two names be exchanged here? ext2, and vfat before Linux 6.0, cannot, so nothing becomes a spare. */
int can_exchange(const struct sandbox *s);

/* For tests of recycling: skips, with the reason, where the file system or the kernel has no such thing. */
void skip_unrecycled(const struct sandbox *s);

/* A file that nobody may touch. */
struct victim {
	char path[600];
	struct stat st;
	size_t n;
};

/* n bytes 'v' at the path, of this mode. */
void victim_make(struct victim *v, const char *path, size_t n, mode_t mode);
/* Content, inode, mode and owner are what they were. */
void assert_untouched(const struct victim *v);

/* Make DIR/NAME in the sandbox's directory. */
void beside(const struct sandbox *s, const char *name, char path[600]);

#endif
