/* SPDX-License-Identifier: MIT */
/*
 * args.c - @FILE on the command line
 *
 * The names of 10,000 objects are longer than a command line may be on some systems. So compilers and linkers also read
 * arguments from files. Build systems write such files by the rules of libiberty, which gcc and GNU ld use. The rules
 * here are the same:
 *
 *   - Words are separated by white space.
 *   - White space inside single or double quotes belongs to the word.
 *   - The character after a backslash is taken as it is, also inside quotes of both kinds.
 *   - A word may itself be @FILE.
 *   - If the file does not exist, the word @FILE is an ordinary argument.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options/options.h"
#include "report/report.h"

/* How deep files may be nested. Without a limit, a file that names itself would be read for ever. */
enum { NESTED_MAX = 32 };

static int expand_word(struct args *args, const char *word, int depth, struct error *error);

/* Append a copy of `word`, or the NULL that ends the list. Returns 0 or -1. */
static int add_word(struct args *args, const char *word, struct error *error)
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

/*
 * Read the whole file and put a NUL behind it. A file that itself has a NUL is refused. To be freed. NULL: `error` has
 * the message.
 */
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

/*
 * Copy the first word of the text, without its quotes and backslashes, to `word`, which has room for the whole text.
 * Returns the rest of the text.
 */
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
	int r = word ? 0 : -1;

	while (r == 0) {
		while (isspace((unsigned char)*text))
			text++;
		if (!*text)
			break;
		text = next_word(text, word);
		r = expand_word(args, word, depth, error);
	}
	free(word);
	return r;
}

static int expand_word(struct args *args, const char *word, int depth, struct error *error)
{
	FILE *f = NULL;
	char *text;
	int r;

	if (word[0] == '@') {
		f = fopen(word + 1, "r");
		if (!f && errno != ENOENT)
			return fail(error, word + 1, "%s", strerror(errno));
	}
	if (!f)
		return add_word(args, word, error);
	if (depth == NESTED_MAX) {
		fclose(f);
		return fail(error, word + 1, "argument files nested more than %d deep", NESTED_MAX);
	}
	text = read_all(f, word + 1, error);
	fclose(f);
	if (!text)
		return -1;
	r = expand_text(args, text, depth + 1, error);
	free(text);
	return r;
}

int args_expand(struct args *args, int argc, char **argv, struct error *error)
{
	for (int i = 0; i < argc; i++) {
		if (i == 0 ? add_word(args, argv[0], error) : expand_word(args, argv[i], 0, error))
			return -1;
	}
	return add_word(args, NULL, error); /* getopt_long() needs the NULL that ends argv */
}

void args_free(struct args *args)
{
	for (size_t i = 0; i < args->n; i++)
		free(args->list[i]);
	free(args->list);
}
