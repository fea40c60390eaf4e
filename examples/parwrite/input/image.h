/* SPDX-License-Identifier: MIT */
/* image.h - files as bytes in memory, and what archives have in them */
#ifndef PARWRITE_IMAGE_H
#define PARWRITE_IMAGE_H

#include <stddef.h>
#include <sys/types.h>

struct error;

/* One file. A list of them is linked by `next`. */
struct image {
	struct image *next;
	char *path;
	const unsigned char *data;
	size_t size;
	dev_t device;
	ino_t inode;
	int mapped; /* or in memory */
};

/* Add the file to the front of the list. NULL: there is a message. */
struct image *image_open(struct image **list, const char *path, struct error *error);

void images_free(struct image *list);

/* What the bytes are, if they are no object. */
const char *image_problem(const unsigned char *data, size_t size);

int image_is_archive(const struct image *image);

/*
 * Call found() for each member in turn, but those that are the archive's own (index, names). The name is
 * valid during the call, the data as long as the images: of a thin archive's members more are added to
 * the list. Returns 0, or -1 with a message, or what found() returned if that is not 0.
 */
int archive_walk(struct image **list, const struct image *archive,
                 int (*found)(void *arg, const char *name, const unsigned char *data, size_t size), void *arg,
                 struct error *error);

#endif
