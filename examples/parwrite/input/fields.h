/* SPDX-License-Identifier: MIT */
/*
 * fields.h - the integers of ELF files, in the byte order and width of the files
 *
 * Inputs are mapped and their integers are read in place. These may be unaligned, because a member of an archive starts
 * at any even offset, and the machine that runs parwrite may have the other byte order. memcpy() and a byte swap are
 * correct in all these cases, and compilers turn them into one load or store.
 */
#ifndef PARWRITE_FIELDS_H
#define PARWRITE_FIELDS_H

#include <stdint.h>
#include <string.h>

/*
 * What kind of ELF file an object is. Written by the task that reads the object. The format of the output is made of
 * all inputs' formats by read.c and is constant from then on: `wide`, `big`, `abi_version` and `machine` must be
 * equal in all of them, `osabi` and `flags` are merged.
 */
struct format {
	unsigned char wide; /* 1: 64-bit, 0: 32-bit */
	unsigned char big;  /* 1: big-endian, 0: little-endian */
	unsigned char swap; /* 1: the file is byte-swapped relative to the machine that runs parwrite */
	unsigned char osabi, abi_version;
	uint16_t machine;
	uint32_t flags; /* e_flags */
};

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
enum { HOST_BIG = 1 };
#else
enum { HOST_BIG = 0 };
#endif

static inline uint32_t get16(const struct format *f, const unsigned char *p)
{
	uint16_t x;

	memcpy(&x, p, sizeof x);
	return f->swap ? (uint16_t)(x << 8 | x >> 8) : x;
}

static inline uint32_t get32(const struct format *f, const unsigned char *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof x);
	return f->swap ? __builtin_bswap32(x) : x;
}

static inline uint64_t get64(const struct format *f, const unsigned char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof x);
	return f->swap ? __builtin_bswap64(x) : x;
}

/* An address, offset or size: 8 or 4 bytes. */
static inline uint64_t get_word(const struct format *f, const unsigned char *p)
{
	return f->wide ? get64(f, p) : get32(f, p);
}

static inline void put16(const struct format *f, unsigned char *p, uint32_t value)
{
	uint16_t x = (uint16_t)value;

	x = f->swap ? (uint16_t)(x << 8 | x >> 8) : x;
	memcpy(p, &x, sizeof x);
}

static inline void put32(const struct format *f, unsigned char *p, uint32_t x)
{
	x = f->swap ? __builtin_bswap32(x) : x;
	memcpy(p, &x, sizeof x);
}

static inline void put64(const struct format *f, unsigned char *p, uint64_t x)
{
	x = f->swap ? __builtin_bswap64(x) : x;
	memcpy(p, &x, sizeof x);
}

/* The sizes of the file header, and of records in tables, in bytes. */
static inline unsigned header_size(const struct format *f)
{
	return f->wide ? 64 : 52;
}

static inline unsigned section_header_size(const struct format *f)
{
	return f->wide ? 64 : 40;
}

static inline unsigned symbol_size(const struct format *f)
{
	return f->wide ? 24 : 16;
}

static inline unsigned relocation_size(const struct format *f, int with_addend)
{
	return (f->wide ? 8u : 4u) * (with_addend ? 3 : 2);
}

#endif
