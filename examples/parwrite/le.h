/* SPDX-License-Identifier: MIT */
/*
 * le.h - little-endian integers in bytes that may lie anywhere
 *
 * Inputs are mapped and stay as they are in the file: a member of an archive starts at any
 * even offset, and the machine that runs parwrite may be big-endian. Shifts are right
 * everywhere, and compilers turn them into one load or store (gcc 5 and clang 5 on).
 */
#ifndef PARWRITE_LE_H
#define PARWRITE_LE_H

#include <stdint.h>

static inline uint32_t le16(const unsigned char *p)
{
	return (uint32_t)(p[0] | p[1] << 8);
}

static inline uint32_t le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t le64(const unsigned char *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static inline void put_le64(unsigned char *p, uint64_t x)
{
	for (int i = 0; i < 8; i++)
		p[i] = (unsigned char)(x >> 8 * i);
}

#endif
