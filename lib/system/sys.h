/* SPDX-License-Identifier: MIT */
/*
 * The interface to the system, for all rooms above. Every system call that can fail is made in the sys_ files, and
 * its error becomes a negative errno there, so that no other file takes an error from errno. (On Windows,
 * space_windows.c and target/windows also call the system; ob__sys_windows_error() makes their errnos.) A descriptor
 * is one of the C library's, also on Windows.
 *
 * What only Unix has is in sys_unix.h. Memory calls are in sys_vm.h, those of io_uring in sys_uring.h. On
 * Windows sys_windows.c replaces sys_unix.c, sys_background.c, sys_ownership.c, sys_process.c, sys_signal.c,
 * sys_stream.c, sys_table.c and sys_thread.c.
 *
 * All functions may be called by any thread. Those that return int return 0 or a negative errno, except where a
 * comment says otherwise.
 */
#ifndef OUTBUF_LIB_SYS_H
#define OUTBUF_LIB_SYS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* The descriptor is closed also if an error is returned. EINTR is no error: Linux closes before it waits. */
int ob__sys_close(int fd);
/* 0 if the descriptor is open for writing; -EBADF if it is not; or another errno. */
int ob__sys_is_writable(int fd);
/*
 * *magic becomes the type of the file system, as in statfs(2); 0 where it is not known. *room becomes the number of
 * bytes that any user may still store on it; UINT64_MAX where that is not known. -ENOSYS where the system has no such
 * call.
 */
int ob__sys_fs(int fd, uint32_t *magic, uint64_t *room);
/* Bytes for the name of a file system. */
#define SYS_FS_NAME 32
/*
 * Is the file on a file system that has no disk, as its device number tells? 0 if not, or if the system does not tell;
 * 1 if so, and `name` becomes what mount(8) calls it, empty if that is not known; or the negative errno of fstat(2).
 */
int ob__sys_diskless_fs(int fd, char name[SYS_FS_NAME]);
/*
 * To be called with the negative errno of a call that failed. If that says that the disk is full, or that there are too
 * many descriptors, wait until the files that this process removed are freed, 10 s at most. 1: some were; make the call
 * once more. 0: there were none, or it is another error. The functions below do this themselves. Safe in a signal
 * handler.
 */
int ob__sys_wait_for_room(int error);
int ob__sys_fstat(int fd, struct stat *st);
/* -EBUSY where a mapped file cannot be shortened (Windows). Retries EINTR. */
int ob__sys_ftruncate(int fd, uint64_t size);
/*
 * fallocate(2) with mode 0. -EINTR if a signal came: the call may have done nothing, and a caller whose signals come
 * faster than it is done would repeat it for ever.
 */
int ob__sys_fallocate(int fd, uint64_t offset, uint64_t length);
/*
 * Write all n bytes, or return an error. Continues after short writes and EINTR; -EIO if the system writes 0 bytes.
 */
int ob__sys_pwrite_all(int fd, const void *data, size_t n, uint64_t offset);
/*
 * Write all n bytes to a pipe, terminal or device, like ob__sys_pwrite_all(). If the descriptor is non-blocking, wait
 * until it can be written. A closed pipe is -EPIPE and raises no SIGPIPE. A file beyond RLIMIT_FSIZE is -EFBIG and
 * raises no SIGXFSZ.
 */
int ob__sys_write_all(int fd, const void *data, size_t n);
/* Read n bytes. Those beyond the end of the file are zero. */
int ob__sys_pread_all(int fd, void *data, size_t n, uint64_t offset);
/* These two retry EINTR. */
int ob__sys_fdatasync(int fd);
int ob__sys_fsync(int fd);
/* Get 64 random bits that nobody can guess. A negative errno where the system has no source of them. */
int ob__sys_random(uint64_t *bits);
/* RLIMIT_FSIZE in bytes: no file can be longer, and the attempt raises SIGXFSZ. UINT64_MAX: no limit. */
uint64_t ob__sys_file_limit(void);
/* Let other threads run for a moment. */
void ob__sys_pause(void);
/* A variable of the environment. NULL if it is not set, or if the program has more rights than its user. */
const char *ob__sys_environment(const char *name);
/* The number of CPUs that this thread may run on, at least 1. */
unsigned ob__sys_cpus(void);
/* A clock that never goes back, in nanoseconds. */
uint64_t ob__sys_now(void);
/*
 * pthread_create(3) for a thread of the library's: it runs none of the program's signal handlers, except those for
 * its own faults. The caller joins it.
 */
int ob__sys_start_thread(pthread_t *thread, void *(*work)(void *arg), void *arg);

#endif
