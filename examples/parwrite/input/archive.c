/* SPDX-License-Identifier: MIT */
/*
 * archive.c - the members of an ar archive, in all formats that linkers meet
 *
 *     GNU    the name field is "name/", or "/123": the name begins at offset 123 in the contents of the member "//"
 *     BSD    "#1/20": the name is the first 20 bytes of the member's contents
 *     thin   name fields as in GNU archives, but the contents of the members are in files of their own, whose paths
 *            are relative to the archive; "/123:456" is the member at offset 456 in another archive, whose name
 *            begins at offset 123 in "//"
 *
 * No library is used. libelf knows neither BSD names nor thin archives. It ends its walk silently where a header is
 * damaged, and it truncates a member that extends past the end of the file. A linker that leaves out members silently
 * is worse than one that fails. So here each member must begin where the previous one ended, and the last one must
 * end where the file ends.
 */
#include "config.h"

#include "input/image.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "report/report.h"

enum { MAGIC_SIZE = 8, HEADER_SIZE = 60, NAME_SIZE = 16, SIZE_AT = 48, SIZE_DIGITS = 10, END_AT = 58 };

/* A walk over one archive. Used by one thread. */
struct walk {
	const struct image *archive;
	int thin; /* 1: a thin archive */
	/* Written by read_member(). */
	const char *names; /* the contents of the member "//"; NULL: the walk has not met it */
	size_t names_size;
};

/* The member where the walk is. Written by read_member(), and by find_thin_contents() for a thin archive. */
struct member {
	char *name; /* allocated; freed when the next member is read, or at the end of the walk */
	const unsigned char *data;
	size_t size;
	/* In a thin archive: offset of the member's header in the archive `name`; 0: the file `name` is the member. */
	uint64_t offset;
	int internal; /* 1: the archive's own symbol index or table of names */
};

int image_is_archive(const struct image *image)
{
	return image->size >= MAGIC_SIZE &&
	       (!memcmp(image->data, "!<arch>\n", MAGIC_SIZE) || !memcmp(image->data, "!<thin>\n", MAGIC_SIZE));
}

/* Parse a decimal number that is padded with spaces. Returns UINT64_MAX if the field has anything else. */
static uint64_t parse_decimal(const unsigned char *p, size_t digits)
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

/* Replace *name by a string of the n bytes at `text`. Returns 0, or -1: out of memory. */
static int replace_name(char **name, const void *text, size_t n, struct error *error)
{
	free(*name);
	*name = allocate(error, n + 1, 1);
	if (!*name)
		return -1;
	memcpy(*name, text, n);
	return 0;
}

/* Read the name field "/123" or "/123:456" into *text, *n and m->offset. Returns 1, or 0 if it is damaged. */
static int read_long_name(const struct walk *w, const unsigned char *field, struct member *m, const char **text,
                          size_t *n)
{
	const unsigned char *colon = memchr(field, ':', NAME_SIZE);
	uint64_t at = parse_decimal(field + 1, colon ? (size_t)(colon - field) - 1 : NAME_SIZE - 1);
	const char *end;

	if (!w->names || at >= w->names_size)
		return 0;
	if (colon) {
		m->offset = parse_decimal(colon + 1, (size_t)(field + NAME_SIZE - colon) - 1);
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

/*
 * Set the member's `name` and `internal` from its name field. Its data and size are set; a BSD name is cut off them.
 * Returns 1, 0 if the archive is damaged, or -1: out of memory.
 */
static int read_name(const struct walk *w, const unsigned char *field, struct member *m, struct error *error)
{
	const char *text = (const char *)field;
	size_t n;

	if (field[0] == '/' && field[1] >= '0' && field[1] <= '9') {
		if (!read_long_name(w, field, m, &text, &n))
			return 0;
	} else if (field[0] == '/') {
		m->internal = 1; /* "/", "/SYM64/", "//" */
		n = 1;
	} else if (!memcmp(field, "#1/", 3)) {
		uint64_t length = parse_decimal(field + 3, NAME_SIZE - 3);

		if (w->thin || length > m->size)
			return 0;
		text = (const char *)m->data;
		n = strnlen(text, (size_t)length);
		m->data += length;
		m->size -= (size_t)length;
	} else {
		const char *slash = memchr(text, '/', NAME_SIZE);

		for (n = slash ? (size_t)(slash - text) : NAME_SIZE; n > 0 && text[n - 1] == ' '; n--)
			;
	}
	m->internal |= n >= 9 && !memcmp(text, "__.SYMDEF", 9);
	return replace_name(&m->name, text, n, error) ? -1 : 1;
}

/*
 * Read the member whose header is at offset `at`. Sets *next to the offset of the next header. Returns as
 * read_name().
 */
static int read_member(struct walk *w, uint64_t at, struct member *m, uint64_t *next, struct error *error)
{
	const struct image *a = w->archive;
	const unsigned char *header = a->data + at;
	uint64_t size;
	int r;

	if (a->size - at < HEADER_SIZE || memcmp(header + END_AT, "`\n", 2) != 0)
		return 0;
	size = parse_decimal(header + SIZE_AT, SIZE_DIGITS);
	m->data = header + HEADER_SIZE;
	m->size = (size_t)size;
	m->offset = 0;
	m->internal = 0;
	/* A thin archive contains no contents except those of its internal members. */
	if (w->thin && !(header[0] == '/' && !(header[1] >= '0' && header[1] <= '9')))
		size = 0;
	if (size > a->size - at - HEADER_SIZE)
		return 0;
	r = read_name(w, header, m, error);
	if (r == 1 && header[0] == '/' && header[1] == '/') {
		w->names = (const char *)m->data;
		w->names_size = m->size;
	}
	*next = at + HEADER_SIZE + size;
	*next += *next & 1; /* members begin at even offsets */
	return r;
}

/*
 * The path of a file that a thin archive names; a relative name counts from the archive's folder. NULL: out of
 * memory.
 */
static char *path_from_archive(const char *archive, const char *name, struct error *error)
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

/* Set data and size of a thin archive's member, which are in another file. Returns 0, or -1 with a message. */
static int find_thin_contents(struct image **list, const struct image *archive, struct member *m, struct error *error)
{
	char *path = path_from_archive(archive->path, m->name, error);
	struct image *image = m->offset > 0 ? *list : NULL;

	if (!path)
		return -1;
	/*
	 * Members of one nested archive share its image. It is mostly the one opened last, which is first in the
	 * list.
	 */
	while (image && (strcmp(image->path, path) != 0 || image == archive))
		image = image->next;
	if (!image) {
		struct error open_error = ERROR_INIT;

		image = image_open(list, path, &open_error);
		if (!image)
			fail(error, archive->path, "its member %s", open_error.text);
		error_free(&open_error);
	}
	free(path);
	if (!image)
		return -1;
	m->data = image->data;
	m->size = image->size;
	if (m->offset > 0) {
		const unsigned char *header = image->data + m->offset;
		uint64_t size;

		if (!image_is_archive(image) || m->offset > image->size || image->size - m->offset < HEADER_SIZE ||
		    memcmp(header + END_AT, "`\n", 2) != 0 ||
		    (size = parse_decimal(header + SIZE_AT, SIZE_DIGITS)) > image->size - m->offset - HEADER_SIZE)
			return fail(error, archive->path, "%s has no member at offset %llu", image->path,
			            (unsigned long long)m->offset);
		m->data = header + HEADER_SIZE;
		m->size = (size_t)size;
	}
	return 0;
}

int archive_walk(struct image **list, const struct image *archive,
                 int (*found)(void *arg, const char *name, const unsigned char *data, size_t size), void *arg,
                 struct error *error)
{
	struct walk w = { .archive = archive, .thin = !memcmp(archive->data, "!<thin>\n", MAGIC_SIZE) };
	struct member m = { .name = NULL };
	uint64_t at = MAGIC_SIZE, next = MAGIC_SIZE;
	int r = 0;

	/* One byte of padding may be left at the end. */
	for (; r == 0 && at + 1 < archive->size; at = next) {
		int status = read_member(&w, at, &m, &next, error);

		if (status == 0)
			r = fail(error, archive->path, "damaged archive: no whole member at offset %llu",
			         (unsigned long long)at);
		else if (status < 0 || (!m.internal && w.thin && find_thin_contents(list, archive, &m, error)))
			r = -1;
		else if (!m.internal)
			r = found(arg, m.name, m.data, m.size);
	}
	free(m.name);
	return r;
}
