/* SPDX-License-Identifier: MIT */
/* section.c - the error message about one section */
#include "config.h"

#include "input/input.h"
#include "report/report.h"

int bad_section(struct error *error, const struct object *o, const struct section *s, const char *what)
{
	return fail(error, o->name, "section %s: %s", s->name, what);
}
