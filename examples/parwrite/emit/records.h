/* SPDX-License-Identifier: MIT */
/* records.h - writes records of ELF files, field by field, in the byte order and width of the output */
#ifndef PARWRITE_RECORDS_H
#define PARWRITE_RECORDS_H

#include <elf.h>
#include <outbuf.h>

#include "input/input.h"

/* Write an address, offset or size: 8 bytes, or 4 in a 32-bit file. */
static inline void write_word(const struct format *f, struct outbuf_view *view, uint64_t x)
{
	if (f->wide)
		outbuf_write64(view, x);
	else
		outbuf_write32(view, (uint32_t)x);
}

/*
 * Write one record of the symbol table. `section` is the output's number of the section in which the symbol is defined,
 * or 0: then symbol->special counts. A number that does not fit into 16 bits is written to `extended`, the View of
 * .symtab_shndx. That must not be NULL if the output has such numbers.
 */
static inline void write_symbol(const struct format *f, struct outbuf_view *view, struct outbuf_view *extended,
                                const struct symbol *symbol, uint32_t section)
{
	uint32_t field = section;

	if (section == 0)
		field = symbol->special;
	else if (section >= SHN_LORESERVE)
		field = SHN_XINDEX;
	outbuf_write32(view, symbol->name);
	if (f->wide) {
		outbuf_write8(view, symbol->info);
		outbuf_write8(view, symbol->other);
		outbuf_write16(view, (uint16_t)field);
		outbuf_write64(view, symbol->value);
		outbuf_write64(view, symbol->size);
	} else {
		outbuf_write32(view, (uint32_t)symbol->value);
		outbuf_write32(view, (uint32_t)symbol->size);
		outbuf_write8(view, symbol->info);
		outbuf_write8(view, symbol->other);
		outbuf_write16(view, (uint16_t)field);
	}
	if (extended)
		outbuf_write32(extended, field == SHN_XINDEX ? section : 0);
}

#endif
