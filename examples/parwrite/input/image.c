/* SPDX-License-Identifier: MIT */
/*
 * image.c - input files as bytes in memory
 *
 * Each file is mapped once and stays mapped until the output is committed, because contents are copied from the mapping
 * straight into the output. The descriptor is closed at once. So any number of inputs need only one descriptor for each
 * thread.
 *
 * A process can have 65,530 mappings (vm.max_map_count). Files beyond that number are read into memory instead, as
 * are all files where the system cannot map them.
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

/* Read the whole file into memory. On failure image->data stays NULL, and errno says why. */
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
				errno = EIO; /* the file was shortened after fstat() */
			free(data);
			return;
		}
		at += (size_t)n;
	}
	image->data = data;
}

/* Map the whole file, or read it if it cannot be mapped. On failure image->data stays NULL, and errno says why. */
static void map_or_read_file(struct image *image, int fd)
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

static void free_data(struct image *image)
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

/* Open a regular file and set *st. Returns its descriptor, or -1 with a message. */
static int open_regular(const char *path, struct stat *st, struct error *error)
{
	/* O_NONBLOCK, because open() would wait for a FIFO's writer. A FIFO is refused below. */
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
			map_or_read_file(image, fd);
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

		free_data(list);
		free(list->path);
		free(list);
		list = next;
	}
}
