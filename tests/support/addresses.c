/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "support/addresses.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

int addresses_for(uint64_t n)
{
	void *got;

	if (n > SIZE_MAX)
		return 0;
	got = mmap(NULL, (size_t)n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (got == MAP_FAILED)
		return 0;
	munmap(got, (size_t)n);
	return 1;
}

int addresses_limit(void)
{
	struct rlimit limit = { .rlim_cur = (rlim_t)1 << 30, .rlim_max = (rlim_t)1 << 30 };

	if (setrlimit(RLIMIT_AS, &limit) != 0)
		return 1;
	/* qemu-user passes over it, as it would bind qemu itself. */
	return addresses_for(limit.rlim_cur) ? NO_FEW_ADDRESSES : 0;
}

void with_few_addresses(int (*fn)(void *arg), struct sandbox *s)
{
	int status;

	if (SANITIZED || getenv("VALGRIND") != NULL) {
		print_message("the checker's own memory is beyond any limit on the address space\n");
		skip();
	}
	if (!has_vm()) {
		print_message("without mmap the range is memory, not addresses\n");
		skip();
	}
	status = in_child(0, fn, s);
	if (status == NO_FEW_ADDRESSES) {
		print_message("RLIMIT_AS is set and not kept: 1 GiB was to be had\n");
		skip();
	}
	assert_int_equal(status, 0);
	assert_int_equal(sandbox_entries(s), 0);
}
