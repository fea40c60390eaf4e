/* SPDX-License-Identifier: MIT */
/* image.h - input files as bytes in memory, and the members of archives */
#ifndef PARWRITE_IMAGE_H
#define PARWRITE_IMAGE_H

#include <stddef.h>
#include <sys/types.h>

struct error;

/* One input file. Written by image_open(), constant afterwards, except for `next`. */
struct image {
	struct image *next; /* in a list that one thread uses at a time */
	char *path;         /* allocated */
	const unsigned char *data;
	size_t size;  /* in bytes */
	dev_t device; /* device and inode: to find an output that would overwrite an input (clash.c) */
	ino_t inode;
	int mapped; /* 1: `data` is a mapping of the file; 0: `data` is allocated, or constant if the file is empty */
};

/*
 * Map or read a whole file, and add it to the front of *list. Any thread, with a list of its own. Returns NULL with a
 * message if the file cannot be opened or read, is not a regular file or is too large, or memory is exhausted.
 */
struct image *image_open(struct image **list, const char *path, struct error *error);

/* Unmap and free all images of a list. One thread, when nothing points into them any more. */
void images_free(struct image *list);

/* What the contents of a file are, judged by its first bytes, if it is neither an object nor an archive: a message. */
const char *image_problem(const unsigned char *data, size_t size);

/* 1 if the file begins as an ar archive does, ordinary or thin. */
int image_is_archive(const struct image *image);

/*
 * Call found() for each member, in the order of the archive, except for the archive's own members (symbol index,
 * table of names). `name` is valid during the call, `data` until images_free(). The members of a thin archive are
 * files of their own, whose images are added to *list. Any thread, with a list of its own. Stops and returns what
 * found() returned if that is not 0. Returns -1 with a message if the archive is damaged, image_open() fails for a
 * member's file, or memory is exhausted; else 0.
 */
int archive_walk(struct image **list, const struct image *archive,
                 int (*found)(void *arg, const char *name, const unsigned char *data, size_t size), void *arg,
                 struct error *error);

#endif
