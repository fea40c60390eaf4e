/* SPDX-License-Identifier: MIT */
/*
 * The file part of sys.h where files have descriptors, directories and modes: a table of functions that tests
 * replace to fail a call that works, and wrappers that return a negative errno. tests/inject.c fails each
 * of them, and stops the process at each.
 */
#ifndef OUTBUF_LIB_SYS_UNIX_H
#define OUTBUF_LIB_SYS_UNIX_H

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "sys.h"

struct statfs;

struct sys_table {
	int (*openat)(int dirfd, const char *path, int flags, mode_t mode);
	int (*close)(int fd);
	int (*dup)(int fd);
	int (*dup_over)(int fd, int other); /* dup3(2), O_CLOEXEC */
	int (*fcntl)(int fd, int command, void *arg);
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
	int (*exchange)(int dirfd, const char *a, const char *b); /* renameat2(2), RENAME_EXCHANGE */
	int (*unlinkat)(int dirfd, const char *path, int flags);
	ssize_t (*getrandom)(void *data, size_t n, unsigned flags);
	int (*sigaction)(int signal, const struct sigaction *now, struct sigaction *before);
};

/* Written by tests, before they start threads; constant otherwise. */
extern struct sys_table sys_table;

/* The caller's flags plus what every descriptor of ours has: O_CLOEXEC, O_NOCTTY. Retries EINTR. */
int sys_openat(int dirfd, const char *path, int flags, mode_t mode);
/* A nameless file in directory `path`; -EOPNOTSUPP where the system has no O_TMPFILE. */
int sys_open_nameless(int dirfd, const char *path, mode_t mode);
/* A descriptor to resolve names against; needs no read permission where there is O_PATH. */
int sys_open_dir(int dirfd, const char *path);
int sys_dup(int fd);
/* Let go of the file behind a descriptor whose number others still use: it leads nowhere then. */
void sys_lead_nowhere(int fd);
/* What was opened by O_NONBLOCK waits from now on. If it cannot be had so, nothing is wrong. */
void sys_blocks(int fd);
/* What a symbolic link says, cut at n - 1 bytes and ended by NUL. */
int sys_readlinkat(int dirfd, const char *path, char *to, size_t n);
int sys_fstatat(int dirfd, const char *path, struct stat *st, int flags);
int sys_fchmod(int fd, mode_t mode);
/* Give the file behind the descriptor a name. */
int sys_link_fd(int fd, int todir, const char *to);
/* 0 if sys_link_fd() can work here: /proc is mounted and shows the descriptor. */
int sys_link_fd_works(int fd);
int sys_renameat(int dirfd, const char *from, const char *to);
/* Both names change places in one step; -ENOSYS, -EINVAL where the system or file system cannot. */
int sys_exchange(int dirfd, const char *a, const char *b);
int sys_unlinkat(int dirfd, const char *path);

/* Whose is the file, and who else has it (sys_claim.c). */

/* An advisory lock of the open file, for as long as it is open anywhere. -EWOULDBLOCK unless `wait`. */
int sys_lock(int fd, int wait);
/*
 * 0 if nobody else has the file open or mapped; -EAGAIN if somebody has; another errno if the system
 * does not say. The file is open for writing, ours, and nothing can be pending in it.
 */
int sys_is_alone(int fd);
/* 1 if both files have the same extended attributes (ACLs, labels, capabilities), 0 if not, or an errno. */
int sys_same_attributes(int a, int b);
/* How many of the first n bytes are in the page cache. 0, or -ENOSYS where nobody can tell. */
int sys_resident(int fd, uint64_t n, uint64_t *bytes);
/* Take away a signal that is pending for this thread and blocked, if it is. */
void sys_take_signal(int signal);
/* 0 or a negative errno. */
int sys_sigaction(int signal, const struct sigaction *now, struct sigaction *before);

#endif
