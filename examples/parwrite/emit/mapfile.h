/* SPDX-License-Identifier: MIT */
/* mapfile.h - -Map: a text that tells where everything came to lie */
#ifndef PARWRITE_MAPFILE_H
#define PARWRITE_MAPFILE_H

struct error;
struct inputs;
struct layout;

/* Returns 0 or -1. */
int mapfile_write(const char *path, const struct layout *layout, const struct inputs *in, struct error *error);

#endif
