/* SPDX-License-Identifier: MIT */
/*
 * relocate.c - relocations of the inputs become those of the output
 *
 * Three things of a relocation change: its offset counts from the output section's start, its symbol has
 * another number, and what was relative to an input section's start is relative to the output section's.
 * That distance goes to the addend. RELA has it in the record; REL, on 32-bit x86 and ARM, in the bytes
 * that are relocated, by a field whose place and width depend on the type (machine.c). Those bytes are
 * written by other tasks, so this is done in a step of its own when all are there, and for a machine
 * whose fields are not known it is an error.
 *
 * Symbols of discarded sections (groups.c) have no number. What refers to them tells of code that is not
 * there any more. Debug information then tells of what is kept in its stead, if that has the same name and size, as
 * with ld.bfd: a zero would end a list of addresses before its end. Otherwise, and in unwind tables, the
 * relocation becomes one of type 0, which on every machine does nothing. Anywhere else it is an error.
 */
#include "config.h"

#include <elf.h>
#include <outbuf.h>
#include <string.h>

#include "emit/emit.h"
#include "emit/records.h"
#include "input/machine.h"
#include "input/relocations.h"
#include "layout/layout.h"
#include "report/report.h"
#include "symbols/groups.h"
#include "symbols/symbols.h"
#include "workqueue.h"

static int bad_relocation(const struct emission *e, size_t order, const struct piece *piece,
                          const char *what, uint64_t value)
{
	return fail_at(e->error, order, piece->object->name, "section %s: a relocation %s (0x%llx)",
	               piece->section->name, what, (unsigned long long)value);
}

static int is_debug_name(const char *name)
{
	return !strncmp(name, ".debug", strlen(".debug"));
}

/* Sections that tell of code, and stay right if some of it is gone. */
static int may_lose_symbols(const char *name)
{
	static const char *const names[] = { ".eh_frame", ".gcc_except_table", ".stab", ".sframe", ".toc", ".got2" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (!strncmp(name, names[i], strlen(names[i])))
			return 1;
	}
	return is_debug_name(name);
}

/*
 * The symbol has no number, as it is in a section that was discarded. *r is changed and 0 returned if the relocation
 * can do without it.
 */
static int lose_symbol(const struct emission *e, const struct object *o, const struct section *target,
                       struct relocation *r, uint64_t *delta)
{
	struct symbol symbol = object_symbol(o, r->symbol);
	const struct section *section = symbol_section(o, &symbol), *kept;

	if (!section || section->kind != SECTION_DISCARDED || !may_lose_symbols(target->name))
		return -1;
	kept = is_debug_name(target->name) ? groups_kept(e->in, o, section) : NULL;
	if (kept && kept->out && kept->out->symbol) {
		r->symbol = kept->out->symbol;
		*delta = kept->offset + symbol.value;
		return 0;
	}
	r->symbol = r->type = 0;
	r->addend = 0;
	return 0;
}

/* The whole of one, read and checked. `delta` is what its addend has to grow by. */
static inline int rebase(const struct emission *e, const struct piece *piece, struct relocation *r, uint64_t *delta,
                         size_t order)
{
	const struct object *o = piece->object;
	const struct section *target = &o->sections[piece->section->info];
	uint32_t new;

	*delta = 0;
	/* Beyond its section it would change another object's bytes. */
	if (r->offset >= target->size && (r->type != 0 || r->offset > target->size))
		return bad_relocation(e, order, piece, "past its section's end", r->offset);
	r->offset += target->offset;
	if (r->symbol == 0)
		return 0;
	if (r->symbol >= o->n_symbols)
		return bad_relocation(e, order, piece, "for a missing symbol", r->symbol);
	new = o->symbol_map[r->symbol];
	if (new == 0) {
		if (lose_symbol(e, o, target, r, delta) == 0)
			return 0;
		return bad_relocation(e, order, piece, "for a symbol left out", r->symbol);
	}
	if (new < e->symbols->first_local && r->type != 0) {
		struct symbol symbol = object_symbol(o, r->symbol);

		*delta = o->sections[symbol.section].offset + symbol.value;
	}
	r->symbol = new;
	return 0;
}

static inline void write_relocation(const struct format *f, struct outbuf_view *view, const struct relocation *r,
                                    int with_addend)
{
	write_word(f, view, r->offset);
	write_word(f, view, relocation_info(f, r));
	if (with_addend)
		write_word(f, view, r->addend);
}

/* For a format that the compiler knows, as the usual one below; and a View that is in registers, see outbuf.h. */
static inline int relocate_all(const struct emission *e, const struct format *f, const struct piece *piece,
                               struct outbuf_view *view, uint64_t from, uint64_t to, int with_addend, size_t order)
{
	const unsigned char *data = piece->section->data;
	unsigned record = relocation_size(f, with_addend);
	struct outbuf_view local = *view;
	int failed = 0;

	for (uint64_t at = from; at < to && !failed; at += record) {
		struct relocation r = get_relocation(f, data + at, with_addend);
		uint64_t delta;

		failed = rebase(e, piece, &r, &delta, order);
		if (!failed && !f->wide && r.symbol > 0xffffff)
			failed = bad_relocation(e, order, piece, "for a symbol whose number has more than 24 bits", r.symbol);
		r.addend += delta;
		write_relocation(f, &local, &r, with_addend);
	}
	*view = local;
	return failed;
}

int relocate(const struct emission *e, const struct piece *piece, struct outbuf_view *view, uint64_t from, uint64_t to,
             size_t order)
{
	const struct format *f = &e->in->format;
	int with_addend = piece->section->type == SHT_RELA;

	if (f->wide && !f->swap && with_addend && !has_bytes_for_types(f)) {
		const struct format usual = { .wide = 1, .big = HOST_BIG };

		return relocate_all(e, &usual, piece, view, from, to, 1, order);
	}
	return relocate_all(e, f, piece, view, from, to, with_addend, order);
}

/* ------------------------------------------------------- addends in the contents */

static int add_in_place(const struct emission *e, const struct piece *piece, unsigned char *contents, size_t order)
{
	const struct format *f = &e->in->format;
	const struct section *target = &piece->object->sections[piece->section->info];
	unsigned record = relocation_size(f, 0);

	for (uint64_t at = 0; at < piece->section->size; at += record) {
		struct relocation r = get_relocation(f, piece->section->data + at, 0);
		uint64_t delta, from = r.offset;

		if (rebase(e, piece, &r, &delta, order))
			return TASK_FAILED;
		if (delta != 0 && machine_add(f, r.type, contents + from, target->size - from, delta)) {
			char machine[24];

			fail_at(e->error, order, piece->object->name,
			        "section %s: the addend of a relocation of type %u for %s cannot be changed",
			        piece->section->name, (unsigned)r.type, machine_name(f->machine, machine));
			return TASK_FAILED;
		}
	}
	return 0;
}

/* One piece of relocations, and the contents that they are for, which no other task has: see check_relocations(). */
static int in_place_task(void *arg, size_t i)
{
	const struct emission *e = arg;
	const struct piece *piece = &e->layout->pieces[i];
	const struct section *target;
	void *contents;
	int error;

	if (piece->section->kind != SECTION_RELOCATIONS || piece->section->type != SHT_REL)
		return 0;
	target = &piece->object->sections[piece->section->info];
	error = outbuf_data(e->ob, target->out->file_offset + target->offset, target->size, &contents);
	return error ? error : add_in_place(e, piece, contents, i);
}

int relocate_in_place(struct emission *e)
{
	int any = 0;

	for (size_t i = 0; i < e->layout->n_sections && !any; i++)
		any = e->layout->sections[i].relocations_index && e->layout->sections[i].relocations_type == SHT_REL;
	if (!any)
		return 0;
	return emit_result(e, workqueue_run(e->queue, e->layout->n_pieces, in_place_task, e));
}
