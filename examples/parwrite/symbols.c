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
 * Symbols of sections are special: an input has one per section, for relocations like "4 bytes
 * past .rodata". Its .rodata now begins somewhere inside the output's, so all of them
 * become the output section's only symbol, and the distance goes to the addend (emit.c).
 *
 * Numbers are 32 bits wide here, as in relocations; that is checked once, at the end.
 */
#include "config.h"

#include "symbols.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "input.h"
#include "layout.h"
#include "report.h"

struct output_section *section_output(const struct section *s)
{
	return s->kind == SECTION_CONTENT ? s->out : NULL;
}

static int bad_symbol(struct error *error, const struct object *o, uint32_t number,
                      const char *what)
{
	return fail(error, o->name, "symbol %u: %s", number, what);
}

/* What is the same for all symbols. *section is NULL unless it is defined in one. */
static int check_symbol(const struct object *o, uint32_t number, const Elf64_Sym *symbol,
                        const struct section **section, struct error *error)
{
	*section = NULL;
	if (symbol->st_name >= o->strings_size)
		return bad_symbol(error, o, number, "its name lies outside the string table");
	switch (symbol->st_shndx) {
	case SHN_UNDEF:
	case SHN_ABS:
	case SHN_COMMON:
		return 0;
	default:
		if (symbol->st_shndx >= SHN_LORESERVE)
			return fail(error, o->name, "symbol %u: section 0x%x is not supported yet",
			            number, (unsigned)symbol->st_shndx);
		if (symbol->st_shndx >= o->n_sections)
			return fail(error, o->name, "symbol %u: there is no section %u", number,
			            (unsigned)symbol->st_shndx);
		*section = &o->sections[symbol->st_shndx];
		return 0;
	}
}

/*
 * Names may share their ends, so 200,000 symbols whose names begin in one string of 5 MB have 500 GB of
 * them: reading those would take minutes before strings_build() finds that no table holds them. What
 * one object says of names is therefore bounded by what a table can be. (Of each, not of all: that
 * is 4 GiB in large programs.)
 */
static int too_many_names(const struct object *o, uint64_t *names, const char *name,
                          struct error *error)
{
	*names += strlen(name);
	if (*names > UINT32_MAX)
		return fail(error, o->name, "the names of its symbols are longer than 4 GiB");
	return 0;
}

/* Check an object's local symbols, count those kept, and note which sections need a symbol. */
static int scan_locals(struct object *o, struct error *error)
{
	uint64_t names = 0;

	for (uint32_t i = 1; i < o->first_global; i++) {
		Elf64_Sym symbol = object_symbol(o, i);
		const struct section *section;

		if (ELF64_ST_BIND(symbol.st_info) != STB_LOCAL)
			return bad_symbol(error, o, i, "a global one among the local ones");
		if (check_symbol(o, i, &symbol, &section, error))
			return -1;
		if (too_many_names(o, &names, object_symbol_name(o, &symbol), error))
			return -1;
		if (symbol.st_shndx == SHN_COMMON)
			return bad_symbol(error, o, i, "common and local");
		if (ELF64_ST_TYPE(symbol.st_info) == STT_SECTION) {
			if (!section)
				return bad_symbol(error, o, i, "of a section, but of none");
			if (section_output(section))
				section_output(section)->symbol = 1; /* a number comes later */
		} else if (!section || section_output(section)) {
			o->n_locals++;
		}
	}
	return 0;
}

/* Once all objects are scanned and numbers are known. */
static void number_locals(struct object *o, uint32_t first)
{
	uint32_t next = first;

	o->first_local = first;
	for (uint32_t i = 1; i < o->first_global; i++) {
		Elf64_Sym symbol = object_symbol(o, i);
		const struct section *section = NULL;

		if (symbol.st_shndx != SHN_UNDEF && symbol.st_shndx < SHN_LORESERVE)
			section = &o->sections[symbol.st_shndx];
		if (section && !section_output(section))
			continue;
		if (section && ELF64_ST_TYPE(symbol.st_info) == STT_SECTION)
			o->symbol_map[i] = section_output(section)->symbol;
		else
			o->symbol_map[i] = next++;
	}
}

static int strength_of(const struct object *o, uint32_t number, const Elf64_Sym *symbol,
                       enum strength *strength, struct error *error)
{
	int weak;

	switch (ELF64_ST_BIND(symbol->st_info)) {
	case STB_GLOBAL:
	case STB_GNU_UNIQUE:
		weak = 0;
		break;
	case STB_WEAK:
		weak = 1;
		break;
	default:
		return fail(error, o->name, "symbol %u: binding %u among the global ones", number,
		            (unsigned)ELF64_ST_BIND(symbol->st_info));
	}
	if (symbol->st_shndx == SHN_UNDEF)
		*strength = weak ? UNDEFINED_WEAK : UNDEFINED;
	else if (symbol->st_shndx == SHN_COMMON)
		*strength = COMMON;
	else
		*strength = weak ? DEFINED_WEAK : DEFINED;
	return 0;
}

/* 0 (default) is the least constraining; of the others the lowest is the most (gABI). */
static unsigned char merge_other(unsigned char winner, unsigned char loser)
{
	unsigned a = ELF64_ST_VISIBILITY(winner), b = ELF64_ST_VISIBILITY(loser);
	unsigned visibility = a == STV_DEFAULT || (b != STV_DEFAULT && b < a) ? b : a;

	return (unsigned char)((winner & ~3u) | visibility);
}

/* The entry for a name, new or not. NULL: out of memory. */
static struct global *find_or_add(struct symbols *symbols, struct hash *hash, const char *name,
                                  uint32_t *number, struct error *error)
{
	uint32_t h = hash_name(name);
	struct global *g;
	size_t slot;

	for (slot = h; hash->slots[slot & hash->mask]; slot++) {
		*number = hash->slots[slot & hash->mask] - 1;
		g = &symbols->globals[*number];
		if (g->hash == h && !strcmp(g->name, name))
			return g;
	}
	g = grow(error, symbols->globals, symbols->n_globals, &symbols->globals_room, sizeof *g);
	if (!g)
		return NULL;
	symbols->globals = g;
	*number = (uint32_t)symbols->n_globals++;
	hash->slots[slot & hash->mask] = (uint32_t)symbols->n_globals;
	g += *number;
	*g = (struct global){ .name = name, .hash = h };
	return g;
}

static int is_absolute(const struct global *g)
{
	return !g->section && (g->strength == DEFINED || g->strength == DEFINED_WEAK);
}

/* Both name the same symbol; the result is in *g. */
static int merge(struct global *g, const struct global *new, struct error *error)
{
	unsigned char other;

	if ((g->type == STT_TLS) != (new->type == STT_TLS))
		return fail(error, new->object->name,
		            "%.200s: thread-local here or in %s, but not in both", new->name,
		            g->object->name);
	if (g->strength == DEFINED && new->strength == DEFINED &&
	    !(is_absolute(g) && is_absolute(new) && g->value == new->value))
		return fail(error, new->object->name,
		            "duplicate definition of %.200s, first defined in %s", new->name,
		            g->object->name);
	if (new->strength > g->strength) {
		other = merge_other(new->other, g->other);
		*g = *new;
		g->other = other;
		return 0;
	}
	g->other = merge_other(g->other, new->other);
	if (g->strength == COMMON && new->strength == COMMON) {
		if (g->size < new->size)
			g->size = new->size;
		if (g->value < new->value)
			g->value = new->value;
	}
	if (g->type == STT_NOTYPE && g->strength <= UNDEFINED)
		g->type = new->type; /* a reference may know more than the first one did */
	return 0;
}

static int add_globals(struct symbols *symbols, struct hash *hash, struct object *o,
                       struct error *error)
{
	uint64_t names = 0;

	for (uint32_t i = o->first_global ? o->first_global : 1; i < o->n_symbols; i++) {
		Elf64_Sym symbol = object_symbol(o, i);
		const char *name = object_symbol_name(o, &symbol);
		const struct section *section;
		enum strength strength = UNDEFINED;
		struct global *g, new;

		if (strength_of(o, i, &symbol, &strength, error) ||
		    check_symbol(o, i, &symbol, &section, error))
			return -1;
		if (too_many_names(o, &names, name, error))
			return -1;
		if (!*name || ELF64_ST_TYPE(symbol.st_info) == STT_SECTION ||
		    ELF64_ST_TYPE(symbol.st_info) == STT_FILE)
			return bad_symbol(error, o, i, "global, but has no name of its own");
		if (strength == COMMON && !strcmp(name, "__gnu_lto_slim"))
			return fail(error, o->name,
			            "gcc's intermediate code, not machine code (made by -flto?)");
		if (section && !section_output(section))
			return fail(error, o->name, "%.200s: defined in %s, which is left out",
			            name, section->name);
		new = (struct global){
			.name = name,
			.hash = 0,
			.object = o,
			.section = section,
			.value = symbol.st_value,
			.size = symbol.st_size,
			.strength = (unsigned char)strength,
			.binding = ELF64_ST_BIND(symbol.st_info),
			.type = ELF64_ST_TYPE(symbol.st_info),
			.other = symbol.st_other,
		};
		g = find_or_add(symbols, hash, name, &o->symbol_map[i], error);
		if (!g)
			return -1;
		new.hash = g->hash;
		if (!g->object)
			*g = new;
		else if (merge(g, &new, error))
			return -1;
	}
	return 0;
}

/* Numbers for all, in the order that symbols.h draws. */
static int number_all(struct symbols *symbols, struct inputs *in, struct layout *l,
                      struct error *error)
{
	uint64_t next = 1;

	for (size_t i = 0; i < l->n_contents; i++) {
		if (l->sections[i].symbol)
			l->sections[i].symbol = (uint32_t)next++;
	}
	symbols->first_local = (uint32_t)next;
	for (size_t i = 0; i < in->n_objects; i++)
		next += in->objects[i].n_locals;
	if (next + symbols->n_globals > UINT32_MAX)
		return fail(error, NULL, "the output would have more than 4,294,967,295 symbols");
	symbols->first_global = (uint32_t)next;
	symbols->total = (uint32_t)(next + symbols->n_globals);

	next = symbols->first_local;
	for (size_t i = 0; i < in->n_objects; i++) {
		struct object *o = &in->objects[i];
		number_locals(o, (uint32_t)next);
		next += o->n_locals;
		for (uint32_t j = o->first_global ? o->first_global : 1; j < o->n_symbols; j++)
			o->symbol_map[j] += symbols->first_global;
	}
	return 0;
}

int symbols_resolve(struct symbols *symbols, struct inputs *in, struct layout *layout,
                    struct error *error)
{
	struct hash hash;
	size_t most = 0;
	int failed = 0;

	for (size_t i = 0; i < in->n_objects; i++)
		most += in->objects[i].n_symbols - in->objects[i].first_global;
	if (hash_make(&hash, most, error))
		return -1;
	for (size_t i = 0; i < in->n_objects && !failed; i++) {
		struct object *o = &in->objects[i];
		o->symbol_map = allocate(error, o->n_symbols, sizeof *o->symbol_map);
		failed = !o->symbol_map || scan_locals(o, error) ||
		         add_globals(symbols, &hash, o, error);
	}
	hash_free(&hash);
	return failed ? -1 : number_all(symbols, in, layout, error);
}

void symbols_free(struct symbols *symbols)
{
	free(symbols->globals);
}
