/* SPDX-License-Identifier: MIT */
/* build_id.h - --build-id: a note that names the output by its bytes */
#ifndef PARWRITE_BUILD_ID_H
#define PARWRITE_BUILD_ID_H

#include <stddef.h>

#include "emit/emit.h"

/* How many bytes an identity has at most. */
enum { BUILD_ID_MAX = 64 };

enum build_id_kind { BUILD_ID_NONE, BUILD_ID_HASH, BUILD_ID_GIVEN };

/* What the command line says. */
struct build_id {
	enum build_id_kind kind;
	size_t size;
	unsigned char bytes[BUILD_ID_MAX]; /* BUILD_ID_GIVEN */
};

/* "fast", "md5", "sha1", "tree", "uuid", "0x...", "none". NULL, or what is wrong with it. */
const char *build_id_parse(const char *text, struct build_id *id);

/* The note's section, whose data are the inputs' arena's. Returns 0 or -1. */
int build_id_section(const struct build_id *id, struct inputs *in, struct section *section, struct error *error);

/* When all is written but the identity: find out and write it. Returns 0 or -1. */
int build_id_write(struct emission *e, const struct build_id *id, const struct section *section);

#endif
