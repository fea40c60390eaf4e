/* SPDX-License-Identifier: MIT */
/*
 * classify.c - how each input section is treated
 *
 * Concatenation is correct for sections whose meaning does not depend on where their parts begin: code, data, notes,
 * DWARF. Other sections would become wrong without any message, unless parwrite understands them. Tables of symbol
 * numbers are an example. So this file lists the sections that can be concatenated, and those that are superfluous.
 * Every other section is an error that names the section.
 */
#include "config.h"

#include <elf.h>
#include <string.h>

#include "input/input.h"
#include "input/machine.h"
#include "report/report.h"

/* These types are newer than some versions of <elf.h>. */
#define TYPE_LLVM_CALL_GRAPH_OLD 0x6fff4c02u
#define TYPE_LLVM_ADDRSIG 0x6fff4c03u
#define TYPE_LLVM_CALL_GRAPH 0x6fff4c09u
#define TYPE_LLVM_LTO 0x6fff4c0cu

/* 1 if the output does not need the section: parwrite makes a new one, or it is a hint from a compiler to linkers. */
static int is_superfluous(const struct section *s)
{
	switch (s->type) {
	case SHT_NULL:
	case SHT_SYMTAB:
	case SHT_SYMTAB_SHNDX:
	case SHT_STRTAB:
		return 1; /* parwrite makes a new one of each */
	case TYPE_LLVM_ADDRSIG:
	case TYPE_LLVM_CALL_GRAPH_OLD:
	case TYPE_LLVM_CALL_GRAPH:
		return 1; /* hints that name symbols by number: wrong in the output, and their loss does no harm */
	case TYPE_LLVM_LTO:
		return 1; /* clang's intermediate code, beside machine code; gcc's is below */
	case SHT_NOTE:
		return !strcmp(s->name, ".note.gnu.build-id"); /* it names the input's bytes, not the output's */
	default:
		/* gcc's intermediate code beside machine code (-ffat-lto-objects). It is valid for one object only. */
		return !strncmp(s->name, ".gnu.lto_", strlen(".gnu.lto_"));
	}
}

/* 1 if the section is a note that notes.c makes anew, by rules. Its content is noted in the object. */
static int collect_note(struct object *o, const struct section *s)
{
	if (!strcmp(s->name, ".note.GNU-stack")) {
		o->has_stack_note = 1;
		o->stack_flags |= s->flags & SHF_EXECINSTR;
		return 1;
	}
	if (s->type == SHT_NOTE && !strcmp(s->name, ".note.gnu.property")) {
		o->property_note = o->property_note ? UINT32_MAX : (uint32_t)(s - o->sections);
		return 1;
	}
	return 0;
}

/* 1 if the section is debug information, which -S leaves out. These are the names that ld.bfd leaves out. */
static int is_debug(const struct section *s)
{
	static const char *const names[] = { ".debug", ".zdebug", ".stab", ".line", ".gdb_index",
		                             ".gnu.debuglto_.debug" };

	for (size_t i = 0; i < sizeof names / sizeof *names && !(s->flags & SHF_ALLOC); i++) {
		if (!strncmp(s->name, names[i], strlen(names[i])))
			return 1;
	}
	return 0;
}

int section_classify(struct object *o, struct section *s, const struct leave_out *leave_out, struct error *error)
{
	if (is_superfluous(s) || collect_note(o, s) || (leave_out->debug && is_debug(s)))
		return 0;
	if (!strncmp(s->name, ".zdebug", strlen(".zdebug")))
		return bad_section(error, o, s, "compressed in the way of before 2015, not supported");

	switch (s->type) {
	case SHT_GROUP:
		s->kind = SECTION_GROUP;
		return 0;
	case SHT_REL:
	case SHT_RELA:
		s->kind = SECTION_RELOCATIONS;
		return 0;
	case SHT_PROGBITS:
	case SHT_NOBITS:
	case SHT_NOTE:
	case SHT_INIT_ARRAY:
	case SHT_FINI_ARRAY:
	case SHT_PREINIT_ARRAY:
		break;
	case SHT_GNU_ATTRIBUTES:
		s->once = ONCE_FIRST;
		break;
	default:
		switch (machine_section(&o->format, s->type)) {
		case MACHINE_ORDINARY:
			/*
			 * On x86-64 this is the type that the psABI demands of .eh_frame, and that clang writes. gcc
			 * writes SHT_PROGBITS. Both must become one section, as in ld.bfd and ld.lld.
			 */
			if (o->format.machine == EM_X86_64)
				s->type = SHT_PROGBITS;
			break;
		case MACHINE_FIRST:
			s->once = ONCE_FIRST;
			break;
		case MACHINE_SAME:
			s->once = ONCE_SAME;
			break;
		case MACHINE_UNKNOWN:
			/*
			 * Types reserved for operating systems and applications are treated as ordinary sections, if
			 * they refer to nothing that would have to be changed.
			 */
			if (s->type < SHT_LOOS || (s->type >= SHT_LOPROC && s->type <= SHT_HIPROC) ||
			    (!(s->flags & SHF_LINK_ORDER) && s->link) || s->info)
				return fail(error, o->name, "section %s: type 0x%x is not supported", s->name,
				            (unsigned)s->type);
		}
	}
	if (s->flags & SHF_LINK_ORDER) {
		if (s->link >= o->n_sections || (s->link && &o->sections[s->link] == s))
			return bad_section(error, o, s, "ordered by a section that does not exist");
	} else if (s->link) {
		return bad_section(error, o, s, "refers to another section, not supported");
	}
	if (s->info)
		return bad_section(error, o, s, "has information in its header, not supported");
	s->kind = SECTION_CONTENT;
	s->records = !strcmp(s->name, ".eh_frame");
	s->steps = !strcmp(s->name, ".init") || !strcmp(s->name, ".fini");
	return 0;
}
