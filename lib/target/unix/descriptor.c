/* SPDX-License-Identifier: MIT */
/*
 * /dev/stdout, /dev/fd/63, /proc/self/fd/1: paths that mean an open descriptor.
 *
 * Problem: to open such a path is not the same as to use the descriptor. A file is opened again, at position 0 and
 * without O_APPEND, so `(echo a; prog -o /dev/stdout) > f` loses the "a". A socket cannot be opened at all. Besides,
 * these paths are symbolic links, which commit would replace by a file: for root, /dev/stdout would be gone.
 *
 * Choice: such a path is resolved to the number of the descriptor, which is then used itself.
 */
#include "config.h"

#include "target/unix/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "system/unix/sys_unix.h"

#define LINKS_MAX 40 /* links that are followed; the kernel's limit */

/* Is the directory the list of this process's (or thread's) descriptors? */
static int lists_descriptors(int dirfd)
{
	static const char *const lists[] = { "/proc/self/fd", "/proc/thread-self/fd", "/dev/fd" };
	struct stat dir, list;
	size_t i;

	if (ob__sys_fstat(dirfd, &dir) < 0)
		return 0;
	for (i = 0; i < sizeof lists / sizeof *lists; i++)
		if (ob__sys_fstatat(AT_FDCWD, lists[i], &list, 0) == 0 && list.st_dev == dir.st_dev &&
		    list.st_ino == dir.st_ino)
			return 1;
	return 0;
}

/* The decimal number that the name is, or -1. */
static int parse_number(const char *name)
{
	char *end;
	long n;

	if (*name < '0' || *name > '9')
		return -1;
	n = strtol(name, &end, 10);
	return *end == '\0' && n <= INT_MAX ? (int)n : -1;
}

int ob__descriptor_number(int dirfd, const char *name)
{
	/* `name` may lie in one of them: readlinkat(2) must not get the same buffer for its name and its result. */
	char paths[2][PATH_MAX], *slash;
	int links, dir = -1, found = -1;

	for (links = 0; links < LINKS_MAX; links++) {
		char *path = paths[links % 2];
		int at = dir >= 0 ? dir : dirfd, next;

		if (parse_number(name) >= 0 && lists_descriptors(at)) {
			found = parse_number(name);
			break;
		}
		if (ob__sys_readlinkat(at, name, path, sizeof paths[0]) < 0)
			break;
		slash = strrchr(path, '/');
		if (slash == NULL) {
			name = path;
			continue;
		}
		*slash = '\0';
		next = ob__sys_open_dir(at, slash == path ? "/" : path);
		if (dir >= 0)
			ob__sys_close(dir);
		dir = next;
		name = slash + 1;
		if (dir < 0)
			break;
	}
	if (dir >= 0)
		ob__sys_close(dir);
	return found;
}
