/* SPDX-License-Identifier: MIT */
/*
 * The directory of an output is open until the output is closed. A program that has many outputs open at once, most of
 * them in one directory, would use up its descriptors by that: 20,000 of them were 10,000 outputs.
 *
 * Choice: outputs of one directory share its descriptor. Device, inode and mount tell that it is one directory: through
 * another mount the same directory may be read-only. The number of the mount is one that no other mount ever has, so
 * nothing is shared before Linux 6.8. Nothing is shared on file systems of servers, where an inode number may mean
 * another directory by now. What is open for fsync(2) is not shared either: an error of the disk is reported once for
 * an open file, and each output must get it.
 *
 * A place of the table is waited for a limited number of times: a forked child may wait for a thread that it does not
 * have. Cost: nothing for the first output of a directory, fstat(2) and close(2) for each further one: the program may
 * have closed a descriptor that is not its own.
 */
#include "config.h"

#include "target/unix/directory.h"

#include <stdatomic.h>

#include "system/unix/sys_unix.h"
#include "target/target.h"

struct shared_directory {
	_Atomic int locked; /* 1: a thread uses the members below, which takes it some nanoseconds */
	unsigned users;     /* outputs that use `fd`; 0: the place is free */
	int fd;
	dev_t dev;
	ino_t ino;
	uint64_t mount;
};

/* Directories that fall on the same place are not shared, but for the first one. */
enum { PLACES = 64, LOCK_TRIES = 20 };
static struct shared_directory places[PLACES];

static int try_lock(struct shared_directory *d)
{
	int tries = 0;

	while (atomic_exchange_explicit(&d->locked, 1, memory_order_acquire)) {
		if (++tries == LOCK_TRIES)
			return 0;
		ob__sys_pause();
	}
	return 1;
}

static void unlock(struct shared_directory *d)
{
	atomic_store_explicit(&d->locked, 0, memory_order_release);
}

/* One user more. The descriptor; `fd`, if the place was free; -1 if the place is another directory's. */
static int join(struct shared_directory *d, const struct stat *dir, uint64_t mount, int fd)
{
	int r = -1;

	if (!try_lock(d))
		return -1;
	if (d->users == 0) {
		d->fd = fd;
		d->dev = dir->st_dev;
		d->ino = dir->st_ino;
		d->mount = mount;
	}
	if (d->dev == dir->st_dev && d->ino == dir->st_ino && d->mount == mount) {
		d->users++;
		r = d->fd;
	}
	unlock(d);
	return r;
}

/* One user less. 1 if it was the last one. */
static int leave(struct shared_directory *d)
{
	int last;

	/* Who has joined could lock it, so no thread of a parent's holds it. */
	while (!try_lock(d))
		continue;
	last = --d->users == 0;
	unlock(d);
	return last;
}

static int leads_to(int fd, const struct stat *dir)
{
	struct stat now;

	return ob__sys_fstat(fd, &now) == 0 && now.st_dev == dir->st_dev && now.st_ino == dir->st_ino;
}

void ob__directory_share(struct target *t, const struct stat *dir, uint64_t mount)
{
	struct shared_directory *d = &places[(dir->st_ino ^ mount) % PLACES];
	int fd = mount == 0 || t->fs->remote || t->fs->magic == 0 ? -1 : join(d, dir, mount, t->dirfd);

	if (fd < 0)
		return;
	if (fd != t->dirfd) {
		if (!leads_to(fd, dir)) {
			leave(d);
			return;
		}
		ob__sys_close(t->dirfd);
		t->dirfd = fd;
	}
	t->shared_directory = d;
}

void ob__directory_close(struct target *t)
{
	if (t->shared_directory == NULL || leave(t->shared_directory))
		ob__target_close_fd(&t->dirfd);
	t->dirfd = -1;
	t->shared_directory = NULL;
}
