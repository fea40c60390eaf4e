/* SPDX-License-Identifier: MIT */
/*
 * Measures one small write: through a View, by a pointer with a bounds check, and by stdio.
 *
 *     bench_small              all ways, interleaved; prints the median of 9 and the least, ns per call
 *     bench_small WAY N        one way, N calls; for callgrind, see bench/run
 *
 * "raw" is the cheapest bounded store: the pointer and the end are in registers. "local" is a View that was copied
 * into a local variable, so that the compiler keeps its members in registers too. "cursor" does what any writer must
 * do that is passed to functions: the pointer and the end are in memory, as in a View that is not local. They are
 * loaded and stored at each call, because the stored byte may alias them. "view" is a View that is not local.
 *
 * "turned" is a View of an output, in memory, whose byte order is not the machine's, so values are byte-swapped.
 *
 * Each way writes over the same 1 MiB again and again, so that the call is measured and not the memory. The output is
 * mapped and not staged; Views write over its first MiB, "raw" and "cursor" over its second. (If it were staged each
 * MiB would be written to the file: 0.13 ns more per call of 32 bits, 0.26 per call of 64 bits.) stdio writes to
 * /dev/null with a buffer of 64 KiB.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure.h"
#include "outbuf.h"

#define SPAN_BYTES ((size_t)1 << 20)
#define ROUNDS 9

struct cursor {
	unsigned char *p, *end;
};

static struct outbuf_view view, swapped;
static struct cursor cursor;
static unsigned char *memory;
static FILE *null;
static volatile int failed;

#define KEEP __attribute__((noinline))

/*
 * The slow path of a cursor. Like that of a View it is not inline and may change the cursor, so the compiler has to
 * expect that.
 */
static KEEP void cursor_full(struct cursor *c)
{
	failed = 1;
	c->p = c->end;
}

#define RAW(bits)                                                               \
	static KEEP void raw##bits(size_t n)                                    \
	{                                                                       \
		unsigned char *p = memory, *end = memory + SPAN_BYTES;          \
		size_t i;                                                       \
		for (i = 0; i < n; i++) {                                       \
			uint##bits##_t x = (uint##bits##_t)i;                   \
			if ((size_t)(end - p) < sizeof x) {                     \
				failed = 1;                                     \
				return;                                         \
			}                                                       \
			/* Keeps a store per call: compilers would vectorise the loop. */ \
			__asm__ volatile("" : "+r"(p)::"memory");               \
			memcpy(p, &x, sizeof x);                                \
			p += sizeof x;                                          \
		}                                                               \
	}

#define CURSOR(bits)                                                            \
	static KEEP void cursor##bits(size_t n)                                 \
	{                                                                       \
		struct cursor *c = &cursor;                                     \
		size_t i;                                                       \
		c->p = memory;                                                  \
		__asm__ volatile("" : "+r"(c)::"memory");                       \
		for (i = 0; i < n; i++) {                                       \
			uint##bits##_t x = (uint##bits##_t)i;                   \
			unsigned char *p = c->p;                                \
			if ((size_t)(c->end - p) < sizeof x) {                  \
				cursor_full(c);                                 \
				continue;                                       \
			}                                                       \
			memcpy(p, &x, sizeof x);                                \
			c->p = p + sizeof x;                                    \
		}                                                               \
	}

#define VIEW(way, which, name, bits)                                            \
	static KEEP void way(size_t n)                                          \
	{                                                                       \
		struct outbuf_view *v = &which;                                 \
		size_t i;                                                       \
		outbuf_seek(v, 0);                                              \
		__asm__ volatile("" : "+r"(v)::"memory");                       \
		for (i = 0; i < n; i++)                                         \
			outbuf_write##name(v, (uint##bits##_t)i);               \
	}

/* The View copied into a local variable and back: see struct outbuf_view. */
#define LOCAL(bits)                                                             \
	static KEEP void local##bits(size_t n)                                  \
	{                                                                       \
		struct outbuf_view w;                                           \
		size_t i;                                                       \
		outbuf_seek(&view, 0);                                          \
		w = view;                                                       \
		for (i = 0; i < n; i++) {                                       \
			/* Prevents vectors, as in RAW. */                      \
			__asm__ volatile("" ::: "memory");                      \
			outbuf_write##bits(&w, (uint##bits##_t)i);              \
		}                                                               \
		view = w;                                                       \
	}

#define FWRITE(bits)                                                            \
	static KEEP void fwrite##bits(size_t n)                                 \
	{                                                                       \
		size_t i;                                                       \
		for (i = 0; i < n; i++) {                                       \
			uint##bits##_t x = (uint##bits##_t)i;                   \
			fwrite_unlocked(&x, sizeof x, 1, null);                 \
		}                                                               \
	}

RAW(8)
RAW(32)
RAW(64)
CURSOR(8)
CURSOR(32)
CURSOR(64)
VIEW(view8, view, 8, 8)
VIEW(view32, view, 32, 32)
VIEW(view64, view, 64, 64)
VIEW(view32be, view, 32be, 32)
VIEW(turned32, swapped, 32, 32)
LOCAL(8)
LOCAL(32)
LOCAL(64)
FWRITE(32)
FWRITE(64)

static KEEP void putc8(size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		putc_unlocked((int)(i & 0xff), null);
}

static const struct way {
	const char *name;
	void (*run)(size_t n);
	size_t width; /* bytes per call */
} ways[] = {
	{ "raw8", raw8, 1 },           { "local8", local8, 1 },      { "cursor8", cursor8, 1 },
	{ "view8", view8, 1 },        { "putc_unlocked", putc8, 1 }, { "raw32", raw32, 4 },
	{ "local32", local32, 4 },     { "cursor32", cursor32, 4 },  { "view32", view32, 4 },
	{ "view32be", view32be, 4 },  { "turned32", turned32, 4 },   { "fwrite32", fwrite32, 4 },
	{ "raw64", raw64, 8 },
	{ "local64", local64, 8 },     { "cursor64", cursor64, 8 },  { "view64", view64, 8 },
	{ "fwrite64", fwrite64, 8 },
};

#define WAYS (sizeof ways / sizeof *ways)

/* Make n calls, at most as many at a time as fit into SPAN_BYTES. */
static void run(const struct way *way, size_t n)
{
	size_t most = SPAN_BYTES / way->width;

	for (; n > most; n -= most)
		way->run(most);
	way->run(n);
}

static void measure_all(void)
{
	static double ns[WAYS][ROUNDS];
	const size_t calls = 20000000;
	size_t i, round;

	for (round = 0; round < ROUNDS; round++)
		for (i = 0; i < WAYS; i++) {
			double began = now();

			run(&ways[i], calls);
			ns[i][round] = (now() - began) * 1e9 / (double)calls;
		}
	printf("%-14s %8s %8s\n", "way", "ns/call", "least");
	for (i = 0; i < WAYS; i++)
		printf("%-14s %8.2f %8.2f\n", ways[i].name, median(ns[i], ROUNDS),
		       least(ns[i], ROUNDS));
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/bench_small-XXXXXX";
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob, *other;
	void *second = NULL;
	size_t i;
	int r, fd = mkstemp(path);

	if (fd < 0)
		die(path, 1);
	close(fd);
	null = fopen("/dev/null", "w");
	if (null == NULL || setvbuf(null, NULL, _IOFBF, 65536) != 0)
		die("setting up", 12);
	options.stage = OUTBUF_NO;
	r = outbuf_open(&ob, path, &options);
	if (r == 0)
		r = outbuf_map(ob, 2 * SPAN_BYTES);
	if (r == 0)
		r = outbuf_data(ob, SPAN_BYTES, SPAN_BYTES, &second);
	if (r == 0)
		r = outbuf_view(ob, &view, 0, SPAN_BYTES);
	options.order = OUTBUF_HOST_BIG ? OUTBUF_LITTLE_ENDIAN : OUTBUF_BIG_ENDIAN;
	if (r == 0)
		r = outbuf_open_memory(&other, &options);
	if (r == 0)
		r = outbuf_view(other, &swapped, 0, SPAN_BYTES);
	if (r < 0)
		die(path, r);
	memory = second;
	memset(memory, 1, SPAN_BYTES);
	cursor.end = memory + SPAN_BYTES;
	outbuf_fill(&view, 1, SPAN_BYTES);
	outbuf_fill(&swapped, 1, SPAN_BYTES);

	if (argc == 3) {
		for (i = 0; i < WAYS && strcmp(ways[i].name, argv[1]) != 0; i++)
			continue;
		if (i == WAYS)
			die(argv[1], 22);
		run(&ways[i], strtoul(argv[2], NULL, 0));
	} else {
		print_machine(NULL);
		measure_all();
	}
	if (failed || outbuf_view_end(&view) < 0 || outbuf_view_end(&swapped) < 0)
		die("a write", 34);
	outbuf_close(ob);
	outbuf_close(other);
	unlink(path);
	fclose(null);
	return 0;
}
