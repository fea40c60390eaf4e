/* SPDX-License-Identifier: MIT */
/*
 * symbols.c - merges the symbols of the inputs, so that each global name has one symbol
 *
 * Each local symbol is kept as it is, in the order of the inputs. Global symbols are merged by name. What one object
 * has for a global name, a definition or a reference, is called a *statement* here. Of several statements about a name
 * the strongest counts (enum strength). Two definitions of full strength are an error. Some rules are not obvious:
 *
 *   Common is stronger than weak. One could expect that a real definition, even a weak one, is stronger than a
 *   tentative one. But the gABI says the opposite ("The link editor honors the common definition and ignores the weak
 *   ones."), and linkers do so: from `weak int v = 1;` and `int v;` (-fcommon), in either order, `ld.bfd -r` 2.40,
 *   `ld.gold -r` 2.40 and `ld.lld -r` 14 make a common v.
 *
 *   Of several weak definitions the first one counts. The same three linkers do so.
 *
 *   Of several common definitions, the largest size and the largest alignment count, because each object may use what
 *   it has asked for.
 *
 *   Two absolute definitions with the same value are one definition. The same three linkers do so.
 *
 *   The visibility is the most constraining one of all statements, references included.
 *
 *   A name that is thread-local in one object and not in another one is an error. It is an error even if the other
 *   object does not define it, as in ld.bfd and ld.gold, because that object's code would use a different address.
 *
 *   A version (foo@@V1) is a part of the name. What it means is known only where the versions are listed, which is in a
 *   final link.
 *
 *   A definition in a discarded section (groups.c) becomes a reference to the definition that is kept.
 *
 * Symbols of sections are special. An input has one for each section, for relocations such as "4 bytes past .rodata".
 * The .rodata of an input is now a part of the output's .rodata, at some distance from its start. So the symbols of all
 * these parts become the one symbol of the output section, and the distance is added to the addend (relocate.c).
 *
 * The scan goes through all symbols on all threads. What it stores does not depend on the order in which tasks run.
 * Afterwards numbers.c numbers the symbols.
 */
#include "config.h"

#include "symbols/symbols.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "input/input.h"
#include "input/machine.h"
#include "layout/layout.h"
#include "report/report.h"
#include "symbols/groups.h"
#include "workqueue.h"

/* How many symbols a stretch has. A symbol is 24 bytes and its name about 60, so this is about 1 MiB of the output. */
enum { STRETCH_SYMBOLS = 12288 };

/* Bits of struct name.seen: what kinds of statements there were about a name. SEEN_TWICE: two full definitions. */
enum seen { SEEN_THREAD_LOCAL = 1, SEEN_OTHER = 2, SEEN_TWICE = 4 };

/* Given to all tasks. The members are constant while tasks run, except where it says otherwise. */
struct resolving {
	struct symbols *symbols;
	struct inputs *in;
	struct layout *layout;
	struct table table; /* of struct name; any thread adds names */
	struct error *error;
	_Atomic unsigned char conflicts; /* 1: is_conflict() is true of some name; set by any thread */
};

/* What one object says about a global name. */
struct statement {
	uint32_t rank;                 /* of the symbol */
	const struct object *object;   /* which has it */
	const struct section *section; /* in which it is defined, or NULL */
	struct symbol symbol;
	enum strength strength;
};

/* A symbol whose name still has to be looked up. */
struct pending {
	struct object *object;
	uint32_t number; /* of the symbol in the object */
	int is_global;
	struct statement statement; /* only if is_global */
};

/* The state of the scan of one stretch. Used by its task only. */
struct scanning {
	struct resolving *r;
	size_t order;        /* the stretch's number, which is the task's */
	uint64_t names_size; /* the length of all names read so far, in bytes; see too_many_names() */
	struct finder finder;
	/* Names are collected and looked up together, which is faster (table.c). lookups[i] is that of pending[i]. */
	struct pending pending[LOOKUPS];
	struct lookup lookups[LOOKUPS];
	size_t n_pending;
};

static int bad_symbol(struct error *error, size_t order, const struct object *o, uint32_t number,
                      const char *what)
{
	return fail_at(error, order, o->name, "symbol %u: %s", number, what);
}

/* ------------------------------------------------------------------------- scan */

/* Check what must be right in all symbols, local and global. Returns 0, or -1 with a message. */
static int check_symbol(const struct resolving *r, size_t order, const struct object *o, uint32_t number,
                        const struct symbol *symbol)
{
	if (symbol->name >= o->strings_size)
		return bad_symbol(r->error, order, o, number, "its name lies outside the string table");
	if (symbol->section >= o->n_sections)
		return fail_at(r->error, order, o->name, "symbol %u: there is no section %u", number,
		               (unsigned)symbol->section);
	switch (symbol->special) {
	case SHN_UNDEF:
	case SHN_ABS:
	case SHN_COMMON:
		return 0;
	default:
		if (is_common(&o->format, symbol->special))
			return 0;
		return fail_at(r->error, order, o->name, "symbol %u: section 0x%x is not supported", number,
		               (unsigned)symbol->special);
	}
}

/*
 * Count a name. In a string table the end of one name may be the end of another name, too. So 200,000 symbols whose
 * names begin in one string of 5 MB can have names of 500 GB in total. Reading these would take minutes, only to find
 * that the output's string table is too small for them. So the names of one stretch may not be longer than a string
 * table can be, 4 GiB. Returns 0, or -1 with a message.
 */
static int too_many_names(struct scanning *s, const struct object *o, size_t length)
{
	s->names_size += length;
	if (s->names_size > UINT32_MAX)
		return fail_at(s->r->error, s->order, o->name, "the names of its symbols are longer than 4 GiB");
	return 0;
}

/* The output section of `s` needs a symbol. Does nothing if `s` is NULL or not in the output. Any thread. */
static void request_section_symbol(const struct section *s)
{
	/* Mostly it is set already. Then it is not written, because that would invalidate other cores' caches. */
	if (s && s->out && !atomic_load_explicit(&s->out->wants_symbol, memory_order_relaxed))
		atomic_store_explicit(&s->out->wants_symbol, 1, memory_order_relaxed);
}

/* Does -x or -X leave out this local symbol? */
static int is_unwanted(const struct leave_out *leave_out, const struct object *o, uint32_t i, const char *name)
{
	return o->needed && !o->needed[i] &&
	       (leave_out->locals || (leave_out->temporary && name[0] == '.' && name[1] == 'L'));
}

static void queue_lookup(struct scanning *s, struct object *o, uint32_t i, const char *name, size_t length,
                         const struct statement *statement);

/* Decide what becomes of local symbol i. Returns 0, or -1 with a message. */
static int scan_local(struct scanning *s, struct object *o, uint32_t i)
{
	const struct resolving *r = s->r;
	struct symbol symbol = object_symbol(o, i);
	const char *name = object_symbol_name(o, &symbol);
	const struct section *section;
	size_t length = strlen(name);

	if (ELF64_ST_BIND(symbol.info) != STB_LOCAL)
		return bad_symbol(r->error, s->order, o, i, "a global one among the local ones");
	if (check_symbol(r, s->order, o, i, &symbol) || too_many_names(s, o, length))
		return -1;
	if (is_common(&o->format, symbol.special))
		return bad_symbol(r->error, s->order, o, i, "common and local");
	section = symbol_section(o, &symbol);
	if (section && section->kind == SECTION_DISCARDED)
		/* Relocations of debug information may be redirected to the kept section, by its symbol: relocate.c. */
		request_section_symbol(groups_kept(r->in, o, section));
	if (ELF64_ST_TYPE(symbol.info) == STT_SECTION) {
		if (!section)
			return bad_symbol(r->error, s->order, o, i, "of a section, but of none");
		if (!section_index(o, section) || section->kind != SECTION_CONTENT)
			return 0;
		o->symbol_map[i] = SYMBOL_SECTION;
		request_section_symbol(section);
		return 0;
	}
	if ((section && !section_index(o, section)) || is_unwanted(&r->in->leave_out, o, i, name))
		return 0;
	o->symbol_map[i] = SYMBOL_LOCAL;
	if (length > 0)
		queue_lookup(s, o, i, name, length, NULL);
	return 0;
}

/*
 * Fill *s, whose `symbol` is set, with what global symbol i of the object says. A definition in a discarded section is
 * turned into a reference. Returns 0, or -1 with a message of task `order`.
 */
static int read_statement(const struct resolving *r, size_t order, const struct object *o, uint32_t i,
                          struct statement *s)
{
	unsigned binding = ELF64_ST_BIND(s->symbol.info);
	int weak = binding == STB_WEAK;

	s->rank = symbol_rank(o, i);
	s->object = o;
	s->section = symbol_section(o, &s->symbol);
	if (binding != STB_GLOBAL && binding != STB_WEAK && binding != STB_GNU_UNIQUE)
		return fail_at(r->error, order, o->name, "symbol %u: binding %u among the global ones", i, binding);
	if (s->section && s->section->kind == SECTION_DISCARDED) {
		s->section = NULL;
		s->symbol.value = s->symbol.size = 0;
		s->symbol.section = 0;
		s->symbol.special = SHN_UNDEF;
	} else if (s->section && (s->section->kind != SECTION_CONTENT || !s->section->out)) {
		return fail_at(r->error, order, o->name, "%.200s: defined in %s, which is left out",
		               object_symbol_name(o, &s->symbol), s->section->name);
	}
	if (s->section || s->symbol.special == SHN_ABS)
		s->strength = weak ? DEFINED_WEAK : DEFINED;
	else if (s->symbol.special == SHN_UNDEF)
		s->strength = weak ? UNDEFINED_WEAK : UNDEFINED;
	else
		s->strength = COMMON;
	return 0;
}

/*
 * The more constraining of two visibilities (gABI): 0, default, is the least constraining one. Of the others a lower
 * value is more constraining.
 */
static unsigned char merge_visibility(unsigned a, unsigned b)
{
	return (unsigned char)(a == STV_DEFAULT || (b != STV_DEFAULT && b < a) ? b : a);
}

/* Are these two full definitions one and the same, because both are absolute with the same value? */
static int same_absolute(const struct name *n, const struct statement *s)
{
	return !n->section && !s->section && n->value == s->symbol.value;
}

/*
 * Merge one statement into a name, whose lock is held. The result must not depend on the order of statements. So some
 * members combine all statements (visibility, kinds seen, size of a common symbol, type of a reference, lowest rank).
 * The others are those of the statement that counts: the strongest one, and of equally strong ones the one of lowest
 * rank.
 */
static void merge(struct name *n, const struct statement *s)
{
	unsigned type = ELF64_ST_TYPE(s->symbol.info), visibility = ELF64_ST_VISIBILITY(s->symbol.other);
	uint64_t value = s->symbol.value, size = s->symbol.size;

	if (n->rank)
		visibility = merge_visibility(ELF64_ST_VISIBILITY(n->other), visibility);
	n->other = (unsigned char)((n->other & ~3u) | visibility);
	n->seen |= type == STT_TLS ? SEEN_THREAD_LOCAL : SEEN_OTHER;
	if (n->rank && n->strength == COMMON && s->strength == COMMON) {
		value = n->value > value ? n->value : value;
		size = n->size > size ? n->size : size;
		n->value = value;
		n->size = size;
	}
	/* The first reference may have no type, but a later one may have it: then keep the first type that there is. */
	if (s->strength <= UNDEFINED && type != STT_NOTYPE && (n->type_rank == 0 || s->rank < n->type_rank)) {
		n->type_rank = s->rank;
		n->reference_type = (unsigned char)type;
	}
	if (n->rank && n->strength == DEFINED && s->strength == DEFINED && !same_absolute(n, s))
		n->seen |= SEEN_TWICE;
	if (n->first_global_rank == 0 || s->rank < n->first_global_rank)
		n->first_global_rank = s->rank;
	if (n->rank && (s->strength < n->strength || (s->strength == n->strength && s->rank > n->rank)))
		return;
	n->rank = s->rank;
	n->object = s->object;
	n->section = s->section;
	n->value = value;
	n->size = size;
	n->special = s->symbol.special;
	n->strength = (unsigned char)s->strength;
	n->binding = ELF64_ST_BIND(s->symbol.info);
	n->type = (unsigned char)type;
	n->other = (unsigned char)((s->symbol.other & ~3u) | visibility);
}

/* Is the name defined twice, or both thread-local and not? */
static int is_conflict(const struct name *n)
{
	return n->seen & SEEN_TWICE || (n->seen & SEEN_THREAD_LOCAL && n->seen & SEEN_OTHER);
}

/* Read and check global symbol i, and queue it for lookup. Returns 0, or -1 with a message. */
static int scan_global(struct scanning *s, struct object *o, uint32_t i)
{
	const struct resolving *r = s->r;
	struct statement statement = { .symbol = object_symbol(o, i) };
	const char *name = object_symbol_name(o, &statement.symbol);
	unsigned type = ELF64_ST_TYPE(statement.symbol.info);
	size_t length = strlen(name);

	if (check_symbol(r, s->order, o, i, &statement.symbol) || read_statement(r, s->order, o, i, &statement) ||
	    too_many_names(s, o, length))
		return -1;
	if (length == 0 || type == STT_SECTION || type == STT_FILE)
		return bad_symbol(r->error, s->order, o, i, "global, but has no name of its own");
	if (statement.strength == COMMON && !strcmp(name, "__gnu_lto_slim"))
		return fail_at(r->error, s->order, o->name,
		               "gcc's intermediate code, not machine code (made by -flto?)");
	o->symbol_map[i] = SYMBOL_GLOBAL;
	queue_lookup(s, o, i, name, length, &statement);
	return 0;
}

/* Look up the names of all pending symbols, and merge their statements into these names. */
static void run_lookups(struct scanning *s)
{
	table_find(&s->finder, s->lookups, s->n_pending);
	for (size_t i = 0; i < s->n_pending; i++) {
		const struct pending *w = &s->pending[i];
		struct name *n = s->lookups[i].entry;
		uint32_t rank = symbol_rank(w->object, w->number);

		entry_lock(&n->entry);
		if (n->first_rank == 0 || n->first_rank > rank)
			n->first_rank = rank;
		if (w->is_global) {
			merge(n, &w->statement);
			if (is_conflict(n))
				atomic_store_explicit(&s->r->conflicts, 1, memory_order_relaxed);
		}
		entry_unlock(&n->entry);
		w->object->names[w->number] = n;
	}
	s->n_pending = 0;
}

/* Add symbol i to those that are looked up together. `statement` is NULL for a local symbol. */
static void queue_lookup(struct scanning *s, struct object *o, uint32_t i, const char *name, size_t length,
                         const struct statement *statement)
{
	struct pending *w = &s->pending[s->n_pending];

	w->object = o;
	w->number = i;
	w->is_global = statement != NULL;
	if (statement)
		w->statement = *statement;
	s->lookups[s->n_pending++] = (struct lookup){ .text = name, .length = (uint32_t)length };
	if (s->n_pending == LOOKUPS)
		run_lookups(s);
}

/* Prefetch what the scan of symbol i will read. */
static void prefetch_symbol(const struct object *o, uint32_t i)
{
	struct symbol symbol = object_symbol(o, i);

	__builtin_prefetch(object_symbol_name(o, &symbol));
	if (symbol.section < o->n_sections && o->sections[symbol.section].kind == SECTION_CONTENT)
		__builtin_prefetch(o->sections[symbol.section].out);
}

/* The task of the scan. */
static int scan_stretch(void *arg, size_t task)
{
	struct resolving *r = arg;
	const struct stretch *stretch = &r->symbols->stretches[task];
	struct scanning s = { .r = r, .order = task, .finder = { .table = &r->table } };
	uint32_t from, to;

	for (size_t i = stretch->object; stretch_next(stretch, r->in, i, &from, &to); i++) {
		struct object *o = &r->in->objects[i];

		for (uint32_t j = from; j < to; j++) {
			if (to - j > SYMBOLS_AHEAD)
				prefetch_symbol(o, j + SYMBOLS_AHEAD);
			if (j < o->first_global ? scan_local(&s, o, j) : scan_global(&s, o, j))
				return -1;
		}
	}
	run_lookups(&s);
	return 0;
}

/* --------------------------------------------------------------------- conflicts */

/*
 * Merge global symbol i of an object into its name, which is in conflict. Returns -1, with a message that says which
 * two objects are in conflict, at the first symbol that conflicts with those before it; else 0.
 */
static int report_conflict(struct resolving *r, const struct object *o, uint32_t i, struct name *n)
{
	struct statement s = { .symbol = object_symbol(o, i) };

	if (read_statement(r, 0, o, i, &s))
		return -1;
	if (n->object && (n->type == STT_TLS) != (ELF64_ST_TYPE(s.symbol.info) == STT_TLS))
		return fail(r->error, o->name, "%.200s: thread-local here or in %s, but not in both", n->entry.text,
		            n->object->name);
	if (n->object && n->strength == DEFINED && s.strength == DEFINED && !same_absolute(n, &s))
		return fail(r->error, o->name, "duplicate definition of %.200s, first defined in %s", n->entry.text,
		            n->object->name);
	merge(n, &s);
	return 0;
}

/*
 * Report the first conflict. Which of several conflicts a thread has seen first depends on timing, so the scan only
 * notes that there is one. Here one thread merges all statements about names in conflict once more, in the order of the
 * inputs. Pass 0 empties these names and marks them by a number that is not 0; symbols have no numbers yet. Pass 1
 * merges until a statement conflicts. Always returns -1, with a message.
 */
static int report_conflicts(struct resolving *r)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < r->in->n_objects; i++) {
			const struct object *o = &r->in->objects[i];

			for (uint32_t j = o->first_global ? o->first_global : 1; j < o->n_symbols; j++) {
				struct name *n = o->names[j];

				if (pass == 0 && n && is_conflict(n))
					*n = (struct name){ .entry = n->entry, .number = UINT32_MAX };
				else if (pass == 1 && n && n->number && report_conflict(r, o, j, n))
					return -1;
			}
		}
	}
	return fail(r->error, NULL, "symbols are in conflict");
}

/*
 * Allocate what the scan will fill: symbol_map and names of each object, and the table of names. Cut the sequence of
 * all symbols into stretches. Returns 0, or -1 with a message.
 */
static int prepare(struct resolving *r)
{
	struct symbols *symbols = r->symbols;
	struct inputs *in = r->in;
	uint64_t total = 0;
	size_t object = 0;

	for (size_t i = 0; i < in->n_objects; i++) {
		struct object *o = &in->objects[i];

		o->first_symbol = total;
		total += o->n_symbols;
		o->symbol_map = arena_allocate(&in->arena, r->error, o->n_symbols, sizeof *o->symbol_map);
		o->names = arena_allocate(&in->arena, r->error, o->n_symbols, sizeof(struct name *));
		if (!o->symbol_map || !o->names)
			return -1;
	}
	/* Ranks have 32 bits, see symbol_rank(). */
	if (total >= UINT32_MAX)
		return fail(r->error, NULL, "the inputs have more than 4,294,967,294 symbols");
	symbols->n_stretches = (size_t)((total + STRETCH_SYMBOLS - 1) / STRETCH_SYMBOLS);
	symbols->stretches = arena_allocate(&in->arena, r->error, symbols->n_stretches, sizeof *symbols->stretches);
	if (!symbols->stretches)
		return -1;
	for (size_t i = 0; i < symbols->n_stretches; i++) {
		struct stretch *s = &symbols->stretches[i];

		s->from = (uint64_t)i * STRETCH_SYMBOLS;
		s->to = s->from + STRETCH_SYMBOLS < total ? s->from + STRETCH_SYMBOLS : total;
		while (in->objects[object].first_symbol + in->objects[object].n_symbols <= s->from)
			object++;
		s->object = object;
	}
	return table_make(&r->table, sizeof(struct name), 0, total, symbols->n_stretches, &in->arena, r->error);
}

int symbols_resolve(struct symbols *symbols, struct inputs *in, struct layout *layout,
                    struct workqueue *queue, struct error *error)
{
	struct resolving r = { .symbols = symbols, .in = in, .layout = layout, .error = error };

	if (prepare(&r) || workqueue_run(queue, symbols->n_stretches, scan_stretch, &r))
		return -1;
	if (atomic_load_explicit(&r.conflicts, memory_order_relaxed))
		return report_conflicts(&r);
	return numbers_give(symbols, in, layout, queue, error);
}
