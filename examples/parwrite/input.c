/* SPDX-License-Identifier: MIT */
/*
 * input.c - files and archives, by libelf
 *
 * Each file is mapped once, by libelf, and stays mapped until the output is committed: section
 * contents go from there straight into the output. An archive's members are windows into
 * its mapping.
 *
 * ELF_C_FDREAD tells libelf that it will not get the descriptor again: nothing is done where the
 * file is mapped, and where it could not be it is read as a whole. So descriptors are
 * closed at once, and 100,000 inputs need one.
 *
 * Archives: libelf ends its walk quietly where a header is damaged, and cuts a member that
 * runs past the end of the file. A linker that leaves out members without a word is worse than
 * one that fails, so next_member() does the sum itself: each member must begin where the last
 * one ended, and the last one must end where the file does.
 */
#include "config.h"

#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"

static int add_object(struct inputs *in, Elf *elf, const char *path, const char *member,
                      struct error *error)
{
	struct object *objects =
		grow(error, in->objects, in->n_objects, &in->objects_room, sizeof *objects);
	struct object *o;
	size_t length = strlen(path) + (member ? strlen(member) + 2 : 0) + 1;

	if (!objects)
		return -1;
	in->objects = objects;
	o = &objects[in->n_objects];
	memset(o, 0, sizeof *o);
	o->name = allocate(error, length, 1);
	if (!o->name)
		return -1;
	snprintf(o->name, length, member ? "%s(%s)" : "%s", path, member);
	o->elf = elf;
	in->n_objects++;
	return 0;
}

/*
 * Where the member ends whose header is at `at`, padding left out, or 0 if the header is not
 * what libelf took it for. Its size is read here as libelf does not tell the stated one.
 */
static uint64_t member_end(Elf *member, const char *image, size_t size, uint64_t at)
{
	enum { HEADER = 60, SIZE_AT = 48, SIZE_DIGITS = 10 };
	char digits[SIZE_DIGITS + 1];
	unsigned long long stated;

	if (!member || (uint64_t)elf_getaroff(member) != at || size - at < HEADER)
		return 0;
	memcpy(digits, image + at + SIZE_AT, SIZE_DIGITS);
	digits[SIZE_DIGITS] = '\0';
	stated = strtoull(digits, NULL, 10);
	return stated > size - at - HEADER ? 0 : at + HEADER + stated;
}

static int add_archive(struct inputs *in, Elf *archive, const char *path, struct error *error)
{
	size_t size;
	const char *image = elf_rawfile(archive, &size);
	uint64_t at = strlen("!<arch>\n");

	if (!image)
		return fail(error, path, "%s", elf_errmsg(-1));
	while (at + 1 < size) { /* one byte may be left, as padding */
		Elf *member = elf_begin(-1, ELF_C_READ_MMAP, archive);
		uint64_t end = member_end(member, image, size, at);
		Elf_Arhdr *header = end ? elf_getarhdr(member) : NULL;
		int special;

		if (!header || !header->ar_name) {
			elf_end(member);
			return fail(error, path, "damaged archive: no whole member at offset %llu",
			            (unsigned long long)at);
		}
		/*
		 * "/" and "/SYM64/" are the archive's index, "//" its table of long names, and
		 * "/123" an ordinary member whose name is in that table.
		 */
		special = image[at] == '/' && !(image[at + 1] >= '0' && image[at + 1] <= '9');
		if (!special && add_object(in, member, path, header->ar_name, error)) {
			elf_end(member);
			return -1;
		}
		elf_next(member); /* moves the archive's position; `header` is gone */
		if (special)
			elf_end(member);
		at = end + (end & 1); /* members begin at even offsets */
	}
	return 0;
}

/* What a file is that libelf does not know, as far as its first bytes tell. */
static const char *unknown_file(Elf *elf)
{
	size_t size;
	const char *image = elf_rawfile(elf, &size);

	if (!image || size == 0)
		return "the file is empty";
	if (size >= 8 && !memcmp(image, "!<thin>\n", 8))
		return "thin archives are not supported yet";
	if (size >= 4 && (!memcmp(image, "BC\xC0\xDE", 4) || !memcmp(image, "\xDE\xC0\x17\x0B", 4)))
		return "LLVM bitcode, not machine code (made by -flto?)";
	if (size >= 16 && !memcmp(image, "/* GNU ld script", 16))
		return "a linker script, not an object";
	return "neither an ELF object nor an ar archive";
}

/* Descriptor of a regular file, or -1. */
static int open_regular(const char *path, struct error *error)
{
	struct stat st;
	/* O_NONBLOCK: a FIFO without a writer is to be an error, not a wait. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return fail(error, path, "%s", strerror(errno));
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		fail(error, path, S_ISDIR(st.st_mode) ? "is a directory" : "not a regular file");
		close(fd);
		return -1;
	}
	return fd;
}

int inputs_add(struct inputs *in, const char *path, struct error *error)
{
	int fd = open_regular(path, error);
	void **archives;
	Elf *elf;

	if (fd < 0)
		return -1;
	elf_version(EV_CURRENT); /* tells libelf which header this was compiled with */
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!elf || elf_cntl(elf, ELF_C_FDREAD) < 0) {
		fail(error, path, "%s", elf_errmsg(-1));
		elf_end(elf);
		close(fd);
		return -1;
	}
	close(fd);

	if (elf_kind(elf) == ELF_K_ELF) {
		if (!add_object(in, elf, path, NULL, error))
			return 0;
		elf_end(elf);
		return -1;
	}
	if (elf_kind(elf) != ELF_K_AR) {
		fail(error, path, "%s", unknown_file(elf));
		elf_end(elf);
		return -1;
	}
	archives = grow(error, in->archives, in->n_archives, &in->archives_room, sizeof *archives);
	if (!archives) {
		elf_end(elf);
		return -1;
	}
	in->archives = archives;
	in->archives[in->n_archives++] = elf;
	return add_archive(in, elf, path, error);
}

int inputs_read(struct inputs *in, struct error *error)
{
	/* One after the other in this version; they do not depend on each other. */
	for (size_t i = 0; i < in->n_objects; i++) {
		struct object *o = &in->objects[i];
		if (elf_kind(o->elf) != ELF_K_ELF)
			return fail(error, o->name, "%s", unknown_file(o->elf));
		if (object_read(o, error))
			return -1;
	}
	return 0;
}

void inputs_free(struct inputs *in)
{
	for (size_t i = 0; i < in->n_objects; i++) {
		struct object *o = &in->objects[i];
		elf_end(o->elf);
		free(o->sections);
		free(o->symbol_map);
		free(o->name);
	}
	for (size_t i = 0; i < in->n_archives; i++)
		elf_end(in->archives[i]);
	free(in->objects);
	free(in->archives);
}
