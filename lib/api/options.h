/* SPDX-License-Identifier: MIT */
#ifndef OUTBUF_LIB_OPTIONS_H
#define OUTBUF_LIB_OPTIONS_H

#include "outbuf.h"

/*
 * Copy the caller's options, built with whatever version of the header, fill in defaults, and check them. `from` may
 * be NULL. 0, -EINVAL, -E2BIG, as outbuf_open().
 */
int ob__options_copy(struct outbuf_options *to, const struct outbuf_options *from);

#endif
