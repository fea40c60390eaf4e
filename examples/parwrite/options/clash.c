/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "options/clash.h"

#include <string.h>
#include <sys/stat.h>

#include "input/image.h"
#include "input/input.h"
#include "options/options.h"
#include "report/report.h"

/*
 * Split a path into its folder, whose status is stored in *folder, and the name of the file there, which is returned.
 * NULL: the folder does not exist, or its path is too long.
 */
static const char *split_path(const char *path, struct stat *folder)
{
	const char *slash = strrchr(path, '/');
	char name[4096] = ".";
	size_t n = slash ? (size_t)(slash - path) + 1 : 0;

	if (n >= sizeof name)
		return NULL;
	if (n > 0) {
		memcpy(name, path, n);
		name[n] = '\0';
	}
	return stat(name, folder) == 0 ? path + n : NULL;
}

static int same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * Are both paths one file, or will they be once it is written? The files need not exist yet: then their folders and
 * names are compared. "-" is the same as "-" only: two texts in one stream could not be told apart. An existing file
 * that is not regular, such as a pipe or a device, counts as different, so several texts may go there.
 */
static int same_file(const char *a, const char *b)
{
	const char *name_a, *name_b;
	struct stat stat_a, stat_b;

	if (strcmp(a, "-") == 0 || strcmp(b, "-") == 0)
		return strcmp(a, b) == 0;
	if (stat(a, &stat_a) == 0)
		return stat(b, &stat_b) == 0 && S_ISREG(stat_a.st_mode) && same_inode(&stat_a, &stat_b);
	name_a = split_path(a, &stat_a);
	name_b = split_path(b, &stat_b);
	return name_a && name_b && strcmp(name_a, name_b) == 0 && same_inode(&stat_a, &stat_b);
}

/* Fail if `path`, which the option names, is an input. Returns 0 or -1. */
static int check_inputs(const char *path, const char *option, const struct inputs *in, struct error *error)
{
	struct stat st;

	if (strcmp(path, "-") == 0 || stat(path, &st) < 0)
		return 0;
	for (const struct image *image = in->images; image; image = image->next)
		if (image->device == st.st_dev && image->inode == st.st_ino)
			return fail(error, path, "is an input, and %s would write over it", option);
	return 0;
}

int clash_check(const struct options *options, const struct inputs *in, struct error *error)
{
	const char *map = options->map_file, *trace = options->trace_file, *output = options->output;

	if (map && check_inputs(map, "-Map", in, error))
		return -1;
	if (trace && check_inputs(trace, "--trace", in, error))
		return -1;
	if (map && same_file(map, output))
		return fail(error, map, "is for both the output and -Map");
	if (trace && same_file(trace, output))
		return fail(error, trace, "is for both the output and --trace");
	if (map && trace && same_file(map, trace))
		return fail(error, map, "is for both -Map and --trace");
	return 0;
}
