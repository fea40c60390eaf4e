/* SPDX-License-Identifier: MIT */
/*
 * symbols.h - which symbols the output has, and by what numbers
 *
 *     0            1               first_local      first_global         total
 *     [ the empty ][ sections     ][ locals, object ][ globals in the    ]
 *     [ symbol    ][ that need one][ by object      ][ order first met   ]
 *
 * All symbols of all inputs, in the order of the command line, are one row. It is cut in *stretches* of
 * the same length; a stretch is a task of every pass, and has its own part of the output's symbol table
 * and of the names.
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

/* What an object says of a global symbol, weakest first: the strongest one counts. */
enum strength {
	UNDEFINED_WEAK,
	UNDEFINED,
	DEFINED_WEAK,
	COMMON,
	DEFINED,
};

/*
 * A name, of local symbols, of a global one, or of both. Written under its lock while objects are
 * scanned; numbers by the stretch that met it first; constant afterwards. Places are numbers in the row of
 * all symbols, plus 1; 0: none.
 */
struct name {
	struct entry entry;
	uint32_t first;        /* the lowest place of a symbol of that name */
	uint32_t first_global; /* and of a global one */
	uint32_t offset;       /* in the string table */

	/* The global symbol, if there is one. */
	uint32_t number;
	uint32_t place; /* of the statement that counts */
	uint32_t type_place; /* of the first reference that knows a type */
	const struct object *object;
	const struct section *section; /* where it is defined; NULL: absolute, common or nowhere */
	uint64_t value, size; /* of a common one: the largest alignment and size */
	unsigned char strength; /* enum strength */
	unsigned char binding, type;
	unsigned char other; /* with the visibility of all statements */
	unsigned char reference_type;
	unsigned char seen; /* enum seen */
	uint16_t special; /* SHN_COMMON, or the machine's own kind of it */
};

/* Part of the row. */
struct stretch {
	uint64_t from, to;
	size_t object; /* the one that the first is in */
	/* How many there are of what, then where theirs begin. */
	uint64_t locals, globals, names;
};

struct symbols {
	struct stretch *stretches;
	size_t n_stretches;
	uint32_t first_local, first_global, total; /* numbers in the output */
	uint64_t names_size;                       /* of the string table */
};

int symbols_resolve(struct symbols *symbols, struct inputs *in, struct layout *layout,
                    struct workqueue *queue, struct error *error);

/* numbers.c, part of it: when all names are known. */
int numbers_give(struct symbols *symbols, struct inputs *in, struct layout *layout, struct workqueue *queue,
                 struct error *error);

/* What object.symbol_map holds until then. */
enum { LEFT_OUT, A_LOCAL, A_SECTION, A_GLOBAL };

/*
 * Go through a stretch: object by object, symbols [*from, *to) of it. Begin with i = stretch->object; 0 at the
 * end.
 */
int stretch_next(const struct stretch *stretch, const struct inputs *in, size_t i, uint32_t *from, uint32_t *to);

/* 32 bits are enough: see begin() in symbols.c. */
static inline uint32_t place_of(const struct object *o, uint32_t symbol)
{
	return (uint32_t)(o->first_symbol + symbol + 1);
}

/* Memory is fetched for so many symbols later: some 300 ns. */
enum { SYMBOLS_AHEAD = 8 };

/* At symbol i of a stretch's part [.., end) of an object: have the names of later ones fetched. */
static inline void symbols_fetch(const struct object *o, uint32_t i, uint32_t end)
{
	if (end - i > SYMBOLS_AHEAD)
		__builtin_prefetch(o->names[i + SYMBOLS_AHEAD]);
}

/* Where symbol i is defined. It was checked: see symbols.c. */
static inline const struct section *symbol_section(const struct object *o, const struct symbol *symbol)
{
	return symbol->section ? &o->sections[symbol->section] : NULL;
}

/*
 * The number in the output of the section that a symbol is defined in; 0: it is not there. A local symbol can
 * be in a group's own section: gas makes such ones for signatures that are nothing else.
 */
static inline uint32_t section_index(const struct object *o, const struct section *s)
{
	if (s->kind == SECTION_CONTENT && s->out)
		return s->out->index;
	return s->kind == SECTION_GROUP ? o->groups[s->group - 1].index : 0;
}

#endif
