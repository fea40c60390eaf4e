/* SPDX-License-Identifier: MIT */
/*
 * Trust, but read back.
 *
 * On VirtualBox shared folders every call succeeds, the file has the right length, and holds zeros
 * (VirtualBox#860). Whoever gets such a file as a program learns of it by "exec format error". On
 * file systems that nobody has measured a mapping is tried before it is used (ob__space_trial()) and, as
 * a trial of one page proves little, the first and the last 4 KiB are compared after unmapping.
 * Two calls of pread(2), 2 us.
 *
 * Not by st_blocks: ZFS counts one block until it has written (golang/go#42005).
 */
#include "config.h"

#include "memory/verify.h"

#include <errno.h>
#include <string.h>

#include "system/sys.h"

static void take(struct sample *s, const unsigned char *base, uint64_t offset, uint64_t n)
{
	s->offset = offset;
	s->length = (size_t)(n < sizeof s->bytes ? n : sizeof s->bytes);
	memcpy(s->bytes, base + offset, s->length);
}

void ob__samples_record(struct samples *s, const unsigned char *base, uint64_t n)
{
	uint64_t last = n > sizeof s->last.bytes ? n - sizeof s->last.bytes : 0;

	take(&s->first, base, 0, n);
	take(&s->last, base, last, n - last);
}

static int check(const struct sample *s, int fd)
{
	unsigned char seen[sizeof s->bytes];
	int r = ob__sys_pread_all(fd, seen, s->length, s->offset);

	return r == 0 && memcmp(seen, s->bytes, s->length) != 0 ? -EIO : r;
}

int ob__samples_check(const struct samples *s, int fd)
{
	int r = check(&s->first, fd);

	return r == 0 ? check(&s->last, fd) : r;
}
