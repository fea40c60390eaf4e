/* SPDX-License-Identifier: MIT */
/*
 * Parallel pwrite(2).
 *
 * A block per system call, blocks taken by several threads. Writers to one file share its
 * inode lock on ext4 and btrfs, so threads overlap only in the part around the copy; what
 * they buy is measured in bench/. 1 MiB: the call's own cost (2 us) is lost in the copy (80 us
 * into cached pages, 215 us and more into new ones; ext4, Linux 6.18), and threads have something
 * to share in a flush of a few megabytes.
 */
#include "config.h"

#include "flush.h"

#include <stdatomic.h>

#include "sys.h"

#define BLOCK ((uint64_t)1 << 20)

struct pwrite_run {
	const struct flush_job *job;
	_Atomic int error; /* the first one; any thread */
};

/*
 * Blocks end at multiples of their size in the file, not in the memory: no two threads then
 * meet in one page of the page cache.
 */
static void write_block(void *arg, size_t i)
{
	struct pwrite_run *run = arg;
	const struct flush_job *job = run->job;
	uint64_t first = job->offset / BLOCK * BLOCK;
	uint64_t from = first + i * BLOCK;
	uint64_t to = from + BLOCK;
	uint64_t end = job->offset + job->length;
	int r, none = 0;

	if (atomic_load_explicit(&run->error, memory_order_relaxed) != 0)
		return;
	from = from < job->offset ? job->offset : from;
	to = to > end ? end : to;
	r = sys_pwrite_all(job->fd, job->data + (from - job->offset), (size_t)(to - from), from);
	if (r < 0)
		atomic_compare_exchange_strong(&run->error, &none, r);
}

static int pwrite_write(const struct flush_job *job)
{
	struct pwrite_run run = { .job = job };
	uint64_t first = job->offset / BLOCK;
	uint64_t end = (job->offset + job->length + BLOCK - 1) / BLOCK;
	int r;

	if (job->length == 0)
		return 0;
	r = parallel_run(job->parallel, (size_t)(end - first), write_block, &run);
	return r < 0 ? r : atomic_load(&run.error);
}

const struct flush_backend flush_pwrite = {
	.name = "pwrite",
	.write = pwrite_write,
};
