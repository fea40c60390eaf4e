/* SPDX-License-Identifier: MIT */
/*
 * Parallel pwrite(2).
 *
 * A block per system call, blocks taken by several threads. Writers to one file take turns at its
 * inode's lock, so where that was measured the file system's table asks for one (fspolicy.c). 1 MiB:
 * the call's own cost (2 us) is lost in the copy (80 us into cached pages, 215 us and more into new
 * ones; ext4, Linux 6.18), and threads have something to share in a flush of a few megabytes.
 */
#include "config.h"

#include "flush/flush.h"

#include <errno.h>
#include <stdatomic.h>

#include "system/sys.h"

#define BLOCK ((uint64_t)1 << 20)

struct pwrite_run {
	const struct flush *flush;
	const unsigned char *data;
	uint64_t offset, end;
	_Atomic int error; /* the first one; any thread */
};

/*
 * Blocks end at multiples of their size in the file, not in the memory: no two threads then
 * meet in one page of the page cache.
 */
static void write_block(void *arg, size_t i)
{
	struct pwrite_run *run = arg;
	uint64_t from = run->offset / BLOCK * BLOCK + i * BLOCK;
	uint64_t to = from + BLOCK;
	int r, none = 0;

	if (atomic_load_explicit(&run->error, memory_order_relaxed) != 0)
		return;
	from = from < run->offset ? run->offset : from;
	to = to > run->end ? run->end : to;
	r = ob__sys_pwrite_all(run->flush->fd, run->data + (from - run->offset), (size_t)(to - from), from);
	if (r < 0)
		atomic_compare_exchange_strong(&run->error, &none, r);
}

static int pwrite_open(struct flush *f)
{
	int seekable = ob__sys_is_seekable(f->fd);

	return seekable > 0 ? 0 : seekable == 0 ? -ENOTSUP : seekable;
}

static int pwrite_write(struct flush *f, const void *data, uint64_t offset, uint64_t n)
{
	struct pwrite_run run = { .flush = f, .data = data, .offset = offset, .end = offset + n };
	uint64_t blocks = (run.end + BLOCK - 1) / BLOCK - offset / BLOCK;
	int r = ob__parallel_run(f->parallel, (size_t)blocks, write_block, &run);

	return r < 0 ? r : atomic_load(&run.error);
}

static int pwrite_put(struct flush *f, const void *data, uint64_t offset, size_t n)
{
	return ob__sys_pwrite_all(f->fd, data, n, offset);
}

const struct flush_backend ob__flush_pwrite = {
	.name = "pwrite",
	.open = pwrite_open,
	.write = pwrite_write,
	.put = pwrite_put,
};
