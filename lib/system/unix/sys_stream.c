/* SPDX-License-Identifier: MIT */
/*
 * Writing to a pipe, terminal or device, without being killed by a signal.
 *
 * Problem: if the reader of a pipe has closed it, write(2) raises SIGPIPE. That kills a program that does not expect
 * it, and a library may not change how the process handles signals. MSG_NOSIGNAL would help for sockets only.
 *
 * Choice: the SIGPIPE of write(2) goes to the thread that wrote. So this thread blocks the signal, writes, and after
 * EPIPE takes it (sys_signal.c). The program's own SIGPIPE stays. SIGXFSZ is handled in the same way; it is raised when
 * a file is written that reaches `ulimit -f`.
 *
 * The descriptor may be non-blocking, for example a terminal that somebody's shell left so. Then poll(2) waits.
 */
#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "system/unix/sys_table.h"
#include "system/unix/sys_unix.h"

/* More bytes in one call to a pipe are not faster, and Linux writes 2 GiB at most in one call. */
#define BYTES_PER_CALL ((size_t)1 << 20)

static int write_all(int fd, const unsigned char *from, size_t n)
{
	int waited = 0;

	while (n > 0) {
		ssize_t written = ob__sys_table.write(fd, from, n < BYTES_PER_CALL ? n : BYTES_PER_CALL);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN) { /* EWOULDBLOCK is the same number on all systems we know */
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			if (ob__sys_table.poll(&wait, 1, -1) < 0 && errno != EINTR)
				return -errno;
			continue;
		}
		if (written < 0) {
			int r = -errno;

			if (waited || !ob__sys_wait_for_room(r))
				return r;
			waited = 1;
			continue;
		}
		if (written == 0)
			return -EIO;
		from += written;
		n -= (size_t)written;
	}
	return 0;
}

int ob__sys_write_all(int fd, const void *data, size_t n)
{
	struct sys_signals signals;
	int r;

	ob__sys_signals_hold(&signals, SIGPIPE, SIGXFSZ);
	r = write_all(fd, data, n);
	if (r == -EPIPE)
		ob__sys_signals_take(&signals, SIGPIPE, -1);
	if (r == -EFBIG)
		ob__sys_signals_take(&signals, SIGXFSZ, -1);
	ob__sys_signals_restore(&signals);
	return r;
}
