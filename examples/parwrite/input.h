/* SPDX-License-Identifier: MIT */
/*
 * input.h - objects as they are in their files
 *
 * Everything points into mapped files; nothing is copied or converted, and nothing here changes
 * after it was read except the members that say so. The phases that fill those run one
 * after the other, and emission, which runs on many threads, only reads.
 */
#ifndef PARWRITE_INPUT_H
#define PARWRITE_INPUT_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct output_section;

enum section_kind {
	SECTION_DROPPED, /* means nothing in the output, or parwrite makes a new one */
	SECTION_CONTENT,
	SECTION_RELOCATIONS,
};

struct section {
	const char *name;
	const unsigned char *data; /* NULL if it has none: SHT_NOBITS, or size 0 */
	uint64_t flags, size, align, entsize;
	uint32_t type;
	uint32_t link, info; /* SECTION_RELOCATIONS: symbol table, and section they are for */
	enum section_kind kind;

	/* Written by layout.c: where it goes. */
	struct output_section *out; /* NULL: nowhere */
	uint64_t offset;            /* from the start of `out` */
};

struct object {
	char *name; /* for people: "main.o", "liblua.a(lapi.o)" */
	void *elf;  /* libelf's handle; input.c's and object.c's */
	struct section *sections;
	uint32_t n_sections; /* number 0 counts, and is SECTION_DROPPED */
	unsigned char osabi;

	const unsigned char *symbols; /* n_symbols records of Elf64_Sym, see object_symbol() */
	uint32_t n_symbols;
	uint32_t first_global; /* those below are local */
	const char *strings;   /* names of symbols; the last byte is NUL */
	uint64_t strings_size;

	/* Written by symbols.c. */
	uint32_t *symbol_map; /* number in the input -> number in the output, 0: has none */
	uint32_t first_local; /* in the output: the first of this object's local symbols, */
	uint32_t n_locals;    /* and how many there are */

	/* Written by strings_build(), which runs beside the emission of contents. */
	uint64_t names_offset; /* of the local symbols' names in the string table */
	uint64_t names_size;
};

struct inputs {
	struct object *objects; /* in the order of the command line */
	size_t n_objects, objects_room;
	void **archives; /* libelf's handles; their members point into them */
	size_t n_archives, archives_room;
};

/* Add the object, or all members of the archive, at `path`. Returns 0 or -1. */
int inputs_add(struct inputs *in, const char *path, struct error *error);

/* Read and check what was added. Returns 0 or -1. */
int inputs_read(struct inputs *in, struct error *error);

/* Unmap and free all. */
void inputs_free(struct inputs *in);

/*
 * object.c: read one object whose name and elf are set. Touches nothing but the object, so
 * that objects can be read on several threads.
 */
int object_read(struct object *o, struct error *error);

/* Symbol i, i < n_symbols, in the machine's byte order. */
Elf64_Sym object_symbol(const struct object *o, uint32_t i);

/* Its name. Checked by symbols.c once; "" if the offset is wrong. */
const char *object_symbol_name(const struct object *o, const Elf64_Sym *symbol);

#endif
