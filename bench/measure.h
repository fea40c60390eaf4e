/* SPDX-License-Identifier: MIT */
/* What the bench programs share: a clock, medians, and the line about the machine. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>

double now(void); /* seconds */
double median(const double *values, size_t n);
double least(const double *values, size_t n);
/* One line: kernel, CPUs, and the file system of `dir` if it is not NULL. */
void print_machine(const char *dir);
/* The type of the mount that holds the directory. */
void file_system(const char *dir, char type[64]);
void die(const char *what, int error);

#endif
