/* SPDX-License-Identifier: MIT */
/* Who decides how an output is written: the caller, the environment, or the file system. */
#ifndef OUTBUF_LIB_CHOOSE_H
#define OUTBUF_LIB_CHOOSE_H

#include <stdint.h>

#include "policy/fspolicy.h"
#include "outbuf.h"

struct choice {
	uint32_t map;       /* enum outbuf_choice: REQUIRE, AUTO (try) or NO */
	int insist;         /* the option or the environment asks for a mapping */
	uint32_t stage;     /* the same as map */
	uint32_t wanted;    /* enum outbuf_flush: this or an error */
	uint32_t preferred; /* enum outbuf_flush: this if it can be */
	int refused;        /* a preference that is none: -EINVAL, or against an order: -ENOTSUP */
	const char *map_why;
	const char *flush_why;
};

/* `fs` is NULL for what is not a regular file. */
struct choice ob__choice_make(const struct outbuf_options *options, const struct fspolicy *fs);

#endif
