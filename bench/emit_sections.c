/* SPDX-License-Identifier: MIT */
/*
 * The sections that bench_emit emits.
 *
 * Their sizes are drawn from a fixed seed, distributed like those of a linker. A quarter of the bytes are small
 * sections with the sizes found in Debian's libLLVMCodeGen.a (LLVM 14): 25,632 sections, mean 492 bytes, median 104.
 * The table below is their histogram. The rest of the bytes are few large sections, because a linked libLLVM-14.so
 * has 77 % of its 108 MB in two sections, and debug information, symbol tables and string tables are large too. These
 * have 64 KiB to an eighth of the output, each octave equally often. An output of 256 MiB has 110 thousand small
 * sections and 59 others.
 *
 * A linker divides the work into portions that are large enough to be worth an access to the queue. So neighbouring
 * small sections are one task, up to 1 MiB. Larger sections are divided into blocks that end at multiples of 1 MiB of
 * the file.
 *
 * The content is copied from 64 MiB of memory that has been touched, because the inputs of a linker are files in the
 * page cache.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "measure.h"

#define SOURCE_SIZE ((size_t)64 << 20)
/*
 * The byte at offset x of the output is the byte at x modulo this in the source. It is not a multiple of the page
 * size, so the alignment of source to output differs from period to period.
 */
#define SOURCE_PERIOD (SOURCE_SIZE - BLOCK - 65 * 64)

struct job job;
static unsigned char *source;

const unsigned char *content(size_t offset)
{
	return source + offset % SOURCE_PERIOD;
}

/* A random number below `below`, by splitmix64: the numbers do not depend on the C library. */
static uint64_t random_below(uint64_t *state, uint64_t below)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (x ^ x >> 31) % below;
}

/* How many of a thousand small sections have 4^i to 4^(i+1) bytes. */
static const unsigned histogram[] = { 36, 39, 289, 326, 233, 55, 19, 3 };

static size_t small_length(uint64_t *seed)
{
	uint64_t left = random_below(seed, 1000);
	size_t i = 0, octave;

	while (left >= histogram[i])
		left -= histogram[i++];
	octave = (size_t)1 << (2 * i + random_below(seed, 2));
	return octave + random_below(seed, octave);
}

static size_t large_length(uint64_t *seed, size_t size)
{
	size_t octaves = 0, octave;

	while (((size_t)131072 << octaves) < size / 8)
		octaves++;
	octave = (size_t)65536 << random_below(seed, octaves ? octaves : 1);
	return octave + random_below(seed, octave);
}

/* Ensure that an array of `count` elements has room for one more; its capacity is a power of two. Returns the array. */
static void *grow_array(void *array, size_t count, size_t each)
{
	if ((count & (count - 1)) != 0)
		return array;
	array = realloc(array, (count ? 2 * count : 1) * each);
	if (array == NULL)
		die("the sections", ENOMEM);
	return array;
}

static void draw_sections(size_t size)
{
	uint64_t seed = 1;
	size_t offset = 0, length;

	while (offset < size) {
		if (offset < size / 4) {
			length = small_length(&seed);
			job.small_count++;
		} else {
			length = large_length(&seed, size);
		}
		if (length > size - offset)
			length = size - offset;
		job.sections = grow_array(job.sections, job.section_count, sizeof *job.sections);
		job.sections[job.section_count++] = (struct section){ offset, length };
		offset = (offset + length + ALIGN - 1) / ALIGN * ALIGN;
	}
	/* The last section ends at the end of the output. */
	job.sections[job.section_count - 1].length = size - job.sections[job.section_count - 1].offset;
}

static struct task *new_task(size_t offset, size_t length, size_t section)
{
	job.tasks = grow_array(job.tasks, job.task_count, sizeof *job.tasks);
	job.tasks[job.task_count] = (struct task){ offset, length, section, 1 };
	return &job.tasks[job.task_count++];
}

static void make_tasks(void)
{
	struct task *group = NULL;
	size_t i;

	for (i = 0; i < job.section_count; i++) {
		size_t offset = job.sections[i].offset, end = offset + job.sections[i].length;

		if (end - offset >= BLOCK) {
			while (offset < end) {
				size_t stop = (offset / BLOCK + 1) * BLOCK;

				stop = stop < end ? stop : end;
				new_task(offset, stop - offset, i);
				offset = stop;
			}
			group = NULL;
		} else if (group != NULL && end - group->offset <= BLOCK) {
			group->length = end - group->offset;
			group->count++;
		} else {
			group = new_task(offset, end - offset, i);
		}
	}
}

void job_make(size_t size)
{
	struct emission e = { .task = task_memcpy };
	uint64_t seed = 2;
	size_t i;

	job.size = size;
	draw_sections(size);
	make_tasks();
	source = malloc(SOURCE_SIZE);
	job.expected = calloc(size, 1);
	if (source == NULL || job.expected == NULL)
		die("memory for the sections", ENOMEM);
	for (i = 0; i < SOURCE_SIZE; i += sizeof seed) {
		uint64_t x = random_below(&seed, UINT64_MAX);

		memcpy(source + i, &x, sizeof x);
	}
	e.base = job.expected;
	emit(&e, 1);
	/* Touch every page, also in gaps: calloc() provides pages only when they are touched. */
	for (i = 0; i < size; i += 4096)
		*(volatile unsigned char *)(job.expected + i) = job.expected[i];
}

void job_free(void)
{
	free(source);
	free(job.expected);
	free(job.sections);
	free(job.tasks);
}

/* ------------------------------------------------------------- running the tasks */

static void *run_tasks(void *arg)
{
	struct emission *e = arg;
	size_t i;

	while ((i = atomic_fetch_add(&e->next, 1)) < job.task_count)
		e->task(e, &job.tasks[i]);
	return NULL;
}

void emit(struct emission *e, unsigned threads)
{
	pthread_t thread[MAX_THREADS];
	unsigned i;

	atomic_store(&e->next, 0);
	for (i = 1; i < threads; i++) {
		int error = pthread_create(&thread[i], NULL, run_tasks, e);

		if (error != 0)
			die("pthread_create", error);
	}
	run_tasks(e);
	for (i = 1; i < threads; i++)
		pthread_join(thread[i], NULL);
}

void task_memcpy(struct emission *e, const struct task *t)
{
	size_t i, offset, length;

	for (i = 0; i < t->count; i++) {
		const unsigned char *data = part(t, i, &offset, &length);

		memcpy(e->base + offset, data, length);
	}
}
