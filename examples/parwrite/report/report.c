/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "report/report.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The longest message, in bytes with its NUL; the rest is cut. Names come from inputs, which may be hostile: a symbol's
 * name can be as long as the whole file.
 */
enum { TEXT_MAX = 4096 };

/*
 * Make `text` the message unless a task with a lower or the same number has left one. Takes ownership of `text`. NULL
 * means that there was no memory for it.
 */
static void keep_text(struct error *error, size_t order, char *text)
{
	pthread_mutex_lock(&error->lock);
	if (!error->text || order < error->order) {
		free(error->text);
		/* Even an empty text shows that there was an error. */
		error->text = text ? text : calloc(1, 1);
		error->order = order;
		text = NULL;
	}
	pthread_mutex_unlock(&error->lock);
	free(text);
}

PRINTF_LIKE(4, 0)
static int keep_formatted(struct error *error, size_t order, const char *file, const char *format,
                          va_list args)
{
	char text[TEXT_MAX];
	int n = 0;

	if (file)
		n = snprintf(text, sizeof text, "%.2000s: ", file);
	vsnprintf(text + n, sizeof text - (size_t)n, format, args);
	keep_text(error, order, strdup(text));
	return -1;
}

void error_move(struct error *error, size_t order, struct error *from)
{
	keep_text(error, order, from->text);
	from->text = NULL;
}

int fail(struct error *error, const char *file, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	keep_formatted(error, 0, file, format, args);
	va_end(args);
	return -1;
}

int fail_at(struct error *error, size_t order, const char *file, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	keep_formatted(error, order, file, format, args);
	va_end(args);
	return -1;
}

void *allocate(struct error *error, size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		fail(error, NULL, "out of memory");
	return p;
}

void *grow(struct error *error, void *array, size_t n, size_t *room, size_t size)
{
	size_t new_room;

	if (n < *room)
		return array;
	new_room = *room ? *room * 2 : 64;
	array = new_room > SIZE_MAX / size ? NULL : realloc(array, new_room * size);
	if (array)
		*room = new_room;
	else
		fail(error, NULL, "out of memory");
	return array;
}

void say(const char *text)
{
	char line[TEXT_MAX];
	size_t i;

	for (i = 0; text[i] && i < sizeof line - 1; i++) {
		unsigned char c = (unsigned char)text[i];
		/* Control characters could break the line or be escape sequences for the terminal. */
		line[i] = c < ' ' || c == 0x7f ? '?' : text[i];
	}
	line[i] = '\0';
	fprintf(stderr, "parwrite: %s\n", line);
}

void error_free(struct error *error)
{
	free(error->text);
	pthread_mutex_destroy(&error->lock);
}
