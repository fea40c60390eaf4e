/* SPDX-License-Identifier: MIT */
/*
 * outbuf.h - write one large file from many threads
 *
 * This header is the manual. It is written in learning order: the idea, conventions, the life of an output, recycling,
 * the problems that no library can hide (Caveats); then options, opening and mapping, commit, Views, writing, raw
 * access to the memory, and statistics. A whole program is examples/01_hello.c, which README.md shows.
 *
 * The idea
 * --------
 * A linker knows most of the layout of its output before it writes the first byte. Symbol tables, string tables and
 * signatures are known last; they follow at the end. An *output* (struct outbuf) stands for one file that is being
 * written. outbuf_map() states the size of the part whose layout is known, and the library maps the file that far.
 * Each thread then opens *Views* (struct outbuf_view). A View is a cursor over a range of file offsets. Its thread
 * writes through it at memory speed, without a lock. Bytes that do not fit the planned size go past its end, from any
 * thread: behind the mapping lies the *heap extension*, memory that grows under a mutex.
 *
 *     file offset   0                        mapped             high
 *                   |--------------------------|-----------------|............|
 *     address       base                                           base + reserved
 *                   [ mapping of the file      ][ heap extension  ]
 *
 * All of it is one linear range of addresses: the byte at offset x always lies at address base + x. A pointer into
 * the output stays valid until outbuf_unmap(), outbuf_commit() or outbuf_close(), or until outbuf_set_size() or
 * outbuf_release() gives up its bytes. Where the file cannot be mapped, the whole output lives in the heap extension.
 * The calls are the same then, and so are the bytes of the file.
 *
 * Storing into fresh pages is not the fastest way to fill a file. So where it is faster, and the file system allows
 * it, a View is *staged* (options.stage): it collects what is written in a small write buffer, a block, and writes
 * the block to the file each time it is full. The mapping and the heap extension then serve pointers and short Views.
 * Nothing has to be configured: a table of file systems decides whether the file is mapped and how bytes reach it,
 * and outbuf_stats() reports what was chosen, and why. Options override the table. The user of the program can
 * override it as well, by environment variables:
 *
 *     OUTBUF_MAP=yes|no   OUTBUF_STAGE=yes|no   OUTBUF_FLUSH=pwrite|uring|stream
 *
 * The variables are hints: the library ignores those that it cannot honour, and those that an option of the program
 * contradicts. It ignores all of them in a program that has more rights than its user, see secure_getenv(3).
 *
 * The library does not hand out offsets. The caller chooses the offsets of data that is appended past the plan: all of
 * it is appended by one thread, or the lengths are added up first, or threads share an atomic counter of the caller's.
 *
 * Nothing appears at the path until outbuf_commit(), which puts the complete file there in one step. Until then, and
 * if anything fails, the previous file is untouched. (OUTBUF_REPLACE_IN_PLACE guarantees neither.)
 *
 * Conventions
 * -----------
 * - Sizes and offsets are in bytes. Offsets count from the start of the file.
 * - A function that can fail returns 0 or a negative errno (-ENOSPC, ...). The library never prints and never exits.
 *   It does not change what belongs to the whole process, such as the umask and the working directory. It installs a
 *   signal handler only if it is asked to (options.guard).
 * - Errors of Views are sticky: the library remembers the first one, commit returns it and leaves the path alone. So
 *   results of single writes may be ignored, if outbuf_view_end() or outbuf_commit() is checked. -EBADF is not sticky,
 *   because a View that is not open belongs to no output.
 * - Before any other call, a View must have been opened by outbuf_view() or outbuf_view_edit(), or have been set to all
 *   zero bytes.
 * - "Owner" below means: only one thread at a time may make this call, and the caller orders the threads that do.
 *   "Any thread" means: this call may run at the same time as any other call but outbuf_close().
 * - outbuf_open(), outbuf_close() and most calls between them are owner calls. outbuf_view() and outbuf_data() are
 *   any-thread calls. A View belongs to one thread at a time; different Views need no synchronisation.
 * - Owner calls that need the whole output return -EBUSY while a View is open, and have done nothing then. A thread
 *   that opens a View while such a call runs waits until the call has returned.
 * - Pointer arguments must be valid. Each function says where NULL is allowed, and where it is reported as an error.
 *
 * States
 * ------
 *     outbuf_open --> OPEN --commit--> COMMITTED --close--> gone
 *                      |  \--commit fails, discard--> DISCARDED --close--> gone
 *                      \--unmap--> UNMAPPED --map--> OPEN   (commit and discard as from OPEN)
 *
 * Recycling
 * ---------
 * Writing over pages that are in memory is faster than writing into new ones: 1.3 to 1.7 times as fast as a new file
 * (README.md has a table). options.recycle reaches that speed without the danger of writing over the output itself. It
 * writes over the *spare*: the output before last, which stays under a hidden name beside the path. Commit exchanges
 * the new output and the last one in one step, and the last output becomes the next spare. So there are two files, and
 * they need the disk space of two.
 *
 * The spare is used only if it cannot be told from a new file and nobody else has it:
 * - It is a regular file of yours with one link, on ext4, xfs or tmpfs.
 * - Its group and its extended attributes are those of a new file, and it lacks none of a new file's permissions.
 * - Nobody has it open or mapped, and nobody is running it: the kernel grants a lease, fcntl(2).
 * - Most of it is in the page cache.
 * Otherwise, and where names cannot be exchanged, the library makes a new file, and outbuf_stats() says why
 * (recycle_why). Bytes that nobody writes are zero, as in a new file.
 *
 * Discard, and a commit that fails, delete the spare. If you turn recycling off, the next commit that replaces the
 * output deletes the spare. If the spare is longer than the output, commit shortens it, and the caller waits for that
 * (the library frees old outputs in the background otherwise). With options.durability the directory is synced before
 * the spare is written over and again after the exchange. Otherwise, after a power failure, the path might lead to a
 * file that is being written over.
 *
 * Caveats
 * -------
 * - Disk full. outbuf_map() reserves blocks for more than 256 KiB, so a full disk is an -ENOSPC from that call. Some
 *   file systems cannot reserve blocks, and where they copy on write (btrfs, ZFS) fallocate(2) is no promise (glibc
 *   manual, "Storage Allocation"). The library does not map files there unless options.map or OUTBUF_MAP asks for it;
 *   a store into such a mapping can raise SIGBUS. A store also raises SIGBUS if another process truncates the output
 *   while it is mapped, or if the disk cannot be read. options.guard turns these signals into errors.
 * - The guard. A program that has a SIGBUS handler of its own may install it before a guarded output is mapped: the
 *   guard's handler then calls it for every fault that is not in a guarded output. Or the program may install its
 *   handler later: it then has to call the handler that it replaced in the same way, or the outputs that are mapped
 *   already are not guarded any more. When the next guarded output is mapped, the guard installs its handler again,
 *   over whatever handler is there.
 *   Whether the program's handler calls the one that it replaced cannot be known. So if it is still there when the last
 *   guarded output is gone, the guard's handler stays behind it for good, and cannot be used elsewhere. There are 8 of
 *   them. Once all are used up in this way, outputs are guarded only if the program's handler calls what it replaced.
 *   After a fault the output is backed by private memory. Stores no longer reach the file. What was stored before can
 *   still be read, except in parts that fault again: these are zero. The writing thread learns of the fault from
 *   outbuf_error() or commit.
 *   A system call that is given a pointer into the output, such as read(2), returns EFAULT instead of raising SIGBUS;
 *   the guard does not notice that.
 * - Atomic is not durable. Commit makes the new file visible to all processes in one step. After a power failure the
 *   path may lead to either file, and the new one may lack data that was still in the page cache. Where blocks are
 *   reserved it can have its full length and be all zeros: ext4 writes a file that replaces another one early
 *   (auto_da_alloc), but not if its blocks are reserved. options.durability makes commit wait for the disk.
 * - Fork. If another thread forks while the output is open, the child inherits the output's descriptor until it calls
 *   exec (the descriptor is O_CLOEXEC). If the output is a program that is run at once, execve(2) fails with ETXTBSY
 *   until that child has called exec or exited, and a lock (options.lock) is held as long. Commit itself has closed
 *   the output's descriptors when it returns. (Not that of a large file that was replaced: see below.)
 *   A forked child must not call any function for an output of its parent's, not even outbuf_close(): that would
 *   remove the parent's file.
 * - In place, none of this holds: a failure, a kill or a full disk leaves a broken file.
 * - What a View wrote is in the output, for other Views, pointers and flushes, once the View has ended. If two Views
 *   are open on the same bytes at once, either of them may win.
 * - The output is a new file. Hard links of the file that it replaces keep the old content; its owner, ACL and extended
 *   attributes are not copied. A symbolic link at the path is itself replaced, and its target is left
 *   alone, as ld.lld and mold do: if it were followed, anybody who may write to the directory could choose the file.
 *   OUTBUF_REPLACE_IN_PLACE does the opposite in all these points, and gives up atomicity. The setuid, setgid and
 *   sticky bits of options.mode are set when everything is written. They are never copied from the file that is
 *   replaced.
 * - An existing file is replaced in two steps: the new file is linked under a hidden name, then renamed. A kill
 *   between the two can leave one file named .NAME.outbuf-XXXXXXXXXXXXX in the directory. With options.durability any
 *   file has that name while commit waits for the disk, and where the file system has no O_TMPFILE files, from open
 *   on. So can a power failure leave it. The next run that needs a hidden name removes what was left. What writers of
 *   one path left that ran at the same time may take some dozens of runs, as each run looks at one more name. A file
 *   that is left stays only if more than eight of them ran at once, as its name cannot be told then, if flock(2) does
 *   not work, or if the directory shows another owner for each file. The empty lock file of options.lock, which has a
 *   name of this form, is removed by the next run with that option. A program that is interrupted can remove its own:
 *   outbuf_remove_temporary_files().
 * - In a directory that anybody may write to, and in a sticky one that a group may write to, the library follows no
 *   link, and writes to no FIFO, device or (in place) file, that somebody other than you and the directory's owner has
 *   put at the path: -EPERM.
 * - If the old output has 16 MiB or more, a background thread frees its blocks. Commit and outbuf_close() do not wait
 *   for it. Until it is done, the process has a descriptor of the deleted file, umount(2) says EBUSY, and the disk has
 *   less room: 35 ms for 400 MiB on ext4, 257 ms on a slower disk. A call of this library that finds the disk full, or
 *   no descriptor free, waits for the thread, 10 s at most, and tries once more. exit(3) waits as well, 60 s at most,
 *   and so does dlclose(3) of a plug-in that has the static library, unless that is linked with -z nodelete, as
 *   pkg-config says.
 * - Windows. This was tested under wine 8 and 10, not yet on Windows itself.
 *   Paths are UTF-8, may be long, and are made absolute by open. Paths that differ in case only name the same file.
 *   Descriptors are those of the C library.
 *   The system deletes the hidden file when the process ends. After a discard it keeps its name as long as it is open.
 *   Since Windows 10 1809 the output replaces a file that others have open, if they share it for deletion. Where that
 *   is not so, or if the file is a program that is running, commit tries for half a second and returns -EACCES.
 *   Of options.mode only the write permissions count: whether anybody may write. options.recycle and options.guard have
 *   no effect; a page that cannot be read or written raises an exception (EXCEPTION_IN_PAGE_ERROR).
 *   On NTFS the file is mapped, and until commit its length is a multiple of 64 KiB. Commit writes the mapping to the
 *   file system before it unmaps, because errors are reported there. NTFS has no holes except in sparse files: if a
 *   View starts far beyond the end, NTFS first writes zeros up to there.
 *   With OUTBUF_LOCK_WAIT the lock is polled every 10 ms.
 *   Before Windows 10 1803, mapping again with a larger size can fail with -ENOMEM and lose the output, if another
 *   thread takes the addresses at that moment.
 * - The address range of an output never moves, and the output cannot grow beyond it. It costs no memory, but VSZ shows
 *   it. options.max_size is reserved as a whole. Without it, on 64-bit Unix the plan and 1 GiB are reserved at first,
 *   and the range is extended when more is needed, to 1 TiB at most. (In an address space of 256 GiB these are 2 MiB
 *   and 32 GiB.) It lies in the middle of the address space, where programs normally have nothing. While up to 64
 *   outputs are open each has 1 TiB of room, 10,000 have 4 GiB each; -ENOMEM if something else is mapped there.
 *   Elsewhere, and if there is no such place, all of it is reserved at once, and outputs that are open share the
 *   addresses: on 32-bit machines the first gets 512 MiB, each further one a quarter of what is left of 2 GiB, but at
 *   least 8 MiB; on Windows the first gets 64 GiB, and the least is 256 MiB; under ThreadSanitizer 16 GiB and 64 MiB;
 *   else 1 TiB and 4 GiB. If the system has fewer addresses, as under `ulimit -v`, an output gets a quarter to a half
 *   of the largest free range. A program that needs a size for certain sets options.max_size, or plans it by
 *   outbuf_map() first; outbuf_stats() tells what is reserved.
 */
#ifndef OUTBUF_H
#define OUTBUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The one place that holds the version; configure.ac reads it from here. */
#define OUTBUF_VERSION_MAJOR 0
#define OUTBUF_VERSION_MINOR 1
#define OUTBUF_VERSION_PATCH 0

#if defined(__GNUC__)
#define OUTBUF_API __attribute__((visibility("default")))
#define OUTBUF_MUST_CHECK __attribute__((warn_unused_result))
#define OUTBUF_ALWAYS __attribute__((always_inline)) /* without it gcc 12 splits the inline functions */
#else
#define OUTBUF_API
#define OUTBUF_MUST_CHECK
#define OUTBUF_ALWAYS
#endif

/*
 * Small writes are C99 inline functions. Compilers put them into the caller. The library also exports a function of
 * the same name, for other languages and for code that is compiled with -O0.
 */
#if defined(__GNUC_GNU_INLINE__)
#define OUTBUF_INLINE OUTBUF_API extern OUTBUF_ALWAYS inline
#else
#define OUTBUF_INLINE OUTBUF_API OUTBUF_ALWAYS inline
#endif

#ifdef __cplusplus
extern "C" {
/*
 * In C a struct and a function may have the same name, as outbuf_view does. g++ -Wshadow complains that the function
 * hides the struct's constructor.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#endif

/* One output file that is being written. Opaque. */
struct outbuf;

/* ----------------------------------- outbuf_options: how an output is made */

/* The byte order of integers in the output, for outbuf_write16(), outbuf_write32() and outbuf_write64(). */
enum outbuf_byte_order {
	OUTBUF_LITTLE_ENDIAN = 0,
	OUTBUF_BIG_ENDIAN = 1
};

/* How the file comes to stand at its path. */
enum outbuf_replace {
	/* A hidden file in the same directory takes the path's place at commit. */
	OUTBUF_REPLACE_ATOMIC = 0,
	/*
	 * The file at the path itself is written. It is created if it is missing. Its inode, owner and hard links
	 * stay, symbolic links are followed, and a failure leaves the file broken. The old content is lost when
	 * outbuf_map() begins to map the file, even if that call then fails (-ENOSPC). If the file is not mapped, the
	 * old content is lost at the first flush (outbuf_flush(), outbuf_sync() or outbuf_commit()), and no View is
	 * staged until then.
	 */
	OUTBUF_REPLACE_IN_PLACE = 1,
	/*
	 * As OUTBUF_REPLACE_ATOMIC where that is possible. If the file at the path cannot be replaced, commit copies
	 * the finished bytes over it, as cp(1) does: it is mounted by itself (in a container; EBUSY), or the file
	 * system has no rename(2), or not over a file. If no temporary file can be made beside it (the directory may
	 * not be written to, there is no inode left), the output is kept in memory and written over the file at
	 * commit. Its inode, owner and permissions stay then. A crash, or an error of the disk, while it is written
	 * leaves it broken. (Room for a longer file is reserved before that.) outbuf_stats() says why
	 * (`replace_error`). outbuf_open() fails if the file can be neither replaced nor written. On Windows it is the
	 * same as OUTBUF_REPLACE_ATOMIC.
	 */
	OUTBUF_REPLACE_ELSE_IN_PLACE = 2
};

/* What the file is until commit, unless it is written in place. */
enum outbuf_placement {
	/* A file without a name (O_TMPFILE), which no crash leaves behind; else one with a hidden name. */
	OUTBUF_PLACE_AUTO = 0,
	/*
	 * A file with a hidden name, ".NAME.outbuf-XXXXXXXXXXXXX". For sandboxes whose rules against link(2) the
	 * library cannot know before commit. (If it meets one, it copies the file.) The user asks for it by
	 * OUTBUF_PLACEMENT=named.
	 */
	OUTBUF_PLACE_NAMED = 1
};

/* For things that may or may not be possible. */
enum outbuf_choice {
	OUTBUF_AUTO = 0,    /* do it where it works and pays */
	OUTBUF_NO = 1,      /* do not do it */
	OUTBUF_REQUIRE = 2  /* do it, and return an error where it does not work */
};

/* How bytes that are not in a mapping reach the file. */
enum outbuf_flush {
	OUTBUF_FLUSH_AUTO = 0,   /* chosen by the kind of file at the path, and by file system */
	OUTBUF_FLUSH_PWRITE = 1, /* pwrite(2), on several threads where that helps */
	OUTBUF_FLUSH_URING = 2,  /* io_uring, if the library was built with liburing */
	OUTBUF_FLUSH_STREAM = 3  /* write(2), sequentially, at commit: for pipes, terminals, devices */
};

/*
 * What commit waits for. If it does not wait, a power failure may leave the old file or part of the new. On vfat and
 * ntfs3 OUTBUF_DURABLE_DATA can leave an empty or a shorter file: they write a name and what it leads to at different
 * times. There only OUTBUF_DURABLE_FULL helps, once commit has returned (on ntfs3 not always). README.md has a table of
 * what was tested.
 */
enum outbuf_durability {
	OUTBUF_DURABLE_NONE = 0, /* nothing: the data is in the page cache */
	OUTBUF_DURABLE_DATA = 1, /* the file is on the disk before it takes the path's place: after a power failure the
	                          * path has the old file or the new one, complete. (With options.recycle the directory
	                          * is synced, too: see Recycling) */
	OUTBUF_DURABLE_FULL = 2  /* as OUTBUF_DURABLE_DATA, and the directory is on the disk after that: once commit has
	                          * returned, a power failure leaves the new file */
};

/*
 * Whether the output locks its path. Without a lock, each of two writers replaces the whole file, and the last one
 * wins. On file systems without O_TMPFILE files, or where flock(2) locks only within one machine, one of the writers
 * may fail with -ESTALE or -ENOENT, on SMB also with -EACCES.
 */
enum outbuf_lock {
	OUTBUF_LOCK_NONE = 0,
	OUTBUF_LOCK_TRY = 1, /* outbuf_open() returns -EBUSY while another output that locks has the path. (While a
	                      * server still removes the last one's lock file it waits, 2 s at most; then -ENOENT or
	                      * -ESTALE) */
	OUTBUF_LOCK_WAIT = 2 /* outbuf_open() waits until no other output that locks has the path */
};

/* Phases of the work on an output; see outbuf_options.observe and outbuf_stats. */
enum outbuf_phase {
	OUTBUF_PHASE_MAP,     /* reserving blocks and mapping the file */
	OUTBUF_PHASE_FLUSH,   /* writing bytes of the heap to the file */
	OUTBUF_PHASE_UNMAP,   /* unmapping the file and freeing the memory */
	OUTBUF_PHASE_SYNC,    /* waiting for the disk, if outbuf_sync() or options.durability asks for it */
	OUTBUF_PHASE_PUBLISH, /* putting the file at its path */
	OUTBUF_PHASES
};

/*
 * Options of outbuf_open(). OUTBUF_OPTIONS_INIT initialises them: it sets `size`. Zero in any other member is the
 * default. A caller that was built with an older header passes a smaller struct: the members that it lacks are taken
 * as zero. If the caller's struct is larger than the library's, the members that the library does not know must be
 * zero (-E2BIG).
 */
struct outbuf_options {
	size_t size;       /* sizeof(struct outbuf_options) in the caller's header */
	uint32_t mode;     /* permissions, before the umask; 0: 0666. For a program: 0777 */
	uint32_t order;    /* enum outbuf_byte_order */
	uint32_t replace;  /* enum outbuf_replace */
	uint32_t map;      /* enum outbuf_choice: map the file? */
	uint32_t prealloc; /* enum outbuf_choice: reserve blocks for what is planned or written? */
	/*
	 * Non-zero: remember every range that is given to a View, and report overlaps, see outbuf_view(). This costs a
	 * mutex and O(log n) per View.
	 */
	uint32_t check_overlap;
	/*
	 * Threads that a flush may use, the caller's included. 0: one where more do not help (ext4, xfs, btrfs, tmpfs,
	 * overlay, FUSE), elsewhere one per available CPU, at most 8. More than 64 count as 64. Ignored if `run` is
	 * set.
	 */
	uint32_t threads;
	uint32_t flush; /* enum outbuf_flush */
	/*
	 * The largest size that the output may reach, in bytes. So much address space is reserved, or less if the
	 * system has less. It may be more than the address space holds (5 GiB on a 32-bit machine). Only staged Views
	 * can write what lies beyond the reserved addresses (outbuf_stats() tells whether Views are staged; if a file
	 * is written in place, they are not before the first flush). There are no pointers to such bytes, and they
	 * cannot be mapped (-EFBIG, -ENOMEM). 0: 1 TiB on 64-bit machines (64 GiB on Windows, 16 GiB under
	 * ThreadSanitizer), reserved as it is needed; 512 MiB on 32-bit ones, 256 MiB if the library was built without
	 * mmap (it then allocates that much memory). Less if addresses are few or many outputs are open (see Caveats:
	 * the last one). If the first outbuf_map(), View or pointer needs more than a quarter of this default, the
	 * largest size is four times what that call needs. A call that fails fixes nothing.
	 */
	uint64_t max_size;
	/*
	 * The caller's own thread pool, or NULL. It must call task(arg, i) once for each i below n, on any threads,
	 * and return 0 after the last call has returned. If it returns a negative errno, that becomes the error of
	 * the function of the library that used the pool. A positive number becomes -EINVAL. If it returns 0 and has
	 * not done all tasks, that is -EIO; tasks that it begins later do nothing. A thread that opens a View of this
	 * output meanwhile waits until that function returns. So while `run` is under way, no thread that it needs
	 * may run a task of the program's that opens such a View. (A pool that steals work needs all its threads:
	 * with TBB call parallel_for inside this_task_arena::isolate(), with Rayon use a pool of its own.) On the
	 * calling thread itself, opening one fails by -EDEADLK instead of waiting.
	 */
	int (*run)(void *run_arg, size_t n, void (*task)(void *arg, size_t i), void *arg);
	void *run_arg;
	/*
	 * Called on the owner's thread when a phase begins (`done` is 0) and when it ends (`done` is 1). `bytes` is
	 * the number of bytes that the phase works on. Must not call any function for the output.
	 */
	void (*observe)(void *observe_arg, enum outbuf_phase phase, int done, uint64_t bytes);
	void *observe_arg;
	/*
	 * enum outbuf_choice: collect what Views write in blocks, and write each block to the file when it is full
	 * (see outbuf_view())? OUTBUF_AUTO: yes, unless the output is written sequentially at commit.
	 */
	uint32_t stage;
	/*
	 * Non-zero: if the disk has no room for a store into the mapping, or cannot read the page, commit fails
	 * (-ENOSPC, -EDQUOT, -EIO). Without this option the store kills the process by SIGBUS.
	 * The library installs a handler for SIGBUS when the first such output is mapped, and removes it when the last
	 * one is gone. The handler passes on every signal that is not the library's. Threads must not block SIGBUS. No
	 * effect where nothing is mapped.
	 */
	uint32_t guard;
	/*
	 * Non-zero: write over the output before last, if it still exists, nobody uses it, and it is in the page
	 * cache; and keep the last output for the next run: see Recycling.
	 */
	uint32_t recycle;
	uint32_t durability; /* enum outbuf_durability */
	uint32_t lock;       /* enum outbuf_lock */
	/*
	 * Non-zero: commit fails by -ENODATA if nobody wrote some byte below the size that outbuf_map() or
	 * outbuf_set_size() stated last, and outbuf_gap() tells the first such range. Written are the ranges of Views
	 * that have ended, pointers of outbuf_data(), and what outbuf_set_size() made longer. For programs that write
	 * every byte of what they plan, padding too: a worker that was forgotten is an error then and no zeros. Costs
	 * 25 ns and more per View, and 24 bytes per 64 KiB up to the last byte that is written: a sparse output of 1
	 * TiB takes 400 MB.
	 */
	uint32_t check_complete;
	uint32_t placement;  /* enum outbuf_placement */
};

#ifdef __cplusplus
#define OUTBUF_OPTIONS_INIT \
	{ sizeof(struct outbuf_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0 }
#else
#define OUTBUF_OPTIONS_INIT { .size = sizeof(struct outbuf_options) }
#endif

/* -------------------------------------------- outbuf_open: begin an output */

/*
 * Open an output that will stand at `path`. `options` may be NULL. Owner.
 *
 * Only regular files are replaced. If a pipe, terminal, device or socket stands at the path, or a symbolic link to
 * one, it is opened (a FIFO waits for its reader), and the output is written to it sequentially, from first to last
 * byte, at commit. Standard output is written in the same way, for the path "-", and so is the descriptor that
 * /dev/stdout, /dev/fd/N or /proc/self/fd/N means, from its current position. There EPIPE is an error and not a
 * signal.
 *
 * Nothing appears at the path before commit, except that a missing file is created if it is written in place. The
 * library creates a file without a name (O_TMPFILE) in the directory of the path or, where the file system has no such
 * files, a file with a hidden name. So a path that cannot be written is reported here, and not at commit.
 *
 * Returns 0 and sets *ob, or sets *ob to NULL and returns
 *   -EINVAL        a NULL argument, an unknown value in the options, mode beyond 07777, size 0
 *   -E2BIG         options of a newer header with a member set that this library does not know
 *   -ENOENT        a directory of the path is missing, or the path is empty
 *   -ENOTDIR       a component of the path is not a directory
 *   -EISDIR        the path is a directory, ends in a slash, or in "." or ".."
 *   -EACCES, -EPERM, -EROFS   the directory (in place: the file) may not be written; options.durability is
 *                  OUTBUF_DURABLE_FULL and the directory may not be read
 *   -EBUSY         options.lock is OUTBUF_LOCK_TRY, and another output that locks has the path; or the file at the path
 *                  is mounted by itself, so it cannot be replaced (see OUTBUF_REPLACE_ELSE_IN_PLACE)
 *   the errno of flock(2)   with options.lock: -ENOLCK, -EOPNOTSUPP where nothing can be locked
 *   -ENOTSUP       options.map, .stage or .flush ask for something impossible: to map a pipe, to use io_uring in a
 *                  library that was built without it, to stage what is written sequentially; or the file at the path
 *                  was replaced by one of another kind during this call
 *   the errno of io_uring_setup(2)   options.flush is OUTBUF_FLUSH_URING, and the kernel refuses
 *   -EBADF         "-" or /dev/fd/N, and the descriptor is not open for writing
 *   -EPERM         at the path is the link, FIFO, device or (in place) file of another user, in a directory that others
 *                  may write to; the directory is sticky, and another user's file is to be replaced; the file may not
 *                  be changed, or the directory not but by new names (chattr +i, chattr +a); or the name of the lock
 *                  file (options.lock) is taken by something else
 *   -ENXIO         a socket is bound to the path
 *   -ENAMETOOLONG, -ELOOP, -ETXTBSY, -ENOSPC, -EDQUOT, -EMFILE, -ENFILE, -EIO   as open(2)
 *   -EILSEQ        on Windows: the path is not UTF-8; -EINVAL if it names a stream of a file ("out:stream")
 *   -ENOMEM
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_open(struct outbuf **ob, const char *path,
                                             const struct outbuf_options *options);

/*
 * Open an output for a descriptor that is open for writing: a pipe, a socket, a terminal, a file. Owner.
 *
 * The output is written sequentially by write(2) at commit, from the descriptor's current position. The descriptor is
 * never mapped, truncated or closed; the caller must keep it open until commit. Returns -EBADF if it is not open for
 * writing; everything else is as for outbuf_open().
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_open_fd(struct outbuf **ob, int fd,
                                                const struct outbuf_options *options);

/*
 * Open an output whose bytes go to the caller's own function. Owner.
 *
 * Commit calls sink(sink_arg, ...) on the owner's thread, with up to 1 MiB at a time, in order of offsets and without
 * gaps. The function returns 0, or a negative errno that becomes the error of commit; a positive value counts as
 * -EINVAL. It must not call any function for the output, because commit waits for it. Everything else is as for
 * outbuf_open().
 */
OUTBUF_API OUTBUF_MUST_CHECK int
outbuf_open_sink(struct outbuf **ob,
                 int (*sink)(void *sink_arg, uint64_t offset, const void *data, size_t n),
                 void *sink_arg, const struct outbuf_options *options);

/* Open an output that stays in memory, see outbuf_memory(). Owner. Everything else is as for outbuf_open(). */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_open_memory(struct outbuf **ob,
                                                    const struct outbuf_options *options);

/* --------------------------------- outbuf_map: how large an output will be */

/*
 * Plan for `size` bytes: reserve blocks on the disk, make the file that long and map it. Owner, no View open. The
 * output is at least `size` bytes long from now on. This call is optional: without it the output lives in the heap.
 *
 * It may be called again with a larger size, also after bytes were written past the mapping. Those bytes move into
 * the mapping, and addresses do not change. Where mapping is impossible, or options.map is OUTBUF_NO, the bytes live
 * in the heap and the call succeeds: outbuf_is_mapped() tells, and outbuf_stats() says why. Size 0 maps nothing.
 *
 * A plan of 256 KiB at most fits into one write. It is not mapped and no blocks are reserved for it, unless
 * options.map or .prealloc is OUTBUF_REQUIRE, or OUTBUF_MAP=yes, or Views are not staged. Such a plan does not tell
 * whether the disk has room.
 *
 * Blocks are reserved by fallocate(2), mode 0. If the file system does not support that (EOPNOTSUPP, ENOSYS, EINVAL,
 * EPERM, EACCES; a server for any reason), or signals interrupt it again and again (EINTR), it is an error only if
 * options.prealloc is OUTBUF_REQUIRE. Where fallocate(2) is known to reserve
 * nothing (ZFS, vfat and others) it is called only if options.prealloc is OUTBUF_REQUIRE. A file without blocks is not
 * mapped unless options.map or OUTBUF_MAP asks for that, or options.prealloc is OUTBUF_NO.
 *
 * Whole pages are mapped, and until commit the file is as long as these. If RLIMIT_FSIZE or the file system allows
 * `size` bytes but not so much, only full pages are mapped, and the rest lives in the heap. (A limit below one page: as
 * where mapping is impossible, with the reason -EFBIG.)
 *
 * On a file system that the library does not know, it tries a mapping first: it writes to a page through the mapping
 * and reads the page back from the file. If that fails, the bytes live in the heap. After unmapping, the library
 * compares samples of what was stored with the file. If they differ, commit or outbuf_unmap() returns -EIO.
 *
 * Returns 0, or one of these errors. The output is as it was before then, and may be continued in the heap.
 *   -EBUSY         a View is open
 *   -EINVAL        `size` is less than outbuf_size(), or the output is committed or discarded
 *   -EFBIG         `size` is beyond options.max_size (or its default, which the first map, View or pointer fixes), the
 *                  largest file offset, RLIMIT_FSIZE, or the file system's limit
 *   -ENOMEM        there is no address space of that size, or without a mapping no memory (-EFBIG if the size is more
 *                  than any address space has). Staged Views can still write what options.max_size allows, and
 *                  outbuf_set_size() can still set that size
 *   -ENOSPC, -EDQUOT, -EIO   the disk cannot hold it
 *   -ENOTSUP, or the kernel's errno   mapping or reserving was required and did not work; or this call follows
 *                  outbuf_unmap() and the file could not be mapped again (the heap cannot be used then, because the
 *                  content is in the file alone)
 *   -EMFILE, -ENFILE, or what sigaction(2) returns   with options.guard: there is no descriptor for the guard, or its
 *                  handler cannot be installed
 * Some failures are fatal for the output. outbuf_error() is set by them, so commit will fail as well:
 *   -ENOMEM        the kernel took memory away while it refused to map (never seen; possible before Linux 6.12), or
 *                  there was no memory to record the mapping: the output is discarded
 *   any other      the trial on an unknown file system could not restore the page that it had written to: the output
 *                  is discarded; or close(2) of the guard's descriptor reported an error
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_map(struct outbuf *ob, uint64_t size);

/* 1 if a mapping of the file exists, else 0. Owner. */
OUTBUF_API int outbuf_is_mapped(const struct outbuf *ob);

/*
 * Write everything to the file and free the memory, without committing. Pointers into the output become invalid.
 * Afterwards outbuf_map() makes the output writable again, with the same content, or outbuf_commit() ends it. Does
 * nothing if the output is not mapped. Owner, no View open.
 *
 * Returns 0, -EBUSY, -EINVAL (committed or discarded), or an error of outbuf_flush(): nothing is unmapped then. Or the
 * output is unmapped, and the error is sticky: -EIO if the file does not have what was stored (see outbuf_map()), what
 * pread(2) returns when that is asked, what close(2) returns for the guard's descriptor (options.guard), or, on
 * Windows, the error of writing the mapping back.
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_unmap(struct outbuf *ob);

/*
 * The length in bytes that the file would have if it were committed now: the planned size or the end of the last byte
 * that an ended View or outbuf_data() covered, whichever is more. Owner.
 */
OUTBUF_API uint64_t outbuf_size(const struct outbuf *ob);

/*
 * Set the length that outbuf_size() returns. Owner, no View open.
 *
 * Bytes beyond the new length are cut off, and pointers to them become invalid. If the output becomes longer, the new
 * bytes are zero, and no blocks are reserved for them. So a caller may plan a generous size and cut it at the end:
 * 8 GiB of a mapping take 0.2 s on ext4, nearly all of it in ftruncate(2), which frees the blocks. What the output
 * grows over again is in the heap, until outbuf_map() maps it. (On Windows a mapping cannot be cut: zeros are stored
 * over all that was written beyond the new length, and the file is cut at commit.)
 *
 * Returns 0, -EBUSY, -EINVAL (after outbuf_unmap(), committed or discarded), -EFBIG and -ENOMEM as outbuf_map(), -EIO
 * if somebody else has truncated the file, or what ftruncate(2) returns. An error that comes when bytes are cut off
 * already is sticky: what ftruncate(2) returns for a mapped file, or -ENOMEM if there was no memory to record the cut.
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_set_size(struct outbuf *ob, uint64_t size);

/* ------------------------ outbuf_commit: complete an output, or give it up */

/*
 * Write the bytes that are in the heap to the file (page cache). Commit does this by itself; call this function to
 * spend the time earlier. Does nothing if the output is written sequentially. Owner, no View open.
 *
 * Returns 0; -EBUSY; -EINVAL (committed or discarded); or what pwrite(2), ftruncate(2) and fallocate(2) return:
 * -ENOSPC, -EDQUOT, -EFBIG, -EIO. Such an error is sticky. If outbuf_error() is set it is returned: after a fault
 * that options.guard caught, bytes may be in private memory only.
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_flush(struct outbuf *ob);

/*
 * Do what outbuf_flush() does, then wait until the content is on the disk (msync(2), fdatasync(2)). Correctness never
 * needs this call, and it is slow: 2 to 10 times the time of the whole write (golang/go#37310). If the output is
 * written sequentially, commit waits instead. Owner, no View open.
 *
 * Returns 0 or an error as outbuf_flush(), or what msync(2) or fdatasync(2) returns. Such an error is sticky.
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_sync(struct outbuf *ob);

/*
 * Make the output the file at the path: flush the heap, unmap, set the exact size, close, and take the path's place.
 * Owner, no View open.
 *
 * Returns 0: the complete file stands at the path and its descriptor is closed, so a program may be run at once. Or
 *   -EBUSY         a View is open: nothing has changed, end the View and commit again
 *   -EINVAL        already committed, or NULL
 *   -ENODATA       options.check_complete: nobody wrote some byte of the planned size, see outbuf_gap()
 *   the first error of any View, outbuf_fail(), outbuf_flush(), outbuf_discard() (-ECANCELED)
 *   -EISDIR, -ENOTSUP   the path now leads to a directory, or to something else that is not a regular file
 *   -ENOENT, -ESTALE   the file is no longer under its hidden name: somebody has removed or replaced it
 *   -EIO           the file is shorter than what was written: somebody else has truncated it
 *   -EPERM         options.mode has setgid, and the file's group is not one of yours
 *   -EPIPE         the reader of the pipe or socket has closed it
 *   -ENOSPC, -EDQUOT, -EIO   with options.guard: why a store into the mapping failed
 *   any error of close(2), linkat(2), renameat(2), fsync(2), fchmod(2), write(2), or of the caller's sink
 * After the first two errors nothing has changed. After any other error the output is discarded, the path is untouched
 * (unless it was written in place), and committing again returns the same error.
 *
 * There is one exception: with OUTBUF_DURABLE_FULL the directory may fail to be synced (on Windows: the file may fail
 * to be synced, closed or made read-only). Then the complete new file already stands at the path, and the output is
 * committed: discard returns -EINVAL. The file may be gone after a power failure. The same holds where a file system
 * needs a file to be synced after it was renamed (vfat, ntfs3).
 *
 * A View or the kernel may also fail with -EBUSY or -EINVAL, for example rename(2) over a mount point. To tell these
 * errors from the first two, call outbuf_error(): 0 means that commit changed nothing, and may be tried again once no
 * View is open.
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_commit(struct outbuf *ob);

/*
 * The bytes of an output of outbuf_open_memory() that is committed; *size is set to their number. The pointer is valid
 * until outbuf_close(), and it is not NULL even if *size is 0. For any other output, and before commit, this returns
 * NULL and sets *size to 0. Owner.
 */
OUTBUF_API const void *outbuf_memory(const struct outbuf *ob, uint64_t *size);

/*
 * Give the output up and delete its file now. In place, the file is deleted only if outbuf_open() created it, and not
 * through a dangling symbolic link. The memory stays until outbuf_close(), so other threads may go on writing through
 * their Views meanwhile. Owner. Returns 0, also when it is called again; -EINVAL if the output is committed, or NULL.
 */
OUTBUF_API int outbuf_discard(struct outbuf *ob);

/*
 * Free the output. (Up to 1 MiB of memory stays with the process for its next small outputs.) If it is neither
 * committed nor discarded, it is discarded first, and nothing is published. Views that are still open are abandoned:
 * nothing may be done with them any more, and no thread may be using one. So end all Views and join their threads
 * before. NULL is allowed. Owner. Returns 0.
 */
OUTBUF_API int outbuf_close(struct outbuf *ob);

/*
 * Remove the temporary files and lock files that outputs of this process have at this moment, by their hidden names.
 * For a handler of SIGINT or SIGTERM, and for atexit(3): the process must end after it, as the outputs cannot be
 * committed any more. Safe in a signal handler (signal-safety(7)). Any thread. In a forked child it removes nothing of
 * the parent's. A file without a name (O_TMPFILE) and a file that is recycled need it not, and one that is written in
 * place stays. On Windows it does nothing: the system removes them.
 */
OUTBUF_API void outbuf_remove_temporary_files(void);

/*
 * Make commit fail with `error` (a negative errno), unless the output has a sticky error already. For a worker whose
 * own part of the work has failed. Commit fails in any case: a positive errno counts as the negative one, and 0 as
 * -EIO. Any thread. Returns the sticky error, or -EINVAL if `ob` is NULL.
 */
OUTBUF_API int outbuf_fail(struct outbuf *ob, int error);

/* The sticky error of the output, which is its first one; 0 if there is none. Any thread. */
OUTBUF_API int outbuf_error(const struct outbuf *ob);

/*
 * Write to `buffer`, which has `size` bytes, one sentence for a person: which output failed, in which operation, and
 * why. It ends in a NUL, and has no newline: "out.img: view [4096, 8192): a write of 13 bytes at 8190 passes its
 * end". It is about the sticky error. If there is none, it is about the last call for the output that failed, on any
 * thread; calls of a View, outbuf_discard(), outbuf_stats() and wrong arguments like NULL do not count. If that call
 * failed because a View was open, it says how many are open now, and which: up to three, those with the lowest
 * offsets. (If more than 20 were open at once, some of them may not be known, and are only counted.) outbuf_walk(),
 * and the raw calls while they run, count as a View. Any thread, in every state until close. If `ob` is NULL it is
 * about the last output that could not be opened on this thread. The texts are for people and may change.
 *
 * Returns the length of the sentence without its NUL, as snprintf(3): it was cut if that is `size` or more.
 */
OUTBUF_API size_t outbuf_error_text(struct outbuf *ob, char *buffer, size_t size);

/* --------------------------- outbuf_view: a range of an output to write to */

/*
 * A cursor over a range of the output. It is a small value on the caller's stack. The members are for the library and
 * its inline functions only. Only the thread that owns the View reads and writes them.
 *
 * A View may be moved: copy it, and from then on use only the copy. A hot loop is faster on a local copy whose address
 * is passed to inline functions only, because compilers then keep the members in registers. An outbuf_write8() then
 * takes 7 instructions instead of 9, and one store instead of two (bench/bench_small).
 *
 *     struct outbuf_view w = *v;
 *     for (i = 0; i < n; i++)
 *             outbuf_write8(&w, table[x[i]]);
 *     *v = w;
 *
 * A View must not outlive the output.
 */
struct outbuf_view {
	unsigned char *cur;   /* where the next byte is stored */
	unsigned char *lim;   /* end of the window: below it bytes are stored without calling the library; >= cur */
	unsigned char *native; /* lim, or NULL if the output's byte order is not the machine's */
	unsigned char *start; /* where the byte at `offset` is stored */
	unsigned char *mark;  /* cur when the window was last moved; bytes were stored since then if cur differs */
	uint64_t offset;      /* file offset of `start` */
	uint64_t begin, end;  /* the range, as file offsets; unbounded: `end` is the largest offset possible */
	uint64_t high;        /* end of the last byte that was stored before `mark` was set */
	void *block;          /* the write buffer of a staged View, which holds its window; NULL: not acquired yet */
	struct outbuf *ob;    /* NULL: the View is not open */
	int32_t error;        /* the first error of this View, sticky; 0: none */
	uint8_t swap;         /* 1: integers in the output's byte order are byte-swapped */
	uint8_t flags;        /* private to the library */
	uint16_t place;       /* private to the library */
};

/* Length of a View that ends where its writer stops. */
#define OUTBUF_UNBOUNDED UINT64_MAX

/*
 * Open a View on `length` bytes from `offset`, positioned at its start. Any thread.
 *
 * A View with a length cannot write outside its range: such a write returns -ERANGE and stores nothing. When the View
 * ends, its whole range counts as written; bytes that it did not store are zero, or what earlier Views stored there.
 *
 * A View of length OUTBUF_UNBOUNDED may run on, also past the mapping. When it ends, everything from `offset` to the
 * last byte that it stored counts as written. It overwrites whatever it runs into; options.check_overlap finds that
 * when the View ends.
 *
 * A View may be staged; outbuf_stats() tells whether Views are. It then collects what is written in a block of 256 KiB
 * (1 MiB on network file systems and FUSE), and writes the block to the file when it is full. So memory is bounded by
 * the number of Views that are being written to at once, however large the output is. While no other View is open,
 * writes of 64 KiB and more go to the file directly from the caller's memory. Bounded Views are not staged if they
 * are shorter than 16 KiB in the mapping, or 4 KiB elsewhere.
 *
 * With options.check_overlap, a range that overlaps the range of any earlier View, ended or not, is refused with
 * -EEXIST, and outbuf_overlap() tells both ranges. An unbounded View is checked when it ends. To write again over what
 * a View wrote, use outbuf_view_edit().
 *
 * Returns 0, or an error that is also sticky for the output:
 *   -EINVAL   a NULL argument; after outbuf_unmap(), or committed
 *   -EDEADLK  this thread is inside a call that needs the whole output, in options.run or another callback
 *   -EFBIG    offset + length is beyond options.max_size, or its default
 *   -ENOMEM   no memory for the heap, or no address space of that size, or not behind the range
 *   -EEXIST   overlap
 *   -EIO or another errno of pread(2)   what earlier Views wrote to the file could not be read back
 *   -ECANCELED, or whatever the output failed with: it is discarded
 * After an error the View refuses every write with the same error, and need not be ended.
 */
OUTBUF_API int outbuf_view(struct outbuf *ob, struct outbuf_view *v, uint64_t offset,
                           uint64_t length);

/*
 * Open a View as outbuf_view() does, for writing over bytes that other Views wrote: a header's field, a relocation, a
 * checksum. With options.check_overlap only Views that are open at the same time count as overlapping with it. Any
 * thread.
 */
OUTBUF_API int outbuf_view_edit(struct outbuf *ob, struct outbuf_view *v, uint64_t offset,
                                uint64_t length);

/*
 * End the View: its range counts as written. It cannot be used again (-EBADF) until it is opened anew. Returns its
 * first error, 0 if all went well, -EBADF if the View is not open.
 */
OUTBUF_API int outbuf_view_end(struct outbuf_view *v);

/*
 * Move the position to file offset `offset`. A seek past the end of everything reserves nothing and adds nothing, like
 * lseek(2). If a later write leaves a gap behind, the gap is zero.
 *
 * Returns 0, or an error, which is sticky:
 *   -ERANGE   before the start of the View, or beyond the end of a bounded View
 *   -EFBIG, -ENOMEM   beyond the largest possible output, as outbuf_view()
 *   -ENOSPC, -EDQUOT, -EFBIG, -EIO   what pwrite(2) returns for bytes that a staged View had collected
 *   -EBADF    the View is not open (this is not sticky)
 *   the View's first error, if it has failed before
 */
OUTBUF_API int outbuf_seek(struct outbuf_view *v, uint64_t offset);

/* The position as a file offset. */
OUTBUF_INLINE uint64_t outbuf_tell(const struct outbuf_view *v);

/* -------------------------------------- outbuf_write: write through a View */

/*
 * All of these functions write at the position of the View and move it on. `n` may be 0 everywhere. They return 0 or
 *   -ERANGE   the write would run over the end of a bounded View; nothing is written
 *   -EFBIG    beyond options.max_size, or its default
 *   -ENOMEM   no memory for the heap, or no address space of that size
 *   -EBADF    the View is not open
 *   -EINVAL   an argument is invalid, as said below
 *   -ENOSPC, -EDQUOT, -EFBIG, -EIO   for a staged View: what pwrite(2) returns, from this call or from the View's end;
 *             for outbuf_write_ref() and outbuf_reserve() also what pread(2) returns, as bytes that were written to the
 *             file may have to be loaded, and with options.recycle what pwrite(2) returns, as old bytes are made zero
 * or the View's first error. Once a write has failed, all later ones fail, so it is enough to check outbuf_view_end().
 */

/* Write n bytes from data. */
OUTBUF_INLINE int outbuf_write(struct outbuf_view *v, const void *data, size_t n);

/* Integers in the output's byte order (options.order), at any alignment. */
OUTBUF_INLINE int outbuf_write8(struct outbuf_view *v, uint8_t x);
OUTBUF_INLINE int outbuf_write16(struct outbuf_view *v, uint16_t x);
OUTBUF_INLINE int outbuf_write32(struct outbuf_view *v, uint32_t x);
OUTBUF_INLINE int outbuf_write64(struct outbuf_view *v, uint64_t x);

/* Integers in little-endian order, whatever options.order is. */
OUTBUF_INLINE int outbuf_write16le(struct outbuf_view *v, uint16_t x);
OUTBUF_INLINE int outbuf_write32le(struct outbuf_view *v, uint32_t x);
OUTBUF_INLINE int outbuf_write64le(struct outbuf_view *v, uint64_t x);

/* Integers in big-endian order, whatever options.order is. */
OUTBUF_INLINE int outbuf_write16be(struct outbuf_view *v, uint16_t x);
OUTBUF_INLINE int outbuf_write32be(struct outbuf_view *v, uint32_t x);
OUTBUF_INLINE int outbuf_write64be(struct outbuf_view *v, uint64_t x);

/* Write the bytes of a string, without its NUL. */
OUTBUF_API int outbuf_write_string(struct outbuf_view *v, const char *s);

/* Write exactly n bytes: the string without its NUL, cut, or padded with zero bytes. */
OUTBUF_API int outbuf_write_stringn(struct outbuf_view *v, const char *s, size_t n);

/*
 * Write exactly n bytes: the string without its NUL, cut, or padded with the pattern of `pad_length` bytes. The
 * pattern is repeated, and cut at the end. -EINVAL if padding is needed and pad_length is 0.
 */
OUTBUF_API int outbuf_write_stringpad(struct outbuf_view *v, const char *s, size_t n,
                                      const void *pad, size_t pad_length);

/* Write the byte n times. */
OUTBUF_API int outbuf_fill(struct outbuf_view *v, uint8_t byte, size_t n);

/*
 * Write bytes `byte` up to the next file offset that is a multiple of `alignment`. That must be a power of two, else
 * -EINVAL.
 */
OUTBUF_API int outbuf_align(struct outbuf_view *v, uint64_t alignment, uint8_t byte);

/* Write an integer in DWARF's variable length format: 7 bits per byte, low ones first; 1 to 10 bytes. */
OUTBUF_API int outbuf_uleb128(struct outbuf_view *v, uint64_t x);
OUTBUF_API int outbuf_sleb128(struct outbuf_view *v, int64_t x);

/*
 * Write n bytes as outbuf_write() does, and set *ref to the place of the bytes in the output, so that they can be
 * changed there, for example to apply relocations. The pointer is valid until outbuf_unmap(), commit or close. On an
 * error *ref is NULL.
 */
OUTBUF_API int outbuf_write_ref(struct outbuf_view *v, const void *data, size_t n, void **ref);

/*
 * Skip n bytes and set *ref to their place in the output, so that the caller can fill them without a copy. They hold
 * zeros, or what earlier Views stored there. *ref is as for outbuf_write_ref().
 */
OUTBUF_API int outbuf_reserve(struct outbuf_view *v, size_t n, void **ref);

/* ------------------------------------ outbuf_data: the memory of an output */

/*
 * Set *data to the memory of `length` bytes at `offset`. For callers that have a writer of their own, or that read
 * what was written (a checksum, once the writers are joined). Any thread. *data is valid until outbuf_unmap(), commit
 * or close. The bytes [data, data + length) may be read and written, and count as written from now on. Two calls for
 * neighbouring ranges return neighbouring memory.
 *
 * Once such a pointer exists, or one of outbuf_write_ref() or outbuf_reserve(), commit writes again what an
 * outbuf_flush() has already written, because the library cannot know whether it has changed.
 *
 * The range must not hold bytes of a View that is open, or that is opened during this call: what that View wrote, or
 * writes, may be lost. Only the bytes themselves matter: Views on neighbouring bytes do no harm.
 *
 * The library does not track these pointers, and -EBUSY does not count them. The caller must not write through them
 * during map, flush, sync or commit. They are not checked for overlaps.
 *
 * Returns 0. Otherwise it sets *data to NULL and returns an error as outbuf_view(), but never -EEXIST. With
 * options.recycle it may also be an error of pwrite(2), because old bytes are zeroed. The error is not sticky.
 */
OUTBUF_API int outbuf_data(struct outbuf *ob, uint64_t offset, uint64_t length, void **data);

/*
 * Declare the range finished, so that its memory can be freed. Pointers into it become invalid. The content stays, and
 * outbuf_data() makes it accessible again. Any thread, for ranges that nobody else uses.
 *
 * Only whole pages are freed. Pages of the mapping stay in the page cache, and commit has less to unmap, which is the
 * work of one thread. Bytes of the heap are written to the file. Does nothing if the output is written sequentially,
 * or if no memory can be freed.
 *
 * Returns 0, also after outbuf_unmap(). Errors that are not sticky: -EINVAL (NULL, committed), -EFBIG for a range
 * that no offset can express, -EDEADLK as outbuf_view(), and the error that the output already has. Sticky: -EFBIG
 * because of RLIMIT_FSIZE, -ENOMEM, and the errors of pwrite(2).
 */
OUTBUF_API int outbuf_release(struct outbuf *ob, uint64_t offset, uint64_t length);

/*
 * The caller's function for outbuf_walk(). It gets block `index` of the output: n bytes at `offset`. `data` is valid
 * during the call, and must not be changed. It returns 0 or a negative errno.
 */
typedef int outbuf_block(void *arg, uint64_t index, uint64_t offset, const void *data, size_t n);

/*
 * Call block(arg, ...) once for each block of `block_size` bytes of [0, outbuf_size()); the last block may be shorter.
 * This is for a build ID that is computed from all bytes, and can then be stored by outbuf_view_edit() or
 * outbuf_data(). Owner, no View open.
 *
 * Blocks are read where they are: in the mapping, the heap or the file. The calls are made in any order, by
 * options.run, or else by threads of the library (options.threads; 0: one per available CPU, at most 8).
 *
 * `block` may call outbuf_release() for its block once it is done with it. It may open Views (not after
 * outbuf_unmap()), but what they store into blocks that were not read yet may be seen or not.
 *
 * After a block has failed, only blocks before it are still begun. Returns 0, or the error of the lowest block that
 * failed (-EINVAL if that is positive), or
 *   -EINVAL   a NULL argument, block_size 0; committed or discarded
 *   -EBUSY    a View is open
 *   -EFBIG    more blocks than size_t can count
 *   -ENOMEM
 *   what pread(2) returns   for bytes that Views wrote to the file
 *   what pwrite(2) returns   where bytes of a recycled file are made zero
 *   what options.run returns
 *   outbuf_error(), if it is set
 * This call makes none of these sticky.
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_walk(struct outbuf *ob, size_t block_size, outbuf_block *block, void *arg);

/* ------------------------------------ outbuf_stats: what was done, and how */

/* "MAJOR.MINOR.PATCH" of the library that is running. Any thread. */
OUTBUF_API const char *outbuf_version(void);

/* What was done, and how. Later versions may add members at the end. */
struct outbuf_stats {
	size_t size;             /* sizeof(struct outbuf_stats) in the caller's header */
	uint64_t output_size;    /* outbuf_size() */
	uint64_t mapped;         /* bytes of it that the last outbuf_map() mapped, less what outbuf_set_size() cut */
	uint64_t heap;           /* the other bytes */
	uint64_t reserved;       /* address range, in bytes; it may still be extended */
	/*
	 * Bytes written to the file so far, but not through the mapping: by flushes, staged Views and
	 * outbuf_release(). They may be fewer than `heap`, because the mapping is whole pages and holds the first
	 * bytes of the heap. They may be more, because staged Views write to the mapped part as well, and some bytes
	 * are written twice.
	 */
	uint64_t flushed;
	uint64_t views;          /* Views opened, so far */
	uint64_t heap_grown;     /* how often the heap was made larger */
	uint64_t phase_ns[OUTBUF_PHASES]; /* wall time per phase, in nanoseconds */
	const char *backend;     /* how heap bytes reach the file: "pwrite", "uring", "stream", "sink", "memory" */
	const char *placement;   /* the file: "nameless" (O_TMPFILE), "named" (hidden name), "recycled", "in-place"; or
	                          * "descriptor", "none" */
	int map_error;           /* why the file is not mapped; 0: it is, or nobody asked, or map_why says it */
	int prealloc_error;      /* why no blocks were reserved; 0: they were, or nobody asked */
	int flush_error;         /* why a preferred backend is not used; 0: it is, or none was preferred */
	uint32_t staged;         /* 1: Views may be staged, see outbuf_view() */
	const char *file_system; /* "ext4", "nfs", ...; "unknown"; "none": the output is not a regular file */
	const char *map_why;     /* who decided whether to map: "option", "OUTBUF_MAP"; or the reason, a property of the
	                          * output or of its file system */
	const char *flush_why;   /* who chose the backend: "option", "OUTBUF_FLUSH"; or the reason; with flush_error
	                          * set, that choice could not be honoured */
	const char *recycle_why; /* why it is not recycled; NULL: it is (`placement`), or nobody asked, or it
	                          * cannot be (in place, a descriptor, a sink, memory) */
	uint64_t zeroed;         /* bytes of the recycled file that nobody wrote, and that were made zero */
	uint64_t faults;         /* how often options.guard caught SIGBUS */
	int replace_error;       /* why the file at the path was written over and not replaced, with
	                          * OUTBUF_REPLACE_ELSE_IN_PLACE; 0: it was replaced, or commit has not tried yet */
};

/*
 * Fill *stats. The caller must have set its member `size`. Owner; in every state until close. Returns 0, or -EINVAL
 * for a NULL argument or a `size` that is too small.
 */
OUTBUF_API int outbuf_stats(struct outbuf *ob, struct outbuf_stats *stats);

/* Two ranges that overlap; see outbuf_view(). */
struct outbuf_overlap {
	uint64_t offset, length;               /* the View that was refused */
	uint64_t other_offset, other_length;   /* the View that had the bytes before */
};

/*
 * The first overlap that was found. Any thread. Returns 1 and fills *overlap; or 0 if there was none, or if
 * options.check_overlap is not set.
 */
OUTBUF_API int outbuf_overlap(struct outbuf *ob, struct outbuf_overlap *overlap);

/*
 * The first range of the planned size that nobody wrote, when commit looked for it (options.check_complete). Owner.
 * Returns 1 and sets *offset and *length; 0 if commit has not looked, or there was none.
 */
OUTBUF_API int outbuf_gap(struct outbuf *ob, uint64_t *offset, uint64_t *length);

/* -------------------------------------------------------- inline functions */

/* The functions that are marked OUTBUF_INLINE. */
#include "outbuf_inline.h"

#ifdef __cplusplus
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}
#endif

#endif /* OUTBUF_H */
