/* SPDX-License-Identifier: MIT */
/* layout.h - which sections the output has, and where everything lies in the file */
#ifndef PARWRITE_LAYOUT_H
#define PARWRITE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct inputs;
struct object;
struct section;

/* Members are layout_make()'s, constant afterwards, except those that say otherwise. */
struct output_section {
	const char *name; /* of relocations: that of `target`, without the ".rela" */
	uint64_t flags, entsize, align, size;
	uint64_t file_offset;
	uint32_t type;
	uint32_t index; /* in the section header table */
	struct output_section *target; /* of relocations: what they are for; else NULL */
	struct output_section *relocations; /* NULL: none */
	size_t first_piece, n_pieces;       /* those with bytes in the file */

	uint32_t symbol;      /* its section symbol's number, 0: has none; symbols.c */
	uint32_t name_offset; /* in the section name table; strings_build() */
};

/* A run of bytes that come from one input section, and where they go. */
struct piece {
	const struct object *object;
	const struct section *section;
	uint64_t file_offset;
};

struct layout {
	struct output_section *sections; /* in file order, contents before relocations */
	size_t n_sections, n_contents;
	struct piece *pieces; /* in file order */
	size_t n_pieces;
	uint64_t contents_end; /* in the file: the end of all pieces */
	unsigned char osabi;
};

/* The file begins with its header. */
#define CONTENTS_START ((uint64_t)64)

/*
 * The last section headers are .symtab, .strtab and .shstrtab; the first is empty. A number of
 * headers from SHN_LORESERVE on needs other fields.
 */
enum { EXTRA_HEADERS = 4, HEADERS_MAX = 65279 };

int layout_make(struct layout *layout, struct inputs *in, struct error *error);

void layout_free(struct layout *layout);

#endif
