/* SPDX-License-Identifier: MIT */
/*
 * The system, for all above it: every call that can fail goes through the sys_ files, and only there, where its
 * error becomes a negative errno, so that no other file reads errno. (On Windows space and target call the system
 * themselves, and ob__sys_windows_error() makes the errno.) A descriptor is one of the C library's.
 *
 * What the target of a Unix needs besides is in sys_unix.h; memory calls are in sys_vm.h, those of io_uring in
 * sys_uring.h. On Windows sys_windows.c takes the place of sys_unix.c, sys_ownership.c and sys_stream.c.
 */
#ifndef OUTBUF_LIB_SYS_H
#define OUTBUF_LIB_SYS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* The descriptor is gone in any case; EINTR is no error (Linux closes before it waits). */
int ob__sys_close(int fd);
/* 0 if the descriptor is open for writing, else -EBADF. */
int ob__sys_is_writable(int fd);
/* Is it a regular file that pwrite(2) can write at any offset? 1, 0, or an errno if it cannot be asked. */
int ob__sys_is_seekable(int fd);
/*
 * The type of the file system, as statfs(2) has it, and how many bytes anybody may still store on it. 0 and
 * UINT64_MAX where it does not say. 0, or an errno: -ENOSYS where there is no such call.
 */
int ob__sys_fs(int fd, uint32_t *magic, uint64_t *room);
int ob__sys_fstat(int fd, struct stat *st);
/* -EBUSY where a file that is mapped cannot be cut (Windows). */
int ob__sys_ftruncate(int fd, uint64_t size);
/* Mode 0 always. Retries EINTR. */
int ob__sys_fallocate(int fd, uint64_t offset, uint64_t length);
/* All n bytes or an error: goes on after short writes and EINTR; a write of 0 bytes is -EIO. */
int ob__sys_pwrite_all(int fd, const void *data, size_t n, uint64_t offset);
/*
 * All n bytes to a pipe, terminal, device: as above, waits where the descriptor does not block.
 * Raises no SIGPIPE: -EPIPE.
 */
int ob__sys_write_all(int fd, const void *data, size_t n);
/* n bytes; what lies past the end of the file is zero. */
int ob__sys_pread_all(int fd, void *data, size_t n, uint64_t offset);
/* Both retry EINTR. */
int ob__sys_fdatasync(int fd);
int ob__sys_fsync(int fd);
/* 64 bits nobody can guess; an error where the system has no source of them. */
int ob__sys_random(uint64_t *bits);
/* RLIMIT_FSIZE: longer files cannot be, and trying raises SIGXFSZ. */
uint64_t ob__sys_file_limit(void);
/* Let others run for a moment. */
void ob__sys_pause(void);
/* A variable of the environment; NULL if it is not set, or the program has more rights than its user. */
const char *ob__sys_environment(const char *name);
/* CPUs this thread may run on, at least 1. */
unsigned ob__sys_cpus(void);
/* A clock that only goes forward, in nanoseconds. */
uint64_t ob__sys_now(void);
/*
 * pthread_create(3) for a thread of ours: the program's signal handlers do not find themselves on it. Detached, if
 * `thread` is NULL.
 */
int ob__sys_thread(pthread_t *thread, void *(*work)(void *arg), void *arg);

#endif
