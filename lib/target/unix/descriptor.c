/* SPDX-License-Identifier: MIT */
/*
 * /dev/stdout, /dev/fd/63, /proc/self/fd/1: names of open descriptors.
 *
 * Opening them is not the same as using the descriptor: a file is opened anew, at position 0 and
 * without O_APPEND, so `(echo a; prog -o /dev/stdout) > f` loses the "a"; a socket cannot be
 * opened at all. And they are symbolic links, which a file that takes the path's place would
 * replace: as root, /dev/stdout is gone. So such names are resolved to the number.
 */
#include "config.h"

#include "target/unix/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "system/unix/sys_unix.h"

#define LINKS_MAX 40 /* as the kernel */

/* Is the directory this process's (or thread's) list of descriptors? */
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

static int number(const char *name)
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
	char path[PATH_MAX], *slash;
	int links, dir = -1, found = -1;

	for (links = 0; links < LINKS_MAX; links++) {
		int at = dir >= 0 ? dir : dirfd, next;

		if (number(name) >= 0 && lists_descriptors(at)) {
			found = number(name);
			break;
		}
		if (ob__sys_readlinkat(at, name, path, sizeof path) < 0)
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
