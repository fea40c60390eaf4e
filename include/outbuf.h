/* SPDX-License-Identifier: MIT */
/*
 * outbuf.h - write one large file from many threads
 *
 * This header is the manual. It is written in learning order: the idea, a whole
 * program, what may go wrong that no library can hide (Caveats), then options, the life
 * of an output, Views, writing, raw access, and asking what happened.
 *
 * The idea
 * --------
 * A linker knows the layout of its output before it writes the first byte, or nearly:
 * symbol tables, string tables and signatures follow at the end. An *output* (struct
 * outbuf) stands for one file that is being written. outbuf_map() says how large the
 * part with a known layout is; the file is mapped. Each thread then asks for a *View*
 * (struct outbuf_view), a cursor over a range of file offsets, and writes at memory
 * speed without a lock. What does not fit the planned size goes past its end, from any
 * thread: behind the mapping lies the *heap extension*, grown under a mutex.
 *
 *     file offset   0                        mapped             high
 *                   |--------------------------|-----------------|............|
 *     address       base                                           base + reserved
 *                   [ mapping of the file      ][ heap extension  ]
 *
 * All of it is one linear range of addresses: offset x lies at base + x, always. A pointer into
 * the output stays valid until outbuf_unmap(), commit or close. Where the file cannot be mapped the
 * whole output lives in the heap extension: the same calls, the same bytes.
 *
 * Storing into fresh pages is not the fastest way to fill a file. So what Views are given to
 * write goes there in blocks, as they go, where that is faster and the file system allows it
 * (options.stage); the mapping and the heap then serve pointers and small Views. You state nothing:
 * by file system a table decides what is mapped and how bytes reach the file, and outbuf_stats()
 * tells what was chosen, and why. Options override it, and so can the user of the program, by
 *
 *     OUTBUF_MAP=yes|no   OUTBUF_STAGE=yes|no   OUTBUF_FLUSH=pwrite|uring|stream
 *
 * in the environment: wishes, passed over where they cannot be. (Not where the program has more
 * rights than its user, see secure_getenv(3).)
 *
 * The library hands out no offsets. Who appends past the plan knows where: one thread, lengths
 * added up first, or an atomic counter of the caller's.
 *
 * Nothing stands at the path until outbuf_commit(), which puts the complete file there in one
 * step. Until then, and if anything failed, the previous file is untouched. (Those who
 * ask for OUTBUF_REPLACE_IN_PLACE give both up.)
 *
 * A whole program is examples/01_hello.c, which README.md shows.
 *
 * Conventions
 * -----------
 * - Sizes and offsets are bytes; offsets count from the start of the file.
 * - A function that can fail returns 0 or a negative errno (-ENOSPC, ...). The library
 *   never prints, exits, or changes what belongs to the whole process, such as umask and
 *   working directory; a signal handler only if it is asked to (options.guard).
 * - The first failure of any View sticks to the output; commit returns it and leaves the
 *   path alone. So results of single writes may be ignored: check outbuf_view_end()
 *   or outbuf_commit(). (Not -EBADF: a View that is not open belongs to no output. A View
 *   is opened by outbuf_view() or all zero before anything else is done with it.)
 * - "Owner" below means: one thread at a time, with the caller's own ordering between
 *   them. "Any thread" means: at the same time as any other call but outbuf_close().
 * - outbuf_open() to outbuf_close() are owner calls. outbuf_view() and outbuf_data() are
 *   any-thread calls. A View belongs to one thread at a time; different Views need no
 *   synchronisation. Owner calls that need the whole output return -EBUSY, and have done
 *   nothing, while a View is open; a View opened during one waits until it is over.
 * - Arguments are pointers to the right things; where NULL is an error or allowed it says so.
 *
 * States
 * ------
 *     outbuf_open --> OPEN --commit--> COMMITTED --close--> gone
 *                      |  \--commit fails, discard--> DISCARDED --close--> gone
 *                      \--unmap--> UNMAPPED --map--> OPEN   (commit and discard as from OPEN)
 *
 * Recycling
 * ---------
 * Writing over pages that are in memory is faster than into new ones: 1.3 to 1.7 times as fast as a new file (README.md
 * has a table). options.recycle has that without the danger of writing over the output itself. What is written over is
 * the *spare*, the output before last, which stays under a hidden name beside the path; commit
 * exchanges the two in one step. So there are two files, and the space of two. The spare is used only if it
 * cannot be told from a new file, and nobody has it: regular, with one name, yours, group and attributes as a new
 * one's, no permission less, not open, mapped or run by anybody (a lease is granted, fcntl(2)), and mostly in memory;
 * on ext4, xfs and tmpfs. Bytes that nobody writes are zero as ever. Else, and where names cannot be
 * exchanged, a new file is made, and outbuf_stats() says why (recycle_why). Discard, and a commit
 * that fails, remove the spare. Who stops recycling finds the spare gone after the next run that replaces the
 * output. A spare that is longer than the output is shortened by commit, and not in the background. With
 * options.durability the directory is synced before the spare is written over and after the exchange: else a power
 * failure might leave the path with a file that is being written over.
 *
 * Caveats
 * -------
 * - Disk full. Blocks are reserved by outbuf_map(), so a full disk is -ENOSPC from there.
 *   File systems that cannot reserve, or copy on write (btrfs, ZFS: fallocate(2) is no promise
 *   there, glibc manual, "Storage Allocation"), are not mapped unless options.map or OUTBUF_MAP ask for
 *   it: then a store into the mapping can still raise SIGBUS. So it does if another process truncates the
 *   output while it is mapped, or the disk cannot be read. options.guard makes errors of these.
 * - The guard. A program that wants SIGBUS for itself may install its handler before the first guarded
 *   output (then ours calls it for what is not ours) or after (then it has to call ours likewise, which stays).
 *   From a fault on, what is stored into that output is in memory only, and what others stored can
 *   be read, but for parts that fault again, which are zero; the thread notices by outbuf_error(), outbuf_view_end() or commit.
 *   A system call that is given a pointer into the output (read(2)) returns EFAULT, and raises nothing.
 * - Atomic is not durable. Commit makes the new file visible in one step to every
 *   process; after a power failure either file may be there, and the new one may lack
 *   data that was still in the page cache. options.durability waits for the disk.
 * - Fork. A child forked by another thread while the output is open inherits its
 *   descriptor until it calls exec (it is O_CLOEXEC). If the output is a program and
 *   is run at once, execve(2) answers ETXTBSY until that child has gone on; and a lock (options.lock) lasts as
 *   long. Commit itself has closed all that is its own when it returns. A forked child must not call
 *   anything for an output of its parent's, not even outbuf_close(): it would remove the parent's file.
 * - In place, none of this holds: a failure, a kill or a full disk leaves a broken file.
 * - What a View wrote is in the output, for other Views, pointers and flushes, once it has ended.
 *   Of two Views that are open on the same bytes at once either may win.
 * - A replaced file's hard links keep the old content, its owner, ACL and extended attributes
 *   are not carried over: the output is a new file. A symbolic link at the path is itself
 *   replaced, its target left alone (as ld.lld and mold do; following it would let whoever may
 *   write to the directory choose the file). OUTBUF_REPLACE_IN_PLACE is for those who need the
 *   opposite, and gives up atomicity. The setuid, setgid and sticky bits of options.mode are set
 *   when all is written, and never taken from what was there.
 * - Between the two steps of replacing an existing file (link under a hidden name,
 *   rename) a kill can leave one file named .NAME.outbuf-XXXXXXXXXXXXX in the directory. Where
 *   the file system has no nameless files (O_TMPFILE), it can be left from open on. The next
 *   run that needs the name removes it. So with the empty lock file of options.lock, named likewise.
 * - In a directory that anybody may write to, and in a sticky one that a group may write to, a link, FIFO,
 *   device or (in place) file that somebody else has put at the path is not written to or followed: -EPERM.
 * - The old output's blocks are given back in the background, by a thread, if they are 16 MiB or
 *   more. If the process ends at once the kernel does it while the process ends.
 * - Windows. What is said here was tried under wine 8 and 10, and not yet on Windows itself. Paths are UTF-8, may
 *   be long, are made absolute by open, and name a file whatever their case; descriptors are the C library's.
 *   The hidden file goes with the process, and as long as it is open discard leaves it its name. The output takes
 *   the place of a file that others have open if they share it for deletion, since Windows 10 1809; else, and if it
 *   is a program that runs, commit tries for half a second and returns -EACCES. Of options.mode only whether
 *   anybody may write counts; options.recycle and options.guard have no effect: a page that cannot be read or written is an
 *   exception (EXCEPTION_IN_PAGE_ERROR). Mapped on NTFS, in whole 64 KiB until commit, which writes the mapping to
 *   the file system before it goes, as that is where errors show. NTFS has no holes but in sparse files: a View
 *   far out first makes it write zeros up to there. Who waits for options.lock asks every 10 ms. Before Windows 10
 *   1803 a mapping that is made larger may, if another thread takes its addresses in that moment, cost the
 *   output: -ENOMEM.
 * - The address range of an output is reserved once (1 TiB on 64-bit, 512 MiB on 32-bit machines, 64 GiB on Windows, 16 GiB
 *   under ThreadSanitizer, less under `ulimit -v`); no memory is spent on it, but VSZ shows it.
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
#define OUTBUF_ALWAYS __attribute__((always_inline)) /* gcc 12 splits them else */
#else
#define OUTBUF_API
#define OUTBUF_MUST_CHECK
#define OUTBUF_ALWAYS
#endif

/*
 * Small writes are C99 inline functions: compilers put them into the caller, and the library
 * exports a function of the same name for other languages and for -O0.
 */
#if defined(__GNUC_GNU_INLINE__)
#define OUTBUF_INLINE OUTBUF_API extern OUTBUF_ALWAYS inline
#else
#define OUTBUF_INLINE OUTBUF_API OUTBUF_ALWAYS inline
#endif

#ifdef __cplusplus
extern "C" {
/* A struct and a function of one name are usual in C; g++ -Wshadow takes the function for a constructor's rival. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#endif

/* One output file that is being written. Opaque. */
struct outbuf;

/* ----------------------------------- outbuf_options: how an output is made */

/* The order of bytes in the output, for outbuf_write16/32/64. */
enum outbuf_byte_order {
	OUTBUF_LITTLE_ENDIAN = 0,
	OUTBUF_BIG_ENDIAN = 1
};

/* How the file comes to stand at its path. */
enum outbuf_replace {
	/* A hidden file in the same directory takes the path's place at commit. */
	OUTBUF_REPLACE_ATOMIC = 0,
	/*
	 * The file at the path itself is written, created if it is missing: inode, owner and
	 * hard links stay, symbolic links are followed, and a failure leaves it broken.
	 * Its old content is gone once outbuf_map() begins to map it, even if that then fails
	 * (-ENOSPC); where it is not mapped, from the first flush (outbuf_flush, _sync, _commit),
	 * until which nothing is staged.
	 */
	OUTBUF_REPLACE_IN_PLACE = 1
};

/* For things that may or may not be possible. */
enum outbuf_choice {
	OUTBUF_AUTO = 0,    /* do it where it works */
	OUTBUF_NO = 1,      /* do not */
	OUTBUF_REQUIRE = 2  /* an error where it does not work */
};

/* How bytes that are not in a mapping reach the file. */
enum outbuf_flush {
	OUTBUF_FLUSH_AUTO = 0,   /* by what the path is, and by file system */
	OUTBUF_FLUSH_PWRITE = 1, /* pwrite(2), on several threads where that helps */
	OUTBUF_FLUSH_URING = 2,  /* io_uring, where the library was built with liburing */
	OUTBUF_FLUSH_STREAM = 3  /* write(2), front to back, at commit: pipes, terminals, devices */
};

/* What commit waits for. Without, a power failure may leave the old file or part of the new one. */
enum outbuf_durability {
	OUTBUF_DURABLE_NONE = 0, /* nothing: the page cache has it */
	OUTBUF_DURABLE_DATA = 1, /* the file is on the disk before it takes the path's place: old or new, whole;
	                          * (and the directory if it is recycled: see Recycling) */
	OUTBUF_DURABLE_FULL = 2  /* and the directory after that: new, once commit has returned */
};

/*
 * Two writers of one path: each replaces it whole, and the last one wins, unless they lock it. (On file systems
 * without nameless files, or where flock(2) locks within one machine, one of them may fail by -ESTALE or -ENOENT.)
 */
enum outbuf_lock {
	OUTBUF_LOCK_NONE = 0,
	OUTBUF_LOCK_TRY = 1, /* outbuf_open() returns -EBUSY while another exclusive output has the path */
	OUTBUF_LOCK_WAIT = 2 /* outbuf_open() waits for it */
};

/* Phases that an observer hears of; see outbuf_options.observe and outbuf_stats. */
enum outbuf_phase {
	OUTBUF_PHASE_MAP,     /* reserving blocks and mapping */
	OUTBUF_PHASE_FLUSH,   /* carrying heap bytes to the file */
	OUTBUF_PHASE_UNMAP,   /* giving the memory back */
	OUTBUF_PHASE_SYNC,    /* waiting for the disk, on demand */
	OUTBUF_PHASE_PUBLISH, /* putting the file at its path */
	OUTBUF_PHASES
};

/*
 * Options of outbuf_open(). Fill `size` by OUTBUF_OPTIONS_INIT; zero in any other member is
 * the default. A caller built against an older header passes a smaller struct, and what
 * it lacks is taken as zero; a newer caller's unknown members must be zero (-E2BIG).
 */
struct outbuf_options {
	size_t size;       /* sizeof(struct outbuf_options) as the caller knows it */
	uint32_t mode;     /* permissions, changed by the umask; 0: 0666. A program: 0777 */
	uint32_t order;    /* enum outbuf_byte_order */
	uint32_t replace;  /* enum outbuf_replace */
	uint32_t map;      /* enum outbuf_choice: map the file? */
	uint32_t prealloc; /* enum outbuf_choice: reserve blocks for what is planned or written? */
	/*
	 * Non-zero: remember every range given to a View and report overlaps, see
	 * outbuf_view(). Costs a mutex and O(log n) per View.
	 */
	uint32_t check_overlap;
	/*
	 * Threads that a flush may use, the caller's included; 0: one where more do not help (ext4,
	 * xfs, btrfs, tmpfs, overlay, FUSE), else one per available CPU, at most 8. More than 64 are
	 * as 64. Ignored if `run` is set.
	 */
	uint32_t threads;
	uint32_t flush; /* enum outbuf_flush */
	/*
	 * The largest size the output may reach, in bytes: so much address space is reserved, or what there is of it.
	 * Larger than the address space (5 GiB on a 32-bit machine) is what Views write that are staged
	 * (outbuf_stats(); in place over a file, from the first flush on): no pointer leads there, and no mapping
	 * (-EFBIG, -ENOMEM).
	 * 0: 1 TiB on 64-bit machines (64 GiB on Windows, 16 GiB under ThreadSanitizer), 512 MiB on 32-bit ones, 256 MiB
	 * where the library was built without mmap (that much is real memory there). If the size
	 * given to outbuf_map() is more than a quarter of that: four times that size.
	 */
	uint64_t max_size;
	/*
	 * The caller's own thread pool, or NULL. Must call task(arg, i) once for every i below
	 * n, on any threads, and return 0 after the last one has returned; a negative
	 * errno becomes the error of the call that needed it. Views opened meanwhile wait for
	 * that call: if all threads of the pool do so, and the caller's takes no task, for ever.
	 */
	int (*run)(void *run_arg, size_t n, void (*task)(void *arg, size_t i), void *arg);
	void *run_arg;
	/*
	 * Called on the owner's thread when a phase begins (`done` 0) and ends (`done` 1). `bytes` is
	 * what the phase works on. Must not call into the output.
	 */
	void (*observe)(void *observe_arg, enum outbuf_phase phase, int done, uint64_t bytes);
	void *observe_arg;
	/*
	 * enum outbuf_choice: carry what Views write to the file in blocks, as they go (see
	 * outbuf_view())? OUTBUF_AUTO: where that is faster.
	 */
	uint32_t stage;
	/*
	 * Non-zero: a store into the mapping that the disk has no room for, or whose page cannot be read,
	 * makes commit fail (-ENOSPC, -EDQUOT, -EIO) instead of killing the process by SIGBUS. Takes the process's
	 * action of SIGBUS from the first such output on until the last is gone, and passes on what is not
	 * its own; threads must not block that signal. No effect where nothing is mapped.
	 */
	uint32_t guard;
	/*
	 * Non-zero: write over the output before last, if it is there, nobody's and in memory, and keep the
	 * last one for the next time: see Recycling.
	 */
	uint32_t recycle;
	uint32_t durability; /* enum outbuf_durability */
	uint32_t lock;       /* enum outbuf_lock */
	uint32_t reserved;   /* zero */
};

#ifdef __cplusplus
#define OUTBUF_OPTIONS_INIT \
	{ sizeof(struct outbuf_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0 }
#else
#define OUTBUF_OPTIONS_INIT { .size = sizeof(struct outbuf_options) }
#endif

/* -------------------------------------------- outbuf_open: begin an output */

/*
 * Open an output that will stand at `path`. `options` may be NULL. Owner.
 *
 * What stands there and is not a regular file, or is a symbolic link to such a thing, is never replaced:
 * a pipe, terminal, device or socket is opened (a FIFO waits for its reader) and written front to
 * back at commit. So is standard output for path "-", and the descriptor that /dev/stdout,
 * /dev/fd/N and /proc/self/fd/N mean, at its position. EPIPE is an error there, not a signal.
 *
 * Nothing appears at the path (but in place a file that was missing). A nameless file
 * (O_TMPFILE) is created in its directory or, where the file system has none, a hidden one: so
 * a path that cannot be written is reported here and not at commit.
 *
 * Returns 0 and sets *ob, or sets it to NULL and returns
 *   -EINVAL        a NULL argument, an unknown value in the options, mode beyond 07777, size 0
 *   -E2BIG         options of a newer header with a member set that this library does not know
 *   -ENOENT        a directory on the way is missing, or the path is empty
 *   -ENOTDIR       a component on the way is not a directory
 *   -EISDIR        the path is a directory, ends in a slash, or in "." or ".."
 *   -EACCES, -EPERM, -EROFS   the directory (in place: the file) may not be written; options.durability is
 *                  OUTBUF_DURABLE_FULL and the directory may not be read
 *   -EBUSY         options.lock is OUTBUF_LOCK_TRY, and another exclusive output has the path
 *   the errno of flock(2)   with options.lock: -ENOLCK, -EOPNOTSUPP where nothing can be locked
 *   -ENOTSUP       options.map, .stage or .flush ask for what cannot be: to map a pipe, io_uring in a
 *                  library built without it, to stage what is written front to back
 *   the errno of io_uring_setup(2)   options.flush is OUTBUF_FLUSH_URING, and the kernel refuses
 *   -EBADF         "-" or /dev/fd/N, and it is not open for writing
 *   -EPERM         somebody else's link, FIFO, device or (in place) file, in a directory that others may
 *                  write to
 *   -ENXIO         a socket that is bound to the path
 *   -ENAMETOOLONG, -ELOOP, -ETXTBSY, -ENOSPC, -EDQUOT, -EMFILE, -ENFILE, -EIO   as open(2)
 *   -EILSEQ        the path is not UTF-8, on Windows; -EINVAL if it names a stream of a file ("out:stream")
 *   -ENOMEM
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_open(struct outbuf **ob, const char *path,
                                             const struct outbuf_options *options);

/*
 * The same for a descriptor that is open for writing: a pipe, a socket, a terminal, a file. Written
 * front to back by write(2) at commit, from the descriptor's position on; never mapped,
 * truncated or closed, and to stay open until commit. -EBADF if it is not open for writing; else
 * as outbuf_open().
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_open_fd(struct outbuf **ob, int fd,
                                                const struct outbuf_options *options);

/*
 * The same for bytes that go to the caller's own function, at commit, on the owner's thread,
 * in order of offsets and without gaps, up to 1 MiB at a time. It returns 0, or a negative errno
 * that becomes commit's. It must not call into the output, which waits for it.
 */
OUTBUF_API OUTBUF_MUST_CHECK int
outbuf_open_sink(struct outbuf **ob,
                 int (*sink)(void *sink_arg, uint64_t offset, const void *data, size_t n),
                 void *sink_arg, const struct outbuf_options *options);

/* The same for an output that stays in memory: see outbuf_memory(). */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_open_memory(struct outbuf **ob,
                                                    const struct outbuf_options *options);

/* --------------------------------- outbuf_map: how large an output will be */

/*
 * Plan for `size` bytes: reserve blocks on the disk, make the file that long and map it.
 * Owner, no View open. The output is then at least `size` bytes long. Need not be called:
 * without it the output lives in the heap.
 *
 * May be called again with a larger size, also after bytes were written past the
 * mapping: they move into it, addresses stay. Where mapping is impossible, or options.map is
 * OUTBUF_NO, the bytes live in the heap and the call succeeds: outbuf_is_mapped()
 * tells, outbuf_stats() says why. Size 0 maps nothing.
 *
 * Blocks are reserved by fallocate(2), mode 0. That it is not supported (EOPNOTSUPP, ENOSYS,
 * EINVAL, EPERM, EACCES) is passed over unless options.prealloc is OUTBUF_REQUIRE. Where it is known to
 * do nothing (ZFS, vfat) it is only called then. A file without blocks is not mapped unless options.map or
 * OUTBUF_MAP ask for it, or options.prealloc says OUTBUF_NO.
 *
 * On a file system that is unknown a mapping is tried first: a page is written through it and read
 * back. If that fails the bytes live in the heap. If after unmapping the file does not have what was
 * stored, commit returns -EIO.
 *
 * Returns 0 or, with the output as it was before (it may go on in the heap),
 *   -EBUSY         a View is open
 *   -EINVAL        `size` is less than outbuf_size(), or the output is committed or discarded
 *   -EFBIG         beyond options.max_size (or its default, fixed by the first map or View), what
 *                  a file offset can say, RLIMIT_FSIZE, or the file system's limit
 *   -ENOMEM        no address space, or without a mapping no memory, of that size (-EFBIG if no address could
 *                  say it): what options.max_size allows staged Views can still write, and outbuf_set_size() set
 *   -ENOSPC, -EDQUOT, -EIO   the disk cannot hold it
 *   -ENOTSUP, or the kernel's errno   mapping or reserving was required and did not work; or
 *                  mapping again after outbuf_unmap() did not, when the heap cannot stand in
 *   -EMFILE, -ENFILE, or what sigaction(2) returns   options.guard, and no descriptor or handler can be had
 * -ENOMEM with outbuf_error() set means that the kernel took memory away while it refused
 * to map (never seen; possible before Linux 6.12): the output is discarded.
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_map(struct outbuf *ob, uint64_t size);

/* 1 if a mapping of the file exists, else 0. Owner. */
OUTBUF_API int outbuf_is_mapped(const struct outbuf *ob);

/*
 * Carry everything to the file and give the memory back, without committing. Pointers
 * into the output die. Afterwards outbuf_map() makes it writable again (same content), or
 * outbuf_commit() ends it. Does nothing if the output is not mapped. Owner, no View open.
 *
 * Returns 0, -EBUSY, -EINVAL (committed or discarded), or as outbuf_flush(): then nothing is unmapped.
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_unmap(struct outbuf *ob);

/*
 * The length the file would have if it were committed now: the planned size or the end of
 * the last byte that an ended View or outbuf_data() covered, whichever is more. Owner.
 */
OUTBUF_API uint64_t outbuf_size(const struct outbuf *ob);

/*
 * Set that length: cut off what was written beyond, or extend by zeros, for which no blocks
 * are reserved. For those who plan generously and trim at the end. Pointers to what is cut off are
 * dead. Owner, no View open.
 *
 * Returns 0, -EBUSY, -EINVAL (after outbuf_unmap(), committed or discarded), -EFBIG and -ENOMEM as
 * outbuf_map(), -EIO if somebody else has truncated the file, or what ftruncate(2) returns. Of these
 * -ENOMEM sticks to the output, if it was cut and memory to note that cannot be had.
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_set_size(struct outbuf *ob, uint64_t size);

/* ------------------------ outbuf_commit: complete an output, or give it up */

/*
 * Carry the bytes in the heap to the file (page cache). Commit does this by itself; call it to have
 * the time spent earlier. Does nothing where the output is written front to back. Owner, no View open.
 *
 * Returns 0, -EBUSY, -EINVAL (committed or discarded), outbuf_error() if it is set (with options.guard: bytes
 * may be in memory alone), or what pwrite(2), ftruncate(2) and fallocate(2) return: -ENOSPC, -EDQUOT, -EFBIG,
 * -EIO. Such an error sticks to the output.
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_flush(struct outbuf *ob);

/*
 * outbuf_flush(), then wait until the content is on the disk (msync(2), fdatasync(2)). Never
 * needed for correctness, and slow: 2 to 10 times the whole write (golang/go#37310).
 * Owner, no View open. Returns as outbuf_flush(). Where the output is written front to back the
 * waiting is done in commit.
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_sync(struct outbuf *ob);

/*
 * Make the output the file at the path: flush the heap, set the exact size, unmap, close,
 * and take the path's place. Owner, no View open.
 *
 * Returns 0: the complete file stands at the path and its descriptor is closed, so it may
 * be run at once. Or
 *   -EBUSY         a View is open: nothing has changed, end it and commit again
 *   -EINVAL        already committed, or NULL
 *   the first error of any View, outbuf_fail(), outbuf_flush(), outbuf_discard() (-ECANCELED)
 *   -EISDIR, -ENOTSUP   a directory, or something not regular, has come to the path
 *   -ENOENT, -ESTALE   the file is not under its hidden name any more: somebody has removed or replaced it
 *   -EIO           the file is shorter than what was written: somebody else has truncated it
 *   -EPERM         options.mode has setgid, and the file's group is not one of yours
 *   -EPIPE         nobody reads what is written to, any more
 *   -ENOSPC, -EDQUOT, -EIO   with options.guard: what a store into the mapping met
 *   any error of close(2), linkat(2), renameat(2), fsync(2), fchmod(2), write(2), or of the caller's sink
 * After the first two nothing has changed. After any other error the output is discarded and the
 * path untouched (not so in place); committing again returns the same. But for one: if with OUTBUF_DURABLE_FULL the
 * directory cannot be synced, the new file stands at the path, complete, and the output is committed: discard
 * returns -EINVAL. It may not be there after a power failure. Should a View or the
 * kernel have failed with -EBUSY or -EINVAL of its own (rename(2) over a mount point), what tells
 * the difference is outbuf_error(): 0 only if nothing has changed.
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_commit(struct outbuf *ob);

/*
 * The bytes of an output of outbuf_open_memory() that was committed, *size of them: valid until
 * outbuf_close(), and not NULL even if *size is 0. NULL for any other output, and before commit. Owner.
 */
OUTBUF_API const void *outbuf_memory(const struct outbuf *ob, uint64_t *size);

/*
 * Give the output up: its file is removed now (in place: removed only if outbuf_open() created
 * it, and not through a dangling symbolic link). Memory stays until outbuf_close(), so other
 * threads may go on writing through their Views meanwhile. Owner. Returns 0, also when done
 * twice; -EINVAL once committed.
 */
OUTBUF_API int outbuf_discard(struct outbuf *ob);

/*
 * Free the output; discards it first if it is neither committed nor discarded. NULL is
 * allowed. Owner. Returns 0, or -EBUSY with nothing done while a View is open.
 */
OUTBUF_API int outbuf_close(struct outbuf *ob);

/*
 * Make commit fail with `error` (a negative errno) unless it is bound to fail already: for a
 * worker whose own part of the work went wrong. Any thread. Returns the first error,
 * or -EINVAL if `error` is not negative.
 */
OUTBUF_API int outbuf_fail(struct outbuf *ob, int error);

/* The first error that sticks to the output, 0 if there is none. Any thread. */
OUTBUF_API int outbuf_error(const struct outbuf *ob);

/* --------------------------- outbuf_view: a range of an output to write to */

/*
 * A cursor over a range of the output: a small value on the caller's stack. Members are for
 * the inline functions below only, written only by the thread that owns the View.
 *
 * It may be moved: copied, and from then on only the copy used. A hot loop is faster on a local
 * copy whose address goes to inline functions only, as compilers then keep it in registers: 7
 * instructions for an outbuf_write8() against 9, and one store against two (bench/bench_small).
 *
 *     struct outbuf_view w = *v;
 *     for (i = 0; i < n; i++)
 *             outbuf_write8(&w, table[x[i]]);
 *     *v = w;
 *
 * It must not outlive the output.
 */
struct outbuf_view {
	unsigned char *cur;   /* where the next byte goes */
	unsigned char *lim;   /* up to here bytes can be stored without asking; >= cur */
	unsigned char *native; /* lim, or NULL if the output's byte order is not the machine's */
	unsigned char *start; /* where the byte at `offset` goes */
	unsigned char *mark;  /* cur after the last seek: bytes were stored if it differs */
	uint64_t offset;      /* file offset of start */
	uint64_t begin, end;  /* the range, as file offsets; unbounded: the end of what can be */
	uint64_t high;        /* end of the last byte stored before mark */
	void *block;          /* start is in this block, not in the output; or NULL */
	struct outbuf *ob;    /* NULL: not open */
	int32_t error;        /* first error of this View, sticks */
	uint8_t swap;         /* bytes of integers in the output's order are turned round */
	uint8_t flags;        /* the library's */
	uint16_t reserved;
};

/* Length of a View that ends where its writer stops. */
#define OUTBUF_UNBOUNDED UINT64_MAX

/*
 * Open a View on `length` bytes from `offset`, positioned at its start. Any thread.
 *
 * With a length, nothing outside the range can be written through it: -ERANGE, and
 * nothing is. The whole range counts as written once the View ends; bytes it did not
 * store are zero or what earlier Views stored. With OUTBUF_UNBOUNDED it may run on, past
 * the mapping too, and all up to the last byte it stored counts. It overwrites what it
 * runs into; check_overlap finds that when it ends.
 *
 * Where it is staged (outbuf_stats() tells) it collects what is written in a block of 256 KiB (1 MiB
 * where it goes to a server) and puts that into the file; memory is bounded by the Views that are being written to at once, however
 * large the output. Writes of 64 KiB and more go straight from the caller's memory while
 * no other View is open. Bounded Views below 16 KiB in the mapping, 4 KiB elsewhere, are not staged.
 *
 * With options.check_overlap, a range given to any View before (ended or not) is
 * refused with -EEXIST, and outbuf_overlap() tells both ranges. An unbounded View is
 * checked when it ends. To write again over what a View wrote, use outbuf_view_edit().
 *
 * Returns 0 or an error, which also sticks to the output:
 *   -EINVAL   a NULL argument; after outbuf_unmap(), or committed
 *   -EFBIG    offset + length is beyond options.max_size, or its default
 *   -ENOMEM   no memory for the heap, or no address space that large
 *   -EEXIST   overlap
 *   -EIO or another errno of pread(2)   what earlier Views put into the file could not be read back
 *   -ECANCELED, or whatever the output failed with: it is discarded
 * After an error the View refuses every write with the same error and need not be ended.
 */
OUTBUF_API int outbuf_view(struct outbuf *ob, struct outbuf_view *v, uint64_t offset,
                           uint64_t length);

/*
 * The same, for writing over bytes that other Views wrote: a header's field, a relocation, a
 * checksum. Overlaps only count between Views that are open at the same time.
 */
OUTBUF_API int outbuf_view_edit(struct outbuf *ob, struct outbuf_view *v, uint64_t offset,
                                uint64_t length);

/*
 * The View is done: its range counts as written. It cannot be used again (-EBADF) until
 * it is opened anew. Returns its first error, 0 if all went well, -EBADF if it is not open.
 */
OUTBUF_API int outbuf_view_end(struct outbuf_view *v);

/*
 * Move the position to file offset `offset`. Returns 0, -ERANGE (before the start, or beyond
 * the end of a bounded View: sticks), -EFBIG or -ENOMEM (beyond what an output can be, as
 * outbuf_view(): sticks), what pwrite(2) returns for what a staged View had collected (sticks), or
 * the View's earlier error. Seeking past the end of everything
 * reserves nothing and adds nothing, as lseek(2); a gap left behind by a later write is zero.
 */
OUTBUF_API int outbuf_seek(struct outbuf_view *v, uint64_t offset);

/* The position as a file offset. */
OUTBUF_INLINE uint64_t outbuf_tell(const struct outbuf_view *v);

/* -------------------------------------- outbuf_write: write through a View */

/*
 * All of these write at the position of the View and move it on. All return 0 or
 *   -ERANGE   it would run over the end of a bounded View; nothing is written
 *   -EFBIG    beyond options.max_size, or its default
 *   -ENOMEM   no memory for the heap, or no address space that large
 *   -EBADF    the View is not open
 *   -EINVAL   an argument that makes no sense, as said below
 *   -ENOSPC, -EDQUOT, -EFBIG, -EIO   of a staged View: what pwrite(2) returns, here or from the end;
 *             and, for pointers, pread(2), as what was put into the file may have to be loaded, and pwrite(2) with
 *             options.recycle, as old bytes are made zero
 * or the View's first error: once one has failed, all later ones fail, so that checking
 * outbuf_view_end() is enough. n may be 0 everywhere.
 */

/* n bytes from data. */
OUTBUF_INLINE int outbuf_write(struct outbuf_view *v, const void *data, size_t n);

/* Integers in the output's byte order (options.order), at any alignment. */
OUTBUF_INLINE int outbuf_write8(struct outbuf_view *v, uint8_t x);
OUTBUF_INLINE int outbuf_write16(struct outbuf_view *v, uint16_t x);
OUTBUF_INLINE int outbuf_write32(struct outbuf_view *v, uint32_t x);
OUTBUF_INLINE int outbuf_write64(struct outbuf_view *v, uint64_t x);

/* Integers in little-endian order, whatever the output's. */
OUTBUF_INLINE int outbuf_write16le(struct outbuf_view *v, uint16_t x);
OUTBUF_INLINE int outbuf_write32le(struct outbuf_view *v, uint32_t x);
OUTBUF_INLINE int outbuf_write64le(struct outbuf_view *v, uint64_t x);

/* Integers in big-endian order, whatever the output's. */
OUTBUF_INLINE int outbuf_write16be(struct outbuf_view *v, uint16_t x);
OUTBUF_INLINE int outbuf_write32be(struct outbuf_view *v, uint32_t x);
OUTBUF_INLINE int outbuf_write64be(struct outbuf_view *v, uint64_t x);

/* The bytes of a string, without its NUL. */
OUTBUF_API int outbuf_write_string(struct outbuf_view *v, const char *s);

/* Exactly n bytes: the string without its NUL, cut, or padded with zero bytes. */
OUTBUF_API int outbuf_write_stringn(struct outbuf_view *v, const char *s, size_t n);

/*
 * Exactly n bytes: the string, cut, or padded with the pattern of `pad_length` bytes,
 * repeated and cut at the end. -EINVAL if padding is needed and pad_length is 0.
 */
OUTBUF_API int outbuf_write_stringpad(struct outbuf_view *v, const char *s, size_t n,
                                      const void *pad, size_t pad_length);

/* n times the byte. */
OUTBUF_API int outbuf_fill(struct outbuf_view *v, uint8_t byte, size_t n);

/*
 * Bytes `byte` up to the next file offset that is a multiple of `alignment`, a power
 * of two (else -EINVAL).
 */
OUTBUF_API int outbuf_align(struct outbuf_view *v, uint64_t alignment, uint8_t byte);

/* DWARF's variable length integers: 7 bits a byte, low ones first; 1 to 10 bytes. */
OUTBUF_API int outbuf_uleb128(struct outbuf_view *v, uint64_t x);
OUTBUF_API int outbuf_sleb128(struct outbuf_view *v, int64_t x);

/*
 * outbuf_write(), and *ref is set to where the bytes lie in the output, to be relocated in
 * place: valid until outbuf_unmap(), commit or close. On an error *ref is NULL.
 */
OUTBUF_API int outbuf_write_ref(struct outbuf_view *v, const void *data, size_t n, void **ref);

/*
 * Pass over n bytes and hand them out to be filled in place, without a copy. They hold zeros
 * or what earlier Views stored. *ref as for outbuf_write_ref().
 */
OUTBUF_API int outbuf_reserve(struct outbuf_view *v, size_t n, void **ref);

/* ------------------------------------ outbuf_data: the memory of an output */

/*
 * The memory of `length` bytes at `offset`, for callers with a writer of their own, or who read
 * what was written (a checksum, once the writers are joined). Any thread. *data is valid until
 * outbuf_unmap(), commit or close; [data, data + length) may be read and written and counts as
 * written from now on. Two calls for neighbouring ranges give neighbouring memory.
 *
 * Once such a pointer is out, or one of outbuf_write_ref() or outbuf_reserve(), what an
 * outbuf_flush() carried is carried again at commit: the library cannot know if it changed.
 *
 * The range must not hold bytes of a View that is open, or of one that is opened while this call is under
 * way: what that View wrote, or writes, may be lost. Neighbours do not matter, to the byte.
 *
 * Not counted by -EBUSY once it has returned: that nobody writes through it during map, flush, sync and commit
 * is the caller's care. Not checked for overlaps. Returns 0 or sets *data to NULL and returns
 * an error as outbuf_view() but -EEXIST, or, with options.recycle, of pwrite(2) (old bytes are made zero). It does
 * not stick.
 */
OUTBUF_API int outbuf_data(struct outbuf *ob, uint64_t offset, uint64_t length, void **data);

/*
 * These bytes are finished: their memory may go. Pointers into them are dead, the bytes are what they were, and
 * outbuf_data() has them again. Any thread, for ranges that nobody else uses. Only whole pages go; of
 * the mapping they stay in the page cache, and commit has less to unmap, which is one thread's work; bytes of the
 * heap are put into the file. Does nothing where bytes reach the file at commit only, or nothing can go.
 *
 * Returns 0, also after outbuf_unmap(); -EINVAL and what the output failed with, as outbuf_view(); -EFBIG, which sticks if it is from
 * RLIMIT_FSIZE; what pwrite(2) returns, or -ENOMEM: these stick.
 */
OUTBUF_API int outbuf_release(struct outbuf *ob, uint64_t offset, uint64_t length);

/* Block `index` of the output: n bytes at `offset`, valid during the call, not to be changed. 0 or a negative errno. */
typedef int outbuf_block(void *arg, uint64_t index, uint64_t offset, const void *data, size_t n);

/*
 * Call block(arg, ...) once for each block of `block_size` bytes, the last may be shorter, of [0, outbuf_size()): to
 * make an identity of all bytes, which can then be stored by outbuf_view_edit() or outbuf_data(). Blocks
 * are read where they are, mapping, heap or file, and go through options.run, or the library's own threads
 * (options.threads; 0: one per available CPU, at most 8), in any order. Owner, no View open.
 *
 * `block` may call outbuf_release() for its block once it is done with it. It may open Views (not after outbuf_unmap()), but
 * what they store into blocks that are not walked yet may be seen or not.
 *
 * Once a block has failed only blocks before it are still begun. Returns 0, the error of the lowest block that failed
 * (-EINVAL if that is positive);
 *   -EINVAL   a NULL argument, block_size 0; committed or discarded
 *   -EBUSY    a View is open
 *   -EFBIG    more blocks than size_t can count
 *   -ENOMEM
 *   what pread(2) returns for what Views put into the file, pwrite(2) where a recycled file is made zero, the pool
 *   outbuf_error(), if it is set
 * None of these sticks.
 */
OUTBUF_API OUTBUF_MUST_CHECK int outbuf_walk(struct outbuf *ob, size_t block_size, outbuf_block *block, void *arg);

/* ------------------------------------ outbuf_stats: what was done, and how */

/* "MAJOR.MINOR.PATCH" of the library that is running. Any thread. */
OUTBUF_API const char *outbuf_version(void);

/* What was done and how; members may be added at the end. */
struct outbuf_stats {
	size_t size;             /* sizeof(struct outbuf_stats) as the caller knows it */
	uint64_t output_size;    /* outbuf_size() */
	uint64_t mapped;         /* bytes of it that outbuf_map() mapped, last */
	uint64_t heap;           /* the others */
	uint64_t reserved;       /* address range, in bytes */
	/*
	 * Bytes carried to the file by the backend so far; fewer than `heap` where the mapping, which
	 * is whole pages, took the first of them, more where some were carried twice.
	 */
	uint64_t flushed;
	uint64_t views;          /* Views opened, so far */
	uint64_t heap_grown;     /* times the heap was made larger */
	uint64_t phase_ns[OUTBUF_PHASES]; /* wall time per phase */
	const char *backend;     /* how heap bytes reach the file: "pwrite", "uring", "stream", "sink", "memory" */
	const char *placement;   /* "nameless", "named", "recycled", "in-place"; "descriptor", "none" */
	int map_error;           /* why it is not mapped; 0: it is, or nobody asked, or map_why says */
	int prealloc_error;      /* why no blocks were reserved; 0: they were, or nobody asked */
	int flush_error;         /* why a backend preferred to this one was passed over, or 0 */
	uint32_t staged;         /* what Views write is carried in blocks as they go: see outbuf_view() */
	const char *file_system; /* "ext4", "nfs", ...; "unknown" */
	const char *map_why;     /* who decided whether to map: "option", "OUTBUF_MAP", or about the file system */
	const char *flush_why;   /* who asked for a backend, likewise; with flush_error: in vain */
	const char *recycle_why; /* why it is not recycled; NULL: it is (`placement`), or nobody asked, or it
	                          * cannot be (in place, a descriptor, a sink, memory) */
	uint64_t zeroed;         /* bytes of the recycled file that nobody wrote, made zero */
	uint64_t faults;         /* times that options.guard caught SIGBUS */
};

/*
 * Fill *stats, whose member `size` the caller has set. Owner; in every state until close.
 * Returns 0, -EINVAL.
 */
OUTBUF_API int outbuf_stats(struct outbuf *ob, struct outbuf_stats *stats);

/* Two ranges that were given out twice; see outbuf_view(). */
struct outbuf_overlap {
	uint64_t offset, length;               /* the View that was refused */
	uint64_t other_offset, other_length;   /* the one that had the bytes before */
};

/*
 * The first overlap that was found. Any thread. Returns 1 and fills *overlap, 0 if there was
 * none (or nobody asked: options.check_overlap).
 */
OUTBUF_API int outbuf_overlap(struct outbuf *ob, struct outbuf_overlap *overlap);

/* -------------------------------------------------------- inline functions */

/* What is marked OUTBUF_INLINE. */
#include "outbuf_inline.h"

#ifdef __cplusplus
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}
#endif

#endif /* OUTBUF_H */
