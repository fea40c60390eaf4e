/* SPDX-License-Identifier: MIT */
/*
 * Emitting a large file as a linker does: every way of the library's beside what people write by hand.
 *
 *     bench_emit [-r] [-o TSV] [-w WORD]... [DIRECTORY [MEBIBYTES [ROUNDS [THREADS,...]]]]
 *
 * Which sections, and how threads share them: emit_sections.c. The ways: emit_ours.c,
 * emit_hand.c, emit_llvm.c. Each run makes a new file in the directory, complete and closed when
 * the clock stops, and then removes it. -w takes only ways with this word in their name, -o
 * also writes the numbers to a file, tab-separated.
 *
 * With -r the last output stays, each way's at a path of its own, and the next run of it replaces it, or
 * writes over it: as a linker does all day. Then ways that recycle or write in place are measured.
 *
 * Every way runs once before, with each number of threads, and its file is compared with what it
 * should be; so no row is fast by being wrong. A way that the file system or this build refuses
 * keeps its row, with the reason.
 *
 * Then the runs are interleaved, all ways and numbers of threads in another order each round: a
 * run is paid for in part by the next one (who comes after a memory-hungry way finds pages warm), and a
 * neighbour on the machine slows down whatever runs at that time. Between runs, off the clock, the
 * file system is told to write out what it holds: freeing the last file's blocks is not the next one's
 * work. What is in the page cache counts as written, as for any linker.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "emit.h"
#include "measure.h"

char path[4096];
const char *way_refused;
int again;
int checking;

static struct results results;
static const char *tsv, *words[MAX_WAYS];
static size_t word_count;
static int directory;
static char own[3000]; /* the directory of our outputs */

int refuse(const char *what, int error)
{
	way_refused = what;
	return error;
}

void check_bytes(const struct way *way, const void *data, size_t size)
{
	if (data != NULL && size == job.size && memcmp(data, job.expected, size) == 0)
		return;
	fprintf(stderr, "bench: %s: its output is not what it should be\n", way->name);
	exit(1);
}

static void check_file(const struct way *way)
{
	static unsigned char block[BLOCK];
	size_t done = 0;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0)
		die(path, errno);
	if ((size_t)st.st_size != job.size)
		check_bytes(way, block, (size_t)st.st_size);
	while (done < job.size) {
		ssize_t n = pread(fd, block, BLOCK, (off_t)done);

		if (n < 0)
			die(path, errno);
		if (n == 0 || memcmp(block, job.expected + done, (size_t)n) != 0) {
			fprintf(stderr, "bench: %s: wrong bytes in the MiB from offset %zu\n", way->name, done);
			exit(1);
		}
		done += (size_t)n;
	}
	close(fd);
}

/* --------------------------------------------------------------------- running */

static void name_output(size_t way)
{
	if (again)
		snprintf(path, sizeof path, "%s/way-%zu", own, way);
	else
		snprintf(path, sizeof path, "%s/out", own);
}

static void remove_output(void)
{
	if (!again && unlink(path) != 0 && errno != ENOENT)
		die(path, errno);
	if (syncfs(directory) != 0)
		die(path, errno);
}

/* Whatever ends the program; spares have hidden names. */
static void leave_no_output(void)
{
	int fd = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(fd, entry->d_name, 0);
	if (d != NULL)
		closedir(d);
	rmdir(own);
}

/* At worst it hangs: nothing of ours is locked but by readdir(). */
static void on_signal(int signal)
{
	leave_no_output();
	_exit(128 + signal);
}

static void check_all(void)
{
	size_t i, t;

	checking = 1;
	for (i = 0; i < results.ways; i++)
		for (t = 0; t < results.columns; t++) {
			const struct way *way = results.way[i];
			struct result *one = &results.result[i][t];

			name_output(i);
			one->unfit = way->most_threads != 0 && results.threads[t] > way->most_threads;
			if (one->unfit)
				continue;
			one->error = way->run(way, results.threads[t]);
			/* Until there is a spare, and it is the one that is written. */
			if (again && one->error == 0)
				one->error = way->run(way, results.threads[t]);
			if (again && one->error == 0)
				one->error = way->run(way, results.threads[t]);
			if (one->error != 0)
				one->refused = way_refused;
			else if (way->kind != LIMIT)
				check_file(way);
			remove_output();
		}
	checking = 0;
}

static void measure_all(void)
{
	size_t order[MAX_WAYS * MAX_COLUMNS], n = results.ways * results.columns, round, i;

	srand(1);
	for (i = 0; i < n; i++)
		order[i] = i;
	for (round = 0; round < results.rounds; round++) {
		for (i = n - 1; i > 0; i--) {
			size_t j = (size_t)rand() % (i + 1), swap = order[i];

			order[i] = order[j];
			order[j] = swap;
		}
		for (i = 0; i < n; i++) {
			size_t t = order[i] % results.columns;
			const struct way *way = results.way[order[i] / results.columns];
			struct result *one = &results.result[order[i] / results.columns][t];
			double began;

			if (one->unfit || one->error != 0)
				continue;
			name_output(order[i] / results.columns);
			began = now();
			if (way->run(way, results.threads[t]) != 0)
				die(way->name, EIO);
			one->seconds[round] = now() - began;
			remove_output();
		}
	}
}

/* ------------------------------------------------------------------ what is asked for */

static void usage(void)
{
	fprintf(stderr, "usage: bench_emit [-r] [-o TSV] [-w WORD]... "
	                "[DIRECTORY [MEBIBYTES [ROUNDS [THREADS,...]]]]\n");
	exit(2);
}

static size_t number(const char *word, char **end, size_t most)
{
	unsigned long n = strtoul(word, end, 10);

	if (*end == word || n == 0 || n > most)
		usage();
	return n;
}

static void take_ways(const struct way *ways, size_t n, enum kind kind)
{
	size_t i, k;

	for (i = 0; i < n && results.ways < MAX_WAYS; i++) {
		if (ways[i].when != BOTH && ways[i].when != (again ? AGAIN : NEW))
			continue;
		for (k = 0; k < word_count && strstr(ways[i].name, words[k]) == NULL; k++)
			continue;
		if (ways[i].kind == kind && (word_count == 0 || k < word_count))
			results.way[results.ways++] = &ways[i];
	}
}

/*
 * Rather now than in the middle; half as much again, as file systems free blocks late. With -r all
 * outputs stay, and a spare for some: 11 files.
 */
static void check_room(const char *dir, size_t size)
{
	struct statvfs fs;

	directory = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0 || fstatvfs(directory, &fs) != 0)
		die(dir, errno);
	if ((uint64_t)fs.f_bavail * fs.f_frsize < (again ? 11 : 1) * (uint64_t)size + size / 2)
		die(dir, ENOSPC);
	/* The file in the page cache, what it should be, and the output in memory: three times. */
	if ((uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) < 4 * (uint64_t)size)
		die("three times the output in memory", ENOMEM);
}

static const char *parse(int argc, char **argv, size_t *size)
{
	const char *dir, *list;
	char *end;
	int option;

	while ((option = getopt(argc, argv, "ro:w:")) != -1) {
		if (option == 'r')
			again = 1;
		else if (option == 'o')
			tsv = optarg;
		else if (option == 'w' && word_count < MAX_WAYS)
			words[word_count++] = optarg;
		else
			usage();
	}
	argc -= optind;
	argv += optind;
	if (argc > 4)
		usage();
	dir = argc > 0 ? argv[0] : ".";
	*size = number(argc > 1 ? argv[1] : "256", &end, SIZE_MAX >> 24) << 20;
	results.rounds = number(argc > 2 ? argv[2] : "5", &end, MAX_ROUNDS);
	for (list = argc > 3 ? argv[3] : "1,2"; results.columns < MAX_COLUMNS; list = end + 1) {
		results.threads[results.columns++] = (unsigned)number(list, &end, MAX_THREADS);
		if (*end != ',')
			break;
	}
	if (*end != '\0')
		usage();
	return dir;
}

int main(int argc, char **argv)
{
	size_t size;
	const char *dir = parse(argc, argv, &size), *named = getenv("OUTBUF_FS");
	char type[64];
	enum kind kind;

	for (kind = OURS; kind <= LIMIT; kind++) {
		take_ways(ways_ours, ways_ours_count, kind);
		take_ways(ways_hand, ways_hand_count, kind);
		take_ways(ways_llvm, ways_llvm_count, kind);
	}
	if (results.ways == 0)
		usage();
	check_room(dir, size);
	snprintf(own, sizeof own, "%s/bench_emit-%ld", dir, (long)getpid());
	if (mkdir(own, 0700) != 0)
		die(own, errno);
	job_make(size);
	atexit(leave_no_output);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	check_all();
	measure_all();

	file_system(dir, type);
	print_machine(dir);
	print_table(&results);
	if (tsv != NULL)
		write_tsv(&results, tsv, named != NULL ? named : type);
	job_free();
	return 0;
}
