/* SPDX-License-Identifier: MIT */
/*
 * Freeing old outputs in the background.
 *
 * Problem: removing or replacing the last name of a file frees its blocks and cached pages before the call returns.
 * For 16, 256 and 1,024 MiB this takes 0.4, 8 and 30 ms on ext4, and 0.6, 11 and 60 ms on tmpfs (Linux 6.18). The
 * user of a linker waits for that at each link.
 *
 * Choice: as long as a descriptor of the file is open, nothing is freed. So the file is opened before its name is
 * removed, and a thread that nobody waits for closes the descriptor (sys_background.c). That takes 0.1 ms. The file is
 * opened by O_PATH: this needs no permission, does not make the kernel refuse a lease, and does not keep a program from
 * being run.
 *
 * Cost: if the process ends meanwhile, it waits for the rest. Only a second process could avoid that wait.
 */
#include "config.h"

#include "target/unix/background.h"

#include <fcntl.h>
#include <stdint.h>

#include "system/unix/sys_unix.h"

/* For fewer bytes of disk space, starting the thread costs as much as it saves. */
#define MIN_BACKGROUND_BYTES ((uint64_t)16 << 20)

#ifndef O_PATH
#define O_PATH O_RDONLY
#endif

static int is_large(const struct stat *st)
{
	return S_ISREG(st->st_mode) && (uint64_t)st->st_blocks * 512 >= MIN_BACKGROUND_BYTES;
}

void ob__background_close(int fd, const struct stat *st)
{
	if (fd < 0)
		return;
	if (!is_large(st) || ob__sys_close_later(fd) < 0)
		ob__sys_close(fd);
}

int ob__background_keep_open(int dirfd, const char *name, int small, const struct stat *st)
{
	if (st->st_mode == 0 || (!is_large(st) && !small) || st->st_nlink != 1)
		return -1;
	return ob__sys_openat(dirfd, name, O_PATH | O_NOFOLLOW, 0);
}
