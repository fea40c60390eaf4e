/* SPDX-License-Identifier: MIT */
/* Rounding to whole pages and the like. */
#ifndef OUTBUF_LIB_ROUND_H
#define OUTBUF_LIB_ROUND_H

#include <stdint.h>

static inline uint64_t round_down(uint64_t x, uint64_t multiple)
{
	return x - x % multiple;
}

/* The sum of x and `multiple` must not wrap. */
static inline uint64_t round_up(uint64_t x, uint64_t multiple)
{
	return round_down(x + multiple - 1, multiple);
}

#endif
