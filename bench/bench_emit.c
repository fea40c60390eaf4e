/* SPDX-License-Identifier: MIT */
/*
 * Emitting a large file: through Views into the mapping and into the heap, beside what people
 * write by hand.
 *
 *     bench_emit [DIRECTORY [MEBIBYTES [ROUNDS]]]
 *
 * The content is copied from 64 MiB of warm memory, as a linker copies sections from its
 * inputs, in blocks of 1 MiB taken from a shared counter. Each run makes a new file in the
 * directory, complete and closed when the clock stops, and then removes it. Runs are interleaved, in
 * another order each round: who comes after a memory-hungry way finds its pages warm.
 * The table has medians and, in brackets, the best runs, in GB/s: on a virtual machine that gives
 * free memory back to its host, the same run takes 0.2 s or 2 s by what pages it is given, and
 * the ways that need the bytes in memory twice meet that most often.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "measure.h"
#include "outbuf.h"

#define BLOCK ((size_t)1 << 20)
#define SOURCE ((size_t)64 << 20)
#define MAX_ROUNDS 99

static unsigned char *source;
static char path[4096];
static size_t size;

/* One emission; `next` is the first block nobody has taken, all else is constant while it runs. */
struct emission {
	void (*block)(struct emission *e, size_t offset);
	_Atomic size_t next;
	struct outbuf *ob;
	unsigned char *base;
	int fd;
};

static const unsigned char *content(size_t offset)
{
	return source + offset % SOURCE;
}

static void *work(void *arg)
{
	struct emission *e = arg;
	size_t offset;

	while ((offset = atomic_fetch_add(&e->next, BLOCK)) < size)
		e->block(e, offset);
	return NULL;
}

static void run(struct emission *e, unsigned threads)
{
	pthread_t other[64];
	unsigned i;

	for (i = 1; i < threads; i++)
		if (pthread_create(&other[i], NULL, work, e) != 0)
			die("pthread_create", EAGAIN);
	work(e);
	for (i = 1; i < threads; i++)
		pthread_join(other[i], NULL);
}

/* ------------------------------------------------------------------ the ways */

static void block_view(struct emission *e, size_t offset)
{
	struct outbuf_view v;

	outbuf_view(e->ob, &v, offset, BLOCK);
	outbuf_write(&v, content(offset), BLOCK);
	outbuf_view_end(&v);
}

static void with_outbuf(unsigned threads, uint32_t map)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct emission e = { .block = block_view };
	int r;

	options.map = map;
	options.threads = threads;
	r = outbuf_open(&e.ob, path, &options);
	if (r == 0)
		r = outbuf_map(e.ob, size);
	if (r < 0)
		die(path, r);
	run(&e, threads);
	r = outbuf_commit(e.ob);
	if (r < 0)
		die(path, r);
	outbuf_close(e.ob);
}

static void view_mapping(unsigned threads)
{
	with_outbuf(threads, OUTBUF_REQUIRE);
}

static void view_heap(unsigned threads)
{
	with_outbuf(threads, OUTBUF_NO);
}

static int create(void)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0)
		die(path, errno);
	return fd;
}

static void block_memcpy(struct emission *e, size_t offset)
{
	memcpy(e->base + offset, content(offset), BLOCK);
}

static void hand_mmap(unsigned threads, int reserve)
{
	struct emission e = { .block = block_memcpy, .fd = create() };

	if (reserve ? fallocate(e.fd, 0, 0, (off_t)size) : ftruncate(e.fd, (off_t)size))
		die(path, errno);
	e.base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, e.fd, 0);
	if (e.base == MAP_FAILED)
		die(path, errno);
	run(&e, threads);
	munmap(e.base, size);
	close(e.fd);
}

static void mmap_plain(unsigned threads)
{
	hand_mmap(threads, 0);
}

static void mmap_fallocate(unsigned threads)
{
	hand_mmap(threads, 1);
}

static void block_pwrite(struct emission *e, size_t offset)
{
	if (pwrite(e->fd, content(offset), BLOCK, (off_t)offset) != (ssize_t)BLOCK)
		die(path, errno);
}

/* What an emitter does that cannot hand its source to the kernel: build the block, then write. */
static void block_staged(struct emission *e, size_t offset)
{
	static _Thread_local unsigned char stage[BLOCK];

	memcpy(stage, content(offset), BLOCK);
	if (pwrite(e->fd, stage, BLOCK, (off_t)offset) != (ssize_t)BLOCK)
		die(path, errno);
}

static void hand_pwrite(unsigned threads, void (*block)(struct emission *e, size_t offset))
{
	struct emission e = { .block = block, .fd = create() };

	if (fallocate(e.fd, 0, 0, (off_t)size) != 0 && errno != EOPNOTSUPP)
		die(path, errno);
	run(&e, threads);
	close(e.fd);
}

static void pwrite_source(unsigned threads)
{
	hand_pwrite(threads, block_pwrite);
}

static void pwrite_staged(unsigned threads)
{
	hand_pwrite(threads, block_staged);
}

/* Everything built in memory, then one write: what many do where they cannot map. */
static void buffer_then_write(unsigned threads)
{
	struct emission e = { .block = block_memcpy, .fd = create() };
	size_t done = 0;

	e.base = malloc(size);
	if (e.base == NULL)
		die("malloc", ENOMEM);
	run(&e, threads);
	while (done < size) {
		ssize_t n = write(e.fd, e.base + done, size - done);

		if (n <= 0)
			die(path, errno);
		done += (size_t)n;
	}
	free(e.base);
	close(e.fd);
}

static const struct {
	const char *name;
	void (*run)(unsigned threads);
} ways[] = {
	{ "View, mapping", view_mapping },
	{ "by hand: fallocate + mmap", mmap_fallocate },
	{ "by hand: ftruncate + mmap", mmap_plain },
	{ "View, heap", view_heap },
	{ "by hand: memory, then write", buffer_then_write },
	{ "by hand: staged block + pwrite", pwrite_staged },
	{ "by hand: pwrite from source", pwrite_source },
};

#define WAYS (sizeof ways / sizeof *ways)

int main(int argc, char **argv)
{
	static double seconds[WAYS][2][MAX_ROUNDS];
	const char *dir = argc > 1 ? argv[1] : ".";
	size_t rounds = argc > 3 ? strtoul(argv[3], NULL, 0) : 9, round, i, t;
	static const unsigned threads[] = { 1, 2 };
	size_t order[2 * WAYS];

	size = (argc > 2 ? strtoul(argv[2], NULL, 0) : 1024) << 20;
	if (size == 0 || rounds == 0 || rounds > MAX_ROUNDS)
		die("arguments", EINVAL);
	snprintf(path, sizeof path, "%s/bench_emit-%ld", dir, (long)getpid());
	source = malloc(SOURCE + BLOCK);
	if (source == NULL)
		die("malloc", ENOMEM);
	for (i = 0; i < SOURCE + BLOCK; i++)
		source[i] = (unsigned char)(i * 2654435761u >> 13);

	for (i = 0; i < 2 * WAYS; i++)
		order[i] = i;
	for (round = 0; round < rounds; round++) {
		for (i = 2 * WAYS - 1; i > 0; i--) {
			size_t j = (size_t)rand() % (i + 1), swap = order[i];

			order[i] = order[j];
			order[j] = swap;
		}
		for (i = 0; i < 2 * WAYS; i++) {
			size_t way = order[i] / 2;
			double began = now();

			t = order[i] % 2;
			ways[way].run(threads[t]);
			seconds[way][t][round] = now() - began;
			unlink(path);
		}
	}

	print_machine(dir);
	printf("%zu MiB, GB/s: median of %zu (best)\n", size >> 20, rounds);
	printf("%-32s %14s %14s\n", "way", "1 thread", "2 threads");
	for (i = 0; i < WAYS; i++) {
		printf("%-32s", ways[i].name);
		for (t = 0; t < 2; t++)
			printf("  %5.2f (%5.2f)", (double)size / 1e9 / median(seconds[i][t], rounds),
			       (double)size / 1e9 / least(seconds[i][t], rounds));
		printf("\n");
	}
	free(source);
	return 0;
}
