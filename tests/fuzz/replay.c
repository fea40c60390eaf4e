/* SPDX-License-Identifier: MIT */
/*
 * replay.c - a target as an ordinary program: runs it on each file that is named, and on those in
 * each directory, in order of names. What it printed last when it dies is the file that did it.
 */
#include "config.h"

#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static unsigned long ran;

static void replay_file(const char *path)
{
	static unsigned char data[1 << 20];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (f == NULL)
		finding("%s: %s", path, strerror(errno));
	n = fread(data, 1, sizeof data, f);
	fclose(f);
	printf("%s\n", path);
	fflush(stdout);
	/* A copy of its size, so that reading past its end is seen. */
	unsigned char *copy = malloc(n > 0 ? n : 1);
	if (copy == NULL)
		finding("out of memory");
	memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
	ran++;
}

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay(const char *path)
{
	struct dirent **entries;
	struct stat st;
	int n;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		replay_file(path);
		return;
	}
	n = scandir(path, &entries, is_file, alphasort);
	if (n < 0)
		finding("%s: %s", path, strerror(errno));
	for (int i = 0; i < n; i++) {
		char inner[4096];

		snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
		replay_file(inner);
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%lu inputs\n", ran);
	return ran == 0;
}
