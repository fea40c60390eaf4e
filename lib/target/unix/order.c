/* SPDX-License-Identifier: MIT */
/*
 * File systems that take the bytes of a file from the first to the last only.
 *
 * rclone without a cache, mountpoint-s3 and others send a file to a server while it is written, and refuse a write
 * that is not behind the last one. cp(1) works there. Threads that write at their offsets got EINVAL or EPERM in the
 * middle of their work, and after that the file is of no use: the server has given it up.
 *
 * So the file is asked first, while it is empty and ours alone: it gets a byte at offset 1, and is cut again. If the
 * byte is refused, the output is written like a pipe, in one piece at commit, and waits in memory until then. Cost: two
 * calls for each output on FUSE. A file that cannot be cut, or that the server has given up, is replaced by a new one.
 * An output that is written in place asks another file, which is removed.
 *
 * Some of these servers open a file for writing alone. Such a file is written in the same way, as nothing can be mapped
 * or read.
 */
#include "config.h"

#include "target/unix/order.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "system/unix/sys_unix.h"
#include "target/hidden_name.h"

/* A write that is not behind the last one ended by `error`: was it refused for that? */
static int is_refused(int error)
{
	/* What else may be wrong will be found by writing. */
	return error == -EINVAL || error == -EPERM || error == -ESPIPE || error == -EOPNOTSUPP || error == -ENOSYS ||
	       error == -EACCES;
}

/* Ask a file that is made for it. 0 or the errno of the write. */
static int ask_another(const struct target *t)
{
	char *probe;
	/* The last name that can be told: what a crash leaves is removed (hidden.c), and nothing leaves two. */
	int fd, r = ob__hidden_name(t->name, HIDDEN_KNOWN - 1, &probe);

	if (r < 0)
		return 0;
	fd = ob__sys_openat(t->dirfd, probe, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	r = fd < 0 ? 0 : ob__sys_pwrite_all(fd, "", 1, 1);
	if (fd >= 0) {
		ob__sys_close(fd);
		ob__sys_unlinkat(t->dirfd, probe);
	}
	free(probe);
	return r;
}

int ob__order_is_free(const struct target *t, int *spoiled)
{
	int r;

	*spoiled = 0;
	if (t->kind != TARGET_NAMED && t->kind != TARGET_TMPFILE)
		return !is_refused(ask_another(t));
	r = ob__sys_pwrite_all(t->fd, "", 1, 1);
	*spoiled = r < 0 || ob__sys_ftruncate(t->fd, 0) < 0;
	return !is_refused(r);
}

int ob__order_is_one_way(int error)
{
	return error == -EINVAL || error == -EOPNOTSUPP || error == -ENOSYS;
}
