/* SPDX-License-Identifier: MIT */
/*
 * symbols.c - one name, one symbol
 *
 * Local symbols are kept one by one, in the order of the inputs. Global ones are merged by name;
 * of several statements about a name the strongest counts (enum strength), and two definitions of
 * full strength are an error. What is not obvious:
 *
 *   Common beats weak. One may expect a real definition, even a weak one, to beat a tentative
 *   one, but the gABI says the contrary ("The link editor honors the common definition and
 *   ignores the weak ones.") and linkers do so: of `weak int v = 1;` and `int v;` (-fcommon), in
 *   either order, `ld.bfd -r` 2.40, `ld.gold -r` 2.40 and `ld.lld -r` 14 make a common v.
 *
 *   Of several weak definitions the first counts (the same three agree). Of several common ones
 *   the largest size and the largest alignment do, as any of the objects may use so much.
 *
 *   Two absolute definitions of the same value are one (the same three agree).
 *
 *   Visibility is the most constraining one stated anywhere, by references too.
 *
 *   A name that is thread-local in one object and not in another is refused, by ld.bfd and
 *   ld.gold even if the other does not define it: the code would use another address.
 *
 *   A version (foo@@V1) is a part of the name: what it means is known only where the versions are listed, in
 *   a final link.
 *
 *   A definition in a discarded section (groups.c) is a reference to the one that is kept.
 *
 * Symbols of sections are special: an input has one per section, for relocations like "4 bytes
 * past .rodata". Its .rodata now begins somewhere inside the output's, so all of them
 * become the output section's only symbol, and the distance goes to the addend (relocate.c).
 *
 * All threads go through all symbols, and nothing that they leave depends on who comes first. Numbers come
 * after that: numbers.c.
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

/* Symbols are of 24 bytes and names of some 60: about 1 MiB of the output. */
enum { STRETCH = 12288 };

/* In struct name.seen. */
enum seen { SEEN_THREAD_LOCAL = 1, SEEN_OTHER = 2, SEEN_TWICE = 4 };

struct resolving {
	struct symbols *symbols;
	struct inputs *in;
	struct layout *layout;
	struct table table; /* of struct name */
	struct error *error;
	_Atomic unsigned char conflicts; /* any thread: some name has SEEN_TWICE, or both of the others */
};

/* What one object says of a name. */
struct statement {
	uint32_t place;
	const struct object *object;
	const struct section *section;
	struct symbol symbol;
	enum strength strength;
};

/* A symbol whose name is looked for. */
struct waiting {
	struct object *object;
	uint32_t number;
	int is_global;
	struct statement statement; /* of a global one */
};

/* One stretch, being scanned. */
struct scanning {
	struct resolving *r;
	size_t order; /* the stretch's number */
	uint64_t names; /* bytes of them */
	struct finder finder;
	/* Names are looked for together, see table.c. */
	struct waiting waiting[LOOKUPS];
	struct lookup lookups[LOOKUPS];
	size_t n;
};

static int bad_symbol(struct error *error, size_t order, const struct object *o, uint32_t number,
                      const char *what)
{
	return fail_at(error, order, o->name, "symbol %u: %s", number, what);
}

/* ------------------------------------------------------------------------- scan */

/* What is the same for all symbols. */
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
 * Names may share their ends, so 200,000 symbols whose names begin in one string of 5 MB have 500 GB of
 * them: reading those would take minutes before it is found that no table holds them. What a stretch
 * says of names is therefore bounded by what a table can be.
 */
static int too_many_names(struct scanning *s, const struct object *o, size_t length)
{
	s->names += length;
	if (s->names > UINT32_MAX)
		return fail_at(s->r->error, s->order, o->name, "the names of its symbols are longer than 4 GiB");
	return 0;
}

/* The section it goes to needs a symbol. NULL: none does. */
static void want_symbol(const struct section *s)
{
	/* Mostly it is set already, and then other threads' caches are left alone. */
	if (s && s->out && !atomic_load_explicit(&s->out->wants_symbol, memory_order_relaxed))
		atomic_store_explicit(&s->out->wants_symbol, 1, memory_order_relaxed);
}

/* -x and -X. */
static int is_unwanted(const struct leave_out *leave_out, const struct object *o, uint32_t i, const char *name)
{
	return o->needed && !o->needed[i] &&
	       (leave_out->locals || (leave_out->temporary && name[0] == '.' && name[1] == 'L'));
}

static void look_for(struct scanning *s, struct object *o, uint32_t i, const char *name, size_t length,
                     const struct statement *statement);

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
		want_symbol(groups_kept(r->in, o, section)); /* debug information may be turned to it: relocate.c */
	if (ELF64_ST_TYPE(symbol.info) == STT_SECTION) {
		if (!section)
			return bad_symbol(r->error, s->order, o, i, "of a section, but of none");
		if (!section_index(o, section) || section->kind != SECTION_CONTENT)
			return 0;
		o->symbol_map[i] = A_SECTION;
		want_symbol(section);
		return 0;
	}
	if ((section && !section_index(o, section)) || is_unwanted(&r->in->leave_out, o, i, name))
		return 0;
	o->symbol_map[i] = A_LOCAL;
	if (length > 0)
		look_for(s, o, i, name, length, NULL);
	return 0;
}

static int read_statement(const struct resolving *r, size_t order, const struct object *o, uint32_t i,
                          struct statement *s)
{
	unsigned binding = ELF64_ST_BIND(s->symbol.info);
	int weak = binding == STB_WEAK;

	s->place = place_of(o, i);
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

/* 0 (default) is the least constraining; of the others the lowest is the most (gABI). */
static unsigned char merge_visibility(unsigned a, unsigned b)
{
	return (unsigned char)(a == STV_DEFAULT || (b != STV_DEFAULT && b < a) ? b : a);
}

/* Are these two full definitions one, as both are of the same address? */
static int same_absolute(const struct name *n, const struct statement *s)
{
	return !n->section && !s->section && n->value == s->symbol.value;
}

/*
 * Take in one statement. The result must not depend on the order of them: that is why what holds of all is
 * apart from what holds of the one that counts.
 */
static void merge(struct name *n, const struct statement *s)
{
	unsigned type = ELF64_ST_TYPE(s->symbol.info), visibility = ELF64_ST_VISIBILITY(s->symbol.other);
	uint64_t value = s->symbol.value, size = s->symbol.size;

	if (n->place)
		visibility = merge_visibility(ELF64_ST_VISIBILITY(n->other), visibility);
	n->other = (unsigned char)((n->other & ~3u) | visibility);
	n->seen |= type == STT_TLS ? SEEN_THREAD_LOCAL : SEEN_OTHER;
	if (n->place && n->strength == COMMON && s->strength == COMMON) {
		value = n->value > value ? n->value : value;
		size = n->size > size ? n->size : size;
		n->value = value;
		n->size = size;
	}
	/* A reference may know more than the first one does. */
	if (s->strength <= UNDEFINED && type != STT_NOTYPE && (n->type_place == 0 || s->place < n->type_place)) {
		n->type_place = s->place;
		n->reference_type = (unsigned char)type;
	}
	if (n->place && n->strength == DEFINED && s->strength == DEFINED && !same_absolute(n, s))
		n->seen |= SEEN_TWICE;
	if (n->first_global == 0 || s->place < n->first_global)
		n->first_global = s->place;
	if (n->place && (s->strength < n->strength || (s->strength == n->strength && s->place > n->place)))
		return;
	n->place = s->place;
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

static int is_conflict(const struct name *n)
{
	return n->seen & SEEN_TWICE || (n->seen & SEEN_THREAD_LOCAL && n->seen & SEEN_OTHER);
}

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
	o->symbol_map[i] = A_GLOBAL;
	look_for(s, o, i, name, length, &statement);
	return 0;
}

/* Those that wait: to their names goes what is said of them. */
static void find_names(struct scanning *s)
{
	table_find(&s->finder, s->lookups, s->n);
	for (size_t i = 0; i < s->n; i++) {
		const struct waiting *w = &s->waiting[i];
		struct name *n = s->lookups[i].entry;
		uint32_t place = place_of(w->object, w->number);

		entry_lock(&n->entry);
		if (n->first == 0 || n->first > place)
			n->first = place;
		if (w->is_global) {
			merge(n, &w->statement);
			if (is_conflict(n))
				atomic_store_explicit(&s->r->conflicts, 1, memory_order_relaxed);
		}
		entry_unlock(&n->entry);
		w->object->names[w->number] = n;
	}
	s->n = 0;
}

/* `statement`: NULL of a local one. */
static void look_for(struct scanning *s, struct object *o, uint32_t i, const char *name, size_t length,
                     const struct statement *statement)
{
	struct waiting *w = &s->waiting[s->n];

	w->object = o;
	w->number = i;
	w->is_global = statement != NULL;
	if (statement)
		w->statement = *statement;
	s->lookups[s->n++] = (struct lookup){ .text = name, .length = (uint32_t)length };
	if (s->n == LOOKUPS)
		find_names(s);
}

/* What scanning symbol i will read. */
static void fetch(const struct object *o, uint32_t i)
{
	struct symbol symbol = object_symbol(o, i);

	__builtin_prefetch(object_symbol_name(o, &symbol));
	if (symbol.section < o->n_sections && o->sections[symbol.section].kind == SECTION_CONTENT)
		__builtin_prefetch(o->sections[symbol.section].out);
}

static int scan(void *arg, size_t task)
{
	struct resolving *r = arg;
	const struct stretch *stretch = &r->symbols->stretches[task];
	struct scanning s = { .r = r, .order = task, .finder = { .table = &r->table } };
	uint32_t from, to;

	for (size_t i = stretch->object; stretch_next(stretch, r->in, i, &from, &to); i++) {
		struct object *o = &r->in->objects[i];

		for (uint32_t j = from; j < to; j++) {
			if (to - j > SYMBOLS_AHEAD)
				fetch(o, j + SYMBOLS_AHEAD);
			if (j < o->first_global ? scan_local(&s, o, j) : scan_global(&s, o, j))
				return -1;
		}
	}
	find_names(&s);
	return 0;
}

/* --------------------------------------------------------------------- conflicts */

/* Something is wrong with a name: what, and between whom, told in the order of the inputs. */
static int explain_one(struct resolving *r, const struct object *o, uint32_t i, struct name *n)
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
 * Which of several conflicts the threads met is chance. So all statements about names in conflict are
 * gone through once more, in order: first these names are emptied and marked, by a number that they do not
 * have yet.
 */
static int explain(struct resolving *r)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < r->in->n_objects; i++) {
			const struct object *o = &r->in->objects[i];

			for (uint32_t j = o->first_global ? o->first_global : 1; j < o->n_symbols; j++) {
				struct name *n = o->names[j];

				if (pass == 0 && n && is_conflict(n))
					*n = (struct name){ .entry = n->entry, .number = UINT32_MAX };
				else if (pass == 1 && n && n->number && explain_one(r, o, j, n))
					return -1;
			}
		}
	}
	return fail(r->error, NULL, "symbols are in conflict");
}

/* Room for what each symbol becomes, and the row cut in stretches. */
static int begin(struct resolving *r)
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
	/* Each has a place in the row. */
	if (total >= UINT32_MAX)
		return fail(r->error, NULL, "the inputs have more than 4,294,967,294 symbols");
	symbols->n_stretches = (size_t)((total + STRETCH - 1) / STRETCH);
	symbols->stretches = arena_allocate(&in->arena, r->error, symbols->n_stretches, sizeof *symbols->stretches);
	if (!symbols->stretches)
		return -1;
	for (size_t i = 0; i < symbols->n_stretches; i++) {
		struct stretch *s = &symbols->stretches[i];

		s->from = (uint64_t)i * STRETCH;
		s->to = s->from + STRETCH < total ? s->from + STRETCH : total;
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

	if (begin(&r) || workqueue_run(queue, symbols->n_stretches, scan, &r))
		return -1;
	if (atomic_load_explicit(&r.conflicts, memory_order_relaxed))
		return explain(&r);
	return numbers_give(symbols, in, layout, queue, error);
}
