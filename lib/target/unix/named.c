/* SPDX-License-Identifier: MIT */
/*
 * Hidden names for temporary files.
 *
 * Problem: a file without a name (O_TMPFILE) gets one by link(2). Android's SELinux rules, and sandboxes that use
 * seccomp(2), forbid link(2) and allow all the rest. So outputs were opened and written, and each commit failed.
 *
 * Choice: link(2) is tried when the first output of the process is opened, to a name that always exists. If it is
 * forbidden, the file has a hidden name from the start. A rule that looks at more than the call's number cannot be
 * found out like that. If commit meets one, it copies the bytes into a file with a hidden name, and the outputs that
 * this process opens later have one from the start.
 */
#include "config.h"

#include "target/unix/named.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

#include "system/unix/sys_unix.h"
#include "target/hidden_name.h"
#include "target/unix/hidden.h"
#include "target/unix/order.h"
#include "target/unix/temporary.h"

_Atomic int ob__named_links;

/* Make the hidden name for this try. The one of the previous try is freed. 0 or a negative errno. */
static int make_next_name(struct target *t, int try)
{
	ob__hidden_forget(t);
	t->has_spare_name = try == 0;
	return ob__hidden_name(t->name, try, &t->hidden);
}

/* Create the file with the hidden name. 0 or a negative errno. */
static int create(struct target *t)
{
	int flags = O_CREAT | O_EXCL | O_NOFOLLOW;

	t->fd = ob__sys_openat(t->dirfd, t->hidden, flags | (t->in_order ? O_WRONLY : O_RDWR), t->request.mode & 0777);
	if (ob__order_is_one_way(t->fd) && !t->in_order) {
		t->in_order = 1;
		/* A server may have created it, and then refused to open it. */
		ob__sys_unlinkat(t->dirfd, t->hidden);
		t->fd = ob__sys_openat(t->dirfd, t->hidden, flags | O_WRONLY, t->request.mode & 0777);
	}
	return t->fd < 0 ? t->fd : 0;
}

static int link_file(struct target *t)
{
	return ob__sys_link_fd(t->fd, t->dirfd, t->hidden);
}

/*
 * Find a hidden name that is free, and let `make` make it. If the name is taken by a leftover, that is removed. 0 or a
 * negative errno; t->hidden is empty then.
 */
static int take_name(struct target *t, int (*make)(struct target *t))
{
	int try, cleaned = 0, r = -EEXIST;

	for (try = 0; try < HIDDEN_TRIES && r == -EEXIST; try++) {
		r = make_next_name(t, try);
		if (r == 0)
			r = make(t);
		if (r == -EEXIST && try < HIDDEN_KNOWN && ob__hidden_remove_leftover(t, t->hidden) == 0) {
			cleaned = 1;
			r = make(t);
		}
		if (r == 0 && make == create) {
			r = ob__hidden_lock_created(t);
			/* Another process has removed it. */
			if (r == -EEXIST)
				ob__target_close_fd(&t->fd);
		}
		if (r == 0)
			ob__hidden_remove_others(t, try, cleaned);
	}
	/* A file that is open has its name. ob__target_abandon() removes it. */
	if (r < 0 && (make == link_file || t->fd < 0))
		ob__hidden_forget(t);
	return r;
}

int ob__named_create(struct target *t)
{
	int r = take_name(t, create);

	if (r == 0)
		t->noted = ob__temporary_note(t->dirfd, t->hidden);
	return r;
}

/* Does the error say that files can get no further names here? */
static int is_refusal(int error)
{
	return error == -EPERM || error == -EACCES || error == -ENOSYS || error == -EOPNOTSUPP || error == -EINVAL ||
	       error == -ENOENT;
}

/* Replace the file without a name by one that has a name and the same bytes. 0 or a negative errno. */
static int copy_to_named(struct target *t)
{
	int nameless = t->fd, r;
	struct stat st;

	t->fd = -1;
	r = ob__named_create(t);
	if (r == 0)
		r = ob__sys_fstat(nameless, &st);
	if (r == 0)
		r = ob__sys_copy(nameless, t->fd, (uint64_t)st.st_size);
	/* ob__target_finish() may have set the bits that grant rights. */
	if (r == 0 && (st.st_mode & 07000))
		r = ob__sys_add_special_bits(t->fd, st.st_mode & 07000);
	ob__sys_close(nameless);
	if (r == 0) {
		t->kind = TARGET_NAMED;
		/* It is a rule, and not the directory, which would have refused the new file, too. */
		atomic_store(&ob__named_links, -1);
	}
	return r;
}

int ob__named_link(struct target *t, int lasting)
{
	int r;

	/* The hidden name would stay. */
	if (t->fixed_directory)
		return -EPERM;
	/*
	 * With a hidden name other processes can find the file, so it is locked first. No other process can hold a
	 * lock on it: nobody else can have opened the file yet.
	 */
	ob__sys_lock(t->fd, 0);
	r = take_name(t, link_file);
	if (r == 0 && lasting)
		t->noted = ob__temporary_note(t->dirfd, t->hidden);
	return is_refusal(r) ? copy_to_named(t) : r;
}

int ob__named_link_to_path(const struct target *t)
{
	int r = ob__sys_link_fd(t->fd, t->dirfd, t->name);

	return r == -EEXIST || is_refusal(r) ? 1 : r;
}

int ob__named_can_link(int fd)
{
	int r, known = atomic_load(&ob__named_links);

	if (known != 0)
		return known > 0 ? 0 : -EOPNOTSUPP;
	r = ob__sys_link_fd_works(fd);
	/* What is not known to be for good is asked again. */
	if (r == 0 || is_refusal(r))
		atomic_store(&ob__named_links, r == 0 ? 1 : -1);
	return r;
}
