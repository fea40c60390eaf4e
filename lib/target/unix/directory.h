/* SPDX-License-Identifier: MIT */
/* One descriptor of a directory for all outputs of the process that are open in it. Any thread. */
#ifndef OUTBUF_LIB_DIRECTORY_H
#define OUTBUF_LIB_DIRECTORY_H

#include <stdint.h>
#include <sys/stat.h>

struct target;

/*
 * t->dirfd becomes the descriptor of another output, if that has the same directory open; else others may use this one.
 * *dir is of the directory, `mount` the number of its mount (sys_names.h). Nothing changes if it cannot be shared.
 */
void ob__directory_share(struct target *t, const struct stat *dir, uint64_t mount);

/* Close t->dirfd, if nobody else uses it, and set it to -1. */
void ob__directory_close(struct target *t);

#endif
