/* SPDX-License-Identifier: MIT */
/* relocate.h - records of relocation sections */
#ifndef PARWRITE_RELOCATE_H
#define PARWRITE_RELOCATE_H

#include <elf.h>

#include "input/fields.h"

struct relocation {
	uint64_t offset, addend; /* addend: 0 where the record has none */
	uint32_t symbol, type;
};

/*
 * 64-bit MIPS has three types and a second symbol's kind in the low 32 bits, as four fields of a byte each. Of
 * little-endian objects the whole is therefore no number, but a symbol and four bytes behind it.
 */
static inline int has_bytes_for_types(const struct format *f)
{
	return f->machine == EM_MIPS && f->wide && !f->big;
}

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

/* The word of a record that has both. */
static inline uint64_t relocation_info(const struct format *f, const struct relocation *r)
{
	if (has_bytes_for_types(f))
		return (uint64_t)__builtin_bswap32(r->type) << 32 | r->symbol;
	return f->wide ? (uint64_t)r->symbol << 32 | r->type : r->symbol << 8 | r->type;
}

#endif
