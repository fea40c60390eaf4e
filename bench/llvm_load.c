/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "llvm_load.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

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

const struct llvm_functions *llvm_load(void)
{
	static struct llvm_functions functions;
	static void *library;
	const char *name = getenv("BENCH_LLVM_BUFFER");

	if (library != NULL)
		return &functions;
	if (name == NULL)
		return NULL;
	library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL || !look_up(library, "bench_llvm_create", &functions.create) ||
	    !look_up(library, "bench_llvm_commit", &functions.commit))
		die(dlerror(), ELIBBAD);
	return &functions;
}
