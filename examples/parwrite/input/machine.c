/* SPDX-License-Identifier: MIT */
/* machine.c - what differs between machines, in tables and rules; machine.h says what for */
#include "config.h"

#include "input/machine.h"

#include <elf.h>
#include <stdio.h>

#define TYPE_MIPS_ABIFLAGS 0x7000002a
#ifndef SHN_X86_64_LCOMMON
#define SHN_X86_64_LCOMMON 0xff02
#endif
#ifndef SHT_X86_64_UNWIND
#define SHT_X86_64_UNWIND 0x70000001
#endif

const char *machine_name(uint32_t machine, char buffer[24])
{
	static const struct {
		uint32_t machine;
		const char *name;
	} names[] = {
		{ EM_X86_64, "x86-64" },  { EM_386, "i386" },      { EM_ARM, "ARM" },
		{ EM_AARCH64, "AArch64" },{ EM_RISCV, "RISC-V" },  { EM_PPC64, "PPC64" },
		{ EM_PPC, "PPC" },        { EM_S390, "S/390" },    { EM_MIPS, "MIPS" },
		{ EM_SPARCV9, "SPARC" },  { EM_BPF, "BPF" },       { EM_68K, "m68k" },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (names[i].machine == machine)
			return names[i].name;
	}
	snprintf(buffer, 24, "machine %u", (unsigned)machine);
	return buffer;
}

int format_merge_flags(struct format *f, uint32_t flags)
{
	/*
	 * ARM: these flags say in which registers floats are passed. Objects that pass no floats have neither of them.
	 * RISC-V: RVC and TSO. If any object needs one of them, the whole output does.
	 */
	const uint32_t arm_float = 0x600, riscv_any = 0x11;

	if (f->flags == flags)
		return 0;
	if (f->machine == EM_ARM && (f->flags & ~arm_float) == (flags & ~arm_float) &&
	    (!(f->flags & arm_float) || !(flags & arm_float))) {
		f->flags |= flags;
		return 0;
	}
	if (f->machine == EM_RISCV && (f->flags & ~riscv_any) == (flags & ~riscv_any)) {
		f->flags |= flags;
		return 0;
	}
	/*
	 * MIPS: the lowest three flags say what an object uses (noreorder, PIC, CPIC). The output uses what any
	 * object does.
	 */
	if (f->machine == EM_MIPS && (f->flags & ~(uint32_t)7) == (flags & ~(uint32_t)7)) {
		f->flags |= flags;
		return 0;
	}
	/* PPC64: the flags are the ABI's version. Objects that fit any version have 0. */
	if (f->machine == EM_PPC64 && (f->flags == 0 || flags == 0)) {
		f->flags |= flags;
		return 0;
	}
	return -1;
}

int is_common(const struct format *f, uint32_t special)
{
	switch (f->machine) {
	case EM_X86_64:
		return special == SHN_COMMON || special == SHN_X86_64_LCOMMON;
	case EM_MIPS:
		return special == SHN_COMMON || special == SHN_MIPS_ACOMMON || special == SHN_MIPS_SCOMMON;
	default:
		return special == SHN_COMMON;
	}
}

enum machine_section machine_section(const struct format *f, uint32_t type)
{
	switch (f->machine) {
	case EM_X86_64:
		return type == SHT_X86_64_UNWIND ? MACHINE_ORDINARY : MACHINE_UNKNOWN;
	case EM_ARM:
		if (type == SHT_ARM_EXIDX)
			return MACHINE_ORDINARY;
		/* fall through */
	case EM_AARCH64:
		return type == SHT_ARM_ATTRIBUTES ? MACHINE_FIRST : MACHINE_UNKNOWN;
	case EM_RISCV:
		/* Attributes list the instructions that may be used. Comparing them is simpler than merging them. */
		return type == SHT_ARM_ATTRIBUTES ? MACHINE_SAME : MACHINE_UNKNOWN;
	case EM_MIPS:
		/*
		 * Options are records that say which registers each object's code uses. ld.bfd -r concatenates them,
		 * too. The other type is debug information.
		 */
		if (type == SHT_MIPS_OPTIONS || type == SHT_MIPS_DWARF)
			return MACHINE_ORDINARY;
		return type == SHT_MIPS_REGINFO || type == TYPE_MIPS_ABIFLAGS ? MACHINE_SAME : MACHINE_UNKNOWN;
	default:
		return MACHINE_UNKNOWN;
	}
}

/*
 * Where relocations of one type have their addend: in the low `bits` bits of a word of `width` bytes, as a multiple of
 * 1 << shift bytes. Tables of fields end with a `width` of 0.
 */
struct field {
	unsigned char type, width, bits, shift;
};

/* NULL: the field is not known for this machine and type. */
static const struct field *find_field(const struct format *f, uint32_t type)
{
	static const struct field x86[] = {
		{ R_386_32, 4, 32, 0 },     { R_386_PC32, 4, 32, 0 },    { R_386_PLT32, 4, 32, 0 },
		{ R_386_GOTOFF, 4, 32, 0 }, { R_386_TLS_LE, 4, 32, 0 },  { R_386_TLS_IE, 4, 32, 0 },
		{ R_386_TLS_LDO_32, 4, 32, 0 }, { R_386_TLS_LE_32, 4, 32, 0 }, { R_386_16, 2, 16, 0 },
		{ R_386_PC16, 2, 16, 0 },   { R_386_8, 1, 8, 0 },        { R_386_PC8, 1, 8, 0 },
		{ 0, 0, 0, 0 },
	};
	static const struct field arm[] = {
		{ R_ARM_ABS32, 4, 32, 0 },  { R_ARM_REL32, 4, 32, 0 },   { R_ARM_TARGET1, 4, 32, 0 },
		{ R_ARM_TARGET2, 4, 32, 0 },{ R_ARM_PREL31, 4, 31, 0 },  { R_ARM_GOTOFF, 4, 32, 0 },
		{ R_ARM_TLS_LDO32, 4, 32, 0 }, { R_ARM_TLS_LE32, 4, 32, 0 }, { R_ARM_ABS16, 2, 16, 0 },
		{ R_ARM_ABS8, 1, 8, 0 },    { R_ARM_CALL, 4, 24, 2 },    { R_ARM_JUMP24, 4, 24, 2 },
		{ R_ARM_PC24, 4, 24, 2 },   { 0, 0, 0, 0 },
	};
	const struct field *field = f->machine == EM_386 ? x86 : f->machine == EM_ARM ? arm : NULL;

	for (; field && field->width; field++) {
		if (field->type == type)
			return field;
	}
	return NULL;
}

int machine_add(const struct format *f, uint32_t type, unsigned char *at, uint64_t n, uint64_t delta)
{
	const struct field *field = find_field(f, type);
	uint32_t word, mask;

	if (!field || field->width > n || delta & ((1u << field->shift) - 1))
		return -1;
	delta >>= field->shift;
	mask = field->bits == 32 ? UINT32_MAX : (1u << field->bits) - 1;
	if (field->bits < 32 && delta > mask / 2)
		return -1;
	word = field->width == 4 ? get32(f, at) : field->width == 2 ? get16(f, at) : at[0];
	/* The addend is signed. A negative one may become positive. One that becomes negative has overflowed. */
	if (field->bits < 32 && (word & mask) + delta > mask / 2 && !(word & (mask / 2 + 1)))
		return -1;
	word = (word & ~mask) | ((word + (uint32_t)delta) & mask);
	if (field->width == 4)
		put32(f, at, word);
	else if (field->width == 2)
		put16(f, at, word);
	else
		at[0] = (unsigned char)word;
	return 0;
}
