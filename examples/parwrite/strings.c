/* SPDX-License-Identifier: MIT */
/*
 * strings.c - how long every name is, and so where it will stand
 *
 * The string table is the reason why an object's size is not known when its contents can be
 * written: nobody knows how long names are before having read all of them. It is no reason to
 * wait. This runs as one task among those that write contents; it only adds up lengths and
 * gives each object a stretch of the table, and phase 2 copies the names, in parallel.
 *
 * Names are not shared between symbols. Global ones are unique already; sharing equal local
 * ones, and ends of names as well, would make liblua's table 10,297 bytes instead of 13,108,
 * 0.6 % of the object, at the price of a hash of all names in the only task that nobody helps
 * with.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "input.h"
#include "layout.h"
#include "report.h"
#include "symbols.h"

static uint64_t length_of(const char *name)
{
	return *name ? strlen(name) + 1 : 0; /* no name: offset 0, where an empty string is */
}

static void place_symbol_names(struct emission *e)
{
	struct symbols *symbols = e->symbols;
	uint64_t at = 1;

	for (size_t i = 0; i < e->in->n_objects; i++) {
		struct object *o = &e->in->objects[i];
		o->names_offset = at;
		for (uint32_t j = 1; j < o->first_global; j++) {
			Elf64_Sym symbol;
			if (o->symbol_map[j] < o->first_local)
				continue; /* left out, or a section's */
			symbol = object_symbol(o, j);
			at += length_of(object_symbol_name(o, &symbol));
		}
		o->names_size = at - o->names_offset;
	}
	for (size_t i = 0; i < symbols->n_globals; i++) {
		symbols->globals[i].name_offset = at;
		at += length_of(symbols->globals[i].name);
	}
	e->tables.strings_size = at;
}

static char *put(char *at, const char *text)
{
	size_t n = strlen(text) + 1;

	memcpy(at, text, n);
	return at + n;
}

/* ".rela.text" holds ".text" as well, if one starts five bytes later. */
static int build_section_names(struct emission *e)
{
	static const char *const own[] = { ".symtab", ".strtab", ".shstrtab" };
	struct layout *l = e->layout;
	size_t prefix = strlen(".rela");
	uint64_t size = 1;
	char *at;

	for (size_t i = 0; i < l->n_contents; i++)
		size += strlen(l->sections[i].name) + 1 + (l->sections[i].relocations ? prefix : 0);
	for (size_t i = 0; i < 3; i++)
		size += strlen(own[i]) + 1;
	e->tables.section_names_size = size;
	e->tables.section_names = at = allocate(e->error, size, 1);
	if (!at)
		return -1;
	at++;
	for (size_t i = 0; i < l->n_contents; i++) {
		struct output_section *out = &l->sections[i];
		if (out->relocations) {
			out->relocations->name_offset = (uint32_t)(at - e->tables.section_names);
			at = put(at, ".rela") - 1;
		}
		out->name_offset = (uint32_t)(at - e->tables.section_names);
		at = put(at, out->name);
	}
	for (size_t i = 0; i < 3; i++)
		at = put(at, own[i]);
	return 0;
}

int strings_build(struct emission *e, uint64_t order)
{
	place_symbol_names(e);
	if (build_section_names(e))
		return -1;
	if (e->tables.strings_size > UINT32_MAX || e->tables.section_names_size > UINT32_MAX)
		return fail_at(e->error, order, NULL, "the names of symbols are longer than 4 GiB");
	return 0;
}
