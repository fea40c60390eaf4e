/* SPDX-License-Identifier: MIT */
/*
 * LLVM's FileOutputBuffer, through llvm_buffer.cc, a shared object that bench/llvm-buffer builds where
 * LLVM's headers are. Loaded at run time, so that bench_emit needs no C++ compiler and its other
 * ways can be measured without it, and still in the same process and interleaved with them.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "measure.h"

typedef void *llvm_create(const char *path, size_t size, unsigned char **base);
typedef int llvm_commit(void *buffer);

/* dlsym() returns an object pointer, which ISO C does not convert to a function's. */
static int find(void *library, const char *name, void *function)
{
	void *p = dlsym(library, name);

	memcpy(function, &p, sizeof p);
	return p != NULL;
}

static int file_output_buffer(const struct way *way, unsigned threads)
{
	static void *library;
	static llvm_create *create;
	static llvm_commit *commit;
	struct emission e = { .task = task_memcpy };
	void *buffer;

	(void)way;
	if (library == NULL) {
		const char *name = getenv("BENCH_LLVM_BUFFER");

		if (name == NULL)
			return refuse("$BENCH_LLVM_BUFFER", -ENOENT);
		library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
		if (library == NULL || !find(library, "bench_llvm_create", &create) ||
		    !find(library, "bench_llvm_commit", &commit))
			die(dlerror(), ELIBBAD);
	}
	buffer = create(path, job.size, &e.base);
	if (buffer == NULL)
		return refuse("FileOutputBuffer::create", -EIO);
	emit(&e, threads);
	if (commit(buffer) != 0)
		die("FileOutputBuffer::commit", EIO);
	return 0;
}

const struct way ways_llvm[] = {
	{ HAND, "LLVM's FileOutputBuffer", file_output_buffer, 0, 0, 0, 0, 0, 0, BOTH, 0 },
};

const size_t ways_llvm_count = 1;
