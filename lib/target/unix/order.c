/* SPDX-License-Identifier: MIT */
/*
 * File systems that take the bytes of a file from the first to the last only.
 *
 * rclone without a cache, mountpoint-s3 and others send a file to a server while it is written, and refuse a write
 * that is not behind the last one. cp(1) works there. Threads that write at their offsets got EINVAL or EPERM in the
 * middle of their work, and after that the file is of no use: the server has given it up.
 *
 * So a file of our own is asked first: it gets a byte at offset 1. If that is refused, the output is written like a
 * pipe, in one piece at commit, and waits in memory until then. Cost: four calls for each output on FUSE, of which the
 * last one may wait for the server.
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

int ob__order_is_free(const struct target *t)
{
	char *probe;
	/* The last name that can be told: what a crash leaves is removed (hidden.c), and nothing leaves two. */
	int fd, r = ob__hidden_name(t->name, HIDDEN_KNOWN - 1, &probe);

	if (r < 0)
		return 1;
	fd = ob__sys_openat(t->dirfd, probe, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	r = fd < 0 ? 0 : ob__sys_pwrite_all(fd, "", 1, 1);
	if (fd >= 0) {
		ob__sys_close(fd);
		ob__sys_unlinkat(t->dirfd, probe);
	}
	free(probe);
	/* What else may be wrong will be found by writing. */
	return r != -EINVAL && r != -EPERM && r != -ESPIPE && r != -EOPNOTSUPP && r != -ENOSYS && r != -EACCES;
}

int ob__order_is_one_way(int error)
{
	return error == -EINVAL || error == -EOPNOTSUPP || error == -ENOSYS;
}
