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
 *   stage     see window.c; on wherever pwrite(2) reaches the same page cache as the mapping.
 *   threads   of a flush.
 * Numbers are GB/s for 1 and 2 threads, 512 MiB new file, Linux 6.18, 2 cores of a virtual machine;
 * doc/design.md has the whole table. There is no column for MADV_HUGEPAGE: see doc/design.md.
 */
#include "config.h"

#include "fspolicy.h"

#include <stddef.h>

#include "sys.h"

#define ROW(m, n, ...) { .magic = (m), .name = (n), __VA_ARGS__ }
#define LOCAL .map = 1, .reserve = 1, .nameless = 1, .stage = 1
#define REMOTE .nameless = 1, .stage = 1

static const struct fspolicy table[] = {
	/*
	 * Mapping 3.0 and 5.1, 1 MiB blocks by pwrite 3.7 and 6.1, from the source 5.0 and 5.0: large
	 * folios, where a page fault makes 4 KiB ones. fallocate doubles both (FIELD 9).
	 */
	ROW(0xef53, "ext4", LOCAL, .why = "pages stay in one cache"),
	ROW(0x58465342, "xfs", LOCAL, .why = "pages stay in one cache"),
	ROW(0xf2f52010, "f2fs", LOCAL, .why = "pages stay in one cache; not measured"),
	/*
	 * With compression a mapped 9 GB link took 894 s and a written one 126 s (llvm D69294); copy on
	 * write makes a reservation no promise, so a mapping is SIGBUS on a full disk.
	 */
	ROW(0x9123683e, "btrfs", .reserve = 1, .nameless = 1, .stage = 1,
	    .why = "copy on write: slow under memory pressure, SIGBUS when full"),
	ROW(0xca451a4e, "bcachefs", .nameless = 1, .stage = 1,
	    .why = "copy on write, as btrfs; not measured"),
	/* fallocate succeeds and reserves nothing (golang/go#42005). */
	ROW(0x2fc12fc1, "zfs", .nameless = 1, .stage = 1,
	    .why = "copy on write; mapped pages are kept twice; not measured"),
	/* Mapping 1.8 and 2.8, blocks by pwrite 2.7 and 3.7, from the source 3.4 and 3.4. */
	ROW(0x01021994, "tmpfs", LOCAL, .why = "pages stay in one cache"),
	ROW(0x858458f6, "ramfs", .map = 1, .nameless = 0, .stage = 1,
	    .why = "pages stay in one cache; not measured"),
	/* Whatever the upper layer is; its file is what gets mapped. */
	ROW(0x794c7630, "overlay", LOCAL, .why = "as the file system of the upper layer"),
	/*
	 * ENODEV with direct I/O and in many servers; in others written back page by page, through a
	 * process. There may be no O_TMPFILE: open says so.
	 */
	ROW(0x65735546, "fuse", .reserve = 1, REMOTE, .why = "mapping depends on the server"),
	/* Writable mappings work; errors of write-back show nowhere, pwrite's at close. */
	ROW(0x6969, "nfs", REMOTE, .reserve = 1, .why = "write errors would be lost"),
	ROW(0xff534d42, "cifs", REMOTE, .why = "write errors would be lost"),
	ROW(0xfe534d42, "smb2", REMOTE, .why = "write errors would be lost"),
	ROW(0x517b, "smb", REMOTE, .why = "write errors would be lost"),
	ROW(0x00c36400, "ceph", REMOTE, .why = "write errors would be lost; not measured"),
	/*
	 * EINVAL without a cache (clearcontainers/agent#92), ENOENT for what has no name (kata
	 * runtime#1002).
	 */
	ROW(0x01021997, "9p", .stage = 1, .why = "mapping fails without a cache"),
	/* Every call succeeds and the file is zeros (VirtualBox#860). */
	ROW(0x786f4256, "vboxsf", .stage = 1, .why = "mappings lose data"),
	/* Neither holes nor fallocate: extending writes zeros, and a full disk is SIGBUS. */
	ROW(0x4d44, "vfat", .stage = 1, .why = "no holes, no reservation: SIGBUS when full"),
	ROW(0x2011bab0, "exfat", .stage = 1, .why = "no holes, no reservation: SIGBUS when full"),
	ROW(0x7366746e, "ntfs3", .map = 1, .verify = 1, .stage = 1, .why = "not measured: tried first"),
	ROW(0, "unknown", .map = 1, .verify = 1, .reserve = 1, .nameless = 1, .stage = 1,
	    .why = "unknown: tried first"),
};

const struct fspolicy *fspolicy_of_magic(uint32_t magic)
{
	const struct fspolicy *row = table;

	while (row->magic != 0 && row->magic != magic)
		row++;
	return row;
}

const struct fspolicy *fspolicy_of(int fd)
{
	uint32_t magic;

	return fspolicy_of_magic(sys_fs_type(fd, &magic) < 0 ? 0 : magic);
}
