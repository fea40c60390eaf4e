/* SPDX-License-Identifier: MIT */
/*
 * Measures small outputs, one after the other on one thread: what each costs from open to close.
 *
 *     bench_outputs DIRECTORY BYTES           all rows, interleaved: the medians of 7 rounds
 *     bench_outputs DIRECTORY BYTES ROW N     N outputs of one row; for strace and callgrind, see bench/outputs
 *
 * A row is a way to write an output, and what the way finds at the path: nothing, or its own last output. With
 * options.recycle the output before that is there, too. All outputs of a row are written to a directory of its own: new
 * ones to one path each, the others to 8 paths in turn. At the end of each round the last one is compared.
 *
 * The first form prints a line about the machine, and then a line per row with tabs between: the row, what it is
 * called, and per output the processor time (user and system) and the wall time in microseconds. A row that cannot be
 * measured here is left out, with a line on standard error that says why.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "llvm_load.h"
#include "measure.h"
#include "outbuf.h"

#define ROUNDS 7
#define OUTPUTS 400 /* in each round of a row */
#define PATHS 8     /* how many paths the outputs have that are not new */
#define PATH_BYTES 4096

/* What a way finds at the path. */
enum found {
	NOTHING,
	LAST_OUTPUT,
	SPARE /* the last output; and the one before, which is written over */
};

struct row {
	const char *key, *name;
	/* Write the output `data` of `size` bytes to the path; ends the program if that fails. */
	void (*write)(const struct row *row, const char *path);
	enum found found;
	int map;             /* by this library: 1 if the size is planned by outbuf_map() */
	const char *refused; /* why it cannot be measured here; NULL: it can */
	double cpu[ROUNDS], wall[ROUNDS]; /* microseconds per output */
};

static unsigned char *data;
static size_t size;
static const char *directory;

static void write_all(int fd, const char *path)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(fd, data + done, size - done);

		if (n < 0)
			die(path, errno);
		done += (size_t)n;
	}
}

/* Write a file that open(2) with these flags makes or cuts to nothing. */
static void write_file(const char *path, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);

	if (fd < 0)
		die(path, errno);
	write_all(fd, path);
	if (close(fd) != 0)
		die(path, errno);
}

static void by_hand(const struct row *row, const char *path)
{
	(void)row;
	write_file(path, O_TRUNC);
}

static void by_hand_with_rename(const struct row *row, const char *path)
{
	static unsigned number;
	char temporary[PATH_BYTES + 16];

	(void)row;
	snprintf(temporary, sizeof temporary, "%s.tmp-%u", path, number++);
	write_file(temporary, O_EXCL);
	if (rename(temporary, path) != 0)
		die(path, errno);
}

/* As ours(); fills *stats if it is not NULL. */
static void ours_with_stats(const struct row *row, const char *path, struct outbuf_stats *stats)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf_view view;
	struct outbuf *ob;
	int r;

	options.recycle = row->found == SPARE;
	r = outbuf_open(&ob, path, &options);
	if (r < 0)
		die(path, r);
	if (row->map)
		r = outbuf_map(ob, size);
	if (r < 0)
		die(path, r);
	/* Errors of the View are sticky: commit returns them. */
	outbuf_view(ob, &view, 0, size);
	outbuf_write(&view, data, size);
	outbuf_view_end(&view);
	r = outbuf_commit(ob);
	if (r < 0)
		die(path, r);
	if (stats != NULL)
		outbuf_stats(ob, stats);
	outbuf_close(ob);
}

static void ours(const struct row *row, const char *path)
{
	ours_with_stats(row, path, NULL);
}

static void llvm(const struct row *row, const char *path)
{
	const struct llvm_functions *functions = llvm_load();
	unsigned char *base;
	void *buffer = functions->create(path, size, &base);

	(void)row;
	if (buffer == NULL)
		die(path, EIO);
	memcpy(base, data, size);
	if (functions->commit(buffer) != 0)
		die(path, EIO);
}

#define ROW(k, n, w, f, m) { .key = k, .name = n, .write = w, .found = f, .map = m }

static struct row rows[] = {
	ROW("hand-new", "by hand, new", by_hand, NOTHING, 0),
	ROW("rename-new", "by hand with rename, new", by_hand_with_rename, NOTHING, 0),
	ROW("ours-new", "ours, new", ours, NOTHING, 1),
	ROW("unmapped-new", "ours without `outbuf_map`, new", ours, NOTHING, 0),
	ROW("llvm-new", "LLVM's `FileOutputBuffer`, new", llvm, NOTHING, 0),
	ROW("hand-over", "by hand, over", by_hand, LAST_OUTPUT, 0),
	ROW("rename-over", "by hand with rename, over", by_hand_with_rename, LAST_OUTPUT, 0),
	ROW("ours-over", "ours, over", ours, LAST_OUTPUT, 1),
	ROW("unmapped-over", "ours without `outbuf_map`, over", ours, LAST_OUTPUT, 0),
	ROW("ours-recycled", "ours, recycled", ours, SPARE, 1),
	ROW("unmapped-recycled", "ours without `outbuf_map`, recycled", ours, SPARE, 0),
	ROW("llvm-over", "LLVM's `FileOutputBuffer`, over", llvm, LAST_OUTPUT, 0),
};

#define ROWS (sizeof rows / sizeof *rows)

static void path_of(const struct row *row, unsigned i, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/%s/%u", directory, row->key, row->found == NOTHING ? i : i % PATHS);
}

static void write_outputs(const struct row *row, unsigned n)
{
	char path[PATH_BYTES];

	for (unsigned i = 0; i < n; i++) {
		path_of(row, i, path);
		row->write(row, path);
	}
}

/* Remove the files of a row's directory, hidden ones too. */
static void remove_outputs(const struct row *row)
{
	char path[PATH_BYTES];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof path, "%s/%s", directory, row->key);
	d = opendir(path);
	if (d == NULL)
		die(path, errno);
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) != 0)
			die(e->d_name, errno);
	}
	closedir(d);
}

/* End the program unless the output number i has the right bytes. */
static void check_output(const struct row *row, unsigned i)
{
	unsigned char *found = malloc(size + 1);
	char path[PATH_BYTES];
	FILE *f;

	path_of(row, i, path);
	f = fopen(path, "rb");
	if (f == NULL || found == NULL)
		die(path, errno);
	if (fread(found, 1, size + 1, f) != size || memcmp(found, data, size) != 0)
		die(path, EILSEQ);
	fclose(f);
	free(found);
}

/* Make the row's directory, and what its outputs find there. Sets row->refused if the row cannot be measured. */
static void prepare(struct row *row)
{
	struct outbuf_stats stats = { .size = sizeof stats };
	char path[PATH_BYTES];

	if (row->write == llvm && llvm_load() == NULL) {
		row->refused = "$BENCH_LLVM_BUFFER is not set";
		return;
	}
	snprintf(path, sizeof path, "%s/%s", directory, row->key);
	if (mkdir(path, 0777) != 0)
		die(path, errno);
	if (row->found == NOTHING)
		return;
	write_outputs(row, PATHS);
	if (row->found != SPARE)
		return;
	/* The first recycled output leaves the last one as a spare, and the next one is written over it. */
	write_outputs(row, PATHS);
	path_of(row, 0, path);
	ours_with_stats(row, path, &stats);
	if (strcmp(stats.placement, "recycled") != 0)
		row->refused = stats.recycle_why ? stats.recycle_why : stats.placement;
}

static void finish(const struct row *row)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s/%s", directory, row->key);
	if (row->write == llvm && row->refused)
		return;
	remove_outputs(row);
	if (rmdir(path) != 0)
		die(path, errno);
}

static double cpu_now(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static void measure(struct row *row, int round)
{
	double cpu = cpu_now(), wall = now();

	write_outputs(row, OUTPUTS);
	row->wall[round] = (now() - wall) * 1e6 / OUTPUTS;
	row->cpu[round] = (cpu_now() - cpu) * 1e6 / OUTPUTS;
	check_output(row, OUTPUTS - 1);
	if (row->found == NOTHING)
		remove_outputs(row);
}

static void measure_all(void)
{
	for (size_t i = 0; i < ROWS; i++)
		prepare(&rows[i]);
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < ROWS; i++) {
			/* Each round begins with another row. */
			struct row *row = &rows[(i + (size_t)round) % ROWS];

			if (row->refused == NULL)
				measure(row, round);
		}
	print_machine(directory);
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].refused)
			fprintf(stderr, "bench: no row \"%s\": %s\n", rows[i].name, rows[i].refused);
		else
			printf("%s\t%s\t%.1f\t%.1f\n", rows[i].key, rows[i].name, median(rows[i].cpu, ROUNDS),
			       median(rows[i].wall, ROUNDS));
		finish(&rows[i]);
	}
}

/* Does not remove the outputs: the calls for that would be counted. */
static int write_row(const char *key, unsigned n)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (strcmp(rows[i].key, key) != 0)
			continue;
		prepare(&rows[i]);
		if (rows[i].refused) {
			fprintf(stderr, "bench: no row \"%s\": %s\n", rows[i].name, rows[i].refused);
			return 1;
		}
		write_outputs(&rows[i], n);
		return 0;
	}
	fprintf(stderr, "bench: no row %s\n", key);
	return 2;
}

int main(int argc, char **argv)
{
	int status = 0;

	if ((argc != 3 && argc != 5) || (size = strtoul(argv[2], NULL, 0)) == 0) {
		fprintf(stderr, "usage: bench_outputs DIRECTORY BYTES [ROW N]\n");
		return 2;
	}
	directory = argv[1];
	data = malloc(size);
	if (data == NULL)
		die("malloc", ENOMEM);
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)(i * 7 + i / 256);
	if (argc == 5)
		status = write_row(argv[3], (unsigned)strtoul(argv[4], NULL, 0));
	else
		measure_all();
	free(data);
	return status;
}
