/* SPDX-License-Identifier: MIT */
/*
 * input.h - objects as they are in their files
 *
 * Nearly all pointers point into mapped files. An object is written by the task that reads it (object_read()), and is
 * constant afterwards, except for the members that say otherwise. The phases that write those run one after the other.
 * Emission only reads.
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
	SECTION_DROPPED,   /* has no use in the output, or parwrite makes a new one */
	SECTION_DISCARDED, /* goes with a COMDAT group of which another object's copy is kept */
	SECTION_CONTENT,
	SECTION_RELOCATIONS,
	SECTION_GROUP,
};

/* Some sections describe the whole program. Of these the output has only the first object's. */
enum once {
	ONCE_NOT,   /* an ordinary section: all objects' are kept */
	ONCE_FIRST, /* only the first object's is kept */
	ONCE_SAME   /* only the first object's is kept, and the others must have the same bytes */
};

/* An input section, or one that parwrite makes. */
struct section {
	const char *name;
	const unsigned char *data; /* its bytes, decompressed; NULL if it has none: SHT_NOBITS, or size 0 */
	uint64_t size;             /* in bytes, decompressed */

	/* Where the section goes. Written by layout.c. */
	union {
		/* NULL: the section is not in the output. Of relocations: the output section that they apply to. */
		struct output_section *out;
		/* Until `out` is known: the sections that it is joined with. Written by the object's task. */
		struct joint *joint;
	};
	uint64_t offset; /* in bytes, from the start of `out`; of relocations: from the start of out's relocations */

	uint32_t flags, entsize, type; /* as in the file, but for changes while the object is read */
	uint32_t link, info;           /* as in the file */
	uint32_t name_length;          /* in bytes; until the name is read, its offset in the table of names */
	/*
	 * The group that it is a member of, or whose own section it is, as an index in object.groups plus 1; 0: none.
	 */
	uint32_t group;
	unsigned char align_log2;
	unsigned char once; /* enum once */
	unsigned char kind; /* enum section_kind; groups.c changes some to SECTION_DISCARDED, in the object's task */
	unsigned char relocated : 1; /* the object has relocations for it */
	unsigned char records : 1;   /* .eh_frame: zeros between its pieces would end the list of records */
	unsigned char steps : 1;     /* .init, .fini: its pieces are executed one after the other */
};

static inline uint64_t section_align(const struct section *s)
{
	return (uint64_t)1 << s->align_log2;
}

/* A section group, or a section that is a group of its own because of its name (.gnu.linkonce). */
struct group {
	const char *name;     /* its signature */
	uint32_t name_length; /* in bytes */
	uint32_t section; /* number of the group's own section; 0: a .gnu.linkonce section has none */
	uint32_t symbol;  /* number of the symbol that gives the signature; 0 for .gnu.linkonce */
	uint32_t flags;   /* GRP_COMDAT, or 0: the group is always kept */
	uint32_t first_member, n_members; /* its part of object.members */
	/* Written by groups.c, in the object's task. */
	struct signature *signature; /* NULL unless the group is COMDAT */
	int discarded; /* 1: another object's group of the same signature is kept */
	/*
	 * Written by place.c, on one thread: the number of its section in the output; 0: the output does not have it.
	 */
	uint32_t index;
};

/* An input object: a file, or a member of an archive. */
struct object {
	/* Written by the task of read.c that finds the object. */
	char *name; /* for messages: "main.o", "liblua.a(lapi.o)" */
	const unsigned char *image; /* all of its bytes, in an image of inputs.images */
	size_t size;                /* of `image`, in bytes */
	struct arena *arena;        /* points to inputs.arena */

	/* Written by object_read(). */
	void *elf; /* libelf's handle, which owns decompressed sections; NULL if there are none */
	struct format format;
	struct section *sections;
	uint32_t n_sections; /* includes section 0, which is SECTION_DROPPED */
	struct group *groups;
	uint32_t n_groups;
	uint32_t n_free;   /* number of sections with contents that are in no group in the file */
	uint32_t *members; /* section numbers of all groups' members; those of one group are consecutive */
	int has_stack_note;     /* 1: it has a .note.GNU-stack */
	uint32_t stack_flags;   /* SHF_EXECINSTR if its .note.GNU-stack has that flag, else 0 */
	uint32_t property_note; /* section number of .note.gnu.property; 0: none, UINT32_MAX: several */

	const unsigned char *symbols;  /* n_symbols records, see object_symbol() */
	const unsigned char *extended; /* .symtab_shndx: n_symbols section numbers of 32 bits; NULL: there is none */
	uint32_t n_symbols;
	uint32_t first_global; /* symbols with lower numbers are local */
	const char *strings;   /* names of symbols; the last byte is NUL */
	uint64_t strings_size; /* in bytes */

	/* Set by read.c, cleared by select.c on one thread: 1: a member of an archive that is not selected (yet). */
	unsigned char lazy;
	/* Written by select.c, in the object's task. For each symbol: 1 if it must be kept. NULL: all are kept. */
	unsigned char *needed;

	/* Allocated by symbols.c, on one thread. */
	uint64_t first_symbol; /* the number of symbols in all objects before this one */
	/*
	 * Number of a symbol in the input -> its number in the output, 0: it has none. Written by the tasks of
	 * symbols.c and numbers.c that have the symbol. Until numbers.c has run, it has a kind of symbol instead:
	 * LEFT_OUT, A_LOCAL, ... (symbols.h).
	 */
	uint32_t *symbol_map;
	/*
	 * The name of each symbol, NULL if it is left out or has no name. Written by the task of symbols.c that has
	 * it.
	 */
	struct name **names;
};

/* A file named on the command line. */
struct input {
	char *path;
	unsigned char lazy;    /* 1: of an archive, only members that other objects refer to are wanted */
	unsigned char library; /* 1: `path` is a name for -l; only options.c sees that, before it has found the file */
};

/* What is left out of the output. Constant once the command line is parsed. */
struct leave_out {
	unsigned char debug;      /* -S: debug information */
	unsigned char locals;     /* -x: local symbols, unless relocations or groups name them */
	unsigned char temporary;  /* -X: of these, the symbols whose names begin with .L */
};

/* All inputs. Written by inputs_read() on one thread, constant afterwards except for members of the objects. */
struct inputs {
	struct object *objects; /* in the order of the command line, without members that are not selected */
	size_t n_objects;
	struct image *images; /* all files, in any order */
	struct format format; /* the output's */
	struct leave_out leave_out;
	struct arena arena; /* memory that lives as long as the inputs; any thread */
};

/*
 * object.c: read one object whose name, image, size and arena are set. It writes nothing but the object, so objects can
 * be read on several threads at once. Returns 0, or -1 with a message: out of memory, or the object is damaged or has
 * something that cannot be combined.
 */
int object_read(struct object *o, const struct leave_out *leave_out, struct error *error);

/* Free what is not in the arena. One thread for each object. May be called again. */
void object_free(struct object *o);

/* section.c: fail with the message "OBJECT: section NAME: what". Returns -1. Any thread. */
int bad_section(struct error *error, const struct object *o, const struct section *s, const char *what);

/*
 * classify.c: decide how a section is treated: sets its `kind`, `once`, `records` and `steps`, and the object's notes.
 * Called by object_read() for each section whose header and name are read. Returns 0, or -1 with a message if parwrite
 * cannot combine such a section.
 */
int section_classify(struct object *o, struct section *s, const struct leave_out *leave_out, struct error *error);

/*
 * object_groups.c: list the object's groups and their members. `symtab` is the number of the symbol table, 0: none.
 * Called by object_read() at its end. Returns 0, or -1 with a message: out of memory, or a damaged or unknown group.
 */
int object_read_groups(struct object *o, uint32_t symtab, struct error *error);

/* A record of a symbol table, as numbers. */
struct symbol {
	uint64_t value, size;
	uint32_t name;    /* offset in object.strings */
	uint32_t section; /* number of the section that defines it; 0: none does, see `special` */
	uint16_t special; /* if `section` is 0: SHN_UNDEF, SHN_ABS, SHN_COMMON, ...; else 0 */
	unsigned char info, other;
};

/* Read symbol i, which must be below n_symbols. The fields are not checked. */
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

/* The name of a symbol. "" if its offset is outside the string table, which symbols.c reports as an error. */
static inline const char *object_symbol_name(const struct object *o, const struct symbol *symbol)
{
	return symbol->name < o->strings_size ? o->strings + symbol->name : "";
}

#endif
