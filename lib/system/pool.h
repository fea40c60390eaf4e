/* SPDX-License-Identifier: MIT */
/* The caller's thread pool, which may be wrong. */
#ifndef OUTBUF_LIB_POOL_H
#define OUTBUF_LIB_POOL_H

#include <stddef.h>

/* outbuf_options.run */
typedef int pool_function(void *run_arg, size_t n, void (*task)(void *arg, size_t i), void *arg);

/*
 * Have the pool call task(arg, i) once for each i below n. No call is under way when this returns, and none is made
 * later, whatever the pool does before it returns. After that it may call our function again only if it has failed or
 * tasks are missing, and such calls do nothing. Otherwise the memory is freed. Any thread. 0, or a negative errno:
 *   the pool's error   it returned a negative number
 *   -EINVAL            it returned a positive number
 *   -EIO               it returned 0 and has not done all tasks
 *   -ENOMEM            nothing was done
 */
int ob__pool_run(pool_function *run, void *run_arg, size_t n, void (*task)(void *arg, size_t i), void *arg);

#endif
