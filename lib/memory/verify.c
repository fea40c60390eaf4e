/* SPDX-License-Identifier: MIT */
/*
 * Some file systems lose what is stored into a mapping, and report no error. On VirtualBox shared folders every call
 * succeeds and the file has the right length, but it contains zeros (VirtualBox#860). The user notices it by "exec
 * format error", when he runs the program.
 *
 * So on file systems about which nothing is known (fspolicy.verify) a mapping is tried before it is used
 * (ob__space_trial()). A trial with one page proves little, so the first and the last 4 KiB are compared after
 * unmapping as well. Cost: two calls of pread(2), 2 us.
 *
 * st_blocks cannot tell whether the data arrived: ZFS counts one block until it has written the data
 * (golang/go#42005).
 */
#include "config.h"

#include "memory/verify.h"

#include <errno.h>
#include <string.h>

#include "system/sys.h"

static void record_sample(struct sample *s, const unsigned char *base, uint64_t offset, uint64_t n)
{
	s->offset = offset;
	s->length = (size_t)(n < sizeof s->bytes ? n : sizeof s->bytes);
	memcpy(s->bytes, base + offset, s->length);
}

void ob__verify_record(struct samples *s, const unsigned char *base, uint64_t n)
{
	uint64_t last = n > sizeof s->last.bytes ? n - sizeof s->last.bytes : 0;

	record_sample(&s->first, base, 0, n);
	record_sample(&s->last, base, last, n - last);
}

static int check_sample(const struct sample *s, int fd)
{
	unsigned char seen[sizeof s->bytes];
	int r = ob__sys_pread_all(fd, seen, s->length, s->offset);

	return r == 0 && memcmp(seen, s->bytes, s->length) != 0 ? -EIO : r;
}

int ob__verify_check(const struct samples *s, int fd)
{
	int r = check_sample(&s->first, fd);

	return r == 0 ? check_sample(&s->last, fd) : r;
}
