/* SPDX-License-Identifier: MIT */
/*
 * object_groups.c - which section groups an object has, and who is in them
 *
 * Sections named .gnu.linkonce.KIND.NAME are groups of one section, from before there were groups. Those of code have
 * NAME as their signature, since libraries of i386 have the same functions in either form.
 */
#include "config.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "input/input.h"
#include "report/report.h"

#define LINKONCE ".gnu.linkonce."

/* A group's symbol is its signature; a section's symbol stands for the section's name. */
static int name_group(const struct object *o, struct group *g, uint64_t *names, struct error *error)
{
	struct symbol symbol = object_symbol(o, g->symbol);

	g->name = object_symbol_name(o, &symbol);
	if (ELF64_ST_TYPE(symbol.info) == STT_SECTION && symbol.section > 0 && symbol.section < o->n_sections)
		g->name = o->sections[symbol.section].name;
	if (!*g->name)
		return bad_section(error, o, &o->sections[g->section], "a group without a signature");
	g->name_length = (uint32_t)strlen(g->name);
	/* They may share their ends: see too_many_names() in symbols.c. */
	*names += g->name_length;
	if (*names > UINT32_MAX)
		return fail(error, o->name, "the names of its groups are longer than 4 GiB");
	return 0;
}

static int read_group(struct object *o, uint32_t number, uint32_t symtab, struct group *g, uint32_t *n_members,
                      uint64_t *names, struct error *error)
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
	return name_group(o, g, names, error);
}

static int is_linkonce(const struct section *s)
{
	return !strncmp(s->name, LINKONCE, strlen(LINKONCE));
}

static const char *linkonce_name(const struct section *s)
{
	return !strncmp(s->name, LINKONCE "t.", strlen(LINKONCE "t.")) ? s->name + strlen(LINKONCE "t.") : s->name;
}

int object_read_groups(struct object *o, uint32_t symtab, struct error *error)
{
	uint32_t n = 0, n_members = 0;
	uint64_t names = 0;

	for (uint32_t i = 1; i < o->n_sections; i++) {
		const struct section *s = &o->sections[i];

		n += s->kind == SECTION_GROUP || (s->kind == SECTION_CONTENT && is_linkonce(s));
	}
	if (n > 0) {
		o->groups = arena_allocate(o->arena, error, n, sizeof *o->groups);
		/* Each section is in one at most. */
		o->members = arena_allocate(o->arena, error, o->n_sections, sizeof *o->members);
		if (!o->groups || !o->members)
			return -1;
	}
	for (uint32_t i = 1; i < o->n_sections && n > 0; i++) {
		if (o->sections[i].kind == SECTION_GROUP &&
		    read_group(o, i, symtab, &o->groups[o->n_groups++], &n_members, &names, error))
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
			.name = linkonce_name(s),
			.name_length = (uint32_t)strlen(linkonce_name(s)),
			.flags = GRP_COMDAT,
			.first_member = n_members,
			.n_members = 1,
		};
		o->members[n_members++] = i;
		s->group = o->n_groups;
	}
	return 0;
}
