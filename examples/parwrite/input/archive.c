/* SPDX-License-Identifier: MIT */
/*
 * archive.c - the members of an ar archive, of all kinds that linkers meet
 *
 *     GNU    "name/", or "/123": the name is at 123 in the member "//"
 *     BSD    "#1/20": the name is the first 20 bytes of the contents
 *     thin   as GNU, but contents are in files of their own, by paths relative to the archive;
 *            "/123:456" is what lies at offset 456 in the archive of that name
 *
 * A library is not used, as libelf knows neither BSD names nor thin archives, ends its walk quietly
 * where a header is damaged, and cuts a member that runs past the end of the file. A linker that leaves out
 * members without a word is worse than one that fails: here each member must begin where the last one
 * ended, and the last one must end where the file does.
 */
#include "config.h"

#include "input/image.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "report/report.h"

enum { MAGIC = 8, HEADER = 60, NAME = 16, SIZE_AT = 48, SIZE_DIGITS = 10, END_AT = 58 };

struct walk {
	const struct image *archive;
	int thin;
	const char *names; /* contents of "//", NULL: there is none yet */
	size_t names_size;
};

struct member {
	char *name; /* the walker's, until the next one */
	const unsigned char *data;
	size_t size;
	uint64_t offset; /* of a thin archive's: where in the file it names; 0: it is the file */
	int own;         /* the archive's index or names */
};

int image_is_archive(const struct image *image)
{
	return image->size >= MAGIC && (!memcmp(image->data, "!<arch>\n", MAGIC) || !memcmp(image->data, "!<thin>\n", MAGIC));
}

/* A decimal number with spaces behind it, or UINT64_MAX. */
static uint64_t number(const unsigned char *p, size_t digits)
{
	uint64_t x = 0;
	size_t i;

	for (i = 0; i < digits && p[i] >= '0' && p[i] <= '9'; i++)
		x = x * 10 + (uint64_t)(p[i] - '0');
	if (i == 0)
		return UINT64_MAX;
	for (; i < digits; i++)
		if (p[i] != ' ')
			return UINT64_MAX;
	return x;
}

/* A name of n bytes, made a string in *name. */
static int keep_name(char **name, const void *text, size_t n, struct error *error)
{
	free(*name);
	*name = allocate(error, n + 1, 1);
	if (!*name)
		return -1;
	memcpy(*name, text, n);
	return 0;
}

/* "/123" and "/123:456": 1 if it is whole. */
static int long_name(const struct walk *w, const unsigned char *field, struct member *m, const char **text, size_t *n)
{
	const unsigned char *colon = memchr(field, ':', NAME);
	uint64_t at = number(field + 1, colon ? (size_t)(colon - field) - 1 : NAME - 1);
	const char *end;

	if (!w->names || at >= w->names_size)
		return 0;
	if (colon) {
		m->offset = number(colon + 1, (size_t)(field + NAME - colon) - 1);
		if (!w->thin || m->offset == UINT64_MAX || m->offset == 0)
			return 0;
	}
	*text = w->names + at;
	end = memchr(*text, '\n', w->names_size - at);
	if (!end)
		return 0;
	*n = (size_t)(end - *text);
	if (*n > 0 && end[-1] == '/')
		--*n;
	return *n > 0;
}

/* The name of a member whose data and size are set. Returns 1, 0 (damaged), or -1. */
static int read_name(const struct walk *w, const unsigned char *field, struct member *m, struct error *error)
{
	const char *text = (const char *)field;
	size_t n;

	if (field[0] == '/' && field[1] >= '0' && field[1] <= '9') {
		if (!long_name(w, field, m, &text, &n))
			return 0;
	} else if (field[0] == '/') {
		m->own = 1; /* "/", "/SYM64/", "//" */
		n = 1;
	} else if (!memcmp(field, "#1/", 3)) {
		uint64_t length = number(field + 3, NAME - 3);

		if (w->thin || length > m->size)
			return 0;
		text = (const char *)m->data;
		n = strnlen(text, (size_t)length);
		m->data += length;
		m->size -= (size_t)length;
	} else {
		const char *slash = memchr(text, '/', NAME);

		for (n = slash ? (size_t)(slash - text) : NAME; n > 0 && text[n - 1] == ' '; n--)
			;
	}
	m->own |= n >= 9 && !memcmp(text, "__.SYMDEF", 9);
	return keep_name(&m->name, text, n, error) ? -1 : 1;
}

/* The member whose header is at `at`, and in *next where the one behind it begins. As read_name(). */
static int read_member(struct walk *w, uint64_t at, struct member *m, uint64_t *next, struct error *error)
{
	const struct image *a = w->archive;
	const unsigned char *header = a->data + at;
	uint64_t size;
	int r;

	if (a->size - at < HEADER || memcmp(header + END_AT, "`\n", 2) != 0)
		return 0;
	size = number(header + SIZE_AT, SIZE_DIGITS);
	m->data = header + HEADER;
	m->size = (size_t)size;
	m->offset = 0;
	m->own = 0;
	/* A thin archive has only its own members in it. */
	if (w->thin && !(header[0] == '/' && !(header[1] >= '0' && header[1] <= '9')))
		size = 0;
	if (size > a->size - at - HEADER)
		return 0;
	r = read_name(w, header, m, error);
	if (r == 1 && header[0] == '/' && header[1] == '/') {
		w->names = (const char *)m->data;
		w->names_size = m->size;
	}
	*next = at + HEADER + size;
	*next += *next & 1; /* members begin at even offsets */
	return r;
}

/* A path as the archive says it, from where the archive is. NULL: out of memory. */
static char *beside(const char *archive, const char *name, struct error *error)
{
	const char *slash = strrchr(archive, '/');
	size_t n = slash && name[0] != '/' ? (size_t)(slash - archive) + 1 : 0;
	char *path = allocate(error, n + strlen(name) + 1, 1);

	if (path) {
		memcpy(path, archive, n);
		memcpy(path + n, name, strlen(name));
	}
	return path;
}

/* Where a thin archive's member really is. */
static int find_thin(struct image **list, const struct image *archive, struct member *m, struct error *error)
{
	char *path = beside(archive->path, m->name, error);
	struct image *image = m->offset > 0 ? *list : NULL;

	if (!path)
		return -1;
	/* Members of one archive have one image. It was opened last, mostly. */
	while (image && (strcmp(image->path, path) != 0 || image == archive))
		image = image->next;
	if (!image) {
		struct error own = ERROR_INIT;

		image = image_open(list, path, &own);
		if (!image)
			fail(error, archive->path, "its member %s", own.text);
		error_free(&own);
	}
	free(path);
	if (!image)
		return -1;
	m->data = image->data;
	m->size = image->size;
	if (m->offset > 0) {
		const unsigned char *header = image->data + m->offset;
		uint64_t size;

		if (!image_is_archive(image) || m->offset > image->size || image->size - m->offset < HEADER ||
		    memcmp(header + END_AT, "`\n", 2) != 0 ||
		    (size = number(header + SIZE_AT, SIZE_DIGITS)) > image->size - m->offset - HEADER)
			return fail(error, archive->path, "%s has no member at offset %llu", image->path,
			            (unsigned long long)m->offset);
		m->data = header + HEADER;
		m->size = (size_t)size;
	}
	return 0;
}

int archive_walk(struct image **list, const struct image *archive,
                 int (*found)(void *arg, const char *name, const unsigned char *data, size_t size), void *arg,
                 struct error *error)
{
	struct walk w = { .archive = archive, .thin = !memcmp(archive->data, "!<thin>\n", MAGIC) };
	struct member m = { .name = NULL };
	uint64_t at = MAGIC, next = MAGIC;
	int r = 0;

	/* One byte may be left, as padding. */
	for (; r == 0 && at + 1 < archive->size; at = next) {
		int whole = read_member(&w, at, &m, &next, error);

		if (whole == 0)
			r = fail(error, archive->path, "damaged archive: no whole member at offset %llu",
			         (unsigned long long)at);
		else if (whole < 0 || (!m.own && w.thin && find_thin(list, archive, &m, error)))
			r = -1;
		else if (!m.own)
			r = found(arg, m.name, m.data, m.size);
	}
	free(m.name);
	return r;
}
