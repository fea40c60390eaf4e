/* SPDX-License-Identifier: MIT */
/*
 * Whose is a name? Before a hidden name is renamed or removed, it must lead to our file, and not to that of another
 * writer. Device and inode number tell that.
 *
 * Problem: some file systems have no lasting inode numbers. rclone and some servers of FUSE give a file another number
 * at each look, or one by name and another by descriptor. There every name seemed to be somebody else's: outputs could
 * not be opened, left 16 files at each attempt, and waited for a lock for ever.
 *
 * Choice: only if the numbers differ, a file is created under a random name, which nobody else can know. If its numbers
 * differ, too, they are no evidence, and a name that exists is taken for ours. Cost: nothing where the numbers agree,
 * else six calls for an output.
 */
#include "config.h"

#include "target/unix/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "system/unix/sys_unix.h"
#include "target/hidden_name.h"

static int same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Do both show the same file? 1, 0, or a negative errno. */
static int compare(int dirfd, const char *name, int fd)
{
	struct stat open, named;
	int r = ob__sys_fstat(fd, &open);

	if (r == 0)
		r = ob__sys_fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW);
	return r < 0 ? r : same_file(&open, &named);
}

/*
 * Do inode numbers tell files apart in this directory? 1, 0, or a negative errno. 0 also if nothing can be created
 * there: then nobody can have replaced a file by another one either.
 */
static int numbers_tell(const struct target *t)
{
	char *probe;
	int fd, r = ob__hidden_name(t->name, HIDDEN_KNOWN, &probe);

	if (r < 0)
		return r;
	fd = ob__sys_openat(t->dirfd, probe, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	r = fd;
	if (fd >= 0) {
		/* Some give a file its number with its first byte. */
		ob__sys_pwrite_all(fd, "", 1, 0);
		r = compare(t->dirfd, probe, fd);
		ob__sys_close(fd);
		ob__sys_unlinkat(t->dirfd, probe);
	}
	free(probe);
	return r == -EACCES || r == -EPERM || r == -EROFS ? 0 : r;
}

int ob__evidence_is_ours(struct target *t, const char *name, int fd)
{
	int r = compare(t->dirfd, name, fd), tell;

	if (r != 0)
		return r;
	tell = t->no_inodes ? 0 : numbers_tell(t);
	if (tell < 0)
		return tell;
	t->no_inodes = !tell;
	return !tell;
}
