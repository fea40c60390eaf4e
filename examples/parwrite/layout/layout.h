/* SPDX-License-Identifier: MIT */
/* layout.h - which sections the output has, and where everything lies in the file */
#ifndef PARWRITE_LAYOUT_H
#define PARWRITE_LAYOUT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "input/input.h"
#include "layout/notes.h"

struct error;
struct workqueue;

/*
 * A section of the output, and the section with its relocations, if it has some. Members are
 * layout_make()'s, constant afterwards, except those that say otherwise.
 */
struct output_section {
	const char *name;
	uint32_t name_length;
	uint32_t type;
	uint32_t flags, entsize;
	uint32_t index; /* in the section header table */
	unsigned char align_log2;
	unsigned char fill; /* what is between its pieces */
	_Atomic unsigned char wants_symbol; /* symbols.c, any thread: an object has a symbol for it */
	uint32_t symbol; /* symbols.c: its number, 0: has none */
	uint64_t size, file_offset;

	uint32_t relocations_index; /* 0: there are none */
	uint32_t relocations_type;  /* SHT_RELA or SHT_REL */
	uint64_t relocations_size, relocations_offset;

	struct output_section *ordered_by;        /* SHF_LINK_ORDER; or NULL */
	struct output_section *dependents, *next; /* those that are ordered by this one; its own neighbour in such a list */

	uint32_t n_pieces, n_relocation_pieces; /* with bytes in the file */
	uint32_t first_piece, first_relocation_piece;
	const struct section *first; /* its only piece, if that speaks for all objects */
	uint32_t name_offset; /* in the section name table; ".rela" is before it if it has relocations */
};

/* A section group of the output. Its section's data are made by layout.c. */
struct output_group {
	const struct object *object;
	const struct group *group;
	struct section section;
};

/* A run of bytes that come from one input section, and where they go. */
struct piece {
	const struct object *object; /* NULL: parwrite made it */
	const struct section *section;
	uint64_t file_offset;
};

/*
 * Section headers, in this order: an empty one, groups, contents, relocations, .symtab, .symtab_shndx if
 * there are more than other fields can number, .strtab, .shstrtab. Bytes in the file likewise, behind the
 * file's header.
 */
struct layout {
	struct output_group *groups;
	size_t n_groups;
	unsigned char *group_words; /* contents of the groups, in one row */
	struct output_section *sections; /* with contents */
	size_t n_sections;
	uint16_t machine;
	uint64_t limit; /* no offset or size is larger */
	struct piece *pieces; /* in file order */
	size_t n_pieces;
	uint64_t contents_start, contents_end; /* of all pieces, in the file */
	uint64_t section_names_size;
	uint32_t symtab, extended, strtab, shstrtab; /* section numbers; extended: 0 if there is none */
	uint32_t n_headers;
	struct notes notes;
	struct section stack_note, build_id; /* build_id: without data if there is none; see build_id.c */
};

/* The caller has filled layout->build_id, all else is zero. Returns 0 or -1. */
int layout_make(struct layout *layout, struct inputs *in, struct workqueue *queue, struct error *error);

/* place.c, part of it: when all sections are known. */
int layout_place(struct layout *layout, struct inputs *in, struct error *error);

/* n bytes at the end of *size, aligned. Returns where they begin, or UINT64_MAX: too large. */
uint64_t layout_append(const struct layout *l, uint64_t *size, uint64_t n, uint64_t align);

void layout_free(struct layout *layout);

#endif
