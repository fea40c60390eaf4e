/* SPDX-License-Identifier: MIT */
/*
 * object.c - one object: read its headers, and refuse what cannot be combined
 *
 * Inputs are not trusted. Each offset and index in a file is checked once, here, before it is used. Later phases rely
 * on this:
 *
 *   - The data of a section lies in the file, and the data of all sections together is not larger than the file; or the
 *     data was decompressed. Names of sections end in NUL.
 *   - Alignments are powers of two. They are 1 where the file says 0.
 *   - Relocations are whole records, apply to a section that has bytes in the file, and use the symbol table of this
 *     object, which is its only one.
 *   - The string table of symbols ends in NUL, so each offset below its size is a string.
 *   - A section is in one group at most.
 *
 * The fields of symbols are checked by symbols.c, and those of relocations by relocate.c, because these read every
 * record anyway. To check them here would be a second pass over the largest part of the input.
 *
 * Everything is read directly from the mapped file (fields.h). libelf is used for decompression only. It is not used
 * to read headers, because it makes 230 bytes of each section header. For 442,000 sections (LLVM's archives) that
 * takes 71 to 113 ms, as long as cat(1) needs for all of these files.
 */
#include "config.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "input/input.h"
#include "report/report.h"

/* Larger alignments are refused. Offsets would overflow long before anybody has a use for one. */
#define ALIGN_MAX ((uint64_t)1 << 30)
/* zlib and zstd compress even zeros by no more than this factor. A header that states a larger size is wrong. */
#define RATIO_MAX 20000
/* Memory is prefetched for the section that comes so many sections later. */
enum { AHEAD = 8 };

/*
 * No byte belongs to two sections, says the gABI. If 1,000 section headers could name the same 100 KB, an input of that
 * size would make an output of 100 MB. So the sections together must not be larger than the file. Returns 0 or -1.
 */
static int check_total_size(const struct object *o, struct error *error)
{
	uint64_t total = 0;

	for (uint32_t i = 1; i < o->n_sections; i++) {
		const struct section *s = &o->sections[i];
		/*
		 * Each section is in the file, so the sum does not overflow with fewer than 2^32 sections of 2^32
		 * bytes, or 2^16 of 2^47. (The file has at most SIZE_MAX / 2 bytes, and the sum is checked each time.)
		 */
		total += s->data ? s->size : 0;
		if (total > o->size)
			return bad_section(error, o, s, "the sections are larger than the file: they overlap");
	}
	return 0;
}

/* Read the kind of ELF file into o->format. Returns 0, or -1 with a message. */
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

/*
 * Set *headers to the section headers, o->n_sections to their number, and *names_index to the number of the section
 * that has the names of sections. Returns 0, or -1 with a message.
 */
static int read_header(struct object *o, const unsigned char **headers, uint32_t *names_index, struct error *error)
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
		return fail(error, o->name, "section headers of %u bytes instead of %u", (unsigned)get16(f, counts),
		            record);
	if (at > o->size || o->size - at < record)
		return fail(error, o->name, "truncated: the section headers lie outside the file");
	*headers = h + at;
	*names_index = get16(f, counts + 4);
	/* Numbers that do not fit into 16 bits are in the first section header. */
	if (n == 0) {
		uint64_t more = get_word(f, *headers + (f->wide ? 32 : 20));

		if (more == 0 || more > UINT32_MAX)
			return fail(error, o->name, "no section headers");
		n = (uint32_t)more;
	}
	if (*names_index == SHN_XINDEX)
		*names_index = get32(f, *headers + (f->wide ? 40 : 24));
	if ((o->size - at) / record < n)
		return fail(error, o->name, "truncated: the section headers lie outside the file");
	o->n_sections = n;
	return 0;
}

/* Give libelf a copy of the object, because it writes into the headers of what it decompresses. Returns 0 or -1. */
static int open_copy(struct object *o, struct error *error)
{
	char *copy = arena_allocate(o->arena, error, o->size, 1);

	if (!copy)
		return -1;
	memcpy(copy, o->image, o->size);
	o->elf = elf_memory(copy, o->size);
	return o->elf ? 0 : fail(error, o->name, "%s", elf_errmsg(-1));
}

/* Let libelf decompress a section. Its handle is kept, because it owns the decompressed bytes. Returns 0 or -1. */
static int decompress(struct object *o, uint32_t number, struct section *s, struct error *error)
{
	GElf_Chdr header;
	GElf_Shdr h;
	Elf_Data *data;
	Elf_Scn *scn;

	if (!o->elf && open_copy(o, error))
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

/* Read a section header h, except for the name, and check it. Returns 0, or -1 with a message. */
static int read_section(struct object *o, const unsigned char *h, struct section *s, struct error *error)
{
	const struct format *f = &o->format;
	unsigned w = f->wide ? 8 : 4, number = (unsigned)(s - o->sections);
	uint64_t flags = get_word(f, h + 8), at = get_word(f, h + 8 + 2 * w), entsize = get_word(f, h + 16 + 5 * w);
	uint64_t align = get_word(f, h + 16 + 4 * w);

	s->name_length = get32(f, h); /* the offset of the name, until name_section() */
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

/*
 * Set the section's name from `name_table`. *total_length adds up the lengths of the object's names, which must
 * stay below 4 GiB: names may share their ends, so all of them may be far longer than the file (see symbols.c).
 */
static int name_section(const struct object *o, struct section *s, const struct section *name_table,
                        uint64_t *total_length, struct error *error)
{
	if (s->name_length >= name_table->size)
		return fail(error, o->name, "section %u: its name lies outside the table of them",
		            (unsigned)(s - o->sections));
	s->name = (const char *)name_table->data + s->name_length;
	s->name_length = (uint32_t)strlen(s->name);
	*total_length += s->name_length;
	if (*total_length > UINT32_MAX)
		return fail(error, o->name, "the names of its sections are longer than 4 GiB");
	return 0;
}

/* Find the parts of the symbol table, which is section `number`, and check them. Returns 0, or -1 with a message. */
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

/* Check a section of relocations. Drops it if its target is dropped. Returns 0, or -1 with a message. */
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
	/* With two such sections, two tasks would change the same addends at once. */
	if (target->relocated)
		return fail(error, o->name, "section %s: the second one with relocations for %s", s->name,
		            target->name);
	target->relocated = 1;
	return 0;
}

static int read_sections(struct object *o, const unsigned char *headers, uint32_t names_index,
                         const struct leave_out *leave_out, struct error *error)
{
	unsigned record = section_header_size(&o->format);
	const struct section *name_table;
	uint64_t total_length = 0;

	/* First all headers, because the last section may be the one that has the names. */
	for (uint32_t i = 1; i < o->n_sections; i++) {
		const unsigned char *header = headers + (size_t)i * record;

		if (o->n_sections - i > AHEAD)
			__builtin_prefetch(header + (size_t)AHEAD * record);
		if (read_section(o, header, &o->sections[i], error))
			return -1;
	}
	if (names_index == 0 || names_index >= o->n_sections)
		return fail(error, o->name, "its sections have no names");
	name_table = &o->sections[names_index];
	if (name_table->type != SHT_STRTAB || name_table->size == 0 || name_table->data[name_table->size - 1] != '\0')
		return fail(error, o->name, "the table of its sections' names does not end in NUL");
	for (uint32_t i = 1; i < o->n_sections; i++) {
		struct section *s = &o->sections[i];

		if (o->n_sections - i > AHEAD && s[AHEAD].name_length < name_table->size)
			__builtin_prefetch(name_table->data + s[AHEAD].name_length);
		if (name_section(o, s, name_table, &total_length, error) || section_classify(o, s, leave_out, error))
			return -1;
	}
	if (check_total_size(o, error))
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
	uint32_t symtab = 0, names_index = 0;

	if (read_format(o, error) || read_header(o, &headers, &names_index, error))
		return -1;
	o->sections = arena_allocate(o->arena, error, o->n_sections, sizeof *o->sections);
	if (!o->sections)
		return -1;
	o->sections[0].name = "";
	if (read_sections(o, headers, names_index, leave_out, error))
		return -1;
	for (uint32_t i = 1; i < o->n_sections; i++) {
		if (o->sections[i].type != SHT_SYMTAB)
			continue;
		if (symtab)
			return fail(error, o->name, "two symbol tables");
		symtab = i;
	}
	/* Sections may refer to later ones, so their references are checked when all sections are known. */
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
	elf_end(o->elf); /* the rest is in the arena */
	o->elf = NULL;
}
