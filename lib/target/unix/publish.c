/* SPDX-License-Identifier: MIT */
/*
 * Moving the file to its path: complete, or not at all.
 *
 * Problem: a file without a name gets one by linkat(2), which does not replace an existing file.
 *
 * Choice: if a file stands at the path this takes two steps. The new file gets a hidden name, then rename(2) moves it
 * to the path. If a spare is wanted (recycle.c), the two names are exchanged instead of renamed, and the old output
 * stays under the hidden name.
 *
 * Errors that close(2) reports (NFS, quota) must be known before the file is published. But a file without a name
 * exists only as long as its descriptor is open, and a hidden name is ours only as long as that descriptor holds the
 * lock. So a duplicate of the descriptor is closed first: that flushes the file and reports the errors. Local file
 * systems report none (fspolicy.c).
 *
 * The file that stood at the path is freed in the background (background.c).
 *
 * With options.durability the file has its hidden name before fsync(2), also where nothing is at the path. The btrfs
 * of Linux 6.1 and 6.12 does not log a file that has no name: after a power failure the path led to an empty file in
 * 58 of 60 crash states, and in none if the name came first. On vfat and ntfs3 the name that rename(2) makes
 * does not lead to the file's data until the inode is written back, so OUTBUF_DURABLE_FULL syncs the file once more
 * after that (fspolicy.c). The file that was replaced is kept open until then: closing it would free its blocks, and on
 * the disk the path could still lead to them.
 *
 * Cost over an existing file: 290 to 330 us for a file of one byte, against 190 to 240 us for open(O_TRUNC), write,
 * close (ext4, Linux 6.18). It does not grow with the file.
 */
#include "config.h"

#include "target/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "system/unix/sys_unix.h"
#include "target/unix/background.h"
#include "target/unix/evidence.h"
#include "target/unix/hidden.h"
#include "target/unix/in_place.h"
#include "target/unix/named.h"
#include "outbuf.h"

/* Wait until the disk has the file. 0 or a negative errno. */
static int sync_file(struct target *t)
{
	int r = t->kind == TARGET_TMPFILE ? ob__named_link(t, 1) : 0;

	return r < 0 ? r : ob__sys_fsync(t->fd);
}

int ob__target_finish(struct target *t)
{
	mode_t special = t->request.mode & 07000;
	int r = ob__target_cut_excess(t);

	/* A file that is written in place and existed before keeps its permissions: they are its owner's decision. */
	if (r == 0 && special != 0 && t->fs != NULL && (t->kind != TARGET_IN_PLACE || t->created))
		r = ob__sys_add_special_bits(t->fd, special);
	if (r == 0 && t->fs != NULL && t->request.durability != OUTBUF_DURABLE_NONE)
		r = sync_file(t);
	return r;
}

/* Close the file, and remember which it was: what is left is the name. 0 or the errno of close(2). */
static int close_early(struct target *t)
{
	struct stat st;
	int r;

	if (ob__sys_fstat(t->fd, &st) == 0) {
		t->closed_dev = st.st_dev;
		t->closed_ino = st.st_ino;
	}
	r = ob__sys_close(t->fd);
	t->fd = -1;
	return r;
}

static int is_replacement(const struct target *t)
{
	return t->kind == TARGET_TMPFILE || t->kind == TARGET_NAMED || t->kind == TARGET_RECYCLED;
}

/* Does its name lead to the file on the disk only when the file was synced after rename(2)? */
static int must_sync_renamed(const struct target *t)
{
	return is_replacement(t) && t->fs->sync_renamed && t->request.durability == OUTBUF_DURABLE_FULL;
}

/*
 * Get the error that closing the file would report, before the file is published. The file stays open. 0 or a negative
 * errno. If there is no descriptor left for a duplicate, the file itself is closed: then it needs a name first, and
 * loses its lock.
 */
static int collect_close_error(struct target *t)
{
	int duplicate, r;

	if (t->fs->silent_close)
		return 0;
	duplicate = ob__sys_dup(t->fd);
	if (duplicate >= 0)
		return ob__sys_close(duplicate);
	if (duplicate != -EMFILE && duplicate != -ENFILE)
		return duplicate;
	r = t->kind == TARGET_TMPFILE && t->hidden == NULL ? ob__named_link(t, 0) : 0;
	return r < 0 ? r : close_early(t);
}

/*
 * Will the file at the path be a good spare for the next run? Only then the names are exchanged. A program with
 * special rights (setuid) is not kept: it may have been replaced because it must not be run any more.
 */
static int is_good_spare(const struct target *t, const struct stat *at_path)
{
	return t->request.recycle && t->has_spare_name && S_ISREG(at_path->st_mode) && at_path->st_nlink == 1 &&
	       at_path->st_uid == geteuid() && !(at_path->st_mode & 07000);
}

/*
 * Exchange the hidden name and the path. 0; 1 if that is not possible here, and rename(2) must do; or a negative
 * errno.
 */
static int exchange_with_path(struct target *t)
{
	struct stat displaced;
	int r = ob__sys_exchange(t->dirfd, t->hidden, t->name);

	/*
	 * ENOENT: there is no file at the path any more. ENOSYS, EINVAL, or EPERM of a sandbox: no exchange here. If
	 * there is another cause, rename(2) will report it.
	 */
	if (r < 0)
		return 1;
	/*
	 * Since the last check something else may have been put at the path. It is under our hidden name now. If it
	 * is neither a regular file nor a link, it must not be replaced: exchange the names back.
	 */
	r = ob__sys_fstatat(t->dirfd, t->hidden, &displaced, AT_SYMLINK_NOFOLLOW);
	if (r == 0 && !S_ISREG(displaced.st_mode) && !S_ISLNK(displaced.st_mode)) {
		r = ob__sys_exchange(t->dirfd, t->hidden, t->name);
		return r < 0 ? r : S_ISDIR(displaced.st_mode) ? -EISDIR : -ENOTSUP;
	}
	if (r == 0 && S_ISLNK(displaced.st_mode))
		ob__sys_unlinkat(t->dirfd, t->hidden);
	return 0;
}

/*
 * Does the hidden name still lead to our file? 0, -ESTALE if not, or another negative errno.
 *
 * The name is ours because our file is locked. But some file systems hold a lock within one machine only, and a
 * script that cleans up does not ask for it. Then another writer may have the name, with a file that is half written.
 */
static int check_hidden_name(struct target *t)
{
	int r = t->fd < 0 ? 1 : ob__evidence_is_ours(t, t->hidden, t->fd);

	return r < 0 ? r : r == 0 ? -ESTALE : 0;
}

/* Does this errno of rename(2) say that the file at the path cannot be replaced, whoever tries it and when? */
static int is_irreplaceable(int error)
{
	return error == -EBUSY || error == -EPERM || error == -EACCES || error == -ENOSYS || error == -EOPNOTSUPP ||
	       error == -EINVAL || error == -EXDEV || error == -EEXIST;
}

/*
 * Replace what is at the path by rename(2). 0; 1: that cannot be, because of t->replace_error; or a negative errno.
 * *kept_fd is the file that was replaced, to be closed
 * by ob__background_close().
 *
 * Some servers do not rename a file that is open (gcsfuse, mountpoint-s3). It is complete, so it is closed then, and
 * rename(2) is tried again.
 */
static int rename_to_path(struct target *t, const struct stat *at_path, int *kept_fd)
{
	int r;

	*kept_fd = ob__background_keep_open(t->dirfd, t->name, must_sync_renamed(t), at_path);
	r = ob__sys_renameat(t->dirfd, t->hidden, t->name);
	if (is_irreplaceable(r) && t->fs->remote && t->fd >= 0 && close_early(t) == 0)
		r = ob__sys_renameat(t->dirfd, t->hidden, t->name) == 0 ? 0 : r;
	if (!is_irreplaceable(r))
		return r;
	t->replace_error = r;
	return 1;
}

/*
 * Move the file from its hidden name to the path. `fresh`: it has that name since a moment. 0, 1 or a negative errno,
 * and *kept_fd, as rename_to_path().
 */
static int move_to_path(struct target *t, const struct stat *at_path, int fresh, int *kept_fd)
{
	int r = fresh ? 0 : check_hidden_name(t);

	if (r == 0)
		r = is_good_spare(t, at_path) ? exchange_with_path(t) : 1;
	if (r == 1)
		r = rename_to_path(t, at_path, kept_fd);
	if (r == 0)
		ob__hidden_forget(t);
	return r;
}

/*
 * Let the path lead to the file. 0; 1 if rename(2) cannot replace what is there, t->replace_error says why; or a
 * negative errno. *at_path: what was there. *kept_fd as rename_to_path().
 */
static int replace(struct target *t, struct stat *at_path, int *kept_fd)
{
	int nameless = t->kind == TARGET_TMPFILE && t->hidden == NULL;
	int r;

	/* If nothing is at the path, this is all. */
	if (nameless && t->path_was_free && (r = ob__named_link_to_path(t)) <= 0)
		return r;
	r = ob__target_check_path(t, at_path);
	if (r < 0)
		return r;
	if (nameless && !t->path_was_free && at_path->st_mode == 0 && (r = ob__named_link_to_path(t)) <= 0)
		return r;
	if (nameless)
		r = ob__named_link(t, 0);
	/* It was copied, as link(2) is forbidden. */
	if (r == 0 && nameless && t->kind == TARGET_NAMED)
		r = collect_close_error(t);
	return r < 0 ? r : move_to_path(t, at_path, nameless, kept_fd);
}

/* As replace(). What cannot be replaced is written over, if that was asked for. */
static int replace_or_overwrite(struct target *t, struct stat *at_path, int *kept_fd)
{
	int r = collect_close_error(t);

	if (r < 0)
		return r;
	r = replace(t, at_path, kept_fd);
	if (r != 1)
		return r;
	/* Once more: only what may be replaced is written over. */
	if (!t->request.else_in_place || ob__target_check_path(t, at_path) < 0) {
		r = t->replace_error;
		t->replace_error = 0;
		return r;
	}
	r = ob__in_place_overwrite(t, at_path);
	t->replace_error = r < 0 ? 0 : t->replace_error;
	return r;
}

/* The path leads to the file: wait until it does on the disk, as far as the file itself is needed for that. */
static int sync_renamed(const struct target *t)
{
	int fd, r;

	if (!must_sync_renamed(t))
		return 0;
	if (t->fd >= 0)
		return ob__sys_fsync(t->fd);
	/* It was closed, for want of a descriptor. */
	fd = ob__sys_openat(t->dirfd, t->name, O_RDONLY | O_NOFOLLOW, 0);
	r = fd < 0 ? fd : ob__sys_fsync(fd);
	if (fd >= 0)
		ob__sys_close(fd);
	return r;
}

static int sync_directory(const struct target *t)
{
	return t->syncs_directory ? ob__sys_fsync(t->dirfd) : 0;
}

int ob__target_publish(struct target *t)
{
	int is_file = is_replacement(t) || t->kind == TARGET_IN_PLACE;
	struct stat at_path = { .st_mode = 0 };
	int kept_fd = -1, sync_error = 0, r = 0;

	if (t->borrowed)
		t->fd = -1;
	if (is_replacement(t))
		r = replace_or_overwrite(t, &at_path, &kept_fd);
	else if (is_file)
		/* Also in place: a file that was created there can only be removed while it is open. */
		r = collect_close_error(t);
	if (r == 0 && t->replace_error == 0)
		sync_error = sync_renamed(t);
	/*
	 * SMB's client closes a file up to 1 s later. Until then the lock of the hidden name (hidden.c) would be on the
	 * server, which lets nobody write to a file that is locked.
	 */
	if (r == 0 && is_replacement(t) && t->fs->remote && t->fd >= 0)
		ob__sys_unlock(t->fd);
	if (t->fd >= 0 && (r == 0 || !is_file)) {
		int close_error = close_early(t);

		/* All errors of a file were reported when the duplicate was closed. */
		r = is_file ? r : close_error;
	}
	if (r == 0) {
		t->created = 0;
		t->published = 1;
		/* The file is closed by now: it may be a program that somebody runs at once. */
		r = sync_directory(t);
		r = sync_error < 0 ? sync_error : r;
	}
	ob__background_close(kept_fd, &at_path);
	ob__target_abandon(t);
	return r;
}
