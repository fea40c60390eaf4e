/* SPDX-License-Identifier: MIT */
/*
 * Opening the file of an output on Unix.
 *
 * Problem: linkers that first unlink or rename the old output leave a time during which no file is at the path, and a
 * failed link loses the last good output.
 *
 * Choice: the new file is written under no name or under a hidden name, where no other process uses it. It is in the
 * same directory, because rename(2) does not cross file systems. Commit moves it to the path in one step (publish.c).
 *
 * A file without a name (O_TMPFILE) is best: however the process ends, the kernel frees the file. Some file systems
 * have no O_TMPFILE (NFS, FUSE, vfat, 9p), and giving the file a name needs /proc and link(2). Where one of these is
 * missing, the file has a hidden name from the start (named.c).
 *
 * Permissions are given to open(2), and the kernel applies the umask. Reading the umask means changing it, which is a
 * race in a threaded program. The bits that grant rights (setuid, setgid) are not given to open(2): a write would
 * clear them, and half a program must not have them. They are set last (publish.c).
 *
 *     OUTBUF_PLACEMENT=named    asks for a hidden name from the start
 *
 * The directory is held open from the start. So the output gets to the directory that was meant when it was opened,
 * even if the working directory changes meanwhile.
 */
#include "config.h"

#include "target/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "system/unix/sys_unix.h"
#include "target/unix/descriptor.h"
#include "target/unix/directory.h"
#include "target/unix/evidence.h"
#include "target/unix/hidden.h"
#include "target/unix/in_place.h"
#include "target/unix/lock.h"
#include "target/unix/named.h"
#include "target/unix/order.h"
#include "target/unix/recycle.h"
#include "target/unix/temporary.h"
#include "outbuf.h"

/* Split the path into an open directory, t->dirfd, and a name, t->name. 0 or a negative errno. */
static int open_parent(struct target *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	size_t length = slash == NULL ? 0 : (size_t)(slash - path);
	char *dir;

	if (*path == '\0')
		return -ENOENT;
	/* As open(2): else others could not open what this makes. */
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
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
	t->dirfd = ob__sys_open_dir(AT_FDCWD, dir);
	free(dir);
	return t->dirfd < 0 ? t->dirfd : 0;
}

/*
 * Never replace what is not a regular file: `-o /dev/null` must not remove /dev/null. For this check a symbolic link
 * is followed. It is not followed for replacing: the link itself is replaced. A link that leads nowhere, or to where
 * we may not look, counts as a regular file. Fills *info, too.
 */
static int look_at_path(const struct target *t, struct stat *st, struct sys_name_info *info)
{
	struct stat pointed_to;
	int r = ob__sys_stat_name(t->dirfd, t->name, st, info);

	if (r < 0) {
		st->st_mode = 0;
		return r == -ENOENT ? 0 : r;
	}
	pointed_to = *st;
	if (S_ISLNK(st->st_mode) && ob__sys_fstatat(t->dirfd, t->name, &pointed_to, 0) < 0)
		pointed_to.st_mode = S_IFREG;
	if (S_ISDIR(pointed_to.st_mode))
		return -EISDIR;
	return S_ISREG(pointed_to.st_mode) ? 0 : -ENOTSUP;
}

int ob__target_check_path(const struct target *t, struct stat *st)
{
	struct sys_name_info info;

	return look_at_path(t, st, &info);
}

/* Does the user ask for files that have a name from the start? */
static int wants_name(const struct target *t)
{
	const char *wish = ob__sys_environment("OUTBUF_PLACEMENT");

	return t->request.named || (wish != NULL && strcmp(wish, "named") == 0);
}

/*
 * Will rename(2) be allowed to replace the file at the path? That is found out now, and not after all the work. *why:
 * 0; -EBUSY: it is mounted by itself; -EPERM: it may not be changed, or is another user's in a sticky directory like
 * /tmp, or nothing in the directory can be renamed. Sets t->fs and t->fixed_directory. 0, or the negative errno of a
 * call.
 */
static int check_replaceable(struct target *t, const struct stat *st, unsigned traits, int *why)
{
	struct sys_name_info info;
	struct stat dir;
	int r = ob__sys_stat_name(t->dirfd, "", &dir, &info);

	*why = 0;
	/* Of the directory's mount, which the temporary file will be on. */
	if (r == 0)
		r = ob__fspolicy_of_mount(t->dirfd, info.mount, &t->fs);
	if (r < 0)
		return r;
	ob__directory_share(t, &dir, info.mount);
	t->fixed_directory = (info.traits & SYS_APPEND_ONLY) != 0;
	/* A file without a name can get one. It keeps that, so it must be the path; and a lock file would stay. */
	if (t->fixed_directory && (st->st_mode != 0 || t->request.durability != OUTBUF_DURABLE_NONE ||
	                           t->request.lock != OUTBUF_LOCK_NONE || wants_name(t)))
		*why = -EPERM;
	else if (st->st_mode != 0 && (traits & SYS_MOUNT_POINT))
		*why = -EBUSY;
	else if (st->st_mode != 0 && (traits & (SYS_IMMUTABLE | SYS_APPEND_ONLY)))
		*why = -EPERM;
	else if (st->st_mode != 0 && (dir.st_mode & S_ISVTX) && geteuid() != 0 && st->st_uid != geteuid() &&
	         dir.st_uid != geteuid())
		*why = -EPERM;
	return 0;
}

/* If the path is a symbolic link: ob__in_place_check_owner() of the link. Else 0. */
static int check_link_owner(const struct target *t)
{
	struct stat st;

	if (ob__sys_fstatat(t->dirfd, t->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
		return 0;
	return ob__in_place_check_owner(t, &st);
}

/*
 * Write to the pipe, device or terminal at the path. Opening a FIFO waits for its reader, as a shell's redirection
 * does.
 */
static int open_special(struct target *t, const struct stat *at_path)
{
	struct stat st;
	int r = ob__in_place_check_owner(t, at_path);

	if (r < 0)
		return r;
	t->kind = TARGET_SPECIAL;
	t->fd = ob__sys_openat(t->dirfd, t->name, O_WRONLY | (S_ISLNK(at_path->st_mode) ? 0 : O_NOFOLLOW), 0);
	if (t->fd < 0)
		return t->fd;
	/* Another process may have replaced it by a regular file since the check; that must not be written over. */
	r = ob__sys_fstat(t->fd, &st);
	return r == 0 && S_ISREG(st.st_mode) ? -ENOTSUP : r;
}

/*
 * Open a file without a name. A negative errno says that this is not possible: EOPNOTSUPP from the file system,
 * EISDIR from kernels before 3.11, ENOENT from some FUSE servers, EINVAL from old glibc emulations. The caller then
 * tries open_named() after any error. An error with another cause occurs there as well, and is reported.
 */
static int open_tmpfile(struct target *t)
{
	t->fd = ob__sys_open_tmpfile(t->dirfd, ".", t->request.mode & 0777);
	if (t->fd < 0)
		return t->fd;
	if (ob__named_can_link(t->fd) == 0)
		return 0;
	ob__sys_close(t->fd);
	t->fd = -1;
	return -EOPNOTSUPP;
}

/* Open a temporary file: recycled, without a name, or with a hidden name. 0 or a negative errno. */
static int open_temporary(struct target *t)
{
	int r = t->fs->tmpfile && !wants_name(t) ? open_tmpfile(t) : -EOPNOTSUPP;

	if (r < 0 && t->fixed_directory)
		return -EPERM;
	if (r < 0) {
		t->kind = TARGET_NAMED;
		r = ob__named_create(t);
	}
	if (r == 0 && t->request.recycle)
		ob__recycle_try(t, t->fs);
	return r;
}

/*
 * Remove the hidden name, unless it is known to lead to another file by now. If that does not work, t->hidden stays:
 * some file systems remove no file that is open.
 */
static void remove_hidden_name(struct target *t)
{
	int r;

	if (t->hidden == NULL)
		return;
	r = t->fd >= 0 ? ob__evidence_is_ours(t, t->hidden, t->fd) : 1;
	if (r == 0 || r == -ENOENT || ob__sys_unlinkat(t->dirfd, t->hidden) == 0)
		ob__hidden_forget(t);
}

/* Once more, now that the file is closed. */
static void remove_closed(struct target *t)
{
	if (t->hidden != NULL)
		ob__sys_unlinkat(t->dirfd, t->hidden);
	ob__hidden_forget(t);
}

/* There is no temporary file after all. */
static void give_up_temporary(struct target *t)
{
	remove_hidden_name(t);
	ob__target_close_fd(&t->fd);
	remove_closed(t);
	t->in_order = 0;
}

/* Does the error say that nothing can be created in the directory? */
static int is_uncreatable(int error)
{
	return error == -EACCES || error == -EPERM || error == -EROFS || error == -ENOSPC || error == -EDQUOT ||
	       error == -ENAMETOOLONG;
}

/*
 * Open a regular file. If no temporary file can be made beside it (the directory may not be written to, there is no
 * inode left), the file at the path is written, if that was asked for. 0 or a negative errno.
 */
static int open_file(struct target *t, const struct stat *at_path)
{
	int r;

	if (t->request.in_place) {
		r = ob__in_place_open(t, at_path);
		/* It is in place for want of something better. */
		if (r == 0 && t->replace_error < 0)
			t->written_over = t->in_order = t->old_content;
		return r;
	}
	r = open_temporary(t);
	if (r == 0 || !t->request.else_in_place || !is_uncreatable(r))
		return r;
	give_up_temporary(t);
	if (ob__in_place_open(t, at_path) < 0)
		return r;
	t->replace_error = r;
	t->written_over = t->in_order = t->old_content;
	return 0;
}

/* Must the file be written from the first byte to the last? If that was tried in it, another one is opened. */
static int find_order(struct target *t)
{
	int spoiled, in_order = !ob__order_is_free(t, &spoiled);

	if (spoiled)
		give_up_temporary(t);
	t->in_order = in_order;
	return spoiled ? open_temporary(t) : 0;
}

/*
 * Open the directory once more, for fsync(2), if durability needs that: t->dirfd is open by O_PATH, and fsync(2)
 * refuses such a descriptor. It is opened now, so that an error shows before the work. 0 or a negative errno.
 *
 * Recycling needs it too, unless there is no durability at all. An exchange (publish.c) must be on the disk before
 * the next run writes over the file that it moved away from the path. Otherwise, after a power failure, the path
 * might lead to that file. If the directory cannot be opened for this, recycling is turned off.
 */
static int open_for_sync(struct target *t)
{
	int fd;

	if (t->request.durability == OUTBUF_DURABLE_NONE ||
	    (t->request.durability == OUTBUF_DURABLE_DATA && (!t->request.recycle || t->request.in_place)))
		return 0;
	fd = ob__sys_openat(t->dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0) {
		ob__directory_close(t);
		t->dirfd = fd;
		t->syncs_directory = 1;
		return 0;
	}
	if (t->request.durability == OUTBUF_DURABLE_FULL)
		return fd;
	t->request.recycle = 0;
	t->recycle_why = "the directory cannot be synced";
	return 0;
}

/*
 * Can the file at the path be had as t->request says? Where it cannot be replaced, it must be possible to write over
 * it, if that was asked for. 0 or a negative errno.
 */
static int check_request(struct target *t, const struct stat *at_path, unsigned traits)
{
	int why = 0, r = t->request.in_place ? 0 : check_replaceable(t, at_path, traits, &why);

	if (r < 0 || why == 0)
		return r;
	if (!t->request.else_in_place)
		return why;
	if (!t->fixed_directory)
		return ob__in_place_check(t, at_path);
	if (t->request.lock != OUTBUF_LOCK_NONE)
		return why;
	t->request.in_place = 1;
	t->replace_error = why;
	return 0;
}

/* Open what t->request asks for; *at_path and `traits` are of the path. 0 or a negative errno. */
static int open_as_requested(struct target *t, const struct stat *at_path, unsigned traits)
{
	int r = check_request(t, at_path, traits);

	t->path_was_free = at_path->st_mode == 0;
	if (r == 0)
		r = open_for_sync(t);
	if (r == 0)
		r = ob__lock_acquire(t);
	if (r == 0)
		r = open_file(t, at_path);
	/* The file may be mounted by itself. */
	if (r == 0 && t->kind == TARGET_IN_PLACE)
		r = ob__fspolicy_of_file(t->fd, &t->fs);
	if (r == 0 && t->fs->may_journal_data && t->request.durability != OUTBUF_DURABLE_NONE)
		t->journals_data = ob__sys_has_mount_option(t->fd, "data=journal");
	if (r == 0 && t->fs->may_be_ordered && !t->in_order)
		r = find_order(t);
	return r;
}

/* Open what is at the path, if it is no descriptor: *at_path and *info, which look_at_path() returned r for. */
static int open_path(struct target *t, const struct stat *at_path, const struct sys_name_info *info, int r)
{
	if (r == -ENOTSUP)
		return open_special(t, at_path);
	return r < 0 ? r : open_as_requested(t, at_path, info->traits);
}

int ob__target_open(struct target *t, const char *path, const struct target_request *request)
{
	struct sys_name_info info;
	struct stat at_path = { .st_mode = 0 };
	int r, fd = -1;

	if (strcmp(path, "-") == 0)
		return ob__target_open_descriptor(t, STDOUT_FILENO);
	ob__target_init(t, request->in_place ? TARGET_IN_PLACE : TARGET_TMPFILE, -1);
	t->request = *request;
	r = open_parent(t, path);
	if (r == 0) {
		r = look_at_path(t, &at_path, &info);
		/* /dev/stdout and the like are links. */
		if (S_ISLNK(at_path.st_mode))
			fd = ob__descriptor_number(t->dirfd, t->name);
		if (fd < 0)
			r = open_path(t, &at_path, &info, r);
		/* /dev/fd/9, and 9 is not open: nothing can be created there. */
		if (r < 0 && fd < 0 && at_path.st_mode == 0)
			fd = ob__descriptor_number(t->dirfd, t->name);
	}
	if (fd >= 0)
		r = check_link_owner(t);
	if (r < 0 || fd >= 0)
		ob__target_abandon(t);
	return r < 0 || fd < 0 ? r : ob__target_open_descriptor(t, fd);
}

/* In place: remove the file if this output created it, and if the name still leads to it. */
static void remove_created(struct target *t)
{
	if (t->created && t->fd >= 0 && ob__evidence_is_ours(t, t->name, t->fd) == 1)
		ob__sys_unlinkat(t->dirfd, t->name);
	t->created = 0;
}

void ob__target_remove(struct target *t)
{
	remove_created(t);
	/* The name is removed before the descriptor is redirected: that ends the lock, which makes the name ours. */
	remove_hidden_name(t);
	if (t->fd >= 0 && !t->borrowed)
		ob__sys_redirect_to_null(t->fd);
	remove_closed(t);
}

void ob__target_abandon(struct target *t)
{
	if (t->borrowed)
		t->fd = -1;
	remove_created(t);
	/* The name is removed before the descriptor is closed: closing ends the lock, which makes the name ours. */
	remove_hidden_name(t);
	ob__target_close_fd(&t->fd);
	remove_closed(t);
	ob__lock_release(t);
	ob__directory_close(t);
	free(t->name);
	t->name = NULL;
}

void ob__target_remove_temporary(void)
{
	ob__temporary_remove_all();
}
