/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[512];
static pid_t owner;

void finding(const char *format, ...)
{
	va_list args;

	fputs("finding: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

static void remove_dir(void)
{
	struct dirent *entry;
	DIR *d = owner == getpid() ? opendir(dir) : NULL;

	if (d == NULL)
		return;
	while ((entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	rmdir(dir);
}

const char *scratch_dir(void)
{
	const char *parent = getenv("TMPDIR");

	if (dir[0] != '\0')
		return dir;
	if (parent == NULL || *parent == '\0')
		parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(dir, sizeof dir, "%s/outbuf-fuzz-XXXXXX", parent);
	if (mkdtemp(dir) == NULL)
		finding("%s: %s", dir, strerror(errno));
	owner = getpid();
	atexit(remove_dir);
	return dir;
}

char *scratch_path(const char *name)
{
	size_t n = strlen(scratch_dir()) + 1 + strlen(name) + 1;
	char *path = malloc(n);

	if (path == NULL)
		finding("out of memory");
	snprintf(path, n, "%s/%s", scratch_dir(), name);
	return path;
}
