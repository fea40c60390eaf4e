/* SPDX-License-Identifier: MIT */
/* Run n tasks on several threads, the library's own or the caller's pool. */
#ifndef OUTBUF_LIB_PARALLEL_H
#define OUTBUF_LIB_PARALLEL_H

#include <stddef.h>

#include "system/pool.h"

/* Constant after outbuf_open(). */
struct parallel {
	unsigned threads; /* how many threads work, the calling one included; 0: the library chooses */
	pool_function *run; /* the caller's pool, or NULL; see outbuf_options.run */
	void *run_arg;
};

/*
 * Call task(arg, i) once for each i below n, on this thread and others, and return when all calls have returned.
 * Tasks report failures through arg. Any thread. 0; -ENOMEM; or an error of the caller's pool, as ob__pool_run().
 */
int ob__parallel_run(const struct parallel *p, size_t n, void (*task)(void *arg, size_t i), void *arg);

#endif
