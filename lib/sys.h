/* SPDX-License-Identifier: MIT */
/*
 * Every call of the file kind that can fail goes through here, and only here: a table of
 * functions that tests replace to fail a call that works, and wrappers that turn errno
 * into a negative result so that no other file reads errno. Memory calls are in sys_vm.h.
 */
#ifndef OUTBUF_LIB_SYS_H
#define OUTBUF_LIB_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct statfs;

struct sys_table {
	int (*openat)(int dirfd, const char *path, int flags, mode_t mode);
	int (*close)(int fd);
	int (*dup)(int fd);
	int (*fstat)(int fd, struct stat *st);
	int (*fstatat)(int dirfd, const char *path, struct stat *st, int flags);
	int (*ftruncate)(int fd, off_t size);
#ifdef __linux__
	int (*fstatfs)(int fd, struct statfs *st);
#endif
	int (*fallocate)(int fd, int mode, off_t offset, off_t length);
	ssize_t (*pwrite)(int fd, const void *data, size_t n, off_t offset);
	ssize_t (*pread)(int fd, void *data, size_t n, off_t offset);
	ssize_t (*write)(int fd, const void *data, size_t n);
	int (*fdatasync)(int fd);
	int (*linkat)(int fromdir, const char *from, int todir, const char *to, int flags);
	int (*renameat)(int fromdir, const char *from, int todir, const char *to);
	int (*unlinkat)(int dirfd, const char *path, int flags);
	ssize_t (*getrandom)(void *data, size_t n, unsigned flags);
};

/* Written by tests, before they start threads; constant otherwise. */
extern struct sys_table sys_table;

/* The caller's flags plus what every descriptor of ours has: O_CLOEXEC, O_NOCTTY. Retries EINTR. */
int sys_openat(int dirfd, const char *path, int flags, mode_t mode);
/* A nameless file in directory `path`; -EOPNOTSUPP where the system has no O_TMPFILE. */
int sys_open_nameless(int dirfd, const char *path, mode_t mode);
/* A descriptor to resolve names against; needs no read permission where there is O_PATH. */
int sys_open_dir(int dirfd, const char *path);

/* The descriptor is gone in any case; EINTR is no error (Linux closes before it waits). */
int sys_close(int fd);
int sys_dup(int fd);
/* Let go of the file behind a descriptor whose number others still use: it leads nowhere then. */
void sys_lead_nowhere(int fd);
/* 0 if the descriptor is open for writing, else -EBADF. */
int sys_is_writable(int fd);
/* Is it a regular file that pwrite(2) can write at any offset? */
int sys_is_seekable(int fd);
/* The type of the file system, as statfs(2) has it; -ENOSYS where there is no such thing. */
int sys_fs_type(int fd, uint32_t *magic);
/* What a symbolic link says, cut at n - 1 bytes and ended by NUL. */
int sys_readlinkat(int dirfd, const char *path, char *to, size_t n);
int sys_fstat(int fd, struct stat *st);
int sys_fstatat(int dirfd, const char *path, struct stat *st, int flags);
int sys_ftruncate(int fd, uint64_t size);
/* Mode 0 always. Retries EINTR. */
int sys_fallocate(int fd, uint64_t offset, uint64_t length);
/* All n bytes or an error: goes on after short writes and EINTR; a write of 0 bytes is -EIO. */
int sys_pwrite_all(int fd, const void *data, size_t n, uint64_t offset);
/*
 * All n bytes to a pipe, terminal, device: as above, waits where the descriptor does not block.
 * Raises no SIGPIPE: -EPIPE.
 */
int sys_write_all(int fd, const void *data, size_t n);
/* n bytes; what lies past the end of the file is zero. */
int sys_pread_all(int fd, void *data, size_t n, uint64_t offset);
int sys_fdatasync(int fd);
/* Give the file behind the descriptor a name. */
int sys_link_fd(int fd, int todir, const char *to);
/* 0 if sys_link_fd() can work here: /proc is mounted and shows the descriptor. */
int sys_link_fd_works(int fd);
int sys_renameat(int dirfd, const char *from, const char *to);
int sys_unlinkat(int dirfd, const char *path);
/* 64 bits nobody can guess; an error where the system has no source of them. */
int sys_random(uint64_t *bits);

/* RLIMIT_FSIZE: longer files cannot be, and trying raises SIGXFSZ. */
uint64_t sys_file_limit(void);
/* Let others run for a moment. */
void sys_pause(void);
/* A variable of the environment; NULL if it is not set, or the program has more rights than its user. */
const char *sys_environment(const char *name);
/* CPUs this thread may run on, at least 1. */
unsigned sys_cpus(void);
/* A clock that only goes forward, in nanoseconds. */
uint64_t sys_now(void);

#endif
