/* SPDX-License-Identifier: MIT */
/*
 * machine.h - what differs between machines (processor architectures)
 *
 * Contents are only moved, so very little depends on the machine: its name in messages, the flags in the file header,
 * a few section types, and, for relocations that have no addend of their own, where the addend lies in the relocated
 * bytes. All functions may be called by any thread.
 */
#ifndef PARWRITE_MACHINE_H
#define PARWRITE_MACHINE_H

#include <stdint.h>

#include "input/fields.h"

/*
 * The machine's name in messages, such as "x86-64". `buffer` is used, and returned, for machines that are not listed.
 */
const char *machine_name(uint32_t machine, char buffer[24]);

/* Merge the e_flags of another object into f->flags. Returns 0, or -1 if they cannot be combined. */
int format_merge_flags(struct format *f, uint32_t flags);

/* 1 if a symbol with this special section number is a common symbol: SHN_COMMON, or the machine's variants of it. */
int is_common(const struct format *f, uint32_t special);

/* How to combine sections of a type that only this machine has. */
enum machine_section {
	MACHINE_ORDINARY, /* concatenate them, as SHT_PROGBITS */
	MACHINE_FIRST,    /* each describes the whole program: keep the first object's only, as ld.lld does */
	MACHINE_SAME,     /* keep the first object's only, and refuse objects whose section differs from it */
	MACHINE_UNKNOWN   /* not a type that is known for this machine */
};

enum machine_section machine_section(const struct format *f, uint32_t type);

/*
 * Add `delta` to the addend of a relocation of this type, which has no addend in its record. The addend lies in the
 * relocated bytes; `field` points to these, and n bytes are left there in the section. Returns 0. Returns -1 if the
 * place of the addend is not known for this type, or it extends past the n bytes, or the sum does not fit into it.
 */
int machine_add(const struct format *f, uint32_t type, unsigned char *field, uint64_t n, uint64_t delta);

#endif
