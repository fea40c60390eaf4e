/* SPDX-License-Identifier: MIT */
/*
 * A disk in this process.
 *
 * Problem: what a file system leaves after a power failure depends on which of its writes had reached the disk. A
 * virtual machine that is switched off shows one such state in a second, and only of those that its own cache makes.
 *
 * Choice: the disk is a file of a FUSE file system in this process, a loop device lies on it, and the kernel's own file
 * system on that. So everything runs at native speed, on this kernel. Each write and each flush of the disk comes here
 * and is recorded, in one order, which is also that of the writer's words, as they come by the same way. Afterwards any
 * state can be made: all writes up to the last flush, and all, none or some of those after it.
 *
 * Writes that the disk had begun and not answered when a flush came count as flushed, which a real disk does not
 * promise. The kernel does not rely on it: it waits for them first.
 *
 * Cost: the image and all writes are in memory: 64 to 300 MiB for the image, of which most is never touched.
 */
#define FUSE_USE_VERSION 35
#include "config.h"

#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u

static struct {
	pthread_mutex_t lock; /* of all that follows: FUSE's thread, and the one that makes states */
	uint64_t size;
	unsigned char *safe;   /* what the disk has for sure */
	unsigned char **above; /* pages that were written since, or NULL, by number */
	size_t *touched;       /* the numbers of those that are not NULL */
	size_t n_touched;
	struct record *records;
	size_t n_records, room;
	size_t n_safe; /* records that are part of `safe` */
	int recording;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER };

uint64_t disk_random(uint64_t *seed, uint64_t n)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % n;
}

static void *or_die(void *memory)
{
	if (memory == NULL) {
		fprintf(stderr, "power_failure: no memory\n");
		exit(2);
	}
	return memory;
}

/* ------------------------------------------------------------------------- bytes */

static void forget_above(void)
{
	while (disk.n_touched > 0) {
		unsigned char **page = &disk.above[disk.touched[--disk.n_touched]];

		free(*page);
		*page = NULL;
	}
}

static void write_above(uint64_t offset, const unsigned char *data, size_t length)
{
	while (length > 0) {
		size_t number = offset / PAGE, in = offset % PAGE, n = PAGE - in < length ? PAGE - in : length;
		unsigned char **page = &disk.above[number];

		if (*page == NULL) {
			*page = or_die(malloc(PAGE));
			memcpy(*page, disk.safe + (uint64_t)number * PAGE, PAGE);
			disk.touched[disk.n_touched++] = number;
		}
		if (data != NULL) {
			memcpy(*page + in, data, n);
			data += n;
		} else {
			memset(*page + in, 0, n);
		}
		offset += n;
		length -= n;
	}
}

static void write_safe(const struct record *w)
{
	if (w->data != NULL)
		memcpy(disk.safe + w->offset, w->data, w->length);
	else
		memset(disk.safe + w->offset, 0, w->length);
}

static void note(struct record r, const void *data)
{
	if (!disk.recording)
		return;
	if (disk.n_records == disk.room) {
		disk.room = disk.room * 2 + 1000;
		disk.records = or_die(realloc(disk.records, disk.room * sizeof *disk.records));
	}
	if (data != NULL) {
		r.data = or_die(malloc(r.length));
		memcpy(r.data, data, r.length);
	}
	disk.records[disk.n_records++] = r;
}

/* -------------------------------------------------------------------------- FUSE */

static int f_getattr(const char *path, struct stat *st, struct fuse_file_info *info)
{
	(void)info;
	memset(st, 0, sizeof *st);
	st->st_mode = S_IFREG | 0600;
	st->st_nlink = 1;
	if (strcmp(path, "/") == 0) {
		st->st_mode = S_IFDIR | 0700;
		st->st_nlink = 2;
	} else if (strcmp(path, "/disk") == 0) {
		st->st_size = (off_t)disk.size;
	} else if (strcmp(path, "/mark") != 0) {
		return -ENOENT;
	}
	return 0;
}

static int f_open(const char *path, struct fuse_file_info *info)
{
	(void)path;
	/* No cache: what the loop device writes comes here before the call returns. */
	info->direct_io = 1;
	return 0;
}

static int f_read(const char *path, char *to, size_t n, off_t offset, struct fuse_file_info *info)
{
	uint64_t at = (uint64_t)offset, end;

	(void)info;
	if (strcmp(path, "/disk") != 0 || at >= disk.size)
		return 0;
	end = n < disk.size - at ? at + n : disk.size;
	pthread_mutex_lock(&disk.lock);
	while (at < end) {
		size_t in = at % PAGE, step = PAGE - in < end - at ? PAGE - in : (size_t)(end - at);
		const unsigned char *page = disk.above[at / PAGE];

		memcpy(to, (page != NULL ? page : disk.safe + at / PAGE * PAGE) + in, step);
		to += step;
		at += step;
	}
	pthread_mutex_unlock(&disk.lock);
	return (int)(end - (uint64_t)offset);
}

static void note_word(const char *text, size_t n)
{
	char word[32] = "";

	memcpy(word, text, n < sizeof word - 1 ? n : sizeof word - 1);
	note((struct record){
		.kind = word[0] == 'b' ? RECORD_BEGIN : RECORD_ACKNOWLEDGE,
		.version = strtoull(word + 1, NULL, 10),
	}, NULL);
}

static int f_write(const char *path, const char *data, size_t n, off_t offset, struct fuse_file_info *info)
{
	(void)info;
	if (strcmp(path, "/disk") == 0 && ((uint64_t)offset > disk.size || n > disk.size - (uint64_t)offset))
		return -ENOSPC;
	pthread_mutex_lock(&disk.lock);
	if (strcmp(path, "/disk") == 0) {
		note((struct record){ .kind = RECORD_WRITE, .offset = (uint64_t)offset, .length = (uint32_t)n }, data);
		write_above((uint64_t)offset, (const unsigned char *)data, n);
	} else {
		note_word(data, n);
	}
	pthread_mutex_unlock(&disk.lock);
	return (int)n;
}

static int f_fsync(const char *path, int data_alone, struct fuse_file_info *info)
{
	(void)path, (void)data_alone, (void)info;
	pthread_mutex_lock(&disk.lock);
	note((struct record){ .kind = RECORD_FLUSH }, NULL);
	pthread_mutex_unlock(&disk.lock);
	return 0;
}

static int f_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
	(void)path, (void)size, (void)info;
	return 0;
}

/* What a discard or a write of zeros becomes. */
static int f_fallocate(const char *path, int mode, off_t offset, off_t length, struct fuse_file_info *info)
{
	(void)path, (void)info;
	if (!(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
		return -EOPNOTSUPP;
	if ((uint64_t)offset > disk.size || (uint64_t)length > disk.size - (uint64_t)offset)
		return -ENOSPC;
	pthread_mutex_lock(&disk.lock);
	note((struct record){ .kind = RECORD_WRITE, .offset = (uint64_t)offset, .length = (uint32_t)length }, NULL);
	write_above((uint64_t)offset, NULL, (size_t)length);
	pthread_mutex_unlock(&disk.lock);
	return 0;
}

static const struct fuse_operations operations = {
	.getattr = f_getattr,
	.open = f_open,
	.read = f_read,
	.write = f_write,
	.fsync = f_fsync,
	.truncate = f_truncate,
	.fallocate = f_fallocate,
};

static void *serve(void *fuse)
{
	fuse_loop(fuse);
	return NULL;
}

int disk_open(const char *image, const char *dir)
{
	char name[] = "power_failure";
	char *arguments[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, arguments);
	int fd = open(image, O_RDONLY | O_CLOEXEC);
	struct fuse *server;
	pthread_t thread;
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "power_failure: %s: %s\n", image, strerror(errno));
		return -1;
	}
	disk.size = (uint64_t)st.st_size;
	map = mmap(NULL, disk.size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	close(fd);
	if (map == MAP_FAILED) {
		fprintf(stderr, "power_failure: %s: %s\n", image, strerror(errno));
		return -1;
	}
	disk.safe = map;
	disk.above = or_die(calloc(disk.size / PAGE + 1, sizeof *disk.above));
	disk.touched = or_die(calloc(disk.size / PAGE + 1, sizeof *disk.touched));
	server = fuse_new(&args, &operations, sizeof operations, NULL);
	if (server == NULL || fuse_mount(server, dir) != 0) {
		fprintf(stderr, "power_failure: %s: FUSE cannot be mounted\n", dir);
		return -1;
	}
	if (pthread_create(&thread, NULL, serve, server) != 0) {
		fprintf(stderr, "power_failure: no thread\n");
		return -1;
	}
	pthread_detach(thread);
	return 0;
}

/* ------------------------------------------------------------------------ states */

void disk_record(int on)
{
	size_t i;

	pthread_mutex_lock(&disk.lock);
	for (i = 0; on && i < disk.n_touched; i++)
		memcpy(disk.safe + (uint64_t)disk.touched[i] * PAGE, disk.above[disk.touched[i]], PAGE);
	if (on)
		forget_above();
	disk.recording = on;
	pthread_mutex_unlock(&disk.lock);
}

const struct record *disk_records(size_t *n)
{
	*n = disk.n_records;
	return disk.records;
}

/* Let a part of this write reach the disk. */
static size_t survive(const struct record *w, struct survival s, size_t *kept)
{
	uint32_t unit = s.unit != 0 ? s.unit : w->length, at;
	size_t n = 0;

	for (at = 0; at < w->length; at += unit, n++) {
		uint32_t length = w->length - at < unit ? w->length - at : unit;

		if (disk_random(s.seed, 100) >= s.percent)
			continue;
		write_above(w->offset + at, w->data != NULL ? w->data + at : NULL, length);
		++*kept;
	}
	return n;
}

size_t disk_fail(size_t n, struct survival survival, size_t *kept)
{
	size_t flushed = n, units = 0, i;

	pthread_mutex_lock(&disk.lock);
	while (flushed > disk.n_safe && disk.records[flushed - 1].kind != RECORD_FLUSH)
		flushed--;
	forget_above();
	for (; disk.n_safe < flushed; disk.n_safe++) {
		if (disk.records[disk.n_safe].kind == RECORD_WRITE)
			write_safe(&disk.records[disk.n_safe]);
	}
	*kept = 0;
	for (i = flushed; i < n; i++) {
		if (disk.records[i].kind == RECORD_WRITE)
			units += survive(&disk.records[i], survival, kept);
	}
	pthread_mutex_unlock(&disk.lock);
	return units;
}
