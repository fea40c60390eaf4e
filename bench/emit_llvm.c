/* SPDX-License-Identifier: MIT */
/*
 * The way that uses LLVM's FileOutputBuffer.
 *
 * FileOutputBuffer is called through llvm_buffer.cc, a shared object that bench/llvm-buffer builds where LLVM's
 * headers are installed. It is loaded at run time, from the path in $BENCH_LLVM_BUFFER. So bench_emit needs no C++
 * compiler, and its other ways can be measured without LLVM, but this one still runs in the same process, interleaved
 * with them.
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

/*
 * Set *function, a pointer to a function, to the address of a symbol. 0: there is no such symbol. memcpy(), because
 * dlsym() returns a pointer to an object, which ISO C does not convert to one to a function.
 */
static int look_up(void *library, const char *name, void *function)
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
		if (library == NULL || !look_up(library, "bench_llvm_create", &create) ||
		    !look_up(library, "bench_llvm_commit", &commit))
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
