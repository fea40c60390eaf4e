/* SPDX-License-Identifier: MIT */
/*
 * What is known about file systems, in one table.
 *
 * Success of mmap(2) proves little. Some file systems refuse shared mappings, some accept them and lose the bytes,
 * some are several times slower with a mapping. Other programs have conditions for such cases in many places. Here it
 * is one table, each row with its reason. A caller or user who knows better overrides it by options.map,
 * options.flush, options.stage or the environment.
 *
 * The columns, and when they are set:
 *   map            pointers into the output (outbuf_data() and the like) point into a mapping of the file. 0 where a
 *                  mapping is known to fail, to lose bytes, to be slow, or to raise SIGBUS on a full disk. Where a
 *                  server is asked, even a trial is a round trip.
 *   verify         nothing is known: a mapping is used only after bytes stored into it have been read from the file.
 *   prealloc       fallocate(2) reserves blocks. 0 where it is known not to: trying costs a system call.
 *   tmpfile        O_TMPFILE may be tried. 0 where an open file without a name is known to cause errors.
 *   recycle        writing over an old output that is in the page cache is faster than a new file.
 *   free_is_exact  what statfs(2) calls free can be stored to the last byte, so space can be checked before writing.
 *   sync_renamed   what a name leads to (size and first cluster) is written with the inode, after rename(2). Until then
 *                  the name leads to an empty or shorter file on the disk. Where nothing is known, it is assumed.
 *   no_ftruncate   ftruncate(2) does harm. Samba calls a file hidden whose name begins with a dot. If it is truncated
 *                  then, SMB's client makes that last, and nobody can open the output by O_TRUNC. So it is only done
 *                  if the file must become shorter.
 *   may_be_ordered some servers take a file's bytes from the first to the last only (order.c).
 *   silent_close   close(2) reports no errors, as the file system has no `flush` for it (sources of Linux 6.18; f2fs
 *                  has one, which returns 0). Where it is not set, a duplicate of the descriptor is closed first.
 *   may_journal_data   with data=journal, ext4 forgets after a power failure what was written into reserved blocks:
 *                  12 of 100 states, and none where nothing was reserved (Linux 6.18). So with durability nothing is.
 *   on_disk        it lies on a disk. Some 9p servers answer statfs(2) with the type of what their files lie on. So if
 *                  the file has no disk, the row is looked up by name. (A 9p server on tmpfs, overlay or btrfs is taken
 *                  for these: to look each of them up would cost 50 us. 9p has neither fallocate(2) nor O_TMPFILE, so
 *                  nothing is mapped or recycled there, and only the size of blocks is wrong.)
 *   remote         each block is sent to a server: larger blocks are better (blocks.h).
 *   threads        the number of threads of a flush, unless options.threads sets it.
 *
 * Staging (window.c) is no column, because it was the fastest method everywhere. MADV_HUGEPAGE is no column, because
 * it made a mapping hardly faster anywhere, and sometimes much slower. GB/s with it and without it: xfs 7.7 and 7.4
 * with 2 threads, 3.2 and 4.2 with 1 thread; ext4 0.7 and 3.2 with 1 thread, 5.2 and 5.2 with 2 threads. README.md
 * has the whole table. All numbers in this file are GB/s, on Linux 6.18, 2 cores of a virtual machine.
 */
#include "config.h"

#include "policy/fspolicy.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "system/sys.h"

#define ROW(m, n, ...) { .magic = (m), .name = (n), __VA_ARGS__ }
#define ON_DISK .on_disk = 1
#define LOCAL .map = 1, .prealloc = 1, .tmpfile = 1
#define SILENT .silent_close = 1
#define LOCAL_RECYCLED LOCAL, .recycle = 1
#define REMOTE .tmpfile = 1, .remote = 1
#define SMB REMOTE, .no_ftruncate = 1, .locks_by_eacces = 1

/*
 * A flush has one thread where more were measured to be no faster: writers of one file exclude each other by the lock
 * of its inode. GB/s of 256 MiB from warm memory, by 1, 2 and 4 threads: ext4 4.9 4.7 4.4, xfs 6.6 6.1 6.2, btrfs 2.1
 * 2.1 2.0, tmpfs 4.2 4.1 4.0, overlay 4.9 5.0 4.8, bindfs 2.3 2.3 1.1. More cores cannot change that. A network
 * might, so file systems without this may have up to 8 threads.
 */
#define ONE_WRITER .threads = 1

static const struct fspolicy table[] = {
	/*
	 * ext2 and ext3 have this number too. They have no fallocate(2), so by default nothing is mapped there. ext2
	 * cannot exchange two names, so commit renames, and no output becomes a spare.
	 */
	ROW(0xef53, "ext4", LOCAL_RECYCLED, SILENT, ONE_WRITER, ON_DISK, .may_journal_data = 1,
	    .why = "pages stay in one cache"),
	ROW(0x58465342, "xfs", LOCAL_RECYCLED, SILENT, ONE_WRITER, ON_DISK, .why = "pages stay in one cache"),
	/* As ext4 and xfs by its sources. It passes on Linux 6.1 (scripts/uml); its speed was not measured. */
	ROW(0xf2f52010, "f2fs", LOCAL, SILENT, ON_DISK, .why = "pages stay in one cache"),
	/*
	 * With compression a link of 9 GB took 894 s with a mapping and 126 s with writes (llvm D69294). With copy on
	 * write, reserved blocks do not ensure that a store succeeds, so a store into a mapping raises SIGBUS on a
	 * full disk.
	 */
	ROW(0x9123683e, "btrfs", .prealloc = 1, .tmpfile = 1, SILENT, ONE_WRITER,
	    .why = "copy on write: slow under memory pressure, SIGBUS when full"),
	/* By its documentation; nobody has tried. */
	ROW(0xca451a4e, "bcachefs", .tmpfile = 1,
	    .why = "copy on write, as btrfs"),
	/*
	 * fallocate(2) succeeds and reserves nothing (golang/go#42005). Mapped pages are in the page cache and in ZFS's
	 * own (OpenZFS's documentation). Nobody has tried.
	 */
	ROW(0x2fc12fc1, "zfs", .tmpfile = 1,
	    .why = "copy on write; mapped pages are kept twice"),
	/*
	 * fallocate(2) clears the pages on one thread, but then a store need not clear them. So a mapping of 512 MiB
	 * was as fast with it as without: 1.8 with 1 thread, 2.8 with 2 threads.
	 */
	ROW(0x01021994, "tmpfs", LOCAL_RECYCLED, SILENT, .free_is_exact = 1, ONE_WRITER,
	    .why = "pages stay in one cache"),
	/* It has no fallocate(2), and no limit: a store cannot fail, but the machine's memory can end. */
	ROW(0x858458f6, "ramfs", .tmpfile = 1, SILENT,
	    .why = "no reservation"),
	/* Depends on the file system of the upper layer: the file that is mapped is there. */
	ROW(0x794c7630, "overlay", LOCAL, ONE_WRITER, .why = "as the file system of the upper layer"),
	/*
	 * mmap(2) fails by ENODEV with direct I/O and with many servers. With others a mapping is written back page
	 * by page, by a process. Some servers have no O_TMPFILE: open(2) fails then.
	 */
	ROW(0x65735546, "fuse", .prealloc = 1, REMOTE, .may_be_ordered = 1, ONE_WRITER,
	    .why = "mapping depends on the server"),
	/*
	 * Writable mappings work, but errors of their write-back are not reported. Those of pwrite(2) are, by
	 * close(2).
	 */
	ROW(0x6969, "nfs", REMOTE, .prealloc = 1, .why = "write errors would be lost"),
	ROW(0xff534d42, "cifs", SMB, .why = "write errors would be lost"),
	ROW(0xfe534d42, "smb2", SMB, .why = "write errors would be lost"),
	ROW(0x517b, "smb", SMB, .why = "write errors would be lost"),
	/* As the others that have a server; nobody has tried. */
	ROW(0x00c36400, "ceph", REMOTE, .why = "write errors would be lost"),
	/*
	 * mmap(2) fails by EINVAL without a cache (clearcontainers/agent#92). Calls for a file without a name fail by
	 * ENOENT (kata runtime#1002).
	 */
	ROW(0x01021997, "9p", .remote = 1, .why = "mapping fails without a cache"),
	/* Every call succeeds, and the file contains zeros (VirtualBox#860). */
	ROW(0x786f4256, "vboxsf", .remote = 1, .why = "mappings lose data"),
	/*
	 * These two have neither holes nor fallocate(2): extending the file writes zeros, and on a full disk a store
	 * into a mapping raises SIGBUS.
	 */
	ROW(0x4d44, "vfat", ON_DISK, SILENT, .sync_renamed = 1,
	    .why = "no holes, no reservation: SIGBUS when full"),
	ROW(0x2011bab0, "exfat", ON_DISK, SILENT, .why = "no holes, no reservation: SIGBUS when full"),
	/*
	 * NTFS on Windows; the number is invented by sys_windows.c. A mapped view of the file and WriteFile() use the
	 * same cache, but that is not documented. Go's linker maps files there.
	 */
	ROW(0x5346544e, "ntfs", .map = 1, .verify = 1, .prealloc = 1, .why = "not known well: tried first"),
	ROW(0x7366746e, "ntfs3", ON_DISK, .map = 1, .verify = 1, .prealloc = 1, .sync_renamed = 1,
	    .why = "not known well: tried first"),
	ROW(0, "unknown", .map = 1, .verify = 1, .prealloc = 1, .tmpfile = 1, .sync_renamed = 1,
	    .why = "unknown: tried first"),
};

const struct fspolicy *ob__fspolicy_of_magic(uint32_t magic)
{
	const struct fspolicy *row = table;

	while (row->magic != 0 && row->magic != magic)
		row++;
	return row;
}

static const struct fspolicy *find_by_name(const char *name)
{
	const struct fspolicy *row = table;

	while (row->magic != 0 && strcmp(row->name, name) != 0)
		row++;
	return row;
}

int ob__fspolicy_of_file(int fd, const struct fspolicy **row)
{
	char name[SYS_FS_NAME];
	uint32_t magic;
	uint64_t room;
	int r = 0;

	*row = ob__fspolicy_of_magic(ob__sys_fs(fd, &magic, &room) < 0 ? 0 : magic);
	if ((*row)->on_disk)
		r = ob__sys_diskless_fs(fd, name);
	if (r > 0)
		*row = find_by_name(name);
	return r < 0 ? r : 0;
}

/*
 * What is known of mounts, for all outputs of the process: the mount's number, and the number of its row in the low
 * bits. 0: free. Any thread; a place that is written by two is that of one of them.
 */
#define MOUNTS 16
#define ROW_BITS 6
_Static_assert(sizeof table / sizeof *table <= 1 << ROW_BITS, "more rows than a place can name");
static _Atomic uint64_t known_mounts[MOUNTS];

int ob__fspolicy_remembers = 1;

int ob__fspolicy_of_mount(int fd, uint64_t mount, const struct fspolicy **row)
{
	_Atomic uint64_t *place = &known_mounts[mount % MOUNTS];
	uint64_t known;
	int r;

	if (mount == 0 || !ob__fspolicy_remembers)
		return ob__fspolicy_of_file(fd, row);
	known = atomic_load_explicit(place, memory_order_relaxed);
	if (known != 0 && known >> ROW_BITS == mount) {
		*row = &table[known & ((1 << ROW_BITS) - 1)];
		return 0;
	}
	r = ob__fspolicy_of_file(fd, row);
	if (r == 0 && mount <= UINT64_MAX >> ROW_BITS)
		atomic_store_explicit(place, mount << ROW_BITS | (uint64_t)(*row - table), memory_order_relaxed);
	return r;
}
