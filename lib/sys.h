/* SPDX-License-Identifier: MIT */
/*
 * Every call of the file kind that can fail goes through here, and only here: a table of
 * functions that tests replace to fail a call that works, and wrappers that turn errno
 * into a negative result so that no other file reads errno. Memory calls are in sys_vm.h, those
 * of io_uring in sys_uring.h. tests/inject.c fails each of them, and stops the process at each.
 */
#ifndef OUTBUF_LIB_SYS_H
#define OUTBUF_LIB_SYS_H

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

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

/* The descriptor is gone in any case; EINTR is no error (Linux closes before it waits). */
int sys_close(int fd);
int sys_dup(int fd);
/* Let go of the file behind a descriptor whose number others still use: it leads nowhere then. */
void sys_lead_nowhere(int fd);
/* 0 if the descriptor is open for writing, else -EBADF. */
int sys_is_writable(int fd);
/* What was opened by O_NONBLOCK waits from now on. If it cannot be had so, nothing is wrong. */
void sys_blocks(int fd);
/* Is it a regular file that pwrite(2) can write at any offset? 1, 0, or an errno if it cannot be asked. */
int sys_is_seekable(int fd);
/*
 * The type of the file system, as statfs(2) has it, and how many bytes anybody may still store on it. 0 and
 * UINT64_MAX where it does not say. 0, or an errno: -ENOSYS where there is no such call.
 */
int sys_fs(int fd, uint32_t *magic, uint64_t *room);
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
/* Both retry EINTR. */
int sys_fdatasync(int fd);
int sys_fsync(int fd);
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
