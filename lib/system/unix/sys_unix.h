/* SPDX-License-Identifier: MIT */
/*
 * The file part of sys.h where files have descriptors, directories and modes: a table of functions that tests
 * replace to fail a call that works, and wrappers that return a negative errno. tests/inject/inject.c fails each
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

#include "system/sys.h"

/* The caller's flags plus what every descriptor of ours has: O_CLOEXEC, O_NOCTTY. Retries EINTR. */
int ob__sys_openat(int dirfd, const char *path, int flags, mode_t mode);
/* A nameless file in directory `path`; -EOPNOTSUPP where the system has no O_TMPFILE. */
int ob__sys_open_tmpfile(int dirfd, const char *path, mode_t mode);
/* A descriptor to resolve names against; needs no read permission where there is O_PATH. */
int ob__sys_open_dir(int dirfd, const char *path);
int ob__sys_dup(int fd);
/* Let go of the file behind a descriptor whose number others still use: it leads nowhere then. */
void ob__sys_redirect_to_null(int fd);
/* What was opened by O_NONBLOCK waits from now on. If it cannot be had so, nothing is wrong. */
void ob__sys_set_blocking(int fd);
/* What a symbolic link says, cut at n - 1 bytes and ended by NUL. */
int ob__sys_readlinkat(int dirfd, const char *path, char *to, size_t n);
int ob__sys_fstatat(int dirfd, const char *path, struct stat *st, int flags);
int ob__sys_fchmod(int fd, mode_t mode);
/* Give the file behind the descriptor a name. */
int ob__sys_link_fd(int fd, int todir, const char *to);
/* 0 if ob__sys_link_fd() can work here: /proc is mounted and shows the descriptor. */
int ob__sys_link_fd_works(int fd);
int ob__sys_renameat(int dirfd, const char *from, const char *to);
/* Both names change places in one step; -ENOSYS, -EINVAL where the system or file system cannot. */
int ob__sys_exchange(int dirfd, const char *a, const char *b);
int ob__sys_unlinkat(int dirfd, const char *path);

/* Whose is the file, and who else has it (sys_ownership.c). */

/* An advisory lock of the open file, for as long as it is open anywhere. -EWOULDBLOCK unless `wait`. */
int ob__sys_lock(int fd, int wait);
/*
 * 0 if nobody else has the file open or mapped; -EAGAIN if somebody has; another errno if the system
 * does not say. The file is open for writing, ours, and nothing can be pending in it.
 */
int ob__sys_is_sole_user(int fd);
/* 1 if both files have the same extended attributes (ACLs, labels, capabilities), 0 if not, or an errno. */
int ob__sys_same_attributes(int a, int b);
/* How many of the first n bytes are in the page cache. 0, or -ENOSYS where nobody can tell. */
int ob__sys_resident(int fd, uint64_t n, uint64_t *bytes);
/* Take away a signal that is pending for this thread and blocked, if it is. */
void ob__sys_consume_signal(int signal);
/* 0 or a negative errno. */
int ob__sys_sigaction(int signal, const struct sigaction *now, struct sigaction *before);

#endif
