/* SPDX-License-Identifier: MIT */
/*
 * image.c - files as bytes in memory
 *
 * Each file is mapped once and stays mapped until the output is committed: contents go from there
 * straight into the output. Its descriptor is closed at once, so any number of inputs need one. A process can have
 * 65,530 mappings (vm.max_map_count): files beyond that, and where nothing can be mapped, are read.
 */
#include "config.h"

#include "input/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef HAVE_VM
#include <sys/mman.h>
#endif

#include "report/report.h"

/* What a file is that is no object, as far as its first bytes tell. */
const char *image_problem(const unsigned char *data, size_t size)
{
	if (size == 0)
		return "the file is empty";
	if (size >= 4 && (!memcmp(data, "BC\xC0\xDE", 4) || !memcmp(data, "\xDE\xC0\x17\x0B", 4)))
		return "LLVM bitcode, not machine code (made by -flto?)";
	if (size >= 16 && !memcmp(data, "/* GNU ld script", 16))
		return "a linker script, not an object";
	return "neither an ELF object nor an ar archive";
}

static void read_file(struct image *image, int fd)
{
	unsigned char *data = malloc(image->size);
	size_t at = 0;

	while (data && at < image->size) {
		ssize_t n = pread(fd, data + at, image->size - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0)
				errno = EIO; /* it has become shorter */
			free(data);
			return;
		}
		at += (size_t)n;
	}
	image->data = data;
}

/* The whole file, mapped if it can be; else data stays NULL. */
static void get_file(struct image *image, int fd)
{
#ifdef HAVE_VM
	void *p = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, fd, 0);

	image->mapped = p != MAP_FAILED;
	if (image->mapped)
		image->data = p;
#endif
	if (!image->mapped)
		read_file(image, fd);
}

static void forget_file(struct image *image)
{
	void *data = (void *)(uintptr_t)image->data;

#ifdef HAVE_VM
	if (image->mapped)
		munmap(data, image->size);
	else
#endif
	if (image->size > 0)
		free(data);
}

/* Descriptor of a regular file, or -1. */
static int open_regular(const char *path, struct stat *st, struct error *error)
{
	/* O_NONBLOCK: a FIFO without a writer is to be an error, not a wait. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return fail(error, path, "%s", strerror(errno));
	if (fstat(fd, st) < 0)
		fail(error, path, "%s", strerror(errno));
	else if (!S_ISREG(st->st_mode))
		fail(error, path, "%s", S_ISDIR(st->st_mode) ? strerror(EISDIR) : "not a regular file");
	else if ((uint64_t)st->st_size > SIZE_MAX / 2)
		fail(error, path, "%s", strerror(EFBIG));
	else
		return fd;
	close(fd);
	return -1;
}

struct image *image_open(struct image **list, const char *path, struct error *error)
{
	struct image *image;
	struct stat st;
	int fd = open_regular(path, &st, error);

	if (fd < 0)
		return NULL;
	image = allocate(error, 1, sizeof *image);
	if (image) {
		image->path = strdup(path);
		image->size = (size_t)st.st_size;
		image->device = st.st_dev;
		image->inode = st.st_ino;
		image->data = (const unsigned char *)"";
		if (image->size > 0) {
			image->data = NULL;
			get_file(image, fd);
		}
	}
	if (!image || !image->path || !image->data) {
		fail(error, path, "%s", strerror(errno));
		if (image)
			free(image->path);
		free(image);
		image = NULL;
	} else {
		image->next = *list;
		*list = image;
	}
	close(fd);
	return image;
}

void images_free(struct image *list)
{
	while (list) {
		struct image *next = list->next;

		forget_file(list);
		free(list->path);
		free(list);
		list = next;
	}
}
