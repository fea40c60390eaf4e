/* SPDX-License-Identifier: MIT */
/*
 * object_groups.c - the section groups of an object, and their members
 *
 * Sections named .gnu.linkonce.KIND.NAME are older than section groups, and each is treated as a group of one section.
 * Its signature is the section's name, but for code (KIND is "t") it is NAME alone. The reason: libraries for i386 have
 * the same functions in either form, and only one copy must be kept.
 */
#include "config.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "input/input.h"
#include "report/report.h"

#define LINKONCE ".gnu.linkonce."

/*
 * Set the name of a group, its signature. It is the name of the group's symbol or, if that is a section's symbol, the
 * section's name. *total_length adds up the lengths of the object's signatures. Returns 0, or -1 with a message.
 */
static int name_group(const struct object *o, struct group *g, uint64_t *total_length, struct error *error)
{
	struct symbol symbol = object_symbol(o, g->symbol);

	g->name = object_symbol_name(o, &symbol);
	if (ELF64_ST_TYPE(symbol.info) == STT_SECTION && symbol.section > 0 && symbol.section < o->n_sections)
		g->name = o->sections[symbol.section].name;
	if (!*g->name)
		return bad_section(error, o, &o->sections[g->section], "a group without a signature");
	g->name_length = (uint32_t)strlen(g->name);
	/* Names may share their ends, so all of them may be far longer than the file (see symbols.c). */
	*total_length += g->name_length;
	if (*total_length > UINT32_MAX)
		return fail(error, o->name, "the names of its groups are longer than 4 GiB");
	return 0;
}

/*
 * Read section `number`, which is a group's own, into *g. The members are added to o->members, of which *n_members are
 * used. Returns 0, or -1 with a message.
 */
static int read_group(struct object *o, uint32_t number, uint32_t symtab, struct group *g, uint32_t *n_members,
                      uint64_t *total_length, struct error *error)
{
	struct section *s = &o->sections[number];
	uint32_t n = (uint32_t)(s->size / 4);

	g->section = number;
	g->symbol = s->info;
	if (s->size < 4 || s->size % 4 || s->size / 4 > o->n_sections)
		return bad_section(error, o, s, "a group of an odd size");
	if (s->link != symtab || s->info >= o->n_symbols)
		return bad_section(error, o, s, "a group whose symbol does not exist");
	g->flags = get32(&o->format, s->data);
	if (g->flags & ~(uint32_t)GRP_COMDAT)
		return fail(error, o->name, "section %s: a group with flags 0x%x, not supported", s->name,
		            (unsigned)g->flags);
	s->group = (uint32_t)(g - o->groups) + 1;
	g->first_member = *n_members;
	for (uint32_t i = 1; i < n; i++) {
		uint32_t member = get32(&o->format, s->data + (size_t)i * 4);

		if (member == 0 || member >= o->n_sections || o->sections[member].kind == SECTION_GROUP)
			return bad_section(error, o, s, "a group of sections that do not exist");
		if (o->sections[member].group)
			return fail(error, o->name, "section %s: in two groups", o->sections[member].name);
		o->sections[member].group = (uint32_t)(g - o->groups) + 1;
		o->members[(*n_members)++] = member;
		g->n_members++;
	}
	return name_group(o, g, total_length, error);
}

static int is_linkonce(const struct section *s)
{
	return !strncmp(s->name, LINKONCE, strlen(LINKONCE));
}

/* The signature of a .gnu.linkonce section. */
static const char *linkonce_signature(const struct section *s)
{
	return !strncmp(s->name, LINKONCE "t.", strlen(LINKONCE "t.")) ? s->name + strlen(LINKONCE "t.") : s->name;
}

int object_read_groups(struct object *o, uint32_t symtab, struct error *error)
{
	uint32_t n = 0, n_members = 0;
	uint64_t total_length = 0;

	for (uint32_t i = 1; i < o->n_sections; i++) {
		const struct section *s = &o->sections[i];

		n += s->kind == SECTION_GROUP || (s->kind == SECTION_CONTENT && is_linkonce(s));
	}
	if (n > 0) {
		o->groups = arena_allocate(o->arena, error, n, sizeof *o->groups);
		/* That is enough room, because each section is in one group at most. */
		o->members = arena_allocate(o->arena, error, o->n_sections, sizeof *o->members);
		if (!o->groups || !o->members)
			return -1;
	}
	for (uint32_t i = 1; i < o->n_sections && n > 0; i++) {
		if (o->sections[i].kind == SECTION_GROUP &&
		    read_group(o, i, symtab, &o->groups[o->n_groups++], &n_members, &total_length, error))
			return -1;
	}
	for (uint32_t i = 1; i < o->n_sections; i++) {
		struct section *s = &o->sections[i];

		if (s->group == 0) {
			s->flags &= ~(uint32_t)SHF_GROUP;
			o->n_free += s->kind == SECTION_CONTENT;
		}
		if (s->kind != SECTION_CONTENT || !is_linkonce(s) || s->group)
			continue;
		o->groups[o->n_groups++] = (struct group){
			.name = linkonce_signature(s),
			.name_length = (uint32_t)strlen(linkonce_signature(s)),
			.flags = GRP_COMDAT,
			.first_member = n_members,
			.n_members = 1,
		};
		o->members[n_members++] = i;
		s->group = o->n_groups;
	}
	return 0;
}
