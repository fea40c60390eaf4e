/* SPDX-License-Identifier: MIT */
/*
 * classify.c - what becomes of a section
 *
 * Concatenation is right for a section whose meaning does not depend on where its parts begin:
 * code, data, notes, DWARF. Others need to be understood or would be silently wrong (tables of symbol
 * numbers). So here is listed what is known to be right or superfluous, and all else is an error that
 * names it.
 */
#include "config.h"

#include <elf.h>
#include <string.h>

#include "input/input.h"
#include "input/machine.h"
#include "report/report.h"

/* Newer than some <elf.h>. */
#define TYPE_LLVM_CALL_GRAPH_OLD 0x6fff4c02u
#define TYPE_LLVM_ADDRSIG 0x6fff4c03u
#define TYPE_LLVM_CALL_GRAPH 0x6fff4c09u
#define TYPE_LLVM_LTO 0x6fff4c0cu

/* Notes that only compilers and linkers talk of among themselves. */
static int is_superfluous(const struct section *s)
{
	switch (s->type) {
	case SHT_NULL:
	case SHT_SYMTAB:
	case SHT_SYMTAB_SHNDX:
	case SHT_STRTAB:
		return 1; /* one of each is made anew */
	case TYPE_LLVM_ADDRSIG:
	case TYPE_LLVM_CALL_GRAPH_OLD:
	case TYPE_LLVM_CALL_GRAPH:
		return 1; /* hints that name symbols by number: wrong if moved, harmless to lose */
	case TYPE_LLVM_LTO:
		return 1; /* clang's own code beside machine code; gcc's is below */
	case SHT_NOTE:
		return !strcmp(s->name, ".note.gnu.build-id"); /* of other bytes than these */
	default:
		/* The compiler's own code beside machine code (-ffat-lto-objects), per object. */
		return !strncmp(s->name, ".gnu.lto_", strlen(".gnu.lto_"));
	}
}

/* Notes that are made anew, by rules: see notes.c. */
static int is_note(struct object *o, const struct section *s)
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

/* What -S leaves out, as ld.bfd's. */
static int is_debug(const struct section *s)
{
	static const char *const names[] = { ".debug", ".zdebug", ".stab", ".line", ".gdb_index", ".gnu.debuglto_.debug" };

	for (size_t i = 0; i < sizeof names / sizeof *names && !(s->flags & SHF_ALLOC); i++) {
		if (!strncmp(s->name, names[i], strlen(names[i])))
			return 1;
	}
	return 0;
}

int section_classify(struct object *o, struct section *s, const struct leave_out *leave_out, struct error *error)
{
	if (is_superfluous(s) || is_note(o, s) || (leave_out->debug && is_debug(s)))
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
			 * x86-64: what the psABI wants .eh_frame to be, and clang writes; gcc's is SHT_PROGBITS,
			 * and both must become one section, as ld.bfd and ld.lld do it.
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
			/* Reserved for systems and applications: ordinary if it looks so. */
			if (s->type < SHT_LOOS || (s->type >= SHT_LOPROC && s->type <= SHT_HIPROC) || (!(s->flags & SHF_LINK_ORDER) && s->link) || s->info)
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
