/* SPDX-License-Identifier: MIT */
/* notes.h - notes of the inputs that are combined by rules: .note.GNU-stack, .note.gnu.property */
#ifndef PARWRITE_NOTES_H
#define PARWRITE_NOTES_H

#include "input/input.h"

/* The output's notes. Written by notes_merge(), but layout.c writes `offset` and `out` of `property`. */
struct notes {
	int stack;                /* 1: the output has a .note.GNU-stack */
	uint32_t stack_flags;     /* of that section */
	struct section property;  /* .note.gnu.property; without data: the output has none */
	unsigned char *property_data; /* the same data, allocated; NULL: there are none */
};

/* Combine the notes of all objects. *notes is 0 before. One thread. Returns 0, or -1 with a message: out of memory. */
int notes_merge(struct notes *notes, const struct inputs *in, struct error *error);

void notes_free(struct notes *notes);

#endif
