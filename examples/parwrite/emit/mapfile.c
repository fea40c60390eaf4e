/* SPDX-License-Identifier: MIT */
/*
 * mapfile.c - -Map: a text that says where everything lies in the output. Numbers are hexadecimal
 *
 *     OFFSET SIZE ALIGN  NAME             a section of the output; OFFSET counts from the start of the file
 *       OFFSET SIZE      OBJECT           a part of it; OFFSET counts from the start of the section
 *     discarded SIGNATURE OBJECT          a group of this object, discarded because an earlier object has it, too
 */
#include "config.h"

#include "emit/mapfile.h"

#include <inttypes.h>
#include <stdio.h>

#include "layout/layout.h"
#include "report/text.h"

static void write_sections(FILE *f, const struct layout *l)
{
	for (size_t i = 0; i < l->n_sections; i++) {
		const struct output_section *s = &l->sections[i];

		fprintf(f, "%10" PRIx64 " %8" PRIx64 " %5" PRIx64 "  %s\n", s->file_offset, s->size,
		        (uint64_t)1 << s->align_log2, s->name);
		for (size_t p = s->first_piece; p < s->first_piece + s->n_pieces; p++) {
			const struct piece *piece = &l->pieces[p];

			fprintf(f, "  %8" PRIx64 " %8" PRIx64 "        %s\n", piece->section->offset,
			        piece->section->size, piece->object ? piece->object->name : "made by parwrite");
		}
	}
}

static void write_discarded(FILE *f, const struct inputs *in)
{
	for (size_t i = 0; i < in->n_objects; i++) {
		const struct object *o = &in->objects[i];

		for (uint32_t j = 0; j < o->n_groups; j++)
			if (o->groups[j].discarded)
				fprintf(f, "discarded %s %s\n", o->groups[j].name, o->name);
	}
}

int mapfile_write(const char *path, const struct layout *layout, const struct inputs *in, struct error *error)
{
	struct text text = { .file = NULL };
	int failed = text_open(&text, path, error);

	if (!failed) {
		fprintf(text.file, "%10s %8s %5s  %s\n", "offset", "size", "align", "section");
		write_sections(text.file, layout);
		write_discarded(text.file, in);
		failed = text_commit(&text, error);
	}
	text_close(&text);
	return failed;
}
