/* SPDX-License-Identifier: MIT */
/*
 * Writes a large file as a linker does, by all methods of this library and by those that programs use without it, and
 * compares the times.
 *
 *     bench_emit [-r] [-o TSV] [-w WORD]... [DIRECTORY [MEBIBYTES [ROUNDS [THREADS,...]]]]
 *
 * emit_sections.c has the sections, and divides them among threads. emit_ours.c, emit_hand.c and emit_llvm.c have the
 * ways. Each run makes a new file in the directory. The file is complete and closed when the clock stops; then it is
 * removed. -w selects the ways with this word in their name. -o writes the numbers to a file as well, tab-separated.
 *
 * With -r the last output stays, at a path of its own for each way. The next run of the way replaces it or writes
 * over it, as a linker does that is run again and again. In these runs the ways that recycle or write in place are
 * measured, and some others to compare them with.
 *
 * Before the measurement every way runs once with each number of threads, and its file is compared with the expected
 * bytes. So no way is fast because its output is wrong. A way that the file system or this build refuses keeps its
 * row, with the reason.
 *
 * Then the runs are interleaved: each round has all ways and numbers of threads in another order. This is necessary
 * because a run affects the next one (after a way that uses much memory the next one finds free pages that the
 * machine has already provided), and because other programs on the machine slow down whatever runs at that moment.
 * Between runs, while the clock is stopped, the file system is synced, so that no run has to free the blocks of the
 * file before it. Bytes in the page cache count as written, as for any linker.
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
static const char *tsv_path, *filters[MAX_WAYS];
static size_t filter_count;
static int directory;             /* a descriptor of DIRECTORY */
static char own_directory[3000]; /* the path of our directory for outputs, inside DIRECTORY */

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

/* End the program with a message unless the file at path[] is the job's output. */
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

/* Set path[] for the way with this index. */
static void name_output(size_t way)
{
	if (again)
		snprintf(path, sizeof path, "%s/way-%zu", own_directory, way);
	else
		snprintf(path, sizeof path, "%s/out", own_directory);
}

/* Remove the output, except with -r, and wait until the file system has written everything. */
static void remove_output(void)
{
	if (!again && unlink(path) != 0 && errno != ENOENT)
		die(path, errno);
	if (syncfs(directory) != 0)
		die(path, errno);
}

/* Remove all our files, also spares, which have hidden names. Called at exit, and by the signal handler. */
static void remove_own_directory(void)
{
	int fd = open(own_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(fd, entry->d_name, 0);
	if (d != NULL)
		closedir(d);
	rmdir(own_directory);
}

/*
 * remove_own_directory() calls functions that are not safe in a signal handler, because the interrupted code may hold
 * a lock that they need. At worst the program hangs then. No data of this program has a lock, except the directory
 * stream that readdir() reads.
 */
static void handle_signal(int signal)
{
	remove_own_directory();
	_exit(128 + signal);
}

/* Run every way once with each number of threads, and check its output. */
static void check_all(void)
{
	size_t i, t;

	checking = 1;
	for (i = 0; i < results.ways; i++)
		for (t = 0; t < results.columns; t++) {
			const struct way *way = results.way[i];
			struct measurement *one = &results.measured[i][t];

			name_output(i);
			one->too_many_threads = way->max_threads != 0 && results.threads[t] > way->max_threads;
			if (one->too_many_threads)
				continue;
			one->error = way->run(way, results.threads[t]);
			/* Two more runs: the second one makes a spare, the third one writes over it. */
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

/* Run all rounds, each in another order. */
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
			struct measurement *one = &results.measured[order[i] / results.columns][t];
			double began;

			if (one->too_many_threads || one->error != 0)
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

/* ------------------------------------------------------------------ the command line */

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

static void select_ways(const struct way *ways, size_t n, enum kind kind)
{
	size_t i, k;

	for (i = 0; i < n && results.ways < MAX_WAYS; i++) {
		if (ways[i].when != BOTH && ways[i].when != (again ? AGAIN : NEW))
			continue;
		for (k = 0; k < filter_count && strstr(ways[i].name, filters[k]) == NULL; k++)
			continue;
		if (ways[i].kind == kind && (filter_count == 0 || k < filter_count))
			results.way[results.ways++] = &ways[i];
	}
}

/*
 * End the program if disk or memory do not suffice, rather than in the middle of the measurement. The disk must have
 * room for half an output more, because file systems free blocks late. With -r all outputs stay, and spares of some:
 * 11 files.
 */
static void check_room(const char *dir, size_t size)
{
	struct statvfs fs;

	directory = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0 || fstatvfs(directory, &fs) != 0)
		die(dir, errno);
	if ((uint64_t)fs.f_bavail * fs.f_frsize < (again ? 11 : 1) * (uint64_t)size + size / 2)
		die(dir, ENOSPC);
	/* The output is in memory three times: in the page cache, as the expected bytes, and in buffers of the way. */
	if ((uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) < 4 * (uint64_t)size)
		die("three times the output in memory", ENOMEM);
}

static const char *parse_arguments(int argc, char **argv, size_t *size)
{
	const char *dir, *list;
	char *end;
	int option;

	while ((option = getopt(argc, argv, "ro:w:")) != -1) {
		if (option == 'r')
			again = 1;
		else if (option == 'o')
			tsv_path = optarg;
		else if (option == 'w' && filter_count < MAX_WAYS)
			filters[filter_count++] = optarg;
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
	const char *dir = parse_arguments(argc, argv, &size), *name_from_environment = getenv("OUTBUF_FS");
	char type[64];
	enum kind kind;

	for (kind = OURS; kind <= LIMIT; kind++) {
		select_ways(ways_ours, ways_ours_count, kind);
		select_ways(ways_hand, ways_hand_count, kind);
		select_ways(ways_llvm, ways_llvm_count, kind);
	}
	if (results.ways == 0)
		usage();
	check_room(dir, size);
	snprintf(own_directory, sizeof own_directory, "%s/bench_emit-%ld", dir, (long)getpid());
	if (mkdir(own_directory, 0700) != 0)
		die(own_directory, errno);
	job_make(size);
	atexit(remove_own_directory);
	signal(SIGINT, handle_signal);
	signal(SIGTERM, handle_signal);
	check_all();
	measure_all();

	file_system(dir, type);
	print_machine(dir);
	print_table(&results);
	if (tsv_path != NULL)
		write_tsv(&results, tsv_path, name_from_environment != NULL ? name_from_environment : type);
	job_free();
	return 0;
}
