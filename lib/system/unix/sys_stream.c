/* SPDX-License-Identifier: MIT */
/*
 * Writing to what is no file: write(2) that neither kills nor gives up.
 *
 * A reader that went away makes write(2) raise SIGPIPE, which kills a program that did not
 * expect it, and a library may not change what the process does with signals. But a SIGPIPE of
 * write(2) goes to the thread that wrote, so: block it in this thread, write, and if there was
 * EPIPE take the signal away again, unless it was pending before and is not ours. (MSG_NOSIGNAL
 * would do for sockets only.) So it is with SIGXFSZ, where a file is written up to `ulimit -f`.
 *
 * The descriptor may not block (a terminal that somebody's shell left so): wait in poll(2).
 */
#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "system/unix/sys_table.h"
#include "system/unix/sys_unix.h"

/* Several megabytes in one call to a pipe are no faster, and on Linux 2 GiB is the most. */
#define AT_ONCE ((size_t)1 << 20)

static int write_all(int fd, const unsigned char *from, size_t n)
{
	while (n > 0) {
		ssize_t did = ob__sys_table.write(fd, from, n < AT_ONCE ? n : AT_ONCE);

		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0 && errno == EAGAIN) { /* the same as EWOULDBLOCK on all we know */
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			if (ob__sys_table.poll(&wait, 1, -1) < 0 && errno != EINTR)
				return -errno;
			continue;
		}
		if (did < 0)
			return -errno;
		if (did == 0)
			return -EIO;
		from += did;
		n -= (size_t)did;
	}
	return 0;
}

int ob__sys_write_all(int fd, const void *data, size_t n)
{
	sigset_t ours, before, pending;
	int r;

	sigemptyset(&ours);
	sigaddset(&ours, SIGPIPE);
	sigaddset(&ours, SIGXFSZ);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &ours, &before);
	r = write_all(fd, data, n);
	if (r == -EPIPE && !sigismember(&pending, SIGPIPE))
		ob__sys_consume_signal(SIGPIPE);
	if (r == -EFBIG && !sigismember(&pending, SIGXFSZ))
		ob__sys_consume_signal(SIGXFSZ);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}
