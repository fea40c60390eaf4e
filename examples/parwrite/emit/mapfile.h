/* SPDX-License-Identifier: MIT */
/* mapfile.h - -Map: a text that says where everything lies in the output */
#ifndef PARWRITE_MAPFILE_H
#define PARWRITE_MAPFILE_H

struct error;
struct inputs;
struct layout;

/* Write the text to `path`; "-" is standard output. Call this after layout_make(). Returns 0, or -1 with a message. */
int mapfile_write(const char *path, const struct layout *layout, const struct inputs *in, struct error *error);

#endif
