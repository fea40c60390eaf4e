/* SPDX-License-Identifier: MIT */
/* The bench programs include this: a clock, medians, a line about the machine, and fatal errors. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>

/* Seconds of a monotonic clock. */
double now(void);

/* The median and the least of n > 0 values. */
double median(const double *values, size_t n);
double least(const double *values, size_t n);

/* Print one line: kernel, number of CPUs, and the file system of `dir` if it is not NULL. */
void print_machine(const char *dir);

/* Set `type` to the name of the file system that the directory is on, or "unknown". */
void file_system(const char *dir, char type[64]);

/* Print a message and exit with status 1. `error` is an errno, positive or negative. */
void die(const char *what, int error);

#endif
