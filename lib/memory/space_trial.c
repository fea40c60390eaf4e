/* SPDX-License-Identifier: MIT */
/*
 * Can a file be mapped, and do stores into the mapping reach the file? Both are tried with one page at another
 * address, before the range of the output is touched.
 *
 * The range is mapped by MAP_FIXED over the reservation. The kernel removes what is at the addresses before it asks
 * the file system. If that refuses (ENODEV, EINVAL), a hole is left, which another thread's mmap may take. So a page
 * at an address that the kernel chooses is mapped first. This costs 4 us, once per mapping (ext4, Linux 6.18).
 */
#include "config.h"

#include "memory/space.h"

#include <errno.h>
#include <string.h>

#include "system/sys.h"

int ob__space_probe(int fd)
{
	void *page;
	int r = ob__space_map_page(fd, &page);

	if (r == 0)
		ob__space_unmap_page(page);
	return r;
}

/* Store the bytes at the start of the file through a mapping of its first page, and write them back. */
static int store_through_mapping(int fd, const unsigned char *data, size_t n)
{
	void *page;
	int r = ob__space_map_page(fd, &page);

	if (r < 0)
		return r;
	memcpy(page, data, n);
	/* Otherwise the page may still be dirty, and be written back over what the caller writes to the file next. */
	r = ob__space_sync_page(page);
	ob__space_unmap_page(page);
	return r;
}

/* Write the bytes to the start of the file while it is mapped. -EIO if the mapping does not show the first of them. */
static int mapping_shows_write(int fd, const unsigned char *data, size_t n)
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
	r = store_through_mapping(fd, other, sizeof other);
	if (r == 0)
		r = ob__sys_pread_all(fd, seen, sizeof seen, 0);
	if (r == 0 && memcmp(seen, other, sizeof seen) != 0)
		r = -EIO;
	if (r == 0)
		r = mapping_shows_write(fd, before, sizeof before);
	if (r < 0 && ob__sys_pwrite_all(fd, before, sizeof before, 0) < 0)
		*damaged = 1;
	return r;
}
