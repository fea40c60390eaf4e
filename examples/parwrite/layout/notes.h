/* SPDX-License-Identifier: MIT */
/* notes.h - notes that hold for the whole only by rules: .note.GNU-stack, .note.gnu.property */
#ifndef PARWRITE_NOTES_H
#define PARWRITE_NOTES_H

#include "input/input.h"

struct notes {
	int stack;                /* there is to be a .note.GNU-stack */
	uint32_t stack_flags;     /* and this is what it says */
	struct section property;  /* .note.gnu.property, made anew; without data: there is to be none */
	unsigned char *property_data;
};

/* From what all objects say. Returns 0 or -1. */
int notes_merge(struct notes *notes, const struct inputs *in, struct error *error);

void notes_free(struct notes *notes);

#endif
