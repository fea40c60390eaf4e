/* SPDX-License-Identifier: MIT */
/*
 * damage.c - bad input by the hundred: a file cut or changed at each of many offsets, given to a program
 *
 *     damage cut|set|clear|words FILE VARIANT OUTPUT COMMAND [ARGUMENT...] <OFFSETS
 *
 * For each offset of standard input FILE's bytes are written to VARIANT, cut there (cut), with that byte set to
 * 255 (set) or 0 (clear), or with 8 bytes of 255 from there on (words), and the command is run with VARIANT as its last argument. It must end by status 1
 * with one line that names VARIANT, and with OUTPUT as it was; or, if it was not cut, by status 0.
 *
 * A program, as a shell takes four processes for each of them: 82 s for 1,400 offsets, not 4.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char precious[] = "precious";

static void give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	exit(1);
}

static unsigned char *read_all(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	unsigned char *data = NULL;
	long end;

	if (f == NULL || fseek(f, 0, SEEK_END) < 0 || (end = ftell(f)) < 0)
		give_up("%s: %s", path, strerror(errno));
	*n = (size_t)end;
	data = malloc(*n + 1);
	rewind(f);
	if (data == NULL || fread(data, 1, *n, f) != *n)
		give_up("%s: cannot be read", path);
	data[*n] = '\0';
	fclose(f);
	return data;
}

static void write_all(const char *path, const void *data, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, data, n) != (ssize_t)n || close(fd) < 0)
		give_up("%s: %s", path, strerror(errno));
}

static int same(const char *path, const char *text)
{
	size_t n;
	unsigned char *data = read_all(path, &n);
	int r = n == strlen(text) && memcmp(data, text, n) == 0;

	free(data);
	return r;
}

/* Run it; what it said goes to a file of that name. */
static int run(char **command, const char *said)
{
	posix_spawn_file_actions_t files;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, said, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	posix_spawn_file_actions_adddup2(&files, 1, 2);
	errno = posix_spawnp(&pid, command[0], &files, NULL, command, environ);
	if (errno != 0 || waitpid(pid, &status, 0) != pid)
		give_up("%s: %s", command[0], strerror(errno));
	posix_spawn_file_actions_destroy(&files);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Is it one line that names the file? */
static int is_clear(const char *said, const char *variant)
{
	size_t n;
	unsigned char *text = read_all(said, &n);
	int r = n > 0 && strchr((char *)text, '\n') == (char *)text + n - 1 &&
	        strstr((char *)text, variant) != NULL;

	free(text);
	return r;
}

int main(int argc, char **argv)
{
	unsigned long runs = 0, refused = 0;
	const char *variant, *output;
	unsigned char *data, *damaged;
	char **command;
	char said[4096];
	uint64_t at;
	size_t n;
	int cut;

	if (argc < 6) {
		fprintf(stderr, "usage: %s cut|set|clear|words FILE VARIANT OUTPUT COMMAND [ARGUMENT...] <OFFSETS\n", argv[0]);
		return 2;
	}
	cut = strcmp(argv[1], "cut") == 0;
	data = read_all(argv[2], &n);
	damaged = malloc(n + 8);
	if (damaged == NULL)
		give_up("out of memory");
	variant = argv[3];
	output = argv[4];
	snprintf(said, sizeof said, "%s.said", variant);
	command = calloc((size_t)argc, sizeof *command);
	if (command == NULL)
		give_up("out of memory");
	memcpy(command, argv + 5, (size_t)(argc - 5) * sizeof *command);
	command[argc - 5] = argv[3];
	while (scanf("%" SCNu64, &at) == 1 && at < n) {
		int status;

		memcpy(damaged, data, n);
		if (!cut)
			memset(damaged + at, argv[1][0] == 'c' ? 0 : 255, argv[1][0] == 'w' ? 8 : 1);
		write_all(variant, damaged, cut ? (size_t)at : n);
		write_all(output, precious, strlen(precious));
		status = run(command, said);
		if (status != 1 && (status != 0 || cut))
			give_up("%s at %" PRIu64 ": status %d", argv[1], at, status);
		if (status == 1 && !is_clear(said, variant))
			give_up("%s at %" PRIu64 ": not one line that names %s, in %s", argv[1], at, variant, said);
		if (status == 1 && !same(output, precious))
			give_up("%s at %" PRIu64 ": %s has changed", argv[1], at, output);
		runs++;
		refused += status == 1;
	}
	printf("%s at %lu offsets, %lu refused\n", argv[1], runs, refused);
	free(command);
	free(data);
	free(damaged);
	return runs > 0 ? 0 : 1;
}
