/* SPDX-License-Identifier: MIT */
/*
 * Recycling: as fast as writing over the old output, as safe as writing a new file.
 *
 * Problem: most of the cost of a new file is its pages; README.md says how much is gained without them. Linkers that
 * write over the old output in place gain that too, but they lose the rest. A failed link destroys the last good file
 * and its hard links, and a running program is overwritten. Where the old pages are not in memory, each is read from
 * the disk first (3.79 s instead of 0.15 for 2 GiB, MaskRay 2026).
 *
 * Choice: not the output is written over but its *spare*. The spare is the output before last, under the hidden name
 * that belongs to the path (hidden.c). Commit exchanges the two names in one step (renameat2(2), RENAME_EXCHANGE),
 * and the old output becomes the next spare. Whatever happens in between, the old file is at the path, complete. Only
 * the spare is damaged, and nobody needs its content.
 *
 * The spare is used only if it is just like a new file, and if no other process uses it:
 *   - It is a regular file of ours with one name, and no other writer has locked it (ob__hidden_open_locked()).
 *   - It has the group and the extended attributes of the new file, which was just created. It has at least the
 *     permissions of the new file; those that it has besides are removed. (So the new file also tells what the umask
 *     and the directory's default ACL make of a new file.)
 *   - No other process has it open, mapped or running: otherwise the kernel would not grant a lease.
 *   - Most of it is in the page cache: otherwise a new file is faster.
 * In all other cases the new file is used, without an error; statistics tell the reason. The bytes of the spare that
 * no View stored are zeroed (unwritten.c).
 *
 * Cost when there is no spare: two system calls. When there is one: 13 more, one that looks for leftovers (hidden.c),
 * and the new file that is not needed.
 */
#include "config.h"

#include "target/unix/recycle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "system/unix/sys_unix.h"
#include "target/hidden_name.h"
#include "target/unix/background.h"
#include "target/unix/hidden.h"
#include "outbuf.h"

/*
 * At least so much of the spare must be in the page cache. If less is, more than a quarter of it would have to be
 * read from the disk, and a new file is faster.
 */
#define MIN_RESIDENT_PERCENT 75

/* The reason for statistics: why ob__hidden_open_locked() failed. */
static const char *reason_not_opened(int error)
{
	switch (error) {
	case -ENOENT:
		return "no spare yet";
	case -EBADF:
		return "the spare's name is not a regular file's";
	case -EPERM:
		return "the spare is somebody else's";
	case -EACCES:
		return "the spare may not be opened for writing";
	case -EMLINK:
		return "the spare has other names";
	case -EBUSY:
		return "the spare is being run or written";
	default:
		return "the spare cannot be opened";
	}
}

/*
 * May the spare, `fd`, be used instead of the new file, `new_fd`? NULL, or the reason why not. If the spare has more
 * permissions than the new file, they are removed.
 */
static const char *reason_not_usable(int fd, const struct stat *st, int new_fd)
{
	struct stat new_st;
	uint64_t resident;
	int r;

	if (ob__sys_fstat(new_fd, &new_st) < 0)
		return "the new file cannot be looked at";
	if (st->st_dev != new_st.st_dev)
		return "the spare is on another file system";
	if (st->st_gid != new_st.st_gid)
		return "the spare has another group";
	if (ob__sys_same_attributes(fd, new_fd) != 1)
		return "the spare has other attributes";
	r = ob__sys_is_sole_user(fd);
	if (r < 0)
		return r == -EAGAIN ? "the spare is in use" : "the system does not say if the spare is in use";
	r = ob__sys_resident(fd, (uint64_t)st->st_size, &resident);
	if (r < 0)
		return "the system does not say if the spare is in memory";
	if (resident < (uint64_t)st->st_size / 100 * MIN_RESIDENT_PERCENT)
		return "the spare is not in memory";
	/* Somebody has taken permissions away from this file. Its old content must not become readable again. */
	if (new_st.st_mode & ~st->st_mode & 0777)
		return "the spare had fewer permissions";
	if ((st->st_mode & 07777) != (new_st.st_mode & 07777) &&
	    ob__sys_fchmod(fd, new_st.st_mode & 07777) < 0)
		return "the spare's permissions cannot be set";
	return NULL;
}

/*
 * Replace the new file that *t has by the spare, if that can be used. NULL, or the reason why not: *t is as before.
 */
static const char *use_spare(struct target *t, const char *spare)
{
	struct stat st;
	const char *why;
	int fd = ob__hidden_open_locked(t, spare, O_RDWR, &st);

	if (fd < 0)
		return reason_not_opened(fd);
	why = reason_not_usable(fd, &st, t->fd);
	/*
	 * If the run that left the spare did not sync the directory, the path may still lead to the spare on the
	 * disk. So sync the directory before the spare is written over.
	 */
	if (why == NULL && t->syncs_directory && ob__sys_fsync(t->dirfd) < 0)
		why = "the directory cannot be synced";
	if (why != NULL) {
		/*
		 * The spare is ours, and its content is of no use. Remove it, so that a better one can take its name.
		 */
		ob__sys_unlinkat(t->dirfd, spare);
		ob__background_close(fd, &st);
		return why;
	}
	/* It was opened by O_NONBLOCK. With that, io_uring would try each write twice, as the first "would block". */
	ob__sys_set_blocking(fd);
	ob__sys_close(t->fd);
	t->fd = fd;
	t->size = t->old_length = (uint64_t)st.st_size;
	return NULL;
}

/*
 * Recycling is impossible for good, also for the next run. So this run leaves no spare, and the directory need not be
 * synced for one.
 */
static void turn_recycling_off(struct target *t, const char *why)
{
	t->recycle_why = why;
	t->request.recycle = 0;
	if (t->request.durability != OUTBUF_DURABLE_FULL)
		t->syncs_directory = 0;
}

void ob__recycle_try(struct target *t, const struct fspolicy *fs)
{
	char *spare;

	if (!fs->recycle)
		turn_recycling_off(t, "not on this file system");
	else if (t->kind != TARGET_TMPFILE)
		turn_recycling_off(t, "no nameless files");
	else if (ob__hidden_name(t->name, 0, &spare) < 0)
		t->recycle_why = "no memory";
	else {
		t->recycle_why = use_spare(t, spare);
		if (t->recycle_why != NULL) {
			free(spare);
			return;
		}
		t->kind = TARGET_RECYCLED;
		t->hidden = spare;
		t->has_spare_name = 1;
		ob__hidden_remove_others(t, 0, 0);
	}
}
