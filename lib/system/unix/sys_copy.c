/* SPDX-License-Identifier: MIT */
/*
 * Copying a file into another one.
 *
 * copy_file_range(2) lets the file system do it: btrfs and xfs share the blocks, NFS 4.2 copies on the server. Others
 * refuse it, some in the middle (EXDEV, EINVAL, EOPNOTSUPP), and sandboxes by EPERM. Then the rest is read and written.
 * Bytes go from the first to the last, as some file systems of FUSE take no others.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "system/unix/sys_table.h"
#include "system/unix/sys_unix.h"

/* So much is read and written at a time. */
#define BLOCK ((size_t)1 << 20)
/* So much the kernel is asked for: more than 2 GiB it copies in no call. */
#define KERNEL_MAX ((uint64_t)1 << 30)

/* Let the file system copy as much as it will. Returns how many bytes it did. */
static uint64_t copy_by_kernel(int from, int to, uint64_t n)
{
	off_t at = 0;
	ssize_t got;

	while ((uint64_t)at < n) {
		uint64_t left = n - (uint64_t)at;

		got = ob__sys_table.copy_range(from, &at, to, (size_t)(left < KERNEL_MAX ? left : KERNEL_MAX));
		if (got == 0 || (got < 0 && errno != EINTR))
			break;
	}
	return (uint64_t)at;
}

static int copy_by_hand(int from, int to, uint64_t at, uint64_t n, unsigned char *block)
{
	int r = 0;

	while (r == 0 && at < n) {
		ssize_t got = ob__sys_table.pread(from, block, n - at < BLOCK ? (size_t)(n - at) : BLOCK, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		r = got < 0 ? -errno : got == 0 ? -EIO : ob__sys_write_all(to, block, (size_t)got);
		at += got > 0 ? (uint64_t)got : 0;
	}
	return r;
}

int ob__sys_copy(int from, int to, uint64_t n)
{
	uint64_t done = copy_by_kernel(from, to, n);
	unsigned char *block;
	int r;

	if (done == n)
		return 0;
	block = malloc(BLOCK);
	if (block == NULL)
		return -ENOMEM;
	r = copy_by_hand(from, to, done, n, block);
	free(block);
	return r;
}
