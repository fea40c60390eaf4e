/* SPDX-License-Identifier: MIT */
/*
 * The backend that uses pwrite(2), on several threads.
 *
 * Each system call writes one block, and the threads share the blocks. Writers of one file exclude each other by the
 * lock of its inode. Where that was measured the table of file systems therefore allows one thread (fspolicy.c).
 *
 * A block is 1 MiB. Then the cost of the call itself (2 us) does not matter beside the copy (80 us into cached pages,
 * 215 us and more into new ones; ext4, Linux 6.18), and a flush of a few megabytes still has several blocks for the
 * threads.
 */
#include "config.h"

#include "flush/flush.h"

#include <errno.h>
#include <stdatomic.h>

#include "system/sys.h"

#define BLOCK ((uint64_t)1 << 20)

/* One call of `write`. Constant while its threads run, except `error`. */
struct pwrite_run {
	const struct flush *flush;
	const unsigned char *data; /* the bytes for `offset` */
	uint64_t offset, end;      /* the range of the file */
	_Atomic int error;         /* the first error, a negative errno, or 0; set once, by any of the threads */
};

/*
 * Write the i-th block. Blocks end at multiples of their size in the file, not in memory, so that no two threads
 * write to the same page of the page cache.
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
	/* What cannot be written at any offset is `sequential_only`. */
	return f->fd < 0 ? -ENOTSUP : 0;
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
