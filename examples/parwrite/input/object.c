/* SPDX-License-Identifier: MIT */
/*
 * object.c - one object: read its headers, and refuse what cannot be combined
 *
 * Inputs are not to be trusted: an offset or an index from a file is checked here, before anyone
 * uses it, and once. What later phases may rely on:
 *
 *   - section data lies in the file, and all of it together is no more than the file, or it was decompressed;
 *     names end in NUL
 *   - alignments are powers of two, or 1 where the file says 0
 *   - relocations are whole records, for a section with bytes of its own, and speak of this
 *     object's only symbol table
 *   - the string table of symbols ends in NUL, so any offset below its size is a string
 *   - a section is in one group at most
 *
 * Left to those who look at every record anyway: the fields of symbols (symbols.c) and of
 * relocations (relocate.c). Reading them here too would be a second pass over the largest
 * part of the input.
 *
 * All is read straight from the mapped file (fields.h). libelf decompresses; it does not read headers here,
 * as it makes 230 bytes of each section's: for 442,000 sections (LLVM's archives) that takes it 71 to 113 ms,
 * as long as cat(1) takes for all of these files.
 */
#include "config.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "input/input.h"
#include "report/report.h"

/* More would go wrong in offsets long before anybody meant it. */
#define ALIGN_MAX ((uint64_t)1 << 30)
/* What zlib and zstd make of zeros: a header that promises more lies. */
#define RATIO_MAX 20000
/* Memory is fetched for so many sections later. */
enum { AHEAD = 8 };

/*
 * No byte belongs to two sections (gABI). If 1,000 headers could name the same 100 KB, an input of that
 * size would be an output of 100 MB; so together they are at most as large as the file.
 */
static int check_sizes(const struct object *o, struct error *error)
{
	uint64_t total = 0;

	for (uint32_t i = 1; i < o->n_sections; i++) {
		const struct section *s = &o->sections[i];
		/* Each is in the file: no overflow below 2^32 sections of 2^32 bytes, or 2^16 of 2^47. */
		total += s->data ? s->size : 0;
		if (total > o->size)
			return bad_section(error, o, s, "the sections are larger than the file: they overlap");
	}
	return 0;
}

/* What kind of ELF file it is; 0 or -1. */
static int read_format(struct object *o, struct error *error)
{
	const unsigned char *ident = o->image;
	struct format *f = &o->format;

	if (o->size < EI_NIDENT)
		return fail(error, o->name, "too short for an ELF object");
	if (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64)
		return fail(error, o->name, "ELF of class %u, which is neither 32-bit nor 64-bit", ident[EI_CLASS]);
	if (ident[EI_DATA] != ELFDATA2LSB && ident[EI_DATA] != ELFDATA2MSB)
		return fail(error, o->name, "ELF of byte order %u, which is neither little nor big", ident[EI_DATA]);
	if (ident[EI_VERSION] != EV_CURRENT)
		return fail(error, o->name, "ELF of version %u", ident[EI_VERSION]);
	f->wide = ident[EI_CLASS] == ELFCLASS64;
	f->big = ident[EI_DATA] == ELFDATA2MSB;
	f->swap = f->big != HOST_BIG;
	f->osabi = ident[EI_OSABI];
	f->abi_version = ident[EI_ABIVERSION];
	if (o->size < header_size(f))
		return fail(error, o->name, "too short for an ELF object");
	f->machine = (uint16_t)get16(f, o->image + 18);
	f->flags = get32(f, o->image + (f->wide ? 48 : 36));
	return 0;
}

/* Where the section headers are, and how many; 0 or -1. *names is the number of the section with their names. */
static int read_header(struct object *o, const unsigned char **headers, uint32_t *names, struct error *error)
{
	static const char *const types[] = { "no kind of ELF file", "a relocatable object",
		                             "an executable", "a shared object or executable",
		                             "a core file" };
	const struct format *f = &o->format;
	const unsigned char *h = o->image, *counts = h + (f->wide ? 58 : 46);
	uint32_t type = get16(f, h + 16), n = get16(f, counts + 2);
	uint64_t at = get_word(f, h + (f->wide ? 40 : 32));
	unsigned record = section_header_size(f);

	if (type != ET_REL)
		return fail(error, o->name, "%s, not a relocatable object",
		            type < sizeof types / sizeof *types ? types[type] : types[0]);
	if (at == 0)
		return fail(error, o->name, "no section headers");
	if (get16(f, counts) != record)
		return fail(error, o->name, "section headers of %u bytes instead of %u", (unsigned)get16(f, counts), record);
	if (at > o->size || o->size - at < record)
		return fail(error, o->name, "truncated: the section headers lie outside the file");
	*headers = h + at;
	*names = get16(f, counts + 4);
	/* What does not fit into 16 bits is in the first section header. */
	if (n == 0) {
		uint64_t more = get_word(f, *headers + (f->wide ? 32 : 20));

		if (more == 0 || more > UINT32_MAX)
			return fail(error, o->name, "no section headers");
		n = (uint32_t)more;
	}
	if (*names == SHN_XINDEX)
		*names = get32(f, *headers + (f->wide ? 40 : 24));
	if ((o->size - at) / record < n)
		return fail(error, o->name, "truncated: the section headers lie outside the file");
	o->n_sections = n;
	return 0;
}

/* libelf writes into the headers of what it decompresses, so it gets bytes of its own. */
static int make_copy(struct object *o, struct error *error)
{
	char *copy = arena_allocate(o->arena, error, o->size, 1);

	if (!copy)
		return -1;
	memcpy(copy, o->image, o->size);
	o->elf = elf_memory(copy, o->size);
	return o->elf ? 0 : fail(error, o->name, "%s", elf_errmsg(-1));
}

/* Contents that libelf decompresses; it is kept for them. */
static int decompress(struct object *o, uint32_t number, struct section *s, struct error *error)
{
	GElf_Chdr header;
	GElf_Shdr h;
	Elf_Data *data;
	Elf_Scn *scn;

	if (!o->elf && make_copy(o, error))
		return -1;
	scn = elf_getscn(o->elf, number);
	if (!scn || !gelf_getchdr(scn, &header))
		return fail(error, o->name, "section %s: %s", s->name, elf_errmsg(-1));
	if (header.ch_size / RATIO_MAX > s->size)
		return bad_section(error, o, s, "its header promises more than can be in it");
	if (elf_compress(scn, 0, 0) < 0 || !gelf_getshdr(scn, &h) || !(data = elf_rawdata(scn, NULL)))
		return fail(error, o->name, "section %s: %s", s->name, elf_errmsg(-1));
	s->data = data->d_size > 0 ? data->d_buf : NULL;
	s->size = data->d_size;
	if (h.sh_addralign & (h.sh_addralign - 1) || h.sh_addralign > ALIGN_MAX)
		return bad_section(error, o, s, "its header has an odd alignment");
	s->align_log2 = h.sh_addralign ? (unsigned char)__builtin_ctzll(h.sh_addralign) : 0;
	s->flags &= ~(uint32_t)SHF_COMPRESSED;
	return 0;
}

static int read_section(struct object *o, const unsigned char *h, struct section *s, struct error *error)
{
	const struct format *f = &o->format;
	unsigned w = f->wide ? 8 : 4, number = (unsigned)(s - o->sections);
	uint64_t flags = get_word(f, h + 8), at = get_word(f, h + 8 + 2 * w), entsize = get_word(f, h + 16 + 5 * w);
	uint64_t align = get_word(f, h + 16 + 4 * w);

	s->name_length = get32(f, h); /* until name_section() */
	s->type = get32(f, h + 4);
	s->size = get_word(f, h + 8 + 3 * w);
	s->link = get32(f, h + 8 + 4 * w);
	s->info = get32(f, h + 12 + 4 * w);
	if (flags > UINT32_MAX || entsize > UINT32_MAX)
		return fail(error, o->name, "section %u: flags 0x%llx and entries of %llu bytes", number,
		            (unsigned long long)flags, (unsigned long long)entsize);
	s->flags = (uint32_t)flags;
	s->entsize = (uint32_t)entsize;
	if (align & (align - 1) || align > ALIGN_MAX)
		return fail(error, o->name, "section %u: alignment 0x%llx", number, (unsigned long long)align);
	s->align_log2 = align ? (unsigned char)__builtin_ctzll(align) : 0;
	if (s->type == SHT_NULL || s->type == SHT_NOBITS || s->size == 0)
		return 0;
	if (at > o->size || s->size > o->size - at)
		return fail(error, o->name, "section %u lies outside the file", number);
	s->data = o->image + at;
	return 0;
}

/* Its name; `names` is the table of them. They may share their ends: see too_many_names() in symbols.c. */
static int name_section(const struct object *o, struct section *s, const struct section *names, uint64_t *total,
                        struct error *error)
{
	if (s->name_length >= names->size)
		return fail(error, o->name, "section %u: its name lies outside the table of them",
		            (unsigned)(s - o->sections));
	s->name = (const char *)names->data + s->name_length;
	s->name_length = (uint32_t)strlen(s->name);
	*total += s->name_length;
	if (*total > UINT32_MAX)
		return fail(error, o->name, "the names of its sections are longer than 4 GiB");
	return 0;
}

static int read_symbols(struct object *o, uint32_t number, struct error *error)
{
	const struct section *s = &o->sections[number], *strings;
	unsigned record = symbol_size(&o->format);

	if (s->entsize != record || s->size % record || s->size / record > UINT32_MAX)
		return fail(error, o->name, "symbol table of an odd size");
	if (s->link == 0 || s->link >= o->n_sections || o->sections[s->link].type != SHT_STRTAB)
		return fail(error, o->name, "the symbol table has no string table");
	strings = &o->sections[s->link];
	if (strings->size == 0 || strings->data[strings->size - 1] != '\0')
		return fail(error, o->name, "the symbol table's string table does not end in NUL");
	o->symbols = s->data;
	o->n_symbols = (uint32_t)(s->size / record);
	o->first_global = s->info;
	o->strings = (const char *)strings->data;
	o->strings_size = strings->size;
	if (o->first_global > o->n_symbols)
		return fail(error, o->name, "the symbol table has fewer symbols than local ones");
	for (uint32_t i = 1; i < o->n_sections; i++) {
		const struct section *extended = &o->sections[i];

		if (extended->type != SHT_SYMTAB_SHNDX || extended->link != number)
			continue;
		if (extended->size != (uint64_t)o->n_symbols * 4)
			return fail(error, o->name, "the table of symbols' section numbers is of an odd size");
		o->extended = extended->data;
	}
	return 0;
}

static int check_relocations(struct object *o, struct section *s, uint32_t symtab,
                             struct error *error)
{
	struct section *target;
	unsigned record = relocation_size(&o->format, s->type == SHT_RELA);

	if (s->info == 0 || s->info >= o->n_sections)
		return bad_section(error, o, s, "for a section that does not exist");
	target = &o->sections[s->info];
	if (target->kind == SECTION_DROPPED) {
		s->kind = SECTION_DROPPED;
		return 0;
	}
	if (s->entsize != record || s->size % record)
		return bad_section(error, o, s, "relocations of an odd size");
	if (target->kind != SECTION_CONTENT)
		return bad_section(error, o, s, "for relocations");
	if (s->size && !target->data)
		return fail(error, o->name, "section %s: for %s, which has no contents", s->name,
		            target->name);
	if (s->link != symtab || symtab == 0)
		return bad_section(error, o, s, "not for this object's symbol table");
	/* Two tasks would change the same addends. */
	if (target->relocated)
		return fail(error, o->name, "section %s: the second one with relocations for %s", s->name, target->name);
	target->relocated = 1;
	return 0;
}

static int read_sections(struct object *o, const unsigned char *headers, uint32_t names,
                         const struct leave_out *leave_out, struct error *error)
{
	unsigned record = section_header_size(&o->format);
	const struct section *table;
	uint64_t names_size = 0;

	/* Where all are, first: names may lie in the last. */
	for (uint32_t i = 1; i < o->n_sections; i++) {
		const unsigned char *header = headers + (size_t)i * record;

		if (o->n_sections - i > AHEAD)
			__builtin_prefetch(header + (size_t)AHEAD * record);
		if (read_section(o, header, &o->sections[i], error))
			return -1;
	}
	if (names == 0 || names >= o->n_sections)
		return fail(error, o->name, "its sections have no names");
	table = &o->sections[names];
	if (table->type != SHT_STRTAB || table->size == 0 || table->data[table->size - 1] != '\0')
		return fail(error, o->name, "the table of its sections' names does not end in NUL");
	for (uint32_t i = 1; i < o->n_sections; i++) {
		struct section *s = &o->sections[i];

		if (o->n_sections - i > AHEAD && s[AHEAD].name_length < table->size)
			__builtin_prefetch(table->data + s[AHEAD].name_length);
		if (name_section(o, s, table, &names_size, error) || section_classify(o, s, leave_out, error))
			return -1;
	}
	if (check_sizes(o, error))
		return -1;
	for (uint32_t i = 1; i < o->n_sections; i++) {
		struct section *s = &o->sections[i];

		if (s->kind == SECTION_CONTENT && s->flags & SHF_COMPRESSED && s->data && decompress(o, i, s, error))
			return -1;
	}
	return 0;
}

int object_read(struct object *o, const struct leave_out *leave_out, struct error *error)
{
	const unsigned char *headers = NULL;
	uint32_t symtab = 0, names = 0;

	if (read_format(o, error) || read_header(o, &headers, &names, error))
		return -1;
	o->sections = arena_allocate(o->arena, error, o->n_sections, sizeof *o->sections);
	if (!o->sections)
		return -1;
	o->sections[0].name = "";
	if (read_sections(o, headers, names, leave_out, error))
		return -1;
	for (uint32_t i = 1; i < o->n_sections; i++) {
		if (o->sections[i].type != SHT_SYMTAB)
			continue;
		if (symtab)
			return fail(error, o->name, "two symbol tables");
		symtab = i;
	}
	/* Sections may refer to later ones, so this waits until all are known. */
	if (symtab && read_symbols(o, symtab, error))
		return -1;
	for (uint32_t i = 1; i < o->n_sections; i++) {
		struct section *s = &o->sections[i];
		if (s->kind == SECTION_RELOCATIONS && check_relocations(o, s, symtab, error))
			return -1;
	}
	return object_read_groups(o, symtab, error);
}

void object_free(struct object *o)
{
	elf_end(o->elf); /* all else is in the arena */
	o->elf = NULL;
}
