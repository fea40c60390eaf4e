/* SPDX-License-Identifier: MIT */
/*
 * object.c - one object: read its headers, and refuse what cannot be combined
 *
 * Inputs are not to be trusted: an offset or an index from a file is checked here, before anyone
 * uses it, and once. What later phases may rely on:
 *
 *   - section data lies in the file (elf_rawdata() sees to that), and is no more than it; names end
 *     in NUL
 *   - alignments are powers of two, or 1 where the file says 0
 *   - relocations are whole Elf64_Rela records, for a section with bytes of its own, and
 *     speak of this object's only symbol table
 *   - the string table of symbols ends in NUL, so any offset below its size is a string
 *
 * Left to those who look at every record anyway: the fields of symbols (symbols.c) and of
 * relocations (emit.c). Reading them here too would be a second pass over the largest
 * part of the input, by one thread.
 *
 * Concatenation is right for a section whose meaning does not depend on where its parts begin:
 * code, data, notes, DWARF. Others need to be understood (groups, compressed sections) or
 * would be silently wrong (tables of symbol numbers). So classify() lists what is known to be
 * right or superfluous, and all else is an error that names it.
 */
#include "config.h"

#include <gelf.h>
#include <string.h>

#include "input.h"
#include "le.h"
#include "report.h"

/* Newer than some <elf.h>. */
#define TYPE_LLVM_CALL_GRAPH_OLD 0x6fff4c02u
#define TYPE_LLVM_ADDRSIG 0x6fff4c03u
#define TYPE_LLVM_CALL_GRAPH 0x6fff4c09u
#define TYPE_LLVM_LTO 0x6fff4c0cu
#define TYPE_X86_64_UNWIND 0x70000001u

/* More would go wrong in offsets long before anybody meant it. */
#define ALIGN_MAX ((uint64_t)1 << 30)

static int bad_section(struct error *error, const struct object *o, const struct section *s,
                       const char *what)
{
	return fail(error, o->name, "section %s: %s", s->name, what);
}

static const char *machine_name(uint32_t machine)
{
	static const struct {
		uint32_t machine;
		const char *name;
	} names[] = {
		{ EM_386, "i386" },     { EM_ARM, "ARM" },     { EM_AARCH64, "AArch64" },
		{ EM_RISCV, "RISC-V" }, { EM_PPC64, "PPC64" }, { EM_S390, "S/390" },
		{ EM_MIPS, "MIPS" },    { EM_SPARCV9, "SPARC" }, { EM_BPF, "BPF" },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (names[i].machine == machine)
			return names[i].name;
	}
	return "another machine";
}

/*
 * No byte belongs to two sections (gABI). If 1,000 headers could name the same 100 KB, an input of that
 * size would be an output of 100 MB; so together they are at most as large as the file.
 */
static int check_sizes(const struct object *o, struct error *error)
{
	uint64_t total = 0;
	size_t size;

	elf_rawfile(o->elf, &size);
	for (uint32_t i = 1; i < o->n_sections; i++) {
		const struct section *s = &o->sections[i];
		/* Each is in the file, and there are at most 65,279: no overflow below 2^47 bytes. */
		total += s->data ? s->size : 0;
		if (total > size)
			return bad_section(error, o, s, "the sections are larger than the file: they overlap");
	}
	return 0;
}

/* x86-64 ELF64 little-endian ET_REL it must be; if not, say what it is. */
static int check_header(struct object *o, struct error *error)
{
	static const char *const types[] = { "no kind of ELF file", "a relocatable object",
		                             "an executable", "a shared object or executable",
		                             "a core file" };
	size_t size;
	const unsigned char *ident = (unsigned char *)elf_rawfile(o->elf, &size);
	GElf_Ehdr header;

	if (!ident || size < EI_NIDENT)
		return fail(error, o->name, "too short for an ELF object");
	if (ident[EI_CLASS] != ELFCLASS64)
		return fail(error, o->name,
		            "a 32-bit object; parwrite combines 64-bit x86-64 objects");
	if (ident[EI_DATA] != ELFDATA2LSB)
		return fail(error, o->name,
		            "a big-endian object; parwrite combines 64-bit x86-64 objects");
	if (!gelf_getehdr(o->elf, &header))
		return fail(error, o->name, "%s", elf_errmsg(-1));
	if (header.e_machine != EM_X86_64)
		return fail(error, o->name,
		            "an object for %s (machine %u); parwrite combines x86-64 objects",
		            machine_name(header.e_machine), (unsigned)header.e_machine);
	if (header.e_type != ET_REL)
		return fail(error, o->name, "%s, not a relocatable object",
		            header.e_type < sizeof types / sizeof *types ? types[header.e_type]
		                                                          : types[0]);
	/*
	 * libelf takes a section header table that lies outside the file for none at all, which
	 * would turn a truncated object into an empty one.
	 */
	if (header.e_shoff == 0)
		return fail(error, o->name, "no section headers");
	if (header.e_shentsize != sizeof(Elf64_Shdr))
		return fail(error, o->name, "section headers of %u bytes instead of %zu",
		            (unsigned)header.e_shentsize, sizeof(Elf64_Shdr));
	if (header.e_shoff > size || size - header.e_shoff < sizeof(Elf64_Shdr) ||
	    (size - header.e_shoff) / sizeof(Elf64_Shdr) < header.e_shnum)
		return fail(error, o->name, "truncated: the section headers lie outside the file");
	o->osabi = ident[EI_OSABI];
	return 0;
}

/* Notes that only compilers and linkers talk of among themselves. */
static int is_superfluous(const GElf_Shdr *h, const char *name)
{
	switch (h->sh_type) {
	case SHT_NULL:
	case SHT_SYMTAB:
	case SHT_STRTAB:
		return 1; /* one of each is made anew */
	case TYPE_LLVM_ADDRSIG:
	case TYPE_LLVM_CALL_GRAPH_OLD:
	case TYPE_LLVM_CALL_GRAPH:
		return 1; /* hints that name symbols by number: wrong if moved, harmless to lose */
	case TYPE_LLVM_LTO:
		return 1; /* clang's own code beside machine code; gcc's is below */
	default:
		/* The compiler's own code beside machine code (-ffat-lto-objects), per object. */
		return !strncmp(name, ".gnu.lto_", strlen(".gnu.lto_"));
	}
}

static int classify(struct object *o, struct section *s, const GElf_Shdr *h, struct error *error)
{
	if (is_superfluous(h, s->name))
		return 0;
	if (h->sh_type == SHT_GROUP || h->sh_flags & SHF_GROUP)
		return fail(error, o->name, "COMDAT groups are not supported yet (C++, or made with -g3?)");
	if (h->sh_type == SHT_SYMTAB_SHNDX)
		return fail(error, o->name, "more than 65,279 sections are not supported yet");
	if (h->sh_flags & SHF_COMPRESSED)
		return bad_section(error, o, s, "compressed sections (-gz) are not supported yet");
	if (h->sh_flags & SHF_LINK_ORDER)
		return bad_section(error, o, s, "SHF_LINK_ORDER is not supported yet");

	switch (h->sh_type) {
	case SHT_REL:
	case SHT_RELA:
		s->kind = SECTION_RELOCATIONS;
		return 0;
	case TYPE_X86_64_UNWIND:
		/*
		 * What the psABI wants .eh_frame to be, and clang writes; gcc's is SHT_PROGBITS,
		 * and both must become one section, as ld.bfd and ld.lld do it.
		 */
		s->type = SHT_PROGBITS;
		break;
	case SHT_PROGBITS:
	case SHT_NOBITS:
	case SHT_NOTE:
	case SHT_INIT_ARRAY:
	case SHT_FINI_ARRAY:
	case SHT_PREINIT_ARRAY:
		break;
	default:
		/* Reserved for systems, processors, applications: ordinary if it looks so. */
		if (h->sh_type >= SHT_LOOS && !h->sh_link && !h->sh_info &&
		    h->sh_type != SHT_GNU_ATTRIBUTES)
			break;
		return fail(error, o->name, "section %s: type 0x%x is not supported yet", s->name,
		            (unsigned)h->sh_type);
	}
	if (h->sh_link || h->sh_info)
		return bad_section(error, o, s, "refers to another section, not supported yet");
	s->kind = SECTION_CONTENT;
	return 0;
}

static int read_section(struct object *o, Elf_Scn *scn, const GElf_Shdr *h, struct section *s,
                        struct error *error)
{
	const Elf_Data *data;

	s->type = h->sh_type;
	s->flags = h->sh_flags;
	s->size = h->sh_size;
	s->align = h->sh_addralign ? h->sh_addralign : 1;
	s->entsize = h->sh_entsize;
	s->link = h->sh_link;
	s->info = h->sh_info;
	if (s->align & (s->align - 1) || s->align > ALIGN_MAX)
		return fail(error, o->name, "section %s: alignment 0x%llx", s->name,
		            (unsigned long long)s->align);
	if (h->sh_type == SHT_NULL || h->sh_type == SHT_NOBITS || h->sh_size == 0)
		return 0;
	data = elf_rawdata(scn, NULL);
	if (!data || !data->d_buf || data->d_size != h->sh_size)
		return bad_section(error, o, s, data ? "lies outside the file" : elf_errmsg(-1));
	s->data = data->d_buf;
	return 0;
}

static int read_symbols(struct object *o, const struct section *s, struct error *error)
{
	const struct section *strings;

	if (s->entsize != sizeof(Elf64_Sym) || s->size % sizeof(Elf64_Sym) ||
	    s->size / sizeof(Elf64_Sym) > UINT32_MAX)
		return fail(error, o->name, "symbol table of an odd size");
	if (s->link == 0 || s->link >= o->n_sections || o->sections[s->link].type != SHT_STRTAB)
		return fail(error, o->name, "the symbol table has no string table");
	strings = &o->sections[s->link];
	if (strings->size == 0 || strings->data[strings->size - 1] != '\0')
		return fail(error, o->name, "the symbol table's string table does not end in NUL");
	o->symbols = s->data;
	o->n_symbols = (uint32_t)(s->size / sizeof(Elf64_Sym));
	o->first_global = s->info;
	o->strings = (const char *)strings->data;
	o->strings_size = strings->size;
	if (o->first_global > o->n_symbols)
		return fail(error, o->name, "the symbol table has fewer symbols than local ones");
	return 0;
}

static int check_relocations(struct object *o, struct section *s, uint32_t symtab,
                             struct error *error)
{
	const struct section *target;

	if (s->info == 0 || s->info >= o->n_sections)
		return bad_section(error, o, s, "for a section that does not exist");
	target = &o->sections[s->info];
	if (target->kind == SECTION_DROPPED) {
		s->kind = SECTION_DROPPED;
		return 0;
	}
	if (s->type == SHT_REL)
		return bad_section(error, o, s, "SHT_REL is not supported yet");
	if (s->entsize != sizeof(Elf64_Rela) || s->size % sizeof(Elf64_Rela))
		return bad_section(error, o, s, "relocations of an odd size");
	if (target->kind != SECTION_CONTENT)
		return bad_section(error, o, s, "for relocations");
	if (s->size && !target->data)
		return fail(error, o->name, "section %s: for %s, which has no contents", s->name,
		            target->name);
	if (s->link != symtab || symtab == 0)
		return bad_section(error, o, s, "not for this object's symbol table");
	return 0;
}

int object_read(struct object *o, struct error *error)
{
	Elf *elf = o->elf;
	size_t n, names;
	uint64_t names_size = 0;
	uint32_t symtab = 0;

	if (check_header(o, error))
		return -1;
	if (elf_getshdrnum(elf, &n) || elf_getshdrstrndx(elf, &names))
		return fail(error, o->name, "%s", elf_errmsg(-1));
	if (n == 0 || n >= SHN_LORESERVE)
		return fail(error, o->name, n ? "more than 65,279 sections are not supported yet"
		                              : "no section headers");
	o->sections = allocate(error, n, sizeof *o->sections);
	if (!o->sections)
		return -1;
	o->n_sections = (uint32_t)n;
	o->sections[0].name = "";

	for (uint32_t i = 1; i < n; i++) {
		struct section *s = &o->sections[i];
		Elf_Scn *scn = elf_getscn(elf, i);
		GElf_Shdr h;

		/* A copy: in an archive libelf's own would be at an odd address. */
		if (!gelf_getshdr(scn, &h))
			return fail(error, o->name, "section %u: %s", i, elf_errmsg(-1));
		s->name = elf_strptr(elf, names, h.sh_name);
		if (!s->name)
			return fail(error, o->name, "section %u: its name: %s", i, elf_errmsg(-1));
		/* They may share their ends: see too_many_names() in symbols.c. */
		names_size += strlen(s->name);
		if (names_size > UINT32_MAX)
			return fail(error, o->name, "the names of its sections are longer than 4 GiB");
		if (read_section(o, scn, &h, s, error) || classify(o, s, &h, error))
			return -1;
		if (s->type == SHT_SYMTAB) {
			if (symtab)
				return fail(error, o->name, "two symbol tables");
			symtab = i;
		}
	}
	if (check_sizes(o, error))
		return -1;
	/* Sections may refer to later ones, so this waits until all are known. */
	if (symtab && read_symbols(o, &o->sections[symtab], error))
		return -1;
	for (uint32_t i = 1; i < n; i++) {
		struct section *s = &o->sections[i];
		if (s->kind == SECTION_RELOCATIONS && check_relocations(o, s, symtab, error))
			return -1;
	}
	return 0;
}

Elf64_Sym object_symbol(const struct object *o, uint32_t i)
{
	const unsigned char *p = o->symbols + (size_t)i * sizeof(Elf64_Sym);
	Elf64_Sym symbol = {
		.st_name = le32(p),
		.st_info = p[4],
		.st_other = p[5],
		.st_shndx = (Elf64_Section)le16(p + 6),
		.st_value = le64(p + 8),
		.st_size = le64(p + 16),
	};

	return symbol;
}

const char *object_symbol_name(const struct object *o, const Elf64_Sym *symbol)
{
	return symbol->st_name < o->strings_size ? o->strings + symbol->st_name : "";
}
