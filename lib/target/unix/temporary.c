/* SPDX-License-Identifier: MIT */
/*
 * Hidden names that a signal or exit(3) would leave.
 *
 * Problem: where a file system has no nameless files (NFS, FUSE, vfat), an output has a hidden name while it is
 * written. If the process is interrupted, the file stays until the next run of the same path. Other linkers remove
 * theirs in a signal handler.
 *
 * Choice: the names are kept in a list that a signal handler may read: nothing in it is ever freed, and a place is used
 * again. The names that exist between linkat(2) and rename(2) alone are not in it: that is some microseconds.
 *
 * A forked child has the list, too. It must not remove its parent's files, so each place has the process's number.
 */
#include "config.h"

#include "target/unix/temporary.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "system/unix/sys_unix.h"
#include "target/hidden_name.h"

/* CHANGING: one thread uses the place alone, for a moment. */
enum state { FREE, CHANGING, NOTED };

struct temporary {
	_Atomic int state;       /* enum state; any thread */
	int dirfd;               /* this and the next two are written while the state is CHANGING */
	pid_t pid;               /* the process that has the file */
	char name[HIDDEN_NAME_MAX + 1];
	struct temporary *next;  /* constant once it is in the list */
};

static _Atomic(struct temporary *) list;

static int change(struct temporary *t, int from, int to)
{
	return atomic_compare_exchange_strong(&t->state, &from, to);
}

static struct temporary *take_free_place(void)
{
	struct temporary *t = atomic_load(&list);

	while (t != NULL && !change(t, FREE, CHANGING))
		t = t->next;
	if (t != NULL)
		return t;
	t = calloc(1, sizeof *t);
	if (t == NULL)
		return NULL;
	atomic_init(&t->state, CHANGING);
	t->next = atomic_load(&list);
	while (!atomic_compare_exchange_weak(&list, &t->next, t))
		continue;
	return t;
}

struct temporary *ob__temporary_note(int dirfd, const char *name)
{
	struct temporary *t = strlen(name) > HIDDEN_NAME_MAX ? NULL : take_free_place();

	if (t == NULL)
		return NULL;
	t->dirfd = dirfd;
	t->pid = getpid();
	strcpy(t->name, name);
	atomic_store(&t->state, NOTED);
	return t;
}

void ob__temporary_forget(struct temporary *t)
{
	/* Another thread's signal handler may be removing the file: that is one system call. */
	while (t != NULL && !change(t, NOTED, FREE))
		ob__sys_pause();
}

void ob__temporary_remove_all(void)
{
	int before = errno;
	pid_t pid = getpid();
	struct temporary *t;

	for (t = atomic_load(&list); t != NULL; t = t->next)
		if (change(t, NOTED, CHANGING)) {
			if (t->pid == pid)
				ob__sys_unlinkat(t->dirfd, t->name);
			atomic_store(&t->state, NOTED);
		}
	errno = before;
}
