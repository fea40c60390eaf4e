/* SPDX-License-Identifier: MIT */
/*
 * symbols.h - which symbols the output has, and by what numbers
 *
 *     0            1               first_local      first_global         total
 *     [ the empty ][ sections     ][ locals, object ][ globals in the    ]
 *     [ symbol    ][ that need one][ by object      ][ order first met   ]
 */
#ifndef PARWRITE_SYMBOLS_H
#define PARWRITE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct inputs;
struct layout;
struct object;
struct section;

/* What an object says of a global symbol, weakest first: the strongest one counts. */
enum strength {
	UNDEFINED_WEAK,
	UNDEFINED,
	DEFINED_WEAK,
	COMMON,
	DEFINED,
};

/* All members are symbols_resolve()'s and constant afterwards, except name_offset. */
struct global {
	const char *name; /* in an input */
	const struct object *object;   /* which the strongest is from */
	const struct section *section; /* where it is defined; NULL: absolute, common or nowhere */
	uint64_t value, size;          /* common: value is the alignment */
	uint32_t hash;
	unsigned char strength; /* enum strength */
	unsigned char binding, type, other;

	uint64_t name_offset; /* in the string table; strings_build() */
};

struct symbols {
	struct global *globals; /* in the order in which they are first met */
	size_t n_globals, globals_room;
	uint32_t first_local, first_global, total; /* numbers in the output */
};

int symbols_resolve(struct symbols *symbols, struct inputs *in, struct layout *layout,
                    struct error *error);

/* Where a section's bytes are in the output; NULL if it has none there that symbols can name. */
struct output_section *section_output(const struct section *s);

void symbols_free(struct symbols *symbols);

#endif
