/* SPDX-License-Identifier: MIT */
/*
 * The ways that programs use today without a library, each written as well as a careful programmer would write it.
 *
 * Whether to reserve blocks is the choice that depends most on the file system. On ext4 fallocate(2) makes staged
 * blocks 4 to 17 % faster, and two threads in a mapping 14 to 23 %. On tmpfs and btrfs it gains nothing, and
 * sometimes costs 5 to 10 %. So ways with and without it are measured. A file whose blocks are not reserved is at
 * least set to its final length first, because a write that extends the file holds locks for longer. Where the file
 * system cannot reserve, ways that map are refused, because the same way without reservation is measured, too. Ways
 * that write go on without it.
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

/* Create the output. With -r the last output is opened, to be written over in place. */
static int create(void)
{
	int fd = open(path, O_RDWR | O_CREAT | (again ? 0 : O_EXCL) | O_CLOEXEC, 0666);

	if (fd < 0)
		die(path, errno);
	return fd;
}

/* Close the output. */
static void finish(int fd)
{
	if (close(fd) != 0)
		die(path, errno);
}

/* Set the length of the output. 0, or the negative errno of fallocate(2): the length is set by ftruncate(2) then. */
static int set_length(int fd, enum reserve reserve)
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
	int r = set_length(e.fd, way->reserve);

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

static void pwrite_all(int fd, const unsigned char *data, size_t length, size_t offset)
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

/*
 * Writes the task's bytes from the output in memory, with the gaps between its sections. The gap behind the task is
 * not written: the file has its length already, so that the gap reads as zeros.
 */
static void task_pwrite_memory(struct emission *e, const struct task *t)
{
	pwrite_all(e->fd, e->base + t->offset, t->length, t->offset);
}

static int memory_then_pwrite(const struct way *way, unsigned threads)
{
	struct emission e = { .task = task_memcpy, .base = fresh_memory(), .fd = create() };

	set_length(e.fd, way->reserve);
	emit(&e, threads);
	e.task = task_pwrite_memory;
	emit(&e, threads);
	munmap(e.base, job.size);
	finish(e.fd);
	return 0;
}

/* ------------------------------------------------------------- straight to the file */

static void task_pwrite_sections(struct emission *e, const struct task *t)
{
	size_t i, offset, length;

	for (i = 0; i < t->count; i++) {
		const unsigned char *data = part(t, i, &offset, &length);

		pwrite_all(e->fd, data, length, offset);
	}
}

/* Builds the task's bytes in a buffer of the thread, as a linker does that applies relocations, and writes that. */
static void task_pwrite_staged(struct emission *e, const struct task *t)
{
	static _Thread_local unsigned char stage[BLOCK];
	size_t i, offset, length, end_of_data = 0;

	for (i = 0; i < t->count; i++) {
		const unsigned char *data = part(t, i, &offset, &length);

		memset(stage + end_of_data, 0, offset - t->offset - end_of_data);
		memcpy(stage + (offset - t->offset), data, length);
		end_of_data = offset - t->offset + length;
	}
	pwrite_all(e->fd, stage, t->length, t->offset);
}

static int pwrite_with(void (*task)(struct emission *e, const struct task *t), const struct way *way,
                       unsigned threads)
{
	struct emission e = { .task = task, .fd = create() };

	set_length(e.fd, way->reserve);
	emit(&e, threads);
	finish(e.fd);
	return 0;
}

static int pwrite_sections(const struct way *way, unsigned threads)
{
	return pwrite_with(task_pwrite_sections, way, threads);
}

static int pwrite_staged(const struct way *way, unsigned threads)
{
	return pwrite_with(task_pwrite_staged, way, threads);
}

/*
 * By one thread, because a FILE has one position. It seeks once per task. Gaps inside a task are written as zeros:
 * fseek() of glibc writes the buffer to the file, so that 110 thousand calls of it would cause as many writes.
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
	/* A FILE keeps its error, so the results of fwrite() need not be checked. */
	if (ferror(file) || fclose(file) != 0)
		die(path, errno);
	return 0;
}

/* -------------------------------------------------------------------- the limit */

/* Copy into memory whose pages have been touched. No way that copies the bytes can be faster. */
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
