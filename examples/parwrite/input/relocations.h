/* SPDX-License-Identifier: MIT */
/* relocations.h - the records of relocation sections */
#ifndef PARWRITE_RELOCATIONS_H
#define PARWRITE_RELOCATIONS_H

#include <elf.h>

#include "input/fields.h"

/* A record of a relocation section, as numbers. */
struct relocation {
	uint64_t offset, addend; /* addend: 0 if the record has none (REL) */
	uint32_t symbol, type;
};

/*
 * On 64-bit MIPS, the low 32 bits of the info word are four fields of one byte each: the kind of a second symbol, and
 * three types. So in little-endian objects the info word is not one 64-bit number. It is a 32-bit symbol number,
 * followed by four bytes, which struct relocation has as one number `type`, first byte highest. Returns 1 for these
 * objects.
 */
static inline int has_bytes_for_types(const struct format *f)
{
	return f->machine == EM_MIPS && f->wide && !f->big;
}

/* Read the record at p. with_addend: 1 for RELA, 0 for REL. */
static inline struct relocation get_relocation(const struct format *f, const unsigned char *p, int with_addend)
{
	struct relocation r = { .offset = get_word(f, p) };

	if (f->wide) {
		uint64_t info = get64(f, p + 8);

		if (has_bytes_for_types(f))
			info = info << 32 | __builtin_bswap32((uint32_t)(info >> 32));
		r.symbol = (uint32_t)(info >> 32);
		r.type = (uint32_t)info;
		r.addend = with_addend ? get64(f, p + 16) : 0;
	} else {
		uint32_t info = get32(f, p + 4);

		r.symbol = info >> 8;
		r.type = info & 0xff;
		r.addend = with_addend ? get32(f, p + 8) : 0;
	}
	return r;
}

/* The info word of a record, which has the symbol and the type. */
static inline uint64_t relocation_info(const struct format *f, const struct relocation *r)
{
	if (has_bytes_for_types(f))
		return (uint64_t)__builtin_bswap32(r->type) << 32 | r->symbol;
	return f->wide ? (uint64_t)r->symbol << 32 | r->type : r->symbol << 8 | r->type;
}

#endif
