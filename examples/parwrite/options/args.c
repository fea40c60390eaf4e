/* SPDX-License-Identifier: MIT */
/*
 * args.c - @FILE on the command line
 *
 * A link of 10,000 objects does not fit a command line everywhere, so compilers and linkers read
 * more words from files, and build systems write such files with one set of rules in mind:
 * libiberty's, as gcc and GNU ld have them. Words are separated by white space; single and double
 * quotes keep it; a backslash takes the next character as it is, inside quotes of both kinds too;
 * a word may be another @FILE; and if there is no such file, the word stands for itself.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options/options.h"
#include "report/report.h"

/* A file that names itself would go on for ever. */
enum { NESTED_MAX = 32 };

static int expand(struct args *args, const char *word, int depth, struct error *error);

static int add(struct args *args, const char *word, struct error *error)
{
	char **list = grow(error, args->list, args->n, &args->room, sizeof *list);
	char *copy;

	if (!list)
		return -1;
	args->list = list;
	copy = word ? allocate(error, strlen(word) + 1, 1) : NULL;
	if (word && !copy)
		return -1;
	list[args->n] = word ? strcpy(copy, word) : NULL;
	if (word)
		args->n++;
	return 0;
}

/* The whole file with a NUL at its end; NULL with a message on failure. */
static char *read_all(FILE *f, const char *path, struct error *error)
{
	size_t n = 0, room = 0;
	char *text = NULL, *larger;

	do {
		if (n + 1 >= room) {
			room = room ? room * 2 : 4096;
			larger = realloc(text, room);
			if (!larger) {
				fail(error, path, "out of memory");
				free(text);
				return NULL;
			}
			text = larger;
		}
		n += fread(text + n, 1, room - n - 1, f);
	} while (!feof(f) && !ferror(f));
	text[n] = '\0';
	if (!ferror(f) && strlen(text) == n)
		return text;
	fail(error, path, "%s", ferror(f) ? strerror(errno) : "holds a NUL byte");
	free(text);
	return NULL;
}

/* Take one word off the text, unquoted, into `word`, which is as large as the text. */
static const char *next_word(const char *text, char *word)
{
	char quote = 0;

	for (; *text && (quote || !isspace((unsigned char)*text)); text++) {
		if (*text == '\\') {
			if (!*++text)
				break;
			*word++ = *text;
		} else if (quote ? *text == quote : *text == '\'' || *text == '"') {
			quote = quote ? 0 : *text;
		} else {
			*word++ = *text;
		}
	}
	*word = '\0';
	return text;
}

static int expand_text(struct args *args, const char *text, int depth, struct error *error)
{
	char *word = allocate(error, strlen(text) + 1, 1);
	int result = word ? 0 : -1;

	while (result == 0) {
		while (isspace((unsigned char)*text))
			text++;
		if (!*text)
			break;
		text = next_word(text, word);
		result = expand(args, word, depth, error);
	}
	free(word);
	return result;
}

static int expand(struct args *args, const char *word, int depth, struct error *error)
{
	FILE *f = NULL;
	char *text;
	int result;

	if (word[0] == '@') {
		f = fopen(word + 1, "r");
		if (!f && errno != ENOENT)
			return fail(error, word + 1, "%s", strerror(errno));
	}
	if (!f)
		return add(args, word, error);
	if (depth == NESTED_MAX) {
		fclose(f);
		return fail(error, word + 1, "argument files nested more than %d deep", NESTED_MAX);
	}
	text = read_all(f, word + 1, error);
	fclose(f);
	if (!text)
		return -1;
	result = expand_text(args, text, depth + 1, error);
	free(text);
	return result;
}

int args_expand(struct args *args, int argc, char **argv, struct error *error)
{
	for (int i = 0; i < argc; i++) {
		if (i == 0 ? add(args, argv[0], error) : expand(args, argv[i], 0, error))
			return -1;
	}
	return add(args, NULL, error); /* getopt_long() wants argv's NULL */
}

void args_free(struct args *args)
{
	for (size_t i = 0; i < args->n; i++)
		free(args->list[i]);
	free(args->list);
}
