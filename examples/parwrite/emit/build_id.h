/* SPDX-License-Identifier: MIT */
/* build_id.h - --build-id: a note that identifies the output, in most kinds by a hash of its bytes */
#ifndef PARWRITE_BUILD_ID_H
#define PARWRITE_BUILD_ID_H

#include <stddef.h>

#include "emit/emit.h"

/* The longest build ID, in bytes. */
enum { BUILD_ID_MAX = 64 };

enum build_id_kind { BUILD_ID_NONE, BUILD_ID_HASH, BUILD_ID_GIVEN };

/* What the command line says. Constant afterwards. */
struct build_id {
	enum build_id_kind kind;
	size_t size;                       /* of the build ID in bytes */
	unsigned char bytes[BUILD_ID_MAX]; /* BUILD_ID_GIVEN: the build ID; else zeros */
};

/*
 * Parse the value of --build-id: "fast", "md5", "sha1", "tree", "uuid", "0x..." or "none". Returns NULL, or a message
 * about what is wrong, which `text` is to be appended to.
 */
const char *build_id_parse(const char *text, struct build_id *id);

/* Make the section of the note, with data in the inputs' arena. Returns 0, or -1 with a message: no memory. */
int build_id_section(const struct build_id *id, struct inputs *in, struct section *section, struct error *error);

/*
 * Compute the build ID, and write it into the note. Call this when everything else is written and no View is open.
 * Returns 0, or -1 with a message.
 */
int build_id_write(struct emission *e, const struct build_id *id, const struct section *section);

#endif
