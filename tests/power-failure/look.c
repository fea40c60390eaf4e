/* SPDX-License-Identifier: MIT */
/*
 * The writer leaves a copy of each version where no power fails, before it commits it. So the check knows nothing of what
 * versions contain, and any program can be the writer.
 */
#include "config.h"

#include "look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct content {
	unsigned char *bytes;
	size_t n;
};

/* The whole file, in memory that the caller frees. 0 or a negative errno. */
static int read_file(const char *path, struct content *c)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
	struct stat st;
	ssize_t got;

	*c = (struct content){ 0 };
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		r = -errno;
	} else {
		c->bytes = malloc((size_t)st.st_size + 1);
		r = c->bytes == NULL ? -ENOMEM : 0;
	}
	while (r == 0 && c->n < (size_t)st.st_size) {
		got = read(fd, c->bytes + c->n, (size_t)st.st_size - c->n);
		if (got <= 0)
			r = got < 0 ? -errno : -EIO;
		else
			c->n += (size_t)got;
	}
	close(fd);
	if (r < 0)
		free(c->bytes);
	return r;
}

/* 1 if it is this version. If it is not, but begins like it further than *longest, `why` tells where it differs. */
static int compare(const struct content *c, const char *expected, uint64_t version, size_t *longest, char *why, size_t room)
{
	struct content want;
	char path[600];
	size_t same = 0;
	int equal;

	snprintf(path, sizeof path, "%s/%" PRIu64, expected, version);
	if (read_file(path, &want) < 0)
		return 0;
	while (same < c->n && same < want.n && c->bytes[same] == want.bytes[same])
		same++;
	equal = same == c->n && same == want.n;
	if (!equal && same > *longest) {
		*longest = same;
		snprintf(why, room, "%zu bytes, up to %zu as version %" PRIu64 ", which has %zu", c->n, same, version,
		         want.n);
	}
	free(want.bytes);
	return equal;
}

static void describe(const struct content *c, char *why, size_t room)
{
	size_t zeros = 0;

	while (zeros < c->n && c->bytes[zeros] == 0)
		zeros++;
	snprintf(why, room, "%zu bytes%s", c->n, c->n > 0 && zeros == c->n ? ", all zeros" : "");
}

enum finding look(const char *path, const char *expected, uint64_t last, uint64_t other, uint64_t *version, char *why,
                  size_t room)
{
	enum finding found = FOUND_MIXTURE;
	size_t longest = 0;
	struct content c;
	int r = read_file(path, &c);

	*version = 0;
	snprintf(why, room, "%s", r < 0 ? strerror(-r) : "");
	if (r < 0)
		return r == -ENOENT ? FOUND_NOTHING : FOUND_MIXTURE;
	describe(&c, why, room);
	/* The last ones are the likely ones. */
	for (*version = last; *version > 0 && found != FOUND_VERSION; --*version) {
		if (compare(&c, expected, *version, &longest, why, room)) {
			found = FOUND_VERSION;
			break;
		}
	}
	if (found != FOUND_VERSION && other != 0 && compare(&c, expected, other, &longest, why, room)) {
		*version = other;
		found = FOUND_VERSION;
	}
	free(c.bytes);
	return found;
}

unsigned look_for_others(const char *dir, const char *name)
{
	DIR *names = opendir(dir);
	const struct dirent *entry;
	unsigned n = 0;

	while (names != NULL && (entry = readdir(names)) != NULL) {
		struct content c;
		char path[800];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || strcmp(entry->d_name, name) == 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
		if (read_file(path, &c) == 0)
			free(c.bytes);
		n++;
	}
	if (names != NULL)
		closedir(names);
	return n;
}
