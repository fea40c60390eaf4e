/* SPDX-License-Identifier: MIT */
/*
 * libraries.c - -l and -L, as far as they make sense for a relocatable output
 *
 * A shared library cannot be combined into it, so -l finds only archives. Only the directories of -L are searched.
 * There are no default directories: only the compiler driver knows which these would be.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options/options.h"
#include "report/report.h"

int libraries_add(struct libraries *l, const char *directory, struct error *error)
{
	const char **directories = grow(error, l->directories, l->n, &l->room, sizeof *directories);

	if (!directories)
		return -1;
	l->directories = directories;
	directories[l->n++] = directory;
	return 0;
}

char *libraries_find(const struct libraries *l, const char *name, struct error *error)
{
	const char *prefix = name[0] == ':' ? "" : "lib", *suffix = name[0] == ':' ? "" : ".a";

	name += name[0] == ':';
	for (size_t i = 0; i < l->n; i++) {
		size_t n = strlen(l->directories[i]) + strlen(name) + sizeof "/lib.a";
		char *path = allocate(error, n, 1);

		if (!path)
			return NULL;
		snprintf(path, n, "%s/%s%s%s", l->directories[i], prefix, name, suffix);
		if (access(path, F_OK) == 0)
			return path;
		free(path);
	}
	fail(error, NULL, "no %s%s%s in the directories of -L", prefix, name, suffix);
	return NULL;
}
