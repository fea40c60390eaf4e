/* SPDX-License-Identifier: MIT */
/*
 * The writer of power_failure.c that uses the library: versions of an output, with gaps, from two threads, while a third
 * one syncs the directory and a file beside it. So the journal is written at any moment.
 *
 *     writer [OPTION]... DIR MARK EXPECTED COUNT FIRST
 *
 *   -d none|data|full    options.durability
 *   -r                   options.recycle; of 10 versions and more, one at least must be written over a spare
 *   -m                   options.map is required
 *   -x file|directory    a control: fsync(2) of files, or of directories, does nothing
 *   -N                   a control: without the library, by write(2) and rename(2)
 *   -S                   a control: by write(2), fsync(2) and rename(2)
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outbuf.h"
#include "system/unix/sys_table.h"

#define CHUNK 10000u
#define THREADS 2

enum way { BY_LIBRARY, BY_RENAME, BY_SYNC_AND_RENAME };

static struct outbuf_options library = OUTBUF_OPTIONS_INIT;
static enum way way;
static const char *dir, *expected;
static int mark = -1;
static unsigned recycled; /* versions that were written over a spare */

static uint64_t mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* ----------------------------------------------------------- what a version consists of */

static uint64_t size_of(uint64_t version)
{
	return 20000 + mix(version * 77 + 1) % 400000;
}

/* Does nobody write this chunk? Then it is zero. */
static int is_gap(uint64_t version, uint64_t chunk)
{
	return chunk > 0 && mix(version * 1000003 + chunk) % 7 == 0;
}

/* No word of it is zero, and no two versions have a word in common. */
static void fill(uint64_t version, uint64_t chunk, unsigned char *to, size_t n)
{
	uint64_t words[CHUNK / 8], i;

	for (i = 0; i < CHUNK / 8; i++)
		words[i] = mix((version << 32) ^ (chunk << 16) ^ i) | 1;
	memcpy(to, words, n);
}

/* -------------------------------------------------------------------------- writing */

static int write_expected(uint64_t version, unsigned char *content, uint64_t size)
{
	char path[600];
	int fd, ok;

	snprintf(path, sizeof path, "%s/%" PRIu64, expected, version);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ok = write(fd, content, (size_t)size) == (ssize_t)size;
	close(fd);
	return ok ? 0 : -EIO;
}

static int tell(char what, uint64_t version)
{
	char word[32];
	int n = snprintf(word, sizeof word, "%c %" PRIu64, what, version);

	return mark < 0 || write(mark, word, (size_t)n) == n ? 0 : -EIO;
}

struct job {
	struct outbuf *ob;
	const unsigned char *content;
	uint64_t version, size;
	unsigned number; /* of the thread */
};

static void *write_part(void *arg)
{
	const struct job *j = arg;
	uint64_t chunk, at;

	for (chunk = j->number; (at = chunk * CHUNK) < j->size; chunk += THREADS) {
		size_t n = j->size - at < CHUNK ? (size_t)(j->size - at) : CHUNK;
		struct outbuf_view v;

		if (is_gap(j->version, chunk))
			continue;
		outbuf_view(j->ob, &v, at, n);
		outbuf_write(&v, j->content + at, n);
		outbuf_view_end(&v);
	}
	return NULL;
}

static int by_library(const char *path, uint64_t version, const unsigned char *content, uint64_t size)
{
	struct outbuf *ob;
	struct job jobs[THREADS];
	pthread_t thread;
	unsigned i;
	int r = outbuf_open(&ob, path, &library);

	if (r == 0)
		r = outbuf_map(ob, size);
	for (i = 0; i < THREADS; i++)
		jobs[i] = (struct job){ ob, content, version, size, i };
	if (r == 0)
		r = -pthread_create(&thread, NULL, write_part, &jobs[1]);
	if (r == 0) {
		write_part(&jobs[0]);
		pthread_join(thread, NULL);
		r = tell('b', version);
	}
	if (r == 0)
		r = outbuf_commit(ob);
	if (r == 0) {
		struct outbuf_stats stats = { .size = sizeof stats };

		outbuf_stats(ob, &stats);
		recycled += strcmp(stats.placement, "recycled") == 0;
	}
	if (r < 0) {
		char text[300];

		outbuf_error_text(ob, text, sizeof text);
		fprintf(stderr, "writer: version %" PRIu64 ": %s\n", version, text);
	}
	outbuf_close(ob);
	return r;
}

static int by_hand(const char *path, uint64_t version, const unsigned char *content, uint64_t size)
{
	char temporary[600];
	int fd, r;

	snprintf(temporary, sizeof temporary, "%s.new", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write(fd, content, (size_t)size) == (ssize_t)size ? 0 : -EIO;
	if (r == 0 && way == BY_SYNC_AND_RENAME && fsync(fd) < 0)
		r = -errno;
	close(fd);
	if (r == 0)
		r = tell('b', version);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	return r;
}

static int write_version(uint64_t version)
{
	uint64_t size = size_of(version), chunk, at;
	unsigned char *content = calloc(1, (size_t)size);
	char path[600];
	int r = content == NULL ? -ENOMEM : 0;

	for (chunk = 0; r == 0 && (at = chunk * CHUNK) < size; chunk++) {
		if (!is_gap(version, chunk))
			fill(version, chunk, content + at, size - at < CHUNK ? (size_t)(size - at) : CHUNK);
	}
	snprintf(path, sizeof path, "%s/out", dir);
	if (r == 0)
		r = write_expected(version, content, size);
	if (r == 0)
		r = (way == BY_LIBRARY ? by_library : by_hand)(path, version, content, size);
	if (r == 0)
		r = tell('a', version);
	free(content);
	return r;
}

/* ------------------------------------------------------------------ others at the disk */

static atomic_int done;

/* Somebody else on the same file system. A file is synced, or the directory, every 0.2 to 4 ms. */
static void *disturb(void *arg)
{
	char path[600];
	uint64_t random = 42;
	int file, directory;

	(void)arg;
	snprintf(path, sizeof path, "%s/../side", dir);
	file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	directory = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (!done && file >= 0 && directory >= 0) {
		random = mix(random);
		usleep((useconds_t)(200 + random % 4000));
		if (pwrite(file, &random, sizeof random, (off_t)(random >> 20) % 30000) < 0 ||
		    fsync(random >> 40 & 1 ? file : directory) < 0)
			break;
	}
	close(file);
	close(directory);
	return NULL;
}

/* ---------------------------------------------------------------------------- controls */

static int (*real_fsync)(int fd);
static mode_t dropped; /* S_IFREG or S_IFDIR */

static int fsync_of_others(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == dropped ? 0 : real_fsync(fd);
}

static void drop(mode_t kind)
{
	real_fsync = ob__sys_table.fsync;
	dropped = kind;
	ob__sys_table.fsync = fsync_of_others;
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: writer [-d none|data|full] [-rmNS] [-x file|directory] DIR MARK EXPECTED COUNT FIRST\n");
	exit(2);
}

static int read_options(int argc, char **argv)
{
	static const char *const levels[] = { "none", "data", "full" };
	int c;

	while ((c = getopt(argc, argv, "d:rmx:NS")) != -1) {
		switch (c) {
		case 'd':
			for (library.durability = 0; strcmp(levels[library.durability], optarg) != 0;) {
				if (++library.durability == 3)
					usage();
			}
			break;
		case 'r': library.recycle = 1; break;
		case 'm': library.map = OUTBUF_REQUIRE; break;
		case 'x': drop(strcmp(optarg, "file") == 0 ? S_IFREG : S_IFDIR); break;
		case 'N': way = BY_RENAME; break;
		case 'S': way = BY_SYNC_AND_RENAME; break;
		default: usage();
		}
	}
	if (argc - optind != 5)
		usage();
	return optind;
}

int main(int argc, char **argv)
{
	uint64_t version, first, count;
	pthread_t other;
	int r = 0;

	argv += read_options(argc, argv);
	dir = argv[0];
	expected = argv[2];
	count = strtoull(argv[3], NULL, 10);
	first = strtoull(argv[4], NULL, 10);
	/* "-": after a failure, when nothing is recorded. */
	if (strcmp(argv[1], "-") != 0 && (mark = open(argv[1], O_WRONLY | O_CLOEXEC)) < 0) {
		fprintf(stderr, "writer: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	if (mark >= 0 && pthread_create(&other, NULL, disturb, NULL) != 0)
		return 1;
	for (version = first; r == 0 && version < first + count; version++) {
		r = write_version(version);
		if (mark >= 0)
			usleep((useconds_t)(mix(version) % 3000));
	}
	done = 1;
	if (mark >= 0)
		pthread_join(other, NULL);
	if (r == 0 && library.recycle && count >= 10 && recycled == 0) {
		fprintf(stderr, "writer: nothing was recycled\n");
		return 1;
	}
	if (r < 0)
		fprintf(stderr, "writer: %s\n", strerror(-r));
	return r < 0;
}
