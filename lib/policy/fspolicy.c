/* SPDX-License-Identifier: MIT */
/*
 * File-system facts, in one place.
 *
 * That mmap(2) succeeds proves little: some file systems refuse shared mappings, some accept
 * them and keep zeros, some are several times slower. Others put such knowledge into conditions
 * all over the writer; here it is a table, each row with its reason, and whoever knows better
 * says so by options.map, options.flush, options.stage or the environment.
 *
 * What a row can say, and what decides it:
 *   map       pointers into the output (outbuf_data() and the like) lead into a mapping of the file.
 *             Off where that is known to fail or lie: asking costs a round trip to a server there.
 *   verify    nothing is known: believe a mapping once a page written through it was read back.
 *   reserve   fallocate(2) reserves. Off where it is known not to; asking costs a system call.
 *   nameless  off where an unlinked open file is known to go wrong.
 *   far       each block goes to a server: larger ones are better (blocks.h).
 *   threads   of a flush; a caller's options.threads is more.
 * Staging (window.c) is no column, as it was best everywhere, nor is MADV_HUGEPAGE, which made a mapping
 * hardly faster anywhere and much slower at times (xfs with 2 threads 7.7 and 7.4, with 1 thread 3.2 and 4.2; ext4
 * 0.7 and 3.2, 5.2 and 5.2): doc/decisions.md has the whole table. Numbers here are GB/s, Linux 6.18, 2 cores of a virtual machine.
 */
#include "config.h"

#include "policy/fspolicy.h"

#include <stddef.h>

#include "system/sys.h"

#define ROW(m, n, ...) { .magic = (m), .name = (n), __VA_ARGS__ }
#define LOCAL .map = 1, .prealloc = 1, .tmpfile = 1
#define CACHED LOCAL, .recycle = 1
#define REMOTE .tmpfile = 1, .remote = 1

/*
 * One thread for a flush where that was measured: writers of one file take turns at its inode's
 * lock. GB/s of 256 MiB from warm memory, by 1, 2 and 4 threads: ext4 4.9 4.7 4.4, xfs 6.6 6.1 6.2,
 * btrfs 2.1 2.1 2.0, tmpfs 4.2 4.1 4.0, overlay 4.9 5.0 4.8, bindfs 2.3 2.3 1.1. More cores
 * cannot change that; a network might, so elsewhere there may be up to 8.
 */
#define IN_TURN .threads = 1

static const struct fspolicy table[] = {
	ROW(0xef53, "ext4", CACHED, IN_TURN, .why = "pages stay in one cache"),
	ROW(0x58465342, "xfs", CACHED, IN_TURN, .why = "pages stay in one cache"),
	ROW(0xf2f52010, "f2fs", LOCAL, .why = "pages stay in one cache; not measured"),
	/*
	 * With compression a mapped 9 GB link took 894 s and a written one 126 s (llvm D69294); copy on
	 * write makes a reservation no promise, so a mapping is SIGBUS on a full disk.
	 */
	ROW(0x9123683e, "btrfs", .prealloc = 1, .tmpfile = 1, IN_TURN,
	    .why = "copy on write: slow under memory pressure, SIGBUS when full"),
	ROW(0xca451a4e, "bcachefs", .tmpfile = 1,
	    .why = "copy on write, as btrfs; not measured"),
	/* fallocate succeeds and reserves nothing (golang/go#42005). */
	ROW(0x2fc12fc1, "zfs", .tmpfile = 1,
	    .why = "copy on write; mapped pages are kept twice; not measured"),
	/*
	 * Reserving clears the pages, on one thread, but they need not be cleared again: a mapping of
	 * 512 MiB took the same with and without, 1.8 by 1 and 2.8 by 2 threads.
	 */
	ROW(0x01021994, "tmpfs", CACHED, .free_is_exact = 1, IN_TURN, .why = "pages stay in one cache"),
	ROW(0x858458f6, "ramfs", .tmpfile = 1,
	    .why = "no reservation; not measured"),
	/* Whatever the upper layer is; its file is what gets mapped. */
	ROW(0x794c7630, "overlay", LOCAL, IN_TURN, .why = "as the file system of the upper layer"),
	/*
	 * ENODEV with direct I/O and in many servers; in others written back page by page, through a
	 * process. There may be no O_TMPFILE: open says so.
	 */
	ROW(0x65735546, "fuse", .prealloc = 1, REMOTE, IN_TURN, .why = "mapping depends on the server"),
	/* Writable mappings work; errors of write-back show nowhere, pwrite's at close. */
	ROW(0x6969, "nfs", REMOTE, .prealloc = 1, .why = "write errors would be lost"),
	ROW(0xff534d42, "cifs", REMOTE, .why = "write errors would be lost"),
	ROW(0xfe534d42, "smb2", REMOTE, .why = "write errors would be lost"),
	ROW(0x517b, "smb", REMOTE, .why = "write errors would be lost"),
	ROW(0x00c36400, "ceph", REMOTE, .why = "write errors would be lost; not measured"),
	/*
	 * EINVAL without a cache (clearcontainers/agent#92), ENOENT for what has no name (kata
	 * runtime#1002).
	 */
	ROW(0x01021997, "9p", .remote = 1, .why = "mapping fails without a cache"),
	/* Every call succeeds and the file is zeros (VirtualBox#860). */
	ROW(0x786f4256, "vboxsf", .remote = 1, .why = "mappings lose data"),
	/* Neither holes nor fallocate: extending writes zeros, and a full disk is SIGBUS. */
	ROW(0x4d44, "vfat", .why = "no holes, no reservation: SIGBUS when full"),
	ROW(0x2011bab0, "exfat", .why = "no holes, no reservation: SIGBUS when full"),
	/*
	 * On Windows (sys_windows.c makes up the number), where views and WriteFile() are in one cache, which nobody
	 * promises. Go's linker maps there.
	 */
	ROW(0x5346544e, "ntfs", .map = 1, .verify = 1, .prealloc = 1, .why = "not measured: tried first"),
	ROW(0x7366746e, "ntfs3", .map = 1, .verify = 1, .prealloc = 1, .why = "not measured: tried first"),
	ROW(0, "unknown", .map = 1, .verify = 1, .prealloc = 1, .tmpfile = 1,
	    .why = "unknown: tried first"),
};

const struct fspolicy *ob__fspolicy_of_magic(uint32_t magic)
{
	const struct fspolicy *row = table;

	while (row->magic != 0 && row->magic != magic)
		row++;
	return row;
}

const struct fspolicy *ob__fspolicy_of_file(int fd)
{
	uint32_t magic;
	uint64_t room;

	return ob__fspolicy_of_magic(ob__sys_fs(fd, &magic, &room) < 0 ? 0 : magic);
}
