/* SPDX-License-Identifier: MIT */
/*
 * notes.c - notes of the inputs that are combined by rules
 *
 *   .note.GNU-stack     Its X flag says whether an object needs an executable stack. If an object lacks the note, it is
 *                       unknown whether it needs one. Linkers assume that it does, on the machines that have the
 *                       note. So the output has the note if any object has it, with the X flag if any object has that
 *                       flag or lacks the note (ld.bfd 2.40 and ld.gold do the same). If no object has the note, the
 *                       output does not have it.
 *   .note.gnu.property  Properties. Each has a number, whose range says how the values of two objects are combined
 *                       (x86-64 psABI, AArch64 ELF supplement, "Linux Extensions to gABI"):
 *                       AND: holds for the output only if it holds for every object (IBT, BTI); absent counts as 0
 *                       OR: what any object needs (ISA level)
 *                       OR-AND: what any object uses; kept only if every object has the property
 *                       MAX: the size of the stack, of which the largest counts
 *                       A property with an unknown number is kept if it has the same value in all objects.
 */
#include "config.h"

#include "layout/notes.h"

#include <stdlib.h>
#include <string.h>

#include "report/report.h"

enum { PROPERTIES_MAX = 64 };

enum rule { RULE_AND, RULE_OR, RULE_OR_AND, RULE_MAX, RULE_SAME };

/* One property of an object, or the combined one of several objects. */
struct property {
	/* Its number; and the size of the value in the file, in bytes: 0, 4 or 8. Other sizes count as not readable. */
	uint32_t type, size;
	uint64_t value;
};

/* The properties of an object, or the combined ones of several objects. */
struct properties {
	struct property list[PROPERTIES_MAX];
	size_t n;
	int known; /* 0: some could not be read, so the output must not have any */
};

/* How to combine a property. Some numbers have a meaning that depends on the processor. */
static enum rule rule_of(const struct format *f, uint32_t type)
{
	if (type == 1) /* GNU_PROPERTY_STACK_SIZE */
		return RULE_MAX;
	if (type == 2) /* GNU_PROPERTY_NO_COPY_ON_PROTECTED: it has no value */
		return RULE_OR;
	if (type >= 0xb0000000 && type <= 0xb0007fff)
		return RULE_AND;
	if (type >= 0xb0008000 && type <= 0xb000ffff)
		return RULE_OR;
	if (f->machine == EM_AARCH64 && type == 0xc0000000)
		return RULE_AND;
	if (f->machine == EM_X86_64 || f->machine == EM_386) {
		if (type >= 0xc0000002 && type <= 0xc0007fff)
			return RULE_AND;
		if (type >= 0xc0008000 && type <= 0xc000ffff)
			return RULE_OR;
		if (type >= 0xc0010000 && type <= 0xc0017fff)
			return RULE_OR_AND;
	}
	return RULE_SAME;
}

/* Add the properties in one note's description, n bytes at p, to *to. */
static void read_properties(const struct format *f, const unsigned char *p, size_t n, struct properties *to)
{
	size_t align = f->wide ? 8 : 4;

	while (n >= 8) {
		struct property *property = &to->list[to->n];
		uint32_t size = get32(f, p + 4);
		size_t padded = ((size_t)size + align - 1) & ~(align - 1);

		if (to->n == PROPERTIES_MAX || size > n - 8 || (size != 0 && size != 4 && size != 8)) {
			to->known = 0;
			return;
		}
		property->type = get32(f, p);
		property->size = size;
		property->value = size == 8 ? get64(f, p + 8) : size == 4 ? get32(f, p + 8) : 0;
		to->n++;
		if (padded > n - 8)
			padded = n - 8;
		p += 8 + padded;
		n -= 8 + padded;
	}
	if (n > 0)
		to->known = 0;
}

/*
 * Add the properties in a section of notes to *to. All notes must be by "GNU" and of type NT_GNU_PROPERTY_TYPE_0 (5).
 */
static void read_note(const struct format *f, const struct section *s, struct properties *to)
{
	const unsigned char *p = s->data;
	size_t n = s->data ? (size_t)s->size : 0;
	size_t align = f->wide ? 8 : 4;

	while (n >= 16) {
		size_t size = get32(f, p + 4), padded = (size + align - 1) & ~(align - 1);

		if (get32(f, p) != 4 || get32(f, p + 8) != 5 || memcmp(p + 12, "GNU", 4) != 0 || size > n - 16) {
			to->known = 0;
			return;
		}
		read_properties(f, p + 16, size, to);
		if (padded > n - 16)
			padded = n - 16;
		p += 16 + padded;
		n -= 16 + padded;
	}
	if (n > 0)
		to->known = 0;
}

/* NULL: there is none of that type. */
static struct property *find_property(struct properties *in, uint32_t type)
{
	for (size_t i = 0; i < in->n; i++) {
		if (in->list[i].type == type)
			return &in->list[i];
	}
	return NULL;
}

/*
 * Combine *p with the same property of another object; `other` is NULL if that does not have it. Returns 0 if the
 * combined property must be dropped.
 */
static int combine_property(const struct format *f, struct property *p, const struct property *other)
{
	switch (rule_of(f, p->type)) {
	case RULE_AND:
		p->value &= other ? other->value : 0;
		return p->value != 0;
	case RULE_OR:
		p->value |= other ? other->value : 0;
		return 1;
	case RULE_OR_AND:
		p->value |= other ? other->value : 0;
		return other != NULL;
	case RULE_MAX:
		if (other && other->value > p->value)
			p->value = other->value;
		return 1;
	case RULE_SAME:
	default:
		return other && other->value == p->value && other->size == p->size;
	}
}

/* 1 if the output has the property even if only some objects have it. */
static int applies_if_any_has_it(const struct format *f, uint32_t type)
{
	enum rule rule = rule_of(f, type);

	return rule == RULE_OR || rule == RULE_MAX;
}

/* Combine *all, the properties of some objects, with *one, those of one more object. */
static void combine_properties(const struct format *f, struct properties *all, struct properties *one)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++) {
		struct property *p = &all->list[i];

		if (combine_property(f, p, find_property(one, p->type)))
			all->list[n++] = *p;
	}
	all->n = n;
	for (size_t i = 0; i < one->n; i++) {
		const struct property *p = &one->list[i];

		if (!find_property(all, p->type) && applies_if_any_has_it(f, p->type) && all->n < PROPERTIES_MAX)
			all->list[all->n++] = *p;
	}
	all->known &= one->known;
}

static int compare_types(const void *a, const void *b)
{
	uint32_t x = ((const struct property *)a)->type, y = ((const struct property *)b)->type;

	return x < y ? -1 : x > y;
}

/* Make the section of the combined properties. Returns 0, or -1 with a message: out of memory. */
static int write_property_note(struct notes *notes, const struct format *f, struct properties *all, struct error *error)
{
	size_t align = f->wide ? 8 : 4, size = 16;
	unsigned char *p;

	if (!all->known || all->n == 0)
		return 0;
	qsort(all->list, all->n, sizeof *all->list, compare_types);
	for (size_t i = 0; i < all->n; i++)
		size += (8 + all->list[i].size + align - 1) & ~(align - 1);
	notes->property_data = p = allocate(error, size, 1);
	if (!p)
		return -1;
	put32(f, p, 4);
	put32(f, p + 4, (uint32_t)size - 16);
	put32(f, p + 8, 5);
	memcpy(p + 12, "GNU", 4);
	p += 16;
	for (size_t i = 0; i < all->n; i++) {
		const struct property *property = &all->list[i];

		put32(f, p, property->type);
		put32(f, p + 4, property->size);
		if (property->size == 8)
			put64(f, p + 8, property->value);
		else if (property->size == 4)
			put32(f, p + 8, (uint32_t)property->value);
		p += (8 + property->size + align - 1) & ~(align - 1);
	}
	notes->property = (struct section){
		.name = ".note.gnu.property", .name_length = (uint32_t)strlen(".note.gnu.property"),
		.data = notes->property_data, .size = size, .align_log2 = f->wide ? 3 : 2,
		.flags = SHF_ALLOC, .type = SHT_NOTE, .kind = SECTION_CONTENT,
	};
	return 0;
}

int notes_merge(struct notes *notes, const struct inputs *in, struct error *error)
{
	struct properties all = { .known = 1 }, one;
	int some_lack_stack_note = 0;

	for (size_t i = 0; i < in->n_objects; i++) {
		const struct object *o = &in->objects[i];

		notes->stack |= o->has_stack_note;
		notes->stack_flags |= o->stack_flags;
		some_lack_stack_note |= !o->has_stack_note;
		one.n = 0;
		one.known = o->property_note != UINT32_MAX;
		if (one.known && o->property_note)
			read_note(&in->format, &o->sections[o->property_note], &one);
		if (i == 0)
			all = one;
		else
			combine_properties(&in->format, &all, &one);
	}
	if (some_lack_stack_note)
		notes->stack_flags |= SHF_EXECINSTR;
	return write_property_note(notes, &in->format, &all, error);
}

void notes_free(struct notes *notes)
{
	free(notes->property_data);
}
