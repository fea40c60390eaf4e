/* SPDX-License-Identifier: MIT */
/*
 * Can a file be mapped, and does that reach it? One page, somewhere, is asked before the range is touched.
 */
#include "config.h"

#include "memory/space.h"

#include <errno.h>
#include <string.h>

#include "system/sys.h"

/*
 * MAP_FIXED over the reservation: the kernel removes what is there before it asks the file
 * system, and a refusal (ENODEV, EINVAL) leaves a hole that another thread's mmap may take.
 * So let one page somewhere else ask first: 4 us, once per mapping (ext4, Linux 6.18).
 */
int ob__space_probe(int fd)
{
	void *page;
	int r = ob__space_map_page(fd, &page);

	if (r == 0)
		ob__space_unmap_page(page);
	return r;
}

/* Store the bytes through a mapping of the first page, and have them carried to the file. */
static int store_mapped(int fd, const unsigned char *data, size_t n)
{
	void *page;
	int r = ob__space_map_page(fd, &page);

	if (r < 0)
		return r;
	memcpy(page, data, n);
	/* Else a page that is still dirty may be carried after what is written next. */
	r = ob__space_sync_page(page);
	ob__space_unmap_page(page);
	return r;
}

/* Write the bytes to the file while it is mapped: does the mapping show the first? */
static int write_shown(int fd, const unsigned char *data, size_t n)
{
	const volatile unsigned char *shown;
	void *page;
	int r = ob__space_map_page(fd, &page), before;

	if (r < 0)
		return r;
	shown = page;
	before = *shown;
	r = ob__sys_pwrite_all(fd, data, n, 0);
	if (r == 0 && (*shown != *data || *shown == before))
		r = -EIO;
	ob__space_unmap_page(page);
	return r;
}

int ob__space_trial(int fd, int *damaged)
{
	unsigned char before[64], other[64], seen[64];
	size_t i;
	int r = ob__sys_pread_all(fd, before, sizeof before, 0);

	*damaged = 0;
	if (r < 0)
		return r;
	for (i = 0; i < sizeof before; i++)
		other[i] = (unsigned char)(before[i] ^ (i + 1));
	r = store_mapped(fd, other, sizeof other);
	if (r == 0)
		r = ob__sys_pread_all(fd, seen, sizeof seen, 0);
	if (r == 0 && memcmp(seen, other, sizeof seen) != 0)
		r = -EIO;
	if (r == 0)
		r = write_shown(fd, before, sizeof before);
	if (r < 0 && ob__sys_pwrite_all(fd, before, sizeof before, 0) < 0)
		*damaged = 1;
	return r;
}
