/* SPDX-License-Identifier: MIT */
/* The way that uses LLVM's FileOutputBuffer. */
#include "config.h"

#include <errno.h>

#include "emit.h"
#include "llvm_load.h"
#include "measure.h"

static int file_output_buffer(const struct way *way, unsigned threads)
{
	const struct llvm_functions *llvm = llvm_load();
	struct emission e = { .task = task_memcpy };
	void *buffer;

	(void)way;
	if (llvm == NULL)
		return refuse("$BENCH_LLVM_BUFFER", -ENOENT);
	buffer = llvm->create(path, job.size, &e.base);
	if (buffer == NULL)
		return refuse("FileOutputBuffer::create", -EIO);
	emit(&e, threads);
	if (llvm->commit(buffer) != 0)
		die("FileOutputBuffer::commit", EIO);
	return 0;
}

const struct way ways_llvm[] = {
	{ HAND, "LLVM's FileOutputBuffer", file_output_buffer, 0, 0, 0, 0, 0, 0, BOTH, 0 },
};

const size_t ways_llvm_count = 1;
