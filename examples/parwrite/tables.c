/* SPDX-License-Identifier: MIT */
/*
 * tables.c - phase 2: what was not known when the output was mapped
 *
 * Symbol table, string tables and section headers are appended past the mapping, where the
 * output's heap grows by itself. Go's linker does its second phase on one thread; nothing in
 * it demands that. When the sizes are known, every object's local symbols have a stretch of
 * the symbol table and one of the string table, and so has every range of global symbols, so
 * they are written by many tasks with two Views each:
 *
 *     task 0                  headers.c: header, section headers, names and symbols of sections
 *     the next few            local symbols, whole objects, about 1 MiB of symbols each
 *     the last                global symbols, 1 MiB of symbols each
 *
 * Objects are not cut, as only their first name's place is known; one with 100 MiB of local
 * symbols would be one long task. Then it would be time to cut it.
 */
#include "config.h"

#include <elf.h>
#include <outbuf.h>

#include "../workqueue.h"
#include "emit.h"
#include "input.h"
#include "layout.h"
#include "progress.h"
#include "symbols.h"

enum { SYMBOL = sizeof(Elf64_Sym) };

void write_symbol(struct outbuf_view *view, uint64_t name, unsigned info, unsigned other,
                  uint32_t section, uint64_t value, uint64_t size)
{
	outbuf_write32le(view, (uint32_t)name);
	outbuf_write8(view, (uint8_t)info);
	outbuf_write8(view, (uint8_t)other);
	outbuf_write16le(view, (uint16_t)section);
	outbuf_write64le(view, value);
	outbuf_write64le(view, size);
}

/* A stretch of the symbol table and the stretch of the string table that has its names. */
struct stretch {
	struct outbuf_view symbols, names;
};

/* Errors stick to the Views, so ending the stretch is the only place to look. */
static void stretch_begin(const struct emission *e, struct stretch *s, uint64_t first, uint64_t end,
                          uint64_t names_from, uint64_t names_to)
{
	const struct tables *t = &e->tables;

	outbuf_view(e->ob, &s->symbols, t->symbols_at + first * SYMBOL, (end - first) * SYMBOL);
	outbuf_view(e->ob, &s->names, t->strings_at + names_from, names_to - names_from);
	progress_add(e->progress, (end - first) * SYMBOL + names_to - names_from);
}

/* The string table offset for this name, which is written there; 0 for none. */
static uint64_t stretch_name(const struct emission *e, struct stretch *s, const char *name)
{
	uint64_t at = outbuf_tell(&s->names) - e->tables.strings_at;

	if (!*name)
		return 0;
	outbuf_write(&s->names, name, strlen(name) + 1);
	return at;
}

static int stretch_end(struct stretch *s)
{
	int error = outbuf_view_end(&s->symbols);
	int other = outbuf_view_end(&s->names);

	return error ? error : other;
}

static void write_locals(const struct emission *e, struct stretch *s, const struct object *o)
{
	for (uint32_t i = 1; i < o->first_global; i++) {
		const struct section *section = NULL;
		Elf64_Sym symbol;
		uint64_t name;

		if (o->symbol_map[i] < o->first_local)
			continue; /* left out, or a section's */
		symbol = object_symbol(o, i);
		if (symbol.st_shndx != SHN_UNDEF && symbol.st_shndx < SHN_LORESERVE)
			section = &o->sections[symbol.st_shndx];
		name = stretch_name(e, s, object_symbol_name(o, &symbol));
		write_symbol(&s->symbols, name, symbol.st_info, symbol.st_other,
		             section ? section->out->index : symbol.st_shndx,
		             symbol.st_value + (section ? section->offset : 0), symbol.st_size);
	}
}

/* The first object whose local symbols start at or past this number. */
static size_t object_from(const struct emission *e, uint64_t number)
{
	size_t low = 0, high = e->in->n_objects;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (e->in->objects[middle].first_local < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Number of the first symbol in block i of a table of n. */
static uint64_t symbol_from(uint64_t n, size_t i)
{
	return (workqueue_block_start(n * SYMBOL, i) + SYMBOL - 1) / SYMBOL;
}

static int locals_block(const struct emission *e, size_t i)
{
	uint32_t base = e->symbols->first_local;
	uint64_t n = e->symbols->first_global - base;
	size_t first = object_from(e, base + symbol_from(n, i));
	size_t end = object_from(e, base + symbol_from(n, i + 1));
	const struct object *objects = e->in->objects;
	struct stretch s;

	if (first == end)
		return 0; /* inside one large object */
	stretch_begin(e, &s, objects[first].first_local,
	              objects[end - 1].first_local + objects[end - 1].n_locals,
	              objects[first].names_offset,
	              objects[end - 1].names_offset + objects[end - 1].names_size);
	for (size_t o = first; o < end; o++)
		write_locals(e, &s, &objects[o]);
	return stretch_end(&s);
}

static int globals_block(const struct emission *e, size_t i)
{
	const struct symbols *symbols = e->symbols;
	size_t first = symbol_from(symbols->n_globals, i);
	size_t end = symbol_from(symbols->n_globals, i + 1);
	struct stretch s;

	stretch_begin(e, &s, symbols->first_global + first, symbols->first_global + end,
	              symbols->globals[first].name_offset,
	              end < symbols->n_globals ? symbols->globals[end].name_offset
	                                       : e->tables.strings_size);
	for (size_t g = first; g < end; g++) {
		const struct global *global = &symbols->globals[g];
		uint64_t name = stretch_name(e, &s, global->name), value = global->value;
		uint32_t section = SHN_UNDEF;

		if (global->strength == COMMON) {
			section = SHN_COMMON;
		} else if (global->section) {
			section = global->section->out->index;
			value += global->section->offset;
		} else if (global->strength > UNDEFINED) {
			section = SHN_ABS;
		}
		write_symbol(&s.symbols, name, ELF64_ST_INFO(global->binding, global->type),
		             global->other, section, value, global->size);
	}
	return stretch_end(&s);
}

static size_t locals_blocks(const struct emission *e)
{
	return workqueue_blocks((uint64_t)(e->symbols->first_global - e->symbols->first_local) *
	                        SYMBOL);
}

static int tables_task(void *arg, size_t i)
{
	const struct emission *e = arg;

	if (i == 0)
		return headers_write(e);
	i--;
	return i < locals_blocks(e) ? locals_block(e, i) : globals_block(e, i - locals_blocks(e));
}

static uint64_t align8(uint64_t x)
{
	return (x + 7) & ~(uint64_t)7;
}

int emit_tables(struct emission *e)
{
	struct tables *t = &e->tables;
	size_t globals = workqueue_blocks((uint64_t)e->symbols->n_globals * SYMBOL);
	size_t tasks = 1 + locals_blocks(e) + globals;

	t->symbols_at = align8(e->layout->contents_end);
	t->strings_at = t->symbols_at + (uint64_t)e->symbols->total * SYMBOL;
	t->section_names_at = t->strings_at + t->strings_size;
	t->headers_at = align8(t->section_names_at + t->section_names_size);
	t->end = t->headers_at + (e->layout->n_sections + EXTRA_HEADERS) * sizeof(Elf64_Shdr);
	e->progress->total = t->end;
	return emit_result(e, workqueue_run(e->queue, tasks, tables_task, e));
}
