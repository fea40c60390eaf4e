/* SPDX-License-Identifier: MIT */
/*
 * How an output is written, and who decided that: the caller's options, the environment, or the table of file
 * systems.
 */
#ifndef OUTBUF_LIB_CHOICE_H
#define OUTBUF_LIB_CHOICE_H

#include <stdint.h>

#include "policy/fspolicy.h"
#include "outbuf.h"

/*
 * Made by ob__choice_make() when an output is opened. After that only outbuf_open() changes it: `map` becomes NO with
 * a sequential backend.
 */
struct choice {
	uint32_t map;          /* enum outbuf_choice: map the file? AUTO: if it can be mapped */
	int map_requested;     /* 1: option or environment ask for a mapping: it is made without blocks, too */
	uint32_t stage;        /* enum outbuf_choice: may Views be staged? AUTO: where it is possible */
	uint32_t wanted;       /* enum outbuf_flush: the option; this backend or an error */
	uint32_t preferred;    /* enum outbuf_flush: from the environment; this backend if it can be used */
	int refused;           /* why OUTBUF_FLUSH is ignored: -EINVAL, unknown; -ENOTSUP, against an option; or 0 */
	const char *map_why;   /* the reason for `map`, for outbuf_stats() */
	const char *flush_why; /* the reason for the backend, for outbuf_stats() */
};

/* Decide for these options, this environment and this file system; `fs` is NULL if the output is not a regular file. */
struct choice ob__choice_make(const struct outbuf_options *options, const struct fspolicy *fs);

#endif
