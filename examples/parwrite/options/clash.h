/* SPDX-License-Identifier: MIT */
/* clash.h - no file is written over another one of the same run */
#ifndef PARWRITE_CLASH_H
#define PARWRITE_CLASH_H

struct error;
struct inputs;
struct options;

/*
 * The output may be an input, as it comes in its place when all is read. The map and the trace may be neither
 * an input nor the output nor each other: an option's value that was forgotten, as in `-Map main.o`, would cost
 * a file. Returns 0 or -1.
 */
int clash_check(const struct options *options, const struct inputs *in, struct error *error);

#endif
