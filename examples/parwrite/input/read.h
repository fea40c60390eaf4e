/* SPDX-License-Identifier: MIT */
/* read.h - from the paths of the command line to objects */
#ifndef PARWRITE_READ_H
#define PARWRITE_READ_H

#include "input/input.h"

struct workqueue;

/*
 * Read the objects and the members of the archives in these files, and leave out members that nobody
 * refers to. Returns 0 or -1.
 */
int inputs_read(struct inputs *in, const struct input *files, size_t n, const struct leave_out *leave_out,
                struct workqueue *queue, struct error *error);

/* Unmap and free all. */
void inputs_free(struct inputs *in);

#endif
