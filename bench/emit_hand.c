/* SPDX-License-Identifier: MIT */
/*
 * What people write today instead of using a library, each as well as a careful person would.
 *
 * Block reservation is the choice that depends most on the file system: on ext4 fallocate(2) gives
 * staged blocks 4 to 17 % and two threads in a mapping 14 to 23 %; on tmpfs and btrfs it gives nothing and
 * at times takes 5 to 10 %. So both are here. A file that is not reserved is at least made as long as
 * it will be, as each write that extends it takes locks for longer. Where the file system cannot
 * reserve, ways that map are refused (their twin does without), ways that write go on.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "emit.h"
#include "measure.h"

/* With -r: the last output itself, in place. */
static int create(void)
{
	int fd = open(path, O_RDWR | O_CREAT | (again ? 0 : O_EXCL) | O_CLOEXEC, 0666);

	if (fd < 0)
		die(path, errno);
	return fd;
}

static void finish(int fd)
{
	if (close(fd) != 0)
		die(path, errno);
}

/* 0, or the error of a file system that does not reserve; the file has its length in any case. */
static int lengthen(int fd, enum reserve reserve)
{
	int error = 0;

	if (reserve == FALLOCATE && fallocate(fd, 0, 0, (off_t)job.size) == 0)
		return 0;
	if (reserve == FALLOCATE) {
		error = -errno;
		if (error != -EOPNOTSUPP && error != -ENOSYS)
			die(path, error);
	}
	if (ftruncate(fd, (off_t)job.size) != 0)
		die(path, errno);
	return error;
}

/* --------------------------------------------------------------- a mapping */

static int map_file(const struct way *way, unsigned threads)
{
	struct emission e = { .task = task_memcpy, .fd = create() };
	int r = lengthen(e.fd, way->reserve);

	if (r < 0) {
		close(e.fd);
		return refuse("fallocate", r);
	}
	e.base = mmap(NULL, job.size, PROT_READ | PROT_WRITE, MAP_SHARED, e.fd, 0);
	if (e.base == MAP_FAILED) {
		r = refuse("mmap", -errno);
		close(e.fd);
		return r;
	}
	if (way->advise != 0 && madvise(e.base, job.size, way->advise) != 0) {
		r = refuse("madvise", -errno);
	} else {
		emit(&e, threads);
	}
	munmap(e.base, job.size);
	finish(e.fd);
	return r;
}

/* ------------------------------------------------------------- in memory first */

static unsigned char *fresh_memory(void)
{
	void *p = mmap(NULL, job.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("memory for the output", errno);
	return p;
}

static int memory_then_write(const struct way *way, unsigned threads)
{
	struct emission e = { .task = task_memcpy, .base = fresh_memory(), .fd = create() };
	size_t done = 0;

	(void)way;
	emit(&e, threads);
	while (done < job.size) {
		ssize_t n = write(e.fd, e.base + done, job.size - done);

		if (n <= 0)
			die(path, errno);
		done += (size_t)n;
	}
	munmap(e.base, job.size);
	finish(e.fd);
	return 0;
}

static void put(int fd, const unsigned char *data, size_t length, size_t offset)
{
	while (length > 0) {
		ssize_t n = pwrite(fd, data, length, (off_t)offset);

		if (n <= 0)
			die(path, errno);
		data += n;
		offset += (size_t)n;
		length -= (size_t)n;
	}
}

/* The gap up to the next task is written too: it is one of zeros, and less than a page. */
static void task_put_memory(struct emission *e, const struct task *t)
{
	put(e->fd, e->base + t->offset, t->length, t->offset);
}

static int memory_then_pwrite(const struct way *way, unsigned threads)
{
	struct emission e = { .task = task_memcpy, .base = fresh_memory(), .fd = create() };

	lengthen(e.fd, way->reserve);
	emit(&e, threads);
	e.task = task_put_memory;
	emit(&e, threads);
	munmap(e.base, job.size);
	finish(e.fd);
	return 0;
}

/* ------------------------------------------------------------- straight to the file */

static void task_put_sections(struct emission *e, const struct task *t)
{
	size_t i, offset, length;

	for (i = 0; i < t->count; i++) {
		const unsigned char *data = part(t, i, &offset, &length);

		put(e->fd, data, length, offset);
	}
}

/* What an emitter does that relocates: build the task's bytes in a block of its thread's. */
static void task_put_staged(struct emission *e, const struct task *t)
{
	static _Thread_local unsigned char stage[BLOCK];
	size_t i, offset, length, filled = 0;

	for (i = 0; i < t->count; i++) {
		const unsigned char *data = part(t, i, &offset, &length);

		memset(stage + filled, 0, offset - t->offset - filled);
		memcpy(stage + (offset - t->offset), data, length);
		filled = offset - t->offset + length;
	}
	put(e->fd, stage, t->length, t->offset);
}

static int pwrite_with(void (*task)(struct emission *e, const struct task *t), const struct way *way,
                       unsigned threads)
{
	struct emission e = { .task = task, .fd = create() };

	lengthen(e.fd, way->reserve);
	emit(&e, threads);
	finish(e.fd);
	return 0;
}

static int pwrite_sections(const struct way *way, unsigned threads)
{
	return pwrite_with(task_put_sections, way, threads);
}

static int pwrite_staged(const struct way *way, unsigned threads)
{
	return pwrite_with(task_put_staged, way, threads);
}

/*
 * One thread: a FILE has one position. Sought to each task's place; within it the gaps are filled, as
 * glibc's fseek() writes the buffer out, and 110 thousand of them would be as many writes.
 */
static int stdio(const struct way *way, unsigned threads)
{
	static const unsigned char zeros[ALIGN];
	FILE *file = fopen(path, "wb");
	size_t i, k, offset, length;

	(void)way;
	(void)threads;
	if (file == NULL)
		die(path, errno);
	for (k = 0; k < job.task_count; k++) {
		const struct task *t = &job.tasks[k];
		size_t at = t->offset;

		if (fseeko(file, (off_t)at, SEEK_SET) != 0)
			die(path, errno);
		for (i = 0; i < t->count; i++) {
			const unsigned char *data = part(t, i, &offset, &length);

			fwrite(zeros, 1, offset - at, file);
			fwrite(data, 1, length, file);
			at = offset + length;
		}
	}
	/* Sticky: fwrite's results need no looking at. */
	if (ferror(file) || fclose(file) != 0)
		die(path, errno);
	return 0;
}

/* -------------------------------------------------------------------- the limit */

/* Into memory that is there and warm: what nothing that copies can beat. */
static int into_warm_memory(const struct way *way, unsigned threads)
{
	struct emission e = { .task = task_memcpy, .base = job.expected };

	(void)way;
	emit(&e, threads);
	return 0;
}

#define HAND_WAY(name, run, reserve, advise, most) { HAND, name, run, 0, 0, 0, reserve, advise, most, NEW, 0 }
#define IN_PLACE(name, run) { HAND, name, run, 0, 0, 0, TRUNCATE, 0, 0, AGAIN, 0 }

const struct way ways_hand[] = {
	HAND_WAY("ftruncate + mmap", map_file, TRUNCATE, 0, 0),
	HAND_WAY("fallocate + mmap", map_file, FALLOCATE, 0, 0),
#ifdef MADV_HUGEPAGE
	HAND_WAY("fallocate + mmap + huge pages", map_file, FALLOCATE, MADV_HUGEPAGE, 0),
#endif
	HAND_WAY("memory, then one write", memory_then_write, TRUNCATE, 0, 0),
	HAND_WAY("memory, then fallocate + pwrite", memory_then_pwrite, FALLOCATE, 0, 0),
	HAND_WAY("pwrite each section", pwrite_sections, TRUNCATE, 0, 0),
	HAND_WAY("fallocate + pwrite each section", pwrite_sections, FALLOCATE, 0, 0),
	HAND_WAY("pwrite staged blocks", pwrite_staged, TRUNCATE, 0, 0),
	HAND_WAY("fallocate + pwrite staged blocks", pwrite_staged, FALLOCATE, 0, 0),
	HAND_WAY("stdio", stdio, TRUNCATE, 0, 1),
	IN_PLACE("in place, mmap", map_file),
	IN_PLACE("in place, pwrite staged blocks", pwrite_staged),
	{ LIMIT, "memcpy into warm memory", into_warm_memory, 0, 0, 0, 0, 0, 0, BOTH, 0 },
};

const size_t ways_hand_count = sizeof ways_hand / sizeof *ways_hand;
