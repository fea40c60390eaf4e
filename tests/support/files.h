/* SPDX-License-Identifier: MIT */
/* files.h - small things with files that need no test framework */
#ifndef TESTS_FILES_H
#define TESTS_FILES_H

#include <stddef.h>

/* The file has exactly these bytes afterwards. Returns 0 or -1. */
int put_file(const char *path, const void *data, size_t size);

/* 0 if the file has exactly these bytes, else -1. */
int same_file(const char *path, const void *data, size_t size);

/*
 * What mount(8) calls the file system of a folder: tells ext2 from ext4, which have the same number. Empty where nobody
 * says. Valid until the next call.
 */
const char *file_system_of(const char *dir);

/* Names in a directory, "." and ".." not counted; 0 if there is none. */
unsigned count_names(const char *dir);
/* And in the directory that the path is in. */
unsigned count_beside(const char *path);

#endif
