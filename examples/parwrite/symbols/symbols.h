/* SPDX-License-Identifier: MIT */
/*
 * symbols.h - which symbols the output has, and their numbers
 *
 * The symbol table of the output:
 *
 *     0         1                       first_local         first_global                     total
 *     [ empty  ][ symbols of sections, ][ local symbols,    ][ global symbols, in the order  ]
 *     [ symbol ][ where needed         ][ object by object  ][ of their first occurrence     ]
 *
 * All symbols of all inputs, in the order of the command line, form one sequence. The *rank* of a symbol is its
 * position in this sequence, plus 1; so 0 can mean "none". The sequence is cut into *stretches* of the same length (the
 * last one may be shorter). In each pass over the symbols, each stretch is one task. Each stretch also has its own part
 * of the output's symbol table and of the string table, so the tasks can number and write symbols without a lock.
 */
#ifndef PARWRITE_SYMBOLS_H
#define PARWRITE_SYMBOLS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/table.h"
#include "input/input.h"
#include "layout/layout.h"

struct error;
struct workqueue;

/*
 * How an object declares or defines a global symbol. If several objects have a symbol of the same name, the one with
 * the highest of these values counts.
 */
enum strength {
	UNDEFINED_WEAK,
	UNDEFINED,
	DEFINED_WEAK,
	COMMON,
	DEFINED,
};

/*
 * A name, and the global symbol that has it, if there is one. Local symbols may have the name, too.
 *
 * Tasks of the scan (symbols.c) write the members under the lock of `entry`, except `offset` and `number`. These two
 * are written afterwards by number_task() (numbers.c), without a lock, because only one stretch writes each. From then
 * on all members are constant.
 */
struct name {
	struct entry entry;
	uint32_t first_rank;        /* the lowest rank of a kept symbol, local or global, of this name; 0: none yet */
	uint32_t first_global_rank; /* the lowest rank of a global symbol of this name; 0: none */
	uint32_t offset;            /* of the name in the string table; written by the stretch that has first_rank */

	/* The global symbol of this name, merged from those of all objects. `rank` is 0 if there is none. */
	uint32_t number;               /* in the output; written by the stretch that has first_global_rank */
	uint32_t rank;                 /* of the input symbol that counts: the strongest, of these the first */
	uint32_t type_rank;            /* of the first reference whose type is not STT_NOTYPE; 0: none */
	const struct object *object;   /* which has the symbol that counts */
	const struct section *section; /* in which that is defined; NULL: it is absolute, common or undefined */
	uint64_t value, size;          /* as in that symbol; if it is common: the largest alignment and size of all */
	unsigned char strength;        /* enum strength */
	unsigned char binding, type;   /* as in the symbol that counts */
	unsigned char other;           /* st_other of that symbol, with the most constraining visibility of all */
	unsigned char reference_type;  /* the type of the reference at type_rank */
	unsigned char seen;            /* bits of enum seen (symbols.c) */
	uint16_t special;              /* if no `section`: SHN_UNDEF, SHN_ABS, SHN_COMMON or the machine's kind of it */
};

/* A part of the sequence of all symbols. */
struct stretch {
	/* Constant. */
	uint64_t from, to; /* positions in the sequence, counted from 0: [from, to) */
	size_t object;     /* the object that has the symbol at `from` */

	/*
	 * After pass 1 of numbers.c, counts: of local symbols, of global symbols that occur first in this stretch, and
	 * of the bytes of names that occur first in it. After counts_to_starts(), where the stretch's part begins: the
	 * number of its first local symbol, of its first global symbol, and the offset of its first name. Written by
	 * the stretch's own task, then by one thread; constant afterwards.
	 */
	uint64_t locals, globals, names;
};

/* The symbols of the output. Written in symbols_resolve() by the thread that calls it, constant afterwards. */
struct symbols {
	struct stretch *stretches; /* in the inputs' arena */
	size_t n_stretches;
	uint32_t first_local, first_global, total; /* numbers in the output, see above */
	uint64_t names_size;                       /* the size of the string table in bytes */
};

/*
 * Decide which symbols the output has, and number them. *symbols must be zero. This also writes symbol_map and names
 * of all objects, and the symbols' numbers in output sections. One thread calls this; the work is done by tasks on
 * `queue`.
 *
 * Returns 0, or -1 with a message: no memory, an input has a symbol that is not valid, a name is defined twice or is
 * both thread-local and not, or there are too many symbols or names.
 */
int symbols_resolve(struct symbols *symbols, struct inputs *in, struct layout *layout,
                    struct workqueue *queue, struct error *error);

/* numbers.c, called by symbols_resolve() when all names are known: number the symbols. Returns 0 or -1. */
int numbers_give(struct symbols *symbols, struct inputs *in, struct layout *layout, struct workqueue *queue,
                 struct error *error);

/* What object.symbol_map has before numbers_give(): what kind of symbol the output will have for an input symbol. */
enum { SYMBOL_LEFT_OUT, SYMBOL_LOCAL, SYMBOL_SECTION, SYMBOL_GLOBAL };

/*
 * Iterate over the objects that have symbols in a stretch. Sets [*from, *to) to the symbols of object number i that are
 * in the stretch, without the object's empty symbol 0. Begin with i = stretch->object, and increment i while this
 * returns 1. Returns 0 if object i has no part of the stretch. Any thread.
 */
int stretch_next(const struct stretch *stretch, const struct inputs *in, size_t i, uint32_t *from, uint32_t *to);

/* The rank of a symbol of an object. 32 bits are enough: see prepare() in symbols.c. */
static inline uint32_t symbol_rank(const struct object *o, uint32_t symbol)
{
	return (uint32_t)(o->first_symbol + symbol + 1);
}

/* How many symbols ahead memory is prefetched. Work on so many symbols takes about 300 ns. */
enum { SYMBOLS_AHEAD = 8 };

/* While symbol i is worked on: prefetch the name of a later one. `end` is the end of the symbols that are worked on. */
static inline void symbols_prefetch(const struct object *o, uint32_t i, uint32_t end)
{
	if (end - i > SYMBOLS_AHEAD)
		__builtin_prefetch(o->names[i + SYMBOLS_AHEAD]);
}

/* The section in which a symbol is defined, or NULL. The number was checked before: see check_symbol() in symbols.c. */
static inline const struct section *symbol_section(const struct object *o, const struct symbol *symbol)
{
	return symbol->section ? &o->sections[symbol->section] : NULL;
}

/*
 * The number in the output of a section in which a symbol is defined; 0: the output does not have it. A local symbol
 * can be defined in the section of a group itself: gas makes such a symbol for a signature that is not also the name
 * of another symbol.
 */
static inline uint32_t section_index(const struct object *o, const struct section *s)
{
	if (s->kind == SECTION_CONTENT && s->out)
		return s->out->index;
	return s->kind == SECTION_GROUP ? o->groups[s->group - 1].index : 0;
}

#endif
