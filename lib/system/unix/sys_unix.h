/* SPDX-License-Identifier: MIT */
/*
 * The part of sys.h for systems whose files have descriptors, directories and modes. The functions call the system
 * through the table of sys_table.h, which tests replace.
 *
 * All functions may be called by any thread. Those that return int return 0 or a negative errno, except where a
 * comment says otherwise.
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
#include "system/unix/sys_names.h"

/*
 * A call that fails because the disk is full, or because there are too many descriptors, is made once more if
 * ob__sys_wait_for_room() says so.
 */

/* openat(2) with the caller's flags and those of all our descriptors: O_CLOEXEC, O_NOCTTY. Retries EINTR. */
int ob__sys_openat(int dirfd, const char *path, int flags, mode_t mode);
/* Open a file without a name (O_TMPFILE) in directory `path`. -EOPNOTSUPP where the system has no O_TMPFILE. */
int ob__sys_open_tmpfile(int dirfd, const char *path, mode_t mode);
/* Open a directory to resolve names in it. Needs no read permission where the system has O_PATH. */
int ob__sys_open_dir(int dirfd, const char *path);
/*
 * Close the descriptor in a thread that nobody waits for (sys_background.c). 0, or a negative errno: then it is still
 * open.
 */
int ob__sys_close_later(int fd);
/* A duplicate of the descriptor, O_CLOEXEC. */
int ob__sys_dup(int fd);
/* Make the descriptor lead to /dev/null, which closes its file. Other threads may go on using its number. */
void ob__sys_redirect_to_null(int fd);
/* Turn O_NONBLOCK off. An error is ignored, as nothing depends on it. */
void ob__sys_set_blocking(int fd);
/* The target of a symbolic link, at most n - 1 bytes of it, and a NUL. */
int ob__sys_readlinkat(int dirfd, const char *path, char *to, size_t n);
int ob__sys_fstatat(int dirfd, const char *path, struct stat *st, int flags);
/* As fstatat(2) by AT_SYMLINK_NOFOLLOW; "" is `dirfd` itself. */
int ob__sys_stat_name(int dirfd, const char *path, struct stat *st, struct sys_name_info *info);
/*
 * Copy n bytes from the beginning of one file to the position of another descriptor, from the first to the last, by
 * the file system itself where that is possible (copy_file_range(2)). `from` may be anywhere, `to` must be at its
 * beginning. -EIO if `from` is shorter. Retries EINTR. (sys_copy.c)
 */
int ob__sys_copy(int from, int to, uint64_t n);
int ob__sys_fchmod(int fd, mode_t mode);
/*
 * Set the setuid, setgid and sticky bits that are in `special`. -EPERM if the system does not set them, which chmod(2)
 * does not always say: it clears setgid without an error if the file's group is not one of the process's groups.
 */
int ob__sys_add_special_bits(int fd, mode_t special);
/* Was the file system of this file mounted with the option? 1; 0 also if the system does not tell. (sys_mounts.c) */
int ob__sys_has_mount_option(int fd, const char *option);
/* Open the file behind the descriptor once more. Needs /proc. */
int ob__sys_reopen(int fd, int flags);
/* Give the file behind the descriptor a name. */
int ob__sys_link_fd(int fd, int todir, const char *to);
/*
 * 0 if ob__sys_link_fd() can work here. -ENOENT: /proc does not show the descriptor; another errno: link(2) is
 * forbidden, as by seccomp(2).
 */
int ob__sys_link_fd_works(int fd);
int ob__sys_renameat(int dirfd, const char *from, const char *to);
/* Exchange two names in one step. -ENOSYS, -EINVAL where the system or the file system cannot do that. */
int ob__sys_exchange(int dirfd, const char *a, const char *b);
int ob__sys_unlinkat(int dirfd, const char *path);

/* Whose the file is, and who else uses it (sys_ownership.c). */

/*
 * Lock the open file by flock(2), exclusively. The lock lasts as long as the open file has a descriptor in any
 * process. -EWOULDBLOCK if it is locked elsewhere and `wait` is 0. Retries EINTR.
 */
int ob__sys_lock(int fd, int wait);
/* Unlock it, before the last descriptor is closed. */
void ob__sys_unlock(int fd);
/* Wait 10 ms, between two looks at what another process is about to change. */
void ob__sys_poll_pause(void);
/*
 * 0 if nobody else has the file open or mapped, or runs it; -EAGAIN if somebody does; another errno if the system
 * does not say. The file must be open for writing and belong to us, and no I/O may be in progress on it.
 */
int ob__sys_is_sole_user(int fd);
/* 1 if both files have the same extended attributes (ACLs, labels, capabilities), 0 if not, or a negative errno. */
int ob__sys_same_attributes(int a, int b);
/* How many of the first n bytes are in the page cache. 0, or a negative errno: -ENOSYS where nothing tells that. */
int ob__sys_resident(int fd, uint64_t n, uint64_t *bytes);

/* Signals that a call of this thread may raise for the thread (sys_signal.c). */
struct sys_signals {
	sigset_t before;   /* the thread's mask before they were held */
	sigset_t programs; /* those of them that were pending for this thread before: they are the program's */
};

/* Block two signals for this thread, or one if both are the same. */
void ob__sys_signals_hold(struct sys_signals *s, int a, int b);
/*
 * If a call of this thread has raised the signal, one of those that are held, take it. What the program sent to the
 * process or to the thread stays pending. `fd` is the descriptor of a lease that the call was about, or -1. Never
 * waits.
 */
void ob__sys_signals_take(const struct sys_signals *s, int signal, int fd);
void ob__sys_signals_restore(const struct sys_signals *s);
int ob__sys_sigaction(int signal, const struct sigaction *now, struct sigaction *before);

#endif
