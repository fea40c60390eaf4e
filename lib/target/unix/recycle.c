/* SPDX-License-Identifier: MIT */
/*
 * Recycling: fast as writing over the old output, safe as writing a new one.
 *
 * Most of the cost of a new file is its pages: README.md has what is gained without them.
 * Linkers that write over the old output in place gain that, and give up the rest: a failed link
 * destroys the last good file and its hard links, a running program is overwritten, and where the old
 * pages are not in memory each is read from the disk first (3.79 s instead of 0.15 for 2 GiB, MaskRay 2026).
 *
 * So what is written over is not the output but its *spare*: the output before last, under the
 * hidden name that belongs to the path (hidden.c). At commit the two change places in one step
 * (renameat2(2), RENAME_EXCHANGE), and the old output is the next spare. Whatever happens in between,
 * the path has the old file, complete, and the spare is what it always was: of no value.
 *
 * It is used only if nobody can tell it from a new file, and nobody else has it:
 *   - regular, one name, ours, not locked by another writer (ob__hidden_open_locked());
 *   - group, extended attributes and mode (but for bits too many, which are taken away) as the new file's
 *     that was just created: which then also tells what the umask and the directory's default ACL make of a
 *     new file;
 *   - nobody has it open, mapped or running: the kernel would not give a lease;
 *   - most of it is in the page cache: else a new file is faster.
 * Everything else is a reason to start afresh, quietly; statistics tell which. All its bytes that no
 * View covers are zeroed (stale.c).
 *
 * Cost when there is no spare: two system calls. When there is: 12 more, and the new file that is
 * not needed.
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

/* Of the spare in the page cache: below this half of it comes from the disk. */
#define RESIDENT_PERCENT 75

static const char *why_not_held(int error)
{
	switch (error) {
	case -ENOENT:
		return "no spare yet";
	case -EBADF:
		return "the spare's name is not a regular file's";
	case -EPERM:
	case -EACCES:
		return "the spare is somebody else's";
	case -EMLINK:
		return "the spare has other names";
	case -EBUSY:
		return "the spare is being run or written";
	default:
		return "the spare cannot be opened";
	}
}

/* NULL, or what is wrong with it. */
static const char *compare(int fd, const struct stat *st, int fresh)
{
	struct stat new;
	uint64_t resident;
	int r;

	if (ob__sys_fstat(fresh, &new) < 0)
		return "the new file cannot be looked at";
	if (st->st_dev != new.st_dev)
		return "the spare is on another file system";
	if (st->st_gid != new.st_gid)
		return "the spare has another group";
	if (ob__sys_same_attributes(fd, fresh) != 1)
		return "the spare has other attributes";
	r = ob__sys_is_sole_user(fd);
	if (r < 0)
		return r == -EAGAIN ? "the spare is in use" : "the system does not say if the spare is in use";
	r = ob__sys_resident(fd, (uint64_t)st->st_size, &resident);
	if (r < 0)
		return "the system does not say if the spare is in memory";
	if (resident < (uint64_t)st->st_size / 100 * RESIDENT_PERCENT)
		return "the spare is not in memory";
	/* Somebody has taken rights away from it, and what it holds is still what they were taken for. */
	if (new.st_mode & ~st->st_mode & 0777)
		return "the spare had fewer permissions";
	if ((st->st_mode & 07777) != (new.st_mode & 07777) &&
	    ob__sys_fchmod(fd, new.st_mode & 07777) < 0)
		return "the spare's permissions cannot be set";
	return NULL;
}

static const char *take(struct target *t, const char *spare)
{
	struct stat st;
	const char *why;
	int fd = ob__hidden_open_locked(t->dirfd, spare, O_RDWR, &st);

	if (fd < 0)
		return why_not_held(fd);
	why = compare(fd, &st, t->fd);
	/* On the disk the path may still lead to it, if the run that left it did not wait for that. */
	if (why == NULL && t->syncfd >= 0 && ob__sys_fsync(t->syncfd) < 0)
		why = "the directory cannot be synced";
	if (why != NULL) {
		/* Ours and nobody's: make room for a better one. */
		ob__sys_unlinkat(t->dirfd, spare);
		ob__background_close(fd, &st);
		return why;
	}
	/* Or io_uring would have each write of it tried once more: "it would block". */
	ob__sys_set_blocking(fd);
	ob__sys_close(t->fd);
	t->fd = fd;
	t->size = t->old_length = (uint64_t)st.st_size;
	return NULL;
}

/* Nor will the next run: it needs no spare from this one, and no directory synced for it. */
static void never(struct target *t, const char *why)
{
	t->recycle_why = why;
	t->request.recycle = 0;
	if (t->syncfd >= 0 && t->request.durability != OUTBUF_DURABLE_FULL) {
		ob__sys_close(t->syncfd);
		t->syncfd = -1;
	}
}

void ob__recycle_try(struct target *t, const struct fspolicy *fs)
{
	char *spare;

	if (!fs->recycle)
		never(t, "not on this file system");
	else if (t->kind != TARGET_TMPFILE)
		never(t, "no nameless files");
	else if (ob__hidden_name(t->name, 0, &spare) < 0)
		t->recycle_why = "no memory";
	else {
		t->recycle_why = take(t, spare);
		if (t->recycle_why != NULL) {
			free(spare);
			return;
		}
		t->kind = TARGET_RECYCLED;
		t->hidden = spare;
		t->has_spare_name = 1;
	}
}
