/* SPDX-License-Identifier: MIT */
/*
 * tables.c - phase 2: symbols and names
 *
 * These are written past the mapping, where the output's heap grows as needed. Go's linker does its second phase on one
 * thread, but nothing in the work requires that. Each stretch of the inputs' symbols has its own part of the symbol
 * table, one for local and one for global symbols, and its own part of the string table. So many tasks can write them,
 * with a few Views each:
 *
 *     task 0               headers.c: the file's header, symbols of sections, section headers of the tables
 *     a task per stretch   its symbols and their names
 *     the last tasks       headers.c: the other section headers, and their names
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
#include "workqueue.h"

/* The Views through which one task writes the symbols and names of its stretch. */
struct writer {
	const struct emission *e;
	struct outbuf_view locals, globals, names;
	struct outbuf_view extended_locals, extended_globals; /* of .symtab_shndx, if there is one */
	struct outbuf_view *open[5]; /* those of the Views above that are open */
	size_t n_open;
};

/*
 * Open a View of records [first, first + n) of the table at file offset `at`; `record` is the size of one in bytes. If
 * n is 0, no View is opened. Errors are sticky in the View, so end_views() returns them.
 */
static void open_view(struct writer *w, struct outbuf_view *view, uint64_t at, uint64_t first, uint64_t n,
                         unsigned record)
{
	if (n == 0)
		return;
	outbuf_view(w->e->ob, view, at + first * record, n * record);
	w->open[w->n_open++] = view;
	progress_add(w->e->progress, n * record);
}

/* End all open Views. Returns 0 or the first error. */
static int end_views(struct writer *w)
{
	int error = 0;

	for (size_t i = 0; i < w->n_open; i++) {
		int other = outbuf_view_end(w->open[i]);

		error = error ? error : other;
	}
	return error;
}

static void write_name(struct writer *w, const struct name *n)
{
	/* With its NUL: in the input there is one behind the name, too. */
	outbuf_write(&w->names, n->entry.text, (size_t)n->entry.length + 1);
}

static void write_local(struct writer *w, const struct object *o, uint32_t i)
{
	struct symbol symbol = object_symbol(o, i);
	const struct section *section = symbol_section(o, &symbol);

	symbol.name = o->names[i] ? o->names[i]->offset : 0;
	if (section && section->kind == SECTION_CONTENT)
		symbol.value += section->offset;
	write_symbol(&w->e->in->format, &w->locals, w->e->layout->extended ? &w->extended_locals : NULL, &symbol,
	             section ? section_index(o, section) : 0);
}

static void write_global(struct writer *w, const struct name *n)
{
	struct symbol symbol = {
		.name = n->offset,
		.info = (unsigned char)ELF64_ST_INFO(n->binding, n->type),
		.other = n->other,
		.special = n->special,
		.value = n->value,
		.size = n->size,
	};

	if (n->strength <= UNDEFINED && n->type == STT_NOTYPE)
		symbol.info = (unsigned char)ELF64_ST_INFO(n->binding, n->reference_type);
	if (n->section)
		symbol.value += n->section->offset;
	write_symbol(&w->e->in->format, &w->globals, w->e->layout->extended ? &w->extended_globals : NULL, &symbol,
	             n->section ? n->section->out->index : 0);
}

static void write_stretch(struct writer *w, const struct stretch *s)
{
	const struct inputs *in = w->e->in;
	uint32_t from, to;

	for (size_t i = s->object; stretch_next(s, in, i, &from, &to); i++) {
		const struct object *o = &in->objects[i];

		for (uint32_t j = from; j < to; j++) {
			const struct name *n = o->names[j];

			symbols_prefetch(o, j, to);
			/* Symbols of sections have numbers below first_local. Those that are left out have 0. */
			if (j < o->first_global && o->symbol_map[j] >= w->e->symbols->first_local)
				write_local(w, o, j);
			else if (n && n->first_global_rank == symbol_rank(o, j))
				write_global(w, n);
			if (n && n->first_rank == symbol_rank(o, j))
				write_name(w, n);
		}
	}
}

static int stretch_task(const struct emission *e, size_t i)
{
	const struct symbols *symbols = e->symbols;
	const struct stretch *s = &symbols->stretches[i], *next = s + 1;
	int last = i + 1 == symbols->n_stretches;
	uint64_t locals = (last ? symbols->first_global : next->locals) - s->locals;
	uint64_t globals = (last ? symbols->total : next->globals) - s->globals;
	uint64_t names = (last ? symbols->names_size : next->names) - s->names;
	unsigned record = symbol_size(&e->in->format);
	uint64_t began_ns = e->trace ? now_ns() : 0;
	struct writer w = { .e = e };

	open_view(&w, &w.locals, e->tables.symbols_at, s->locals, locals, record);
	open_view(&w, &w.globals, e->tables.symbols_at, s->globals, globals, record);
	open_view(&w, &w.names, e->tables.strings_at, s->names, names, 1);
	if (e->layout->extended) {
		open_view(&w, &w.extended_locals, e->tables.extended_at, s->locals, locals, 4);
		open_view(&w, &w.extended_globals, e->tables.extended_at, s->globals, globals, 4);
	}
	write_stretch(&w, s);
	trace_span(e->trace, ".symtab", began_ns, e->tables.symbols_at + s->locals * record, locals * record);
	trace_span(e->trace, ".symtab", began_ns, e->tables.symbols_at + s->globals * record, globals * record);
	trace_span(e->trace, ".strtab", began_ns, e->tables.strings_at + s->names, names);
	return end_views(&w);
}

static int tables_task(const struct emission *e, size_t i)
{
	if (i == 0)
		return headers_write(e);
	i--;
	if (i < e->symbols->n_stretches)
		return stretch_task(e, i);
	return headers_block(e, i - e->symbols->n_stretches);
}

static uint64_t align_to(uint64_t x, uint64_t n)
{
	return (x + n - 1) & ~(n - 1);
}

void emit_place(struct emission *e)
{
	const struct format *f = &e->in->format;
	struct tables *t = &e->tables;
	uint64_t word = f->wide ? 8 : 4;

	t->symbols_at = align_to(e->layout->contents_end, word);
	t->extended_at = t->symbols_at + (uint64_t)e->symbols->total * symbol_size(f);
	t->strings_at = t->extended_at + (e->layout->extended ? (uint64_t)e->symbols->total * 4 : 0);
	t->section_names_at = t->strings_at + e->symbols->names_size;
	t->headers_at = align_to(t->section_names_at + e->layout->section_names_size, word);
	t->end = t->headers_at + (uint64_t)e->layout->n_headers * section_header_size(f);
}

int emit_tables(struct emission *e)
{
	return emit_run(e, 1 + e->symbols->n_stretches + headers_blocks(e), tables_task);
}
