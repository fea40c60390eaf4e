/* SPDX-License-Identifier: MIT */
/*
 * headers.c - what describes an ELF file: the file's header, the section headers, and the names of sections
 *
 * Fields are written one by one, in the order of the format's tables, and not as a struct. So the result does not
 * depend on this machine's byte order: the output's byte order is an option of outbuf_open(). A small write to a View
 * costs a comparison and a store.
 *
 * A C++ program can have 250,000 sections with names of 100 bytes. These are 40 MB to write, so sections are cut into
 * blocks here, too.
 *
 * Some fields have 16 bits, and values from 65,280 (SHN_LORESERVE) on have other meanings there. So a symbol can name
 * at most section 65,279, and the file's header can count 65,279 section headers. The gABI has other places for larger
 * numbers: .symtab_shndx for symbols, and the first section header for the file's header.
 */
#include "config.h"

#include <elf.h>
#include <outbuf.h>
#include <string.h>

#include "emit/emit.h"
#include "emit/records.h"
#include "layout/layout.h"
#include "report/clock.h"
#include "report/progress.h"
#include "report/trace.h"
#include "symbols/symbols.h"

/*
 * How many sections a block has. A header is 64 bytes, a name about 60, and most sections have a section of
 * relocations, which doubles this: about 1 MiB of the output.
 */
enum { SECTIONS_PER_BLOCK = 4096 };

/* The names of the sections that parwrite adds. They follow the names of all other sections, in this order. */
static const char group_name[] = ".group", symtab_name[] = ".symtab", extended_name[] = ".symtab_shndx",
                  strtab_name[] = ".strtab", shstrtab_name[] = ".shstrtab";

static const char *const added_names[] = { group_name, symtab_name, extended_name, strtab_name, shstrtab_name };
enum { ADDED_NAMES = sizeof added_names / sizeof *added_names };

/* The offset of one of these names in the section name table. */
static uint32_t added_name_offset(const struct emission *e, const char *name)
{
	uint64_t at = e->layout->section_names_size;

	for (size_t i = ADDED_NAMES; i-- > 0;) {
		at -= strlen(added_names[i]) + 1;
		if (added_names[i] == name)
			break;
	}
	return (uint32_t)at;
}

static void write_section_header(const struct format *f, struct outbuf_view *view, const Elf64_Shdr *h)
{
	outbuf_write32(view, h->sh_name);
	outbuf_write32(view, h->sh_type);
	write_word(f, view, h->sh_flags);
	write_word(f, view, h->sh_addr);
	write_word(f, view, h->sh_offset);
	write_word(f, view, h->sh_size);
	outbuf_write32(view, h->sh_link);
	outbuf_write32(view, h->sh_info);
	write_word(f, view, h->sh_addralign);
	write_word(f, view, h->sh_entsize);
}

/* Open a View of n section headers, from number `first` on. */
static void open_headers(const struct emission *e, struct outbuf_view *view, uint64_t first, uint64_t n)
{
	unsigned record = section_header_size(&e->in->format);

	outbuf_view(e->ob, view, e->tables.headers_at + first * record, n * record);
	progress_add(e->progress, n * record);
}

/* --------------------------------------------------------- sections, in blocks */

/* Write the headers of groups [from, to). */
static int write_groups(const struct emission *e, size_t from, size_t to)
{
	const struct layout *l = e->layout;
	struct outbuf_view view;

	open_headers(e, &view, 1 + from, to - from);
	for (size_t i = from; i < to; i++) {
		const struct output_group *g = &l->groups[i];

		write_section_header(&e->in->format, &view, &(Elf64_Shdr){
			.sh_name = added_name_offset(e, group_name),
			.sh_type = SHT_GROUP,
			.sh_offset = g->section.offset,
			.sh_size = g->section.size,
			.sh_link = l->symtab,
			.sh_info = g->object->symbol_map[g->group->symbol],
			.sh_addralign = 4,
			.sh_entsize = 4,
		});
	}
	return outbuf_view_end(&view);
}

/* Write the headers of sections [from, to). */
static int write_contents(const struct emission *e, size_t from, size_t to)
{
	const struct layout *l = e->layout;
	struct outbuf_view view;

	open_headers(e, &view, l->sections[from].index, to - from);
	for (size_t i = from; i < to; i++) {
		const struct output_section *s = &l->sections[i];

		write_section_header(&e->in->format, &view, &(Elf64_Shdr){
			.sh_name = s->name_offset,
			.sh_type = s->type,
			.sh_flags = s->flags,
			.sh_offset = s->file_offset,
			.sh_size = s->size,
			.sh_link = s->ordered_by ? s->ordered_by->index : 0,
			.sh_addralign = (uint64_t)1 << s->align_log2,
			.sh_entsize = s->entsize,
		});
	}
	return outbuf_view_end(&view);
}

static const char *relocations_prefix(const struct output_section *s)
{
	return s->relocations_type == SHT_RELA ? ".rela" : ".rel";
}

/* Write the headers of the relocations for sections [from, to). These headers are contiguous. */
static int write_relocations(const struct emission *e, size_t from, size_t to)
{
	const struct layout *l = e->layout;
	const struct format *f = &e->in->format;
	uint32_t first = 0, n = 0;
	struct outbuf_view view;

	for (size_t i = from; i < to; i++) {
		if (!l->sections[i].relocations_index)
			continue;
		first = first ? first : l->sections[i].relocations_index;
		n++;
	}
	if (n == 0)
		return 0;
	open_headers(e, &view, first, n);
	for (size_t i = from; i < to; i++) {
		const struct output_section *s = &l->sections[i];

		if (!s->relocations_index)
			continue;
		write_section_header(f, &view, &(Elf64_Shdr){
			.sh_name = s->name_offset - (uint32_t)strlen(relocations_prefix(s)),
			.sh_type = s->relocations_type,
			.sh_flags = SHF_INFO_LINK | (s->flags & SHF_GROUP),
			.sh_offset = s->relocations_offset,
			.sh_size = s->relocations_size,
			.sh_link = l->symtab,
			.sh_info = s->index,
			.sh_addralign = f->wide ? 8 : 4,
			.sh_entsize = relocation_size(f, s->relocations_type == SHT_RELA),
		});
	}
	return outbuf_view_end(&view);
}

/* The offset of the name of section i in the section name table. For i = n_sections: of the first added name. */
static uint64_t names_start(const struct layout *l, size_t i)
{
	const struct output_section *s = &l->sections[i];
	uint64_t added_size = 0;

	for (size_t k = 0; k < ADDED_NAMES; k++)
		added_size += strlen(added_names[k]) + 1;
	if (i == l->n_sections)
		return l->section_names_size - added_size;
	return s->name_offset - (s->relocations_index ? strlen(relocations_prefix(s)) : 0);
}

/*
 * Write the names of sections [from, to). A section with relocations needs two names, such as ".text" and ".rela.text".
 * Only the longer one is written, because the other one is its end and begins five bytes later.
 */
static int write_names(const struct emission *e, size_t from, size_t to)
{
	const struct layout *l = e->layout;
	uint64_t at = names_start(l, from), n = names_start(l, to) - at, began_ns = e->trace ? now_ns() : 0;
	struct outbuf_view view;

	outbuf_view(e->ob, &view, e->tables.section_names_at + at, n);
	for (size_t i = from; i < to; i++) {
		const struct output_section *s = &l->sections[i];

		if (s->relocations_index)
			outbuf_write_string(&view, relocations_prefix(s));
		outbuf_write(&view, s->name, s->name_length);
		outbuf_write8(&view, 0);
	}
	progress_add(e->progress, n);
	trace_span(e->trace, shstrtab_name, began_ns, e->tables.section_names_at + at, n);
	return outbuf_view_end(&view);
}

static size_t block_count(size_t n)
{
	return (n + SECTIONS_PER_BLOCK - 1) / SECTIONS_PER_BLOCK;
}

size_t headers_blocks(const struct emission *e)
{
	return block_count(e->layout->n_groups) + block_count(e->layout->n_sections);
}

static size_t block_end(size_t i, size_t n)
{
	return (i + 1) * SECTIONS_PER_BLOCK < n ? (i + 1) * SECTIONS_PER_BLOCK : n;
}

int headers_block(const struct emission *e, size_t i)
{
	const struct layout *l = e->layout;
	int error;

	if (i < block_count(l->n_groups))
		return write_groups(e, i * SECTIONS_PER_BLOCK, block_end(i, l->n_groups));
	i -= block_count(l->n_groups);
	error = write_contents(e, i * SECTIONS_PER_BLOCK, block_end(i, l->n_sections));
	if (!error)
		error = write_relocations(e, i * SECTIONS_PER_BLOCK, block_end(i, l->n_sections));
	return error ? error : write_names(e, i * SECTIONS_PER_BLOCK, block_end(i, l->n_sections));
}

/* --------------------------------------------- what every output has exactly once */

/* The first section header is empty, except for numbers that do not fit into the file's header. */
static int write_first_header(const struct emission *e)
{
	const struct layout *l = e->layout;
	struct outbuf_view view;

	open_headers(e, &view, 0, 1);
	write_section_header(&e->in->format, &view, &(Elf64_Shdr){
		.sh_size = l->n_headers >= SHN_LORESERVE ? l->n_headers : 0,
		.sh_link = l->shstrtab >= SHN_LORESERVE ? l->shstrtab : 0,
	});
	return outbuf_view_end(&view);
}

/* Write the headers of the symbol table, and of the other tables that parwrite adds. */
static int write_last_headers(const struct emission *e)
{
	const struct format *f = &e->in->format;
	const struct tables *t = &e->tables;
	const struct layout *l = e->layout;
	struct outbuf_view view;

	open_headers(e, &view, l->symtab, l->n_headers - l->symtab);
	write_section_header(f, &view, &(Elf64_Shdr){
		.sh_name = added_name_offset(e, symtab_name),
		.sh_type = SHT_SYMTAB,
		.sh_offset = t->symbols_at,
		.sh_size = (uint64_t)e->symbols->total * symbol_size(f),
		.sh_link = l->strtab,
		.sh_info = e->symbols->first_global,
		.sh_addralign = f->wide ? 8 : 4,
		.sh_entsize = symbol_size(f),
	});
	if (l->extended)
		write_section_header(f, &view, &(Elf64_Shdr){
			.sh_name = added_name_offset(e, extended_name),
			.sh_type = SHT_SYMTAB_SHNDX,
			.sh_offset = t->extended_at,
			.sh_size = (uint64_t)e->symbols->total * 4,
			.sh_link = l->symtab,
			.sh_addralign = 4,
			.sh_entsize = 4,
		});
	write_section_header(f, &view, &(Elf64_Shdr){
		.sh_name = added_name_offset(e, strtab_name),
		.sh_type = SHT_STRTAB,
		.sh_offset = t->strings_at,
		.sh_size = e->symbols->names_size,
		.sh_addralign = 1,
	});
	write_section_header(f, &view, &(Elf64_Shdr){
		.sh_name = added_name_offset(e, shstrtab_name),
		.sh_type = SHT_STRTAB,
		.sh_offset = t->section_names_at,
		.sh_size = l->section_names_size,
		.sh_addralign = 1,
	});
	return outbuf_view_end(&view);
}

/*
 * Write the file's header. It is the first part of the file, although its content is known last. That needs nothing
 * special: it is written through a View like everything else.
 */
static int write_header(const struct emission *e)
{
	const struct format *f = &e->in->format;
	const struct layout *l = e->layout;
	struct outbuf_view view;

	outbuf_view(e->ob, &view, 0, header_size(f));
	outbuf_write(&view, ELFMAG, SELFMAG);
	outbuf_write8(&view, f->wide ? ELFCLASS64 : ELFCLASS32);
	outbuf_write8(&view, f->big ? ELFDATA2MSB : ELFDATA2LSB);
	outbuf_write8(&view, EV_CURRENT);
	outbuf_write8(&view, f->osabi);
	outbuf_write8(&view, f->abi_version);
	outbuf_fill(&view, 0, EI_NIDENT - 9);
	outbuf_write16(&view, ET_REL);
	outbuf_write16(&view, f->machine);
	outbuf_write32(&view, EV_CURRENT);
	write_word(f, &view, 0); /* no entry point */
	write_word(f, &view, 0); /* no program headers */
	write_word(f, &view, e->tables.headers_at);
	outbuf_write32(&view, f->flags);
	outbuf_write16(&view, (uint16_t)header_size(f));
	outbuf_write16(&view, 0);
	outbuf_write16(&view, 0);
	outbuf_write16(&view, (uint16_t)section_header_size(f));
	outbuf_write16(&view, (uint16_t)(l->n_headers < SHN_LORESERVE ? l->n_headers : 0));
	outbuf_write16(&view, (uint16_t)(l->shstrtab < SHN_LORESERVE ? l->shstrtab : SHN_XINDEX));
	return outbuf_view_end(&view);
}

/* Write the padding before the symbol table, the empty symbol, and the symbols of sections. */
static int write_section_symbols(const struct emission *e)
{
	const struct format *f = &e->in->format;
	const struct layout *l = e->layout;
	uint64_t from = l->contents_end, n = e->symbols->first_local;
	struct outbuf_view view, extended;
	int error, other = 0;

	outbuf_view(e->ob, &view, from, e->tables.symbols_at + n * symbol_size(f) - from);
	outbuf_align(&view, f->wide ? 8 : 4, 0);
	if (l->extended)
		outbuf_view(e->ob, &extended, e->tables.extended_at, n * 4);
	write_symbol(f, &view, l->extended ? &extended : NULL, &(struct symbol){ 0 }, 0);
	for (size_t i = 0; i < l->n_sections; i++) {
		if (l->sections[i].symbol)
			write_symbol(f, &view, l->extended ? &extended : NULL,
			             &(struct symbol){ .info = ELF64_ST_INFO(STB_LOCAL, STT_SECTION) },
			             l->sections[i].index);
	}
	error = outbuf_view_end(&view);
	if (l->extended)
		other = outbuf_view_end(&extended);
	return error ? error : other;
}

/* Write the first byte of both string tables, which is the empty name; the added names; and the padding behind them. */
static int write_added_names(const struct emission *e)
{
	const struct tables *t = &e->tables;
	uint64_t from = names_start(e->layout, e->layout->n_sections);
	struct outbuf_view view;
	int error;

	outbuf_view(e->ob, &view, t->strings_at, 1);
	outbuf_write8(&view, 0);
	error = outbuf_view_end(&view);
	if (error)
		return error;
	outbuf_view(e->ob, &view, t->section_names_at, 1);
	outbuf_write8(&view, 0);
	error = outbuf_view_end(&view);
	if (error)
		return error;
	outbuf_view(e->ob, &view, t->section_names_at + from, t->headers_at - t->section_names_at - from);
	for (size_t i = 0; i < ADDED_NAMES; i++)
		outbuf_write(&view, added_names[i], strlen(added_names[i]) + 1);
	outbuf_align(&view, e->in->format.wide ? 8 : 4, 0);
	return outbuf_view_end(&view);
}

int headers_write(const struct emission *e)
{
	int (*const parts[])(const struct emission *e) = {
		write_header, write_section_symbols, write_added_names, write_first_header, write_last_headers
	};

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		int error = parts[i](e);

		if (error)
			return error;
	}
	return 0;
}
