/* SPDX-License-Identifier: MIT */
/* read.h - read all inputs: from the paths of the command line to objects */
#ifndef PARWRITE_READ_H
#define PARWRITE_READ_H

#include "input/input.h"

struct workqueue;

/*
 * Read the objects, and the members of the archives, in these n files; n is not 0. Members of `lazy` archives that no
 * object refers to are left out. in->arena is initialised, the rest of *in is 0. One thread; the work is done on the
 * queue's threads. Returns 0, or -1 with a message: a file cannot be read, an object is damaged or does not fit the
 * others, there are no objects, or memory is exhausted. inputs_free() is needed in either case.
 */
int inputs_read(struct inputs *in, const struct input *files, size_t n, const struct leave_out *leave_out,
                struct workqueue *queue, struct error *error);

/* Unmap and free all inputs, whatever inputs_read() returned. One thread. */
void inputs_free(struct inputs *in);

#endif
