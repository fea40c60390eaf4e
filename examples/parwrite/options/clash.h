/* SPDX-License-Identifier: MIT */
/* clash.h - checks that no file of a run overwrites another one of the same run */
#ifndef PARWRITE_CLASH_H
#define PARWRITE_CLASH_H

struct error;
struct inputs;
struct options;

/*
 * Check the paths of the output, the map file and the trace. Call this when the inputs are known, before anything is
 * written.
 *
 * The output may be one of the inputs: it replaces that file only after all inputs were read. The map file and the
 * trace must be different from all inputs, from the output, and from each other. Otherwise a user who forgets the value
 * of an option, as in `-Map main.o`, would lose a file. Returns 0, or -1 with a message.
 */
int clash_check(const struct options *options, const struct inputs *in, struct error *error);

#endif
