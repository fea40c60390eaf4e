/* SPDX-License-Identifier: MIT */
/*
 * The file at its path: complete or not at all.
 *
 * Linkers that unlink or rename the old output first leave a time with no file at the path, and
 * a failed link loses the last good one. So the new file is written where nobody sees it,
 * in the same directory (rename(2) does not cross file systems), and takes the path's place
 * in one step.
 *
 * Best is a file without a name (O_TMPFILE): whatever kills the process, the kernel frees it. It
 * gets its name by linkat(2), which does not replace, so over an existing file it needs two
 * steps: a hidden name, then rename. Between them a crash can leave the hidden name behind.
 * Where there are no nameless files (NFS, FUSE, vfat, 9p, a missing /proc) the hidden name is
 * there from the start. The name is not guessable and made with O_EXCL, which follows no
 * symbolic link: a directory writable by others gives nobody a way to have us write
 * elsewhere. Not the process id: that is unique only within one container.
 *
 * Permissions are given to open(2) and the kernel applies the umask; reading the umask means
 * changing it, a race in a threaded program.
 *
 * The directory is held open from the start, so the output lands where open said even if
 * the working directory changes meanwhile.
 *
 * Errors that close(2) reports (NFS, quota) must come before publication, but a nameless file
 * lives only by its descriptor: so a duplicate is closed first, which flushes and reports.
 *
 * Cost of the atomic way over an existing file: 290 to 330 us for a file of one byte, against 190
 * to 240 us for open(O_TRUNC), write, close (ext4, Linux 6.18): it does not grow with the file.
 */
#include "config.h"

#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptor.h"
#include "sys.h"

/* Tries with new random names before EEXIST is believed; one in 2^64 fails. */
#define NAME_TRIES 16

#define NAME_KEPT 64
#define HIDDEN_SUFFIX ".outbuf-"
#define RANDOM_CHARS 13 /* 64 bits, 5 at a time */

/*
 * ".NAME.outbuf-XXXXXXXXXXXXX": hidden, and says whose it is by at most 64 bytes of the name, cut
 * between UTF-8 characters: some file systems allow no more than 143 (eCryptfs).
 */
static int hidden_name(const char *name, char **hidden)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	size_t keep = strnlen(name, NAME_KEPT), size, i;
	uint64_t bits;
	char *to;
	int r;

	r = sys_random(&bits);
	if (r < 0)
		return r;
	while (keep > 0 && ((unsigned char)name[keep] & 0xc0) == 0x80)
		keep--;
	size = 1 + keep + strlen(HIDDEN_SUFFIX) + RANDOM_CHARS + 1;
	to = malloc(size);
	if (to == NULL)
		return -ENOMEM;
	snprintf(to, size, ".%.*s%s", (int)keep, name, HIDDEN_SUFFIX);
	for (i = 0; i < RANDOM_CHARS; i++, bits >>= 5)
		to[size - 1 - RANDOM_CHARS + i] = digits[bits & 31];
	to[size - 1] = '\0';
	*hidden = to;
	return 0;
}

/* Split the path into an open directory and a name. */
static int open_parent(struct target *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	size_t length = slash == NULL ? 0 : (size_t)(slash - path);
	char *dir;

	if (*path == '\0')
		return -ENOENT;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EISDIR;
	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	dir = slash == NULL ? strdup(".") : strndup(path, length == 0 ? 1 : length);
	t->name = strdup(name);
	if (dir == NULL || t->name == NULL) {
		free(dir);
		return -ENOMEM;
	}
	t->dirfd = sys_open_dir(AT_FDCWD, dir);
	free(dir);
	return t->dirfd < 0 ? t->dirfd : 0;
}

/*
 * Never replace what is not a regular file: -o /dev/null must not remove /dev/null. A
 * symbolic link is looked through for this, but not for replacing: one that leads nowhere, or
 * where we may not look, is replaced. -ENOTSUP: it is special.
 */
static int check_what_stands_there(const struct target *t)
{
	struct stat st, behind, dir;
	int r = sys_fstatat(t->dirfd, t->name, &st, AT_SYMLINK_NOFOLLOW);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	behind = st;
	if (S_ISLNK(st.st_mode) && sys_fstatat(t->dirfd, t->name, &behind, 0) < 0)
		behind.st_mode = S_IFREG;
	if (S_ISDIR(behind.st_mode))
		return -EISDIR;
	if (!S_ISREG(behind.st_mode))
		return -ENOTSUP;

	/*
	 * In a sticky directory (/tmp) somebody else's file may not be renamed over: say so
	 * now and not after the work.
	 */
	r = sys_fstat(t->dirfd, &dir);
	if (r == 0 && t->kind != TARGET_IN_PLACE && (dir.st_mode & S_ISVTX) && geteuid() != 0 &&
	    st.st_uid != geteuid() && dir.st_uid != geteuid())
		return -EPERM;
	return r;
}

/*
 * In a directory like /tmp anybody may have put a link where our output is to be: do not be led by it
 * to a device, or to a descriptor of ours. The rule of fs.protected_symlinks, which is not
 * everywhere, and does not know of links that are read and not followed.
 */
static int check_who_leads(const struct target *t)
{
	struct stat st, dir;

	if (sys_fstatat(t->dirfd, t->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode) ||
	    sys_fstat(t->dirfd, &dir) < 0 || !(dir.st_mode & S_ISVTX) || !(dir.st_mode & S_IWOTH))
		return 0;
	return st.st_uid == geteuid() || st.st_uid == dir.st_uid ? 0 : -EPERM;
}

/* Write to what is there: a pipe, a device, a terminal. Waits for a FIFO's reader, as a shell does. */
static int open_special(struct target *t)
{
	struct stat st;
	int r = check_who_leads(t);

	if (r < 0)
		return r;
	t->kind = TARGET_SPECIAL;
	t->fd = sys_openat(t->dirfd, t->name, O_WRONLY, 0);
	if (t->fd < 0)
		return t->fd;
	/* Somebody may have put a file there meanwhile, which must not be written over. */
	r = sys_fstat(t->fd, &st);
	return r == 0 && S_ISREG(st.st_mode) ? -ENOTSUP : r;
}

/* Open the file of the path itself. */
static int open_in_place(struct target *t, mode_t mode)
{
	/* O_EXCL tells whether it was there, which discard has to know. */
	t->fd = sys_openat(t->dirfd, t->name, O_RDWR | O_CREAT | O_EXCL, mode);
	t->created = t->fd >= 0;
	t->old_content = !t->created;
	if (t->fd == -EEXIST)
		t->fd = sys_openat(t->dirfd, t->name, O_RDWR | O_CREAT, mode);
	return t->fd < 0 ? t->fd : 0;
}

static int open_named(struct target *t, mode_t mode)
{
	int tries, r = -EEXIST;

	for (tries = 0; tries < NAME_TRIES && r == -EEXIST; tries++) {
		r = hidden_name(t->name, &t->hidden);
		if (r < 0)
			return r;
		t->fd = sys_openat(t->dirfd, t->hidden, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
		if (t->fd >= 0)
			return 0;
		r = t->fd;
		free(t->hidden);
		t->hidden = NULL;
	}
	return r;
}

/*
 * Open a nameless file, or say that there is none to be had: EOPNOTSUPP from the file system,
 * EISDIR from kernels before 3.11, ENOENT from some FUSE servers, EINVAL from old glibc
 * emulations. Other errors would hit the named way as well, which then reports them.
 */
static int open_nameless(struct target *t, mode_t mode)
{
	t->fd = sys_open_nameless(t->dirfd, ".", mode);
	if (t->fd < 0)
		return t->fd;
	if (sys_link_fd_works(t->fd) == 0)
		return 0;
	sys_close(t->fd);
	t->fd = -1;
	return -EOPNOTSUPP;
}

static int open_file(struct target *t, mode_t mode, int in_place)
{
	int r;

	if (in_place)
		return open_in_place(t, mode);
	r = fspolicy_of(t->dirfd)->nameless ? open_nameless(t, mode) : -EOPNOTSUPP;
	if (r < 0) {
		t->kind = TARGET_NAMED;
		r = open_named(t, mode);
	}
	return r;
}

int target_open(struct target *t, const char *path, mode_t mode, int in_place)
{
	int r, fd;

	if (strcmp(path, "-") == 0)
		return target_borrow(t, STDOUT_FILENO);
	*t = (struct target){ .fd = -1, .dirfd = -1 };
	t->kind = in_place ? TARGET_IN_PLACE : TARGET_NAMELESS;
	r = open_parent(t, path);
	fd = r == 0 ? descriptor_of(t->dirfd, t->name) : -1;
	if (fd >= 0) {
		r = check_who_leads(t);
		target_abandon(t);
		return r < 0 ? r : target_borrow(t, fd);
	}
	if (r == 0) {
		r = check_what_stands_there(t);
		if (r == 0)
			r = open_file(t, mode, in_place);
		else if (r == -ENOTSUP)
			r = open_special(t);
	}
	if (r == 0 && t->kind != TARGET_SPECIAL)
		t->fs = fspolicy_of(t->fd);
	if (r < 0)
		target_abandon(t);
	return r;
}

int target_borrow(struct target *t, int fd)
{
	int r = sys_is_writable(fd);

	*t = (struct target){ .kind = TARGET_SPECIAL, .fd = fd, .dirfd = -1, .borrowed = 1 };
	if (r < 0)
		t->fd = -1;
	return r;
}

void target_none(struct target *t)
{
	*t = (struct target){ .kind = TARGET_NONE, .fd = -1, .dirfd = -1 };
}

void target_grown(struct target *t, uint64_t size)
{
	if (size > t->size)
		t->size = size;
}

/* Whatever is to come, can the file be that long? Says it without the SIGXFSZ that asking costs. */
static int check_size(uint64_t size)
{
	if (size > INT64_MAX || (uint64_t)(off_t)size != size || size > sys_file_limit())
		return -EFBIG;
	return 0;
}

static int empty_once(struct target *t)
{
	int r = t->old_content ? sys_ftruncate(t->fd, 0) : 0;

	if (r == 0)
		t->old_content = 0;
	return r;
}

int target_resize(struct target *t, uint64_t size)
{
	int r;

	if (t->fs == NULL) {
		t->size = size;
		return 0;
	}
	r = check_size(size);
	if (r == 0)
		r = empty_once(t);
	if (r == 0 && size != t->size)
		r = sys_ftruncate(t->fd, size);
	if (r == 0) {
		t->size = size;
		t->reserved = t->reserved < size ? t->reserved : size;
	}
	return r;
}

/* Reserve [from, to) in steps that a signal may interrupt without starting all over (tmpfs). */
static int reserve_blocks(int fd, uint64_t from, uint64_t to)
{
	const uint64_t step = (uint64_t)1 << 30;
	int r = 0;

	for (; r == 0 && from < to; from += step)
		r = sys_fallocate(fd, from, to - from < step ? to - from : step);
	return r;
}

int target_reserve(struct target *t, uint64_t size, int *unsupported)
{
	int r;

	if (t->fs == NULL) {
		*unsupported = -EOPNOTSUPP;
		return target_resize(t, size);
	}
	r = check_size(size);
	if (r == 0)
		r = empty_once(t);
	if (r < 0 || size <= t->reserved)
		return r;
	*unsupported = 0;
	r = reserve_blocks(t->fd, t->reserved, size);
	switch (r) {
	case -EOPNOTSUPP:
	case -ENOSYS:
	case -EINVAL: /* ZFS on FreeBSD */
	case -EPERM:  /* sandboxes answer it to everything they do not know */
	case -EACCES:
		*unsupported = r;
		r = 0;
		break;
	default:
		break;
	}
	if (r == 0 && size > t->size)
		r = target_resize(t, size);
	if (r == 0 && *unsupported == 0)
		t->reserved = size;
	if (r < 0)
		/* Give back the blocks of a reservation that stopped half way. */
		sys_ftruncate(t->fd, t->size);
	return r;
}

/* Name the nameless file: at the path if nothing is there, else beside it. */
static int name_it(struct target *t)
{
	int tries, r = sys_link_fd(t->fd, t->dirfd, t->name);

	for (tries = 0; tries < NAME_TRIES && r == -EEXIST; tries++) {
		r = hidden_name(t->name, &t->hidden);
		if (r < 0)
			return r;
		r = sys_link_fd(t->fd, t->dirfd, t->hidden);
		if (r == 0)
			return 0;
		free(t->hidden);
		t->hidden = NULL;
	}
	return r;
}

static int close_fd(int *fd)
{
	int r = *fd < 0 ? 0 : sys_close(*fd);

	*fd = -1;
	return r;
}

int target_publish(struct target *t)
{
	int r = 0;

	if (t->kind == TARGET_NAMELESS || t->kind == TARGET_NAMED)
		r = check_what_stands_there(t);
	if (t->borrowed)
		t->fd = -1;
	if (r == 0 && t->kind == TARGET_NAMELESS) {
		int copy = sys_dup(t->fd);
		r = copy < 0 ? copy : sys_close(copy);
		if (r == 0)
			r = name_it(t);
		/* What this could report, the copy's close has. */
		close_fd(&t->fd);
	} else if (r == 0) {
		r = close_fd(&t->fd);
	}
	if (r == 0 && t->hidden != NULL) {
		r = sys_renameat(t->dirfd, t->hidden, t->name);
		if (r == 0) {
			free(t->hidden);
			t->hidden = NULL;
		}
	}
	if (r == 0)
		t->created = 0;
	target_abandon(t);
	return r;
}

/* In place: only what we created, and only if the name still leads to it. */
static void remove_created(struct target *t)
{
	struct stat ours, there;

	if (t->created && t->fd >= 0 && sys_fstat(t->fd, &ours) == 0 &&
	    sys_fstatat(t->dirfd, t->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
		sys_unlinkat(t->dirfd, t->name);
	t->created = 0;
}

static void remove_hidden(struct target *t)
{
	if (t->hidden != NULL)
		sys_unlinkat(t->dirfd, t->hidden);
	free(t->hidden);
	t->hidden = NULL;
}

void target_remove(struct target *t)
{
	remove_created(t);
	if (t->fd >= 0 && !t->borrowed)
		sys_lead_nowhere(t->fd);
	remove_hidden(t);
}

void target_abandon(struct target *t)
{
	if (t->borrowed)
		t->fd = -1;
	remove_created(t);
	close_fd(&t->fd);
	remove_hidden(t);
	close_fd(&t->dirfd);
	free(t->name);
	t->name = NULL;
}

const char *target_placement(const struct target *t)
{
	switch (t->kind) {
	case TARGET_NAMELESS:
		return "nameless";
	case TARGET_NAMED:
		return "named";
	case TARGET_IN_PLACE:
		return "in-place";
	case TARGET_SPECIAL:
		return "descriptor";
	case TARGET_NONE:
		return "none";
	}
	return "?";
}
