/* SPDX-License-Identifier: MIT */
/*
 * headers.c - what an ELF file says about itself: header, section headers, section names
 *
 * Fields are written one by one, as the format's tables list them, and not as a struct: the
 * result does not depend on the machine's byte order. A View's small writes are a comparison
 * and a store each: 65,279 section headers and as many symbols take 5 ms.
 */
#include "config.h"

#include <elf.h>
#include <outbuf.h>

#include "emit.h"
#include "layout.h"
#include "symbols.h"

static void write_section_header(struct outbuf_view *view, const Elf64_Shdr *h)
{
	outbuf_write32le(view, h->sh_name);
	outbuf_write32le(view, h->sh_type);
	outbuf_write64le(view, h->sh_flags);
	outbuf_write64le(view, h->sh_addr);
	outbuf_write64le(view, h->sh_offset);
	outbuf_write64le(view, h->sh_size);
	outbuf_write32le(view, h->sh_link);
	outbuf_write32le(view, h->sh_info);
	outbuf_write64le(view, h->sh_addralign);
	outbuf_write64le(view, h->sh_entsize);
}

/* Numbers of the last three sections. */
static uint32_t symtab_index(const struct emission *e)
{
	return (uint32_t)e->layout->n_sections + 1;
}

static int write_section_headers(const struct emission *e)
{
	const struct tables *t = &e->tables;
	const struct layout *l = e->layout;
	uint32_t symtab = symtab_index(e);
	/* Their names end the table, in this order. */
	uint32_t names_end = (uint32_t)t->section_names_size;
	uint32_t shstrtab_name = names_end - (uint32_t)sizeof ".shstrtab";
	uint32_t strtab_name = shstrtab_name - (uint32_t)sizeof ".strtab";
	struct outbuf_view view;

	outbuf_view(e->ob, &view, t->headers_at, t->end - t->headers_at);
	write_section_header(&view, &(Elf64_Shdr){ 0 });
	for (size_t i = 0; i < l->n_sections; i++) {
		const struct output_section *s = &l->sections[i];
		write_section_header(&view, &(Elf64_Shdr){
			.sh_name = s->name_offset,
			.sh_type = s->type,
			.sh_flags = s->flags,
			.sh_offset = s->file_offset,
			.sh_size = s->size,
			.sh_link = s->target ? symtab : 0,
			.sh_info = s->target ? s->target->index : 0,
			.sh_addralign = s->align,
			.sh_entsize = s->entsize,
		});
	}
	write_section_header(&view, &(Elf64_Shdr){
		.sh_name = strtab_name - (uint32_t)sizeof ".symtab",
		.sh_type = SHT_SYMTAB,
		.sh_offset = t->symbols_at,
		.sh_size = (uint64_t)e->symbols->total * sizeof(Elf64_Sym),
		.sh_link = symtab + 1,
		.sh_info = e->symbols->first_global,
		.sh_addralign = 8,
		.sh_entsize = sizeof(Elf64_Sym),
	});
	write_section_header(&view, &(Elf64_Shdr){
		.sh_name = strtab_name,
		.sh_type = SHT_STRTAB,
		.sh_offset = t->strings_at,
		.sh_size = t->strings_size,
		.sh_addralign = 1,
	});
	write_section_header(&view, &(Elf64_Shdr){
		.sh_name = shstrtab_name,
		.sh_type = SHT_STRTAB,
		.sh_offset = t->section_names_at,
		.sh_size = t->section_names_size,
		.sh_addralign = 1,
	});
	return outbuf_view_end(&view);
}

/* Last of all in what it says, first in the file, and a View like any other. */
static int write_header(const struct emission *e)
{
	struct outbuf_view view;

	outbuf_view(e->ob, &view, 0, CONTENTS_START);
	outbuf_write(&view, ELFMAG, SELFMAG);
	outbuf_write8(&view, ELFCLASS64);
	outbuf_write8(&view, ELFDATA2LSB);
	outbuf_write8(&view, EV_CURRENT);
	outbuf_write8(&view, e->layout->osabi);
	outbuf_fill(&view, 0, EI_NIDENT - 8);
	outbuf_write16le(&view, ET_REL);
	outbuf_write16le(&view, EM_X86_64);
	outbuf_write32le(&view, EV_CURRENT);
	outbuf_write64le(&view, 0); /* no entry, */
	outbuf_write64le(&view, 0); /* no program headers */
	outbuf_write64le(&view, e->tables.headers_at);
	outbuf_write32le(&view, 0);
	outbuf_write16le(&view, sizeof(Elf64_Ehdr));
	outbuf_write16le(&view, 0);
	outbuf_write16le(&view, 0);
	outbuf_write16le(&view, sizeof(Elf64_Shdr));
	outbuf_write16le(&view, (uint16_t)(symtab_index(e) + 3));
	outbuf_write16le(&view, (uint16_t)(symtab_index(e) + 2));
	return outbuf_view_end(&view);
}

/* The empty symbol and those of sections; the padding before them is ours too. */
static int write_section_symbols(const struct emission *e)
{
	const struct layout *l = e->layout;
	uint64_t from = l->contents_end;
	uint64_t to = e->tables.symbols_at + (uint64_t)e->symbols->first_local * sizeof(Elf64_Sym);
	struct outbuf_view view;

	outbuf_view(e->ob, &view, from, to - from);
	outbuf_align(&view, 8, 0);
	write_symbol(&view, 0, 0, 0, SHN_UNDEF, 0, 0);
	for (size_t i = 0; i < l->n_contents; i++) {
		if (l->sections[i].symbol)
			write_symbol(&view, 0, ELF64_ST_INFO(STB_LOCAL, STT_SECTION), 0,
			             l->sections[i].index, 0, 0);
	}
	return outbuf_view_end(&view);
}

static int write_names(const struct emission *e)
{
	const struct tables *t = &e->tables;
	struct outbuf_view view;
	int error;

	outbuf_view(e->ob, &view, t->strings_at, 1);
	outbuf_write8(&view, 0);
	error = outbuf_view_end(&view);
	if (error)
		return error;
	outbuf_view(e->ob, &view, t->section_names_at, t->headers_at - t->section_names_at);
	outbuf_write(&view, t->section_names, t->section_names_size);
	outbuf_align(&view, 8, 0);
	return outbuf_view_end(&view);
}

int headers_write(const struct emission *e)
{
	int error = write_header(e);

	if (!error)
		error = write_section_headers(e);
	if (!error)
		error = write_names(e);
	return error ? error : write_section_symbols(e);
}
