/* SPDX-License-Identifier: MIT */
/*
 * input.h - objects as they are in their files
 *
 * Nearly everything points into mapped files, and nothing here changes after it was read except the
 * members that say so. The phases that fill those run one after the other, and emission
 * only reads.
 */
#ifndef PARWRITE_INPUT_H
#define PARWRITE_INPUT_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "input/fields.h"

struct error;
struct image;
struct joint;
struct name;
struct output_section;
struct signature;

enum section_kind {
	SECTION_DROPPED,   /* means nothing in the output, or parwrite makes a new one */
	SECTION_DISCARDED, /* of a group that another object has as well, and whose is kept */
	SECTION_CONTENT,
	SECTION_RELOCATIONS,
	SECTION_GROUP,
};

/* Of sections that speak for the whole program, the first object's stands for all. */
enum once { ONCE_NOT, ONCE_FIRST, ONCE_SAME /* and others must be the same */ };

struct section {
	const char *name;
	const unsigned char *data; /* NULL if it has none: SHT_NOBITS, or size 0 */
	uint64_t size;

	/* Written by layout.c: where it goes. */
	union {
		struct output_section *out; /* NULL: nowhere; of relocations: what theirs are for */
		struct joint *joint;        /* what it is joined by, on the way there */
	};
	uint64_t offset; /* from the start of `out`, or of its relocations */

	uint32_t flags, entsize, type;
	uint32_t link, info; /* as the file has them */
	uint32_t name_length;
	uint32_t group; /* the number in object.groups of the one it is in, or is, plus 1; 0: none */
	unsigned char align_log2;
	unsigned char once; /* enum once */
	unsigned char kind; /* enum section_kind; groups.c makes some SECTION_DISCARDED */
	unsigned char relocated : 1; /* there are relocations for it */
	unsigned char records : 1;   /* .eh_frame: zeros between its parts would end it */
	unsigned char steps : 1;     /* .init, .fini: its parts are run one after the other */
};

static inline uint64_t section_align(const struct section *s)
{
	return (uint64_t)1 << s->align_log2;
}

/* A section group, or a section that is one by its name (.gnu.linkonce). */
struct group {
	const char *name; /* its signature */
	uint32_t name_length;
	uint32_t section; /* the group's own, or 0 */
	uint32_t symbol;  /* which gives it its name */
	uint32_t flags;   /* GRP_COMDAT, or 0: always kept */
	uint32_t first_member, n_members; /* in object.members */
	/* Written by groups.c. */
	struct signature *signature; /* of COMDAT ones */
	int discarded;
	/* Written by layout.c: its section's number in the output, 0: it has none. */
	uint32_t index;
};

struct object {
	char *name; /* for people: "main.o", "liblua.a(lapi.o)" */
	const unsigned char *image;
	size_t size;
	struct arena *arena; /* the inputs' */
	void *elf; /* libelf's handle, if it holds sections that were decompressed */
	struct format format;
	struct section *sections;
	uint32_t n_sections; /* number 0 counts, and is SECTION_DROPPED */
	struct group *groups;
	uint32_t n_groups;
	uint32_t n_free; /* sections with contents that are in no group */
	uint32_t *members; /* section numbers; those of one group in one row */
	int has_stack_note;
	uint32_t stack_flags;   /* of .note.GNU-stack */
	uint32_t property_note; /* number of .note.gnu.property, 0: none, UINT32_MAX: several */

	const unsigned char *symbols; /* n_symbols records, see object_symbol() */
	const unsigned char *extended; /* NULL, or n_symbols section numbers of 32 bits */
	uint32_t n_symbols;
	uint32_t first_global; /* those below are local */
	const char *strings;   /* names of symbols; the last byte is NUL */
	uint64_t strings_size;

	/* Written by select.c. */
	unsigned char lazy;    /* a member of an archive that nobody has asked for yet */
	unsigned char *needed; /* of each symbol: must it stay? NULL: all do */

	/* Written by symbols.c. */
	uint64_t first_symbol; /* how many symbols the objects before have, together */
	uint32_t *symbol_map;  /* number in the input -> number in the output, 0: has none */
	struct name **names;   /* of each symbol that is kept and has one */
};

/* A file named on the command line. */
struct input {
	char *path;
	unsigned char lazy;    /* of an archive, only the members that others refer to */
	unsigned char library; /* options.c, until it has looked for it: the path is a name for -l */
};

/* What of them is not wanted. */
struct leave_out {
	unsigned char debug;      /* -S: debug information */
	unsigned char locals;     /* -x: local symbols, unless relocations name them */
	unsigned char temporary;  /* -X: those of them whose names begin with .L */
};

struct inputs {
	struct object *objects; /* in the order of the command line */
	size_t n_objects;
	struct image *images;
	struct format format;
	struct leave_out leave_out;
	struct arena arena; /* all that lives as long */
};

/*
 * object.c: read one object whose name, image and size are set. Touches nothing but the object, so
 * that objects can be read on several threads.
 */
int object_read(struct object *o, const struct leave_out *leave_out, struct error *error);

void object_free(struct object *o);

/* section.c: "OBJECT: section NAME: what". Returns -1. */
int bad_section(struct error *error, const struct object *o, const struct section *s, const char *what);

/* classify.c, part of it: what becomes of one of its sections. */
int section_classify(struct object *o, struct section *s, const struct leave_out *leave_out, struct error *error);

/* object_groups.c, part of it: list the groups and who is in them. */
int object_read_groups(struct object *o, uint32_t symtab, struct error *error);

/* A record of a symbol table. */
struct symbol {
	uint64_t value, size;
	uint32_t name;    /* offset in object.strings */
	uint32_t section; /* where it is defined, or 0: */
	uint16_t special; /* then SHN_UNDEF, SHN_ABS, SHN_COMMON, ... */
	unsigned char info, other;
};

/* Symbol i, i < n_symbols. */
static inline struct symbol object_symbol(const struct object *o, uint32_t i)
{
	const struct format *f = &o->format;
	const unsigned char *p = o->symbols + (size_t)i * symbol_size(f);
	struct symbol s;
	uint32_t section;

	s.name = get32(f, p);
	if (f->wide) {
		s.info = p[4];
		s.other = p[5];
		section = get16(f, p + 6);
		s.value = get64(f, p + 8);
		s.size = get64(f, p + 16);
	} else {
		s.value = get32(f, p + 4);
		s.size = get32(f, p + 8);
		s.info = p[12];
		s.other = p[13];
		section = get16(f, p + 14);
	}
	s.special = 0;
	if (section == SHN_XINDEX && o->extended) {
		section = get32(f, o->extended + (size_t)i * 4);
	} else if (section >= SHN_LORESERVE) {
		s.special = (uint16_t)section;
		section = 0;
	}
	s.section = section;
	return s;
}

/* Its name. Checked by symbols.c once; "" if the offset is wrong. */
static inline const char *object_symbol_name(const struct object *o, const struct symbol *symbol)
{
	return symbol->name < o->strings_size ? o->strings + symbol->name : "";
}

#endif
