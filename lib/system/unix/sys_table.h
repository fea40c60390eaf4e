/* SPDX-License-Identifier: MIT */
/*
 * The table of system calls for files. The files of this folder make these calls through it. Tests replace its
 * members, to let a call fail that would work: tests/inject/inject.c lets each of them fail, and ends the process at
 * each.
 */
#ifndef OUTBUF_LIB_SYS_TABLE_H
#define OUTBUF_LIB_SYS_TABLE_H

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct statfs;
struct sys_name_info;

/* Each member behaves like the system call of its name: it returns -1 and sets errno if it fails. */
struct sys_table {
	int (*openat)(int dirfd, const char *path, int flags, mode_t mode);
	int (*close)(int fd);
	int (*dup)(int fd);
	int (*dup_over)(int fd, int other); /* dup3(2) with O_CLOEXEC */
	int (*fcntl)(int fd, int command, void *arg);
	int (*fstat)(int fd, struct stat *st);
	int (*fstatat)(int dirfd, const char *path, struct stat *st, int flags);
	int (*stat_name)(int dirfd, const char *path, struct stat *st, struct sys_name_info *info); /* statx(2) */
	ssize_t (*copy_range)(int from, off_t *at, int to, size_t n); /* copy_file_range(2), to the position of `to` */
	int (*ftruncate)(int fd, off_t size);
#ifdef __linux__
	int (*fstatfs)(int fd, struct statfs *st);
#endif
	int (*fallocate)(int fd, int mode, off_t offset, off_t length);
	ssize_t (*pwrite)(int fd, const void *data, size_t n, off_t offset);
	ssize_t (*pread)(int fd, void *data, size_t n, off_t offset);
	ssize_t (*write)(int fd, const void *data, size_t n);
	int (*poll)(struct pollfd *fds, nfds_t n, int timeout);
	int (*fdatasync)(int fd);
	int (*fsync)(int fd);
	int (*fchmod)(int fd, mode_t mode);
	int (*flock)(int fd, int operation);
	int (*cachestat)(int fd, uint64_t length, uint64_t *pages);
	ssize_t (*flistxattr)(int fd, char *names, size_t n);
	ssize_t (*fgetxattr)(int fd, const char *name, void *value, size_t n);
	ssize_t (*readlinkat)(int dirfd, const char *path, char *to, size_t n);
	int (*linkat)(int fromdir, const char *from, int todir, const char *to, int flags);
	int (*renameat)(int fromdir, const char *from, int todir, const char *to);
	int (*exchange)(int dirfd, const char *a, const char *b); /* renameat2(2) with RENAME_EXCHANGE */
	int (*unlinkat)(int dirfd, const char *path, int flags);
	ssize_t (*getrandom)(void *data, size_t n, unsigned flags);
	int (*sigaction)(int signal, const struct sigaction *now, struct sigaction *before);
};

/* Written by tests before they start threads; otherwise constant. */
extern struct sys_table ob__sys_table;

#endif
