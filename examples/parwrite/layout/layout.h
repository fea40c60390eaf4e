/* SPDX-License-Identifier: MIT */
/* layout.h - which sections the output has, and at which offsets of the file their contents lie */
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
 * A section of the output, and the section that has its relocations, if there are any. layout_make() writes all
 * members on one thread. They are constant afterwards, except those that say otherwise. Sizes and offsets are in
 * bytes.
 */
struct output_section {
	const char *name;
	uint32_t name_length;
	uint32_t type;
	uint32_t flags, entsize;
	uint32_t index; /* number of its section header */
	unsigned char align_log2;
	unsigned char fill; /* the value of the padding bytes between its pieces */
	/* 1: an input has a symbol for one of its pieces. Written by any thread, in symbols.c. */
	_Atomic unsigned char wants_symbol;
	uint32_t symbol; /* number of its section symbol, 0: it has none; written by numbers.c on one thread */
	uint64_t size, file_offset;

	uint32_t relocations_index; /* number of the header of its relocations; 0: there are none */
	uint32_t relocations_type;  /* SHT_RELA or SHT_REL */
	uint64_t relocations_size, relocations_offset;

	struct output_section *ordered_by; /* SHF_LINK_ORDER: the section whose order it follows; or NULL */
	/* The list of the sections that have this one as `ordered_by`; and its own successor in such a list. */
	struct output_section *dependents, *next;

	uint32_t n_pieces, n_relocation_pieces;       /* pieces that have bytes in the file */
	uint32_t first_piece, first_relocation_piece; /* the first of them in layout.pieces */
	const struct section *first; /* its only piece, if that stands for all objects' (enum once); else NULL */
	/*
	 * Offset of the name in the table of section names. If it has relocations, ".rela" or ".rel" stands before
	 * it.
	 */
	uint32_t name_offset;
};

/* A section group of the output. */
struct output_group {
	const struct object *object; /* the object that it comes from */
	const struct group *group;
	struct section section; /* its own section; place.c makes the data */
};

/* A range of the output's bytes that come from one input section. */
struct piece {
	const struct object *object; /* NULL: parwrite made the section */
	const struct section *section;
	uint64_t file_offset; /* of the first byte, in the output */
};

/*
 * The output has section headers in this order: an empty one, groups, contents, relocations, .symtab, .symtab_shndx
 * if there are more sections than 16-bit fields can number, .strtab, .shstrtab. The bytes of these sections are in
 * the file in the same order, behind the file header.
 *
 * Written by layout_make() on one thread, constant afterwards, except for what output_section says. Memory is the
 * inputs' arena's, but for the notes'. Offsets and sizes are in bytes.
 */
struct layout {
	struct output_group *groups;
	size_t n_groups;
	unsigned char *group_words; /* contents of all groups, one after the other */
	struct output_section *sections; /* the sections that have contents; their relocations are members of them */
	size_t n_sections;
	uint16_t machine;
	uint64_t limit; /* the largest offset or size that the file format allows */
	struct piece *pieces; /* in the order of their file offsets */
	size_t n_pieces;
	uint64_t contents_start, contents_end; /* the range of the file that has all pieces */
	uint64_t section_names_size;
	/* The numbers of these sections. `extended` is .symtab_shndx; 0: there is none. */
	uint32_t symtab, extended, strtab, shstrtab;
	uint32_t n_headers; /* number of section headers, with the empty one */
	struct notes notes;
	/*
	 * stack_note: .note.GNU-stack; without a name if there is none. build_id: made by build_id.c before
	 * layout_make(); without data if there is none.
	 */
	struct section stack_note, build_id;
};

/*
 * Decide which sections the output has, and where they lie. The caller has filled layout->build_id, the rest of
 * *layout is 0. One thread; part of the work is done on the queue's threads. Returns 0, or -1 with a message: the
 * inputs' sections cannot be combined, the output would be too large, or memory is exhausted. layout_free() is needed
 * in either case.
 */
int layout_make(struct layout *layout, struct inputs *in, struct workqueue *queue, struct error *error);

/*
 * place.c: give numbers and file offsets to the sections. Called by layout_make() when it knows all sections. Returns
 * 0, or -1 with a message: the output would be too large, or memory is exhausted.
 */
int layout_place(struct layout *layout, struct inputs *in, struct error *error);

/*
 * Append n bytes to something of *size bytes, at a multiple of `align`, a power of two. Updates *size. Returns the
 * offset where they begin, or UINT64_MAX if they would end beyond layout.limit.
 */
uint64_t layout_append(const struct layout *l, uint64_t *size, uint64_t n, uint64_t align);

void layout_free(struct layout *layout);

#endif
