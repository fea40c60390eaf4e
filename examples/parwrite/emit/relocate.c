/* SPDX-License-Identifier: MIT */
/*
 * relocate.c - turns the relocations of the inputs into those of the output
 *
 * Three things of a relocation change. Its offset counts from the start of the output section. Its symbol has another
 * number. And if its symbol is that of a section, its addend was relative to the start of the input section, and must
 * become relative to the start of the output section. The distance between the two is added to the addend.
 *
 * In RELA sections the addend is in the record. In REL sections, on 32-bit x86 and ARM, it is in the bytes that are
 * relocated, in a field whose offset and width depend on the type of the relocation (machine.c). Other tasks write
 * those bytes, so these addends are adjusted in a step of its own, when all contents are written. If the fields of a
 * machine are not known, that is an error.
 *
 * A relocation can refer to a symbol in a discarded section (groups.c). That symbol has no number in the output, and
 * the relocation describes code that is not there any more.
 *
 *   - In debug information, the relocation is redirected to the section that was kept instead, if there is one with the
 *     same name and size. ld.bfd does so, too. A zero would end a list of addresses too early.
 *   - If there is none, and in unwind tables and the like (see tolerates_discarded_symbols()), the relocation gets type
 *     0, which does nothing on every machine.
 *   - In any other section it is an error.
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

/* Report an error of task `order`. Returns -1. */
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

/* Is this a section that describes code, and stays correct if some of that code is discarded? */
static int tolerates_discarded_symbols(const char *name)
{
	static const char *const names[] = { ".eh_frame", ".gcc_except_table", ".stab", ".sframe", ".toc", ".got2" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (!strncmp(name, names[i], strlen(names[i])))
			return 1;
	}
	return is_debug_name(name);
}

/*
 * The symbol of relocation *r has no number. If it is in a discarded section, and the relocation can do without it,
 * change *r and return 0. Else return -1, without a message.
 */
static int replace_discarded_symbol(const struct emission *e, const struct object *o, const struct section *target,
                                    struct relocation *r, uint64_t *addend_delta)
{
	struct symbol symbol = object_symbol(o, r->symbol);
	const struct section *section = symbol_section(o, &symbol), *kept;

	if (!section || section->kind != SECTION_DISCARDED || !tolerates_discarded_symbols(target->name))
		return -1;
	kept = is_debug_name(target->name) ? groups_kept(e->in, o, section) : NULL;
	if (kept && kept->out && kept->out->symbol) {
		r->symbol = kept->out->symbol;
		*addend_delta = kept->offset + symbol.value;
		return 0;
	}
	r->symbol = r->type = 0;
	r->addend = 0;
	return 0;
}

/*
 * Check a relocation of an input, and change its offset and its symbol to those of the output. *addend_delta is what
 * the caller must add to its addend. Returns 0, or -1 with a message of task `order`.
 */
static inline int rebase(const struct emission *e, const struct piece *piece, struct relocation *r,
                         uint64_t *addend_delta, size_t order)
{
	const struct object *o = piece->object;
	const struct section *target = &o->sections[piece->section->info];
	uint32_t new_number;

	*addend_delta = 0;
	/* Beyond the end of its section, the relocation would change bytes of another object. */
	if (r->offset >= target->size && (r->type != 0 || r->offset > target->size))
		return bad_relocation(e, order, piece, "past its section's end", r->offset);
	r->offset += target->offset;
	if (r->symbol == 0)
		return 0;
	if (r->symbol >= o->n_symbols)
		return bad_relocation(e, order, piece, "for a missing symbol", r->symbol);
	new_number = o->symbol_map[r->symbol];
	if (new_number == 0) {
		if (replace_discarded_symbol(e, o, target, r, addend_delta) == 0)
			return 0;
		return bad_relocation(e, order, piece, "for a symbol left out", r->symbol);
	}
	if (new_number < e->symbols->first_local && r->type != 0) {
		struct symbol symbol = object_symbol(o, r->symbol);

		*addend_delta = o->sections[symbol.section].offset + symbol.value;
	}
	r->symbol = new_number;
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

/*
 * Change and write all relocations in [from, to). This is inline so that the compiler can make a faster version for a
 * constant format, as in relocate(). The local copy of the View can be kept in registers, see outbuf.h. Returns 0, or
 * -1 with a message.
 */
static inline int relocate_all(const struct emission *e, const struct format *f, const struct piece *piece,
                               struct outbuf_view *view, uint64_t from, uint64_t to, int with_addend, size_t order)
{
	const unsigned char *data = piece->section->data;
	unsigned record = relocation_size(f, with_addend);
	struct outbuf_view local = *view;
	int failed = 0;

	for (uint64_t at = from; at < to && !failed; at += record) {
		struct relocation r = get_relocation(f, data + at, with_addend);
		uint64_t addend_delta;

		failed = rebase(e, piece, &r, &addend_delta, order);
		if (!failed && !f->wide && r.symbol > 0xffffff)
			failed = bad_relocation(e, order, piece, "for a symbol whose number has more than 24 bits",
			                        r.symbol);
		r.addend += addend_delta;
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

	/* Nearly all inputs are of this format, so it has its own version of the loop. */
	if (f->wide && !f->swap && with_addend && !has_bytes_for_types(f)) {
		const struct format native = { .wide = 1, .big = HOST_BIG };

		return relocate_all(e, &native, piece, view, from, to, 1, order);
	}
	return relocate_all(e, f, piece, view, from, to, with_addend, order);
}

/* ------------------------------------------------------- addends in the contents */

/* Adjust the addends in the contents that a piece of relocations is for. Returns 0 or TASK_FAILED. */
static int adjust_in_place(const struct emission *e, const struct piece *piece, unsigned char *contents, size_t order)
{
	const struct format *f = &e->in->format;
	const struct section *target = &piece->object->sections[piece->section->info];
	unsigned record = relocation_size(f, 0);

	for (uint64_t at = 0; at < piece->section->size; at += record) {
		struct relocation r = get_relocation(f, piece->section->data + at, 0);
		uint64_t addend_delta, from = r.offset;

		if (rebase(e, piece, &r, &addend_delta, order))
			return TASK_FAILED;
		if (addend_delta != 0 && machine_add(f, r.type, contents + from, target->size - from, addend_delta)) {
			char machine[24];

			fail_at(e->error, order, piece->object->name,
			        "section %s: the addend of a relocation of type %u for %s cannot be changed",
			        piece->section->name, (unsigned)r.type, machine_name(f->machine, machine));
			return TASK_FAILED;
		}
	}
	return 0;
}

/*
 * The task of a piece. If it has relocations without addends of their own, adjust the contents that they are for. No
 * other task changes these contents, because object.c refuses a second section of relocations for the same section.
 */
static int adjust_in_place_task(void *arg, size_t i)
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
	return error ? error : adjust_in_place(e, piece, contents, i);
}

int relocate_in_place(struct emission *e)
{
	int any = 0;

	for (size_t i = 0; i < e->layout->n_sections && !any; i++)
		any = e->layout->sections[i].relocations_index && e->layout->sections[i].relocations_type == SHT_REL;
	if (!any)
		return 0;
	return emit_result(e, workqueue_run(e->queue, e->layout->n_pieces, adjust_in_place_task, e));
}
