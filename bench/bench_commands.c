/* SPDX-License-Identifier: MIT */
/*
 * Compares the run times of several commands that do the same work.
 *
 *     bench_commands ROUNDS OUTPUT NAME COMMAND [NAME COMMAND]...
 *
 * Each round runs every command once, one after the other. Each round begins with another command. OUTPUT is removed
 * before each run; the time for that is not counted. The program prints the median and the least time of each
 * command, and the ratio of its median to that of the first command.
 *
 * Memory is measured in one more round. That round is not timed, because measuring takes time: every millisecond
 * RssAnon of /proc/PID/status is read, and the largest value is printed. It does not include mapped files.
 */
#include "config.h"

#include "measure.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 99 };

struct command {
	const char *name, *text;                  /* from the command line; `text` is for sh -c */
	double wall[ROUNDS_MAX], cpu[ROUNDS_MAX]; /* seconds in each round */
	long private_kib;                         /* the largest RssAnon, in KiB */
	int failed;                               /* 1: the command has failed at least once */
};

static pid_t start(const struct command *c, const char *output)
{
	pid_t pid;

	unlink(output);
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", c->text, (char *)NULL);
		_exit(127);
	}
	if (pid < 0)
		die("fork", errno);
	return pid;
}

static void measure_time(struct command *c, const char *output, int round)
{
	double before = now();
	struct rusage used;
	int status;

	if (wait4(start(c, output), &status, 0, &used) < 0)
		die("wait4", errno);
	c->wall[round] = now() - before;
	c->cpu[round] = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	                (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
	c->failed |= status != 0;
}

/* RssAnon of the process in KiB; 0 if it has ended. */
static long private_now(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "RssAnon: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static void measure_memory(struct command *c, const char *output)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	pid_t pid = start(c, output);
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		long kib = private_now(pid);

		c->private_kib = kib > c->private_kib ? kib : c->private_kib;
		nanosleep(&moment, NULL);
	}
	c->failed |= status != 0;
}

static void print(const struct command *c, const struct command *first, int rounds)
{
	double wall = median(c->wall, (size_t)rounds);

	if (c->failed)
		printf("%-10s   failed\n", c->name);
	else
		printf("%-10s %8.3f %8.3f %8.2f %8.3f %8ld\n", c->name, wall, least(c->wall, (size_t)rounds),
		       wall / median(first->wall, (size_t)rounds), median(c->cpu, (size_t)rounds),
		       c->private_kib / 1024);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 0, n = (argc - 3) / 2;
	struct command *commands;
	char folder[4096];

	if (argc < 5 || argc % 2 == 0 || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: bench_commands ROUNDS OUTPUT NAME COMMAND [NAME COMMAND]...\n");
		return 2;
	}
	commands = calloc((size_t)n, sizeof *commands);
	if (!commands)
		die("calloc", ENOMEM);
	for (int i = 0; i < n; i++) {
		commands[i].name = argv[3 + 2 * i];
		commands[i].text = argv[4 + 2 * i];
	}
	snprintf(folder, sizeof folder, "%s", argv[2]);
	print_machine(dirname(folder));
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < n; i++)
			measure_time(&commands[(round + i) % n], argv[2], round);
	for (int i = 0; i < n; i++)
		measure_memory(&commands[i], argv[2]);
	unlink(argv[2]);
	printf("median of %d   wall s    least    ratio    cpu s  private MiB\n", rounds);
	for (int i = 0; i < n; i++)
		print(&commands[i], &commands[0], rounds);
	free(commands);
	return 0;
}
