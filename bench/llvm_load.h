/* SPDX-License-Identifier: MIT */
/*
 * Loads llvm_buffer.cc, through which the benchmarks use LLVM's FileOutputBuffer: a shared object that
 * bench/llvm-buffer builds where LLVM's headers are installed. It is loaded at run time, from the path in
 * $BENCH_LLVM_BUFFER. So the benchmarks need no C++ compiler, and their other ways can be measured without LLVM, but
 * LLVM's still runs in the same process, interleaved with them.
 */
#ifndef BENCH_LLVM_LOAD_H
#define BENCH_LLVM_LOAD_H

#include <stddef.h>

/* The functions of llvm_buffer.cc, which says what they do. */
struct llvm_functions {
	void *(*create)(const char *path, size_t size, unsigned char **base);
	int (*commit)(void *buffer);
};

/*
 * The functions, loaded by the first call; NULL if $BENCH_LLVM_BUFFER is not set. Ends the program if what it names
 * cannot be loaded. Main thread.
 */
const struct llvm_functions *llvm_load(void);

#endif
