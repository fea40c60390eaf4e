/* SPDX-License-Identifier: MIT */
/*
 * machine.h - the little that differs between machines
 *
 * Contents are only moved, so nearly nothing of a machine matters: its name in messages, flags in the
 * header, a few section types, and where an addend lies in the bytes that a relocation without one is
 * for.
 */
#ifndef PARWRITE_MACHINE_H
#define PARWRITE_MACHINE_H

#include <stdint.h>

#include "input/fields.h"

/* For people: "x86-64". The buffer is for those without a name. */
const char *machine_name(uint32_t machine, char buffer[24]);

/* Take in another object's e_flags. -1: they cannot be combined. */
int format_merge_flags(struct format *f, uint32_t flags);

/* A section number of symbols that stands for common ones: SHN_COMMON, or the machine's kinds of it. */
int is_common(const struct format *f, uint32_t special);

/* What is done with a section type that the machine has to itself, by joining's rules. */
enum machine_section {
	MACHINE_ORDINARY, /* as SHT_PROGBITS */
	MACHINE_FIRST,    /* describes the whole: the first object's stands for all, as with ld.lld */
	MACHINE_SAME,     /* likewise, but others must be the same */
	MACHINE_UNKNOWN
};
enum machine_section machine_section(const struct format *f, uint32_t type);

/*
 * Add delta to the addend of a relocation without one of its own, in the n bytes at `field`. 0, or -1: not
 * known how, or it does not fit.
 */
int machine_add(const struct format *f, uint32_t type, unsigned char *field, uint64_t n, uint64_t delta);

#endif
