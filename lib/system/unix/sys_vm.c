/* SPDX-License-Identifier: MIT */
/*
 * System calls for memory: wrappers that return a negative errno, and the table through which they call the system.
 */
#include "config.h"

#include "system/unix/sys_vm.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* -1: advice that this system does not have. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE (-1)
#endif
#ifndef MADV_DONTNEED
#define MADV_DONTNEED (-1)
#endif
#ifndef MADV_HUGEPAGE
#define MADV_HUGEPAGE (-1)
#endif

static int real_advise(void *at, size_t n, enum sys_advice advice)
{
	static const int madvise_number[] = {
		[SYS_POPULATE] = MADV_POPULATE_WRITE,
		[SYS_DONT_NEED] = MADV_DONTNEED,
		[SYS_HUGE] = MADV_HUGEPAGE,
	};

	if (madvise_number[advice] == -1) {
		errno = ENOSYS;
		return -1;
	}
	return madvise(at, n, madvise_number[advice]);
}

/* A wrapper, because the type of the last argument differs between systems. */
static int real_mincore(void *at, size_t n, unsigned char *pages)
{
	return mincore(at, n, (void *)pages);
}

struct sys_vm_table ob__sys_vm_table = {
	.mmap = mmap,
	.munmap = munmap,
	.mprotect = mprotect,
	.msync = msync,
	.posix_madvise = posix_madvise,
	.advise = real_advise,
	.mincore = real_mincore,
};

int ob__sys_mmap(void *at, size_t n, int prot, int flags, int fd, uint64_t offset, void **got)
{
	void *p = ob__sys_vm_table.mmap(at, n, prot, flags, fd, (off_t)offset);

	if (p == MAP_FAILED)
		return -errno;
	*got = p;
	return 0;
}

int ob__sys_munmap(void *at, size_t n)
{
	return ob__sys_vm_table.munmap(at, n) < 0 ? -errno : 0;
}

int ob__sys_mprotect(void *at, size_t n, int prot)
{
	return ob__sys_vm_table.mprotect(at, n, prot) < 0 ? -errno : 0;
}

int ob__sys_msync(void *at, size_t n)
{
	return ob__sys_vm_table.msync(at, n, MS_SYNC) < 0 ? -errno : 0;
}

int ob__sys_is_mapped(void *at, size_t n)
{
	/* This advice changes nothing, but fails with ENOMEM if a page of the range is not mapped. */
	return ob__sys_vm_table.posix_madvise(at, n, POSIX_MADV_NORMAL) == 0;
}

int ob__sys_advise(void *at, size_t n, enum sys_advice advice)
{
	return ob__sys_vm_table.advise(at, n, advice) < 0 ? -errno : 0;
}

/* How many pages are mapped and asked about at a time: 64 MiB of pages of 4 KiB. */
#define PAGES_PER_CALL 16384

/*
 * Does the file end within this page? mincore(2) says that a page is not in memory unless all its blocks are, and where
 * blocks are smaller than pages nobody has read those behind the end. So it is not asked for this page.
 */
static int is_partial(uint64_t at, uint64_t length, uint64_t page)
{
	return length - at < page;
}

int ob__sys_mincore_resident(int fd, uint64_t n, uint64_t *bytes)
{
	unsigned char pages[PAGES_PER_CALL];
	uint64_t page = ob__sys_page_size(), step = page * PAGES_PER_CALL, at;
	int r = 0;

	*bytes = 0;
	for (at = 0; r == 0 && at < n; at += step) {
		size_t length = (size_t)(n - at < step ? n - at : step), i;
		void *mapping = NULL;

		r = ob__sys_mmap(NULL, length, PROT_READ, MAP_SHARED, fd, at, &mapping);
		if (r < 0)
			break;
		r = ob__sys_vm_table.mincore(mapping, length, pages) < 0 ? -errno : 0;
		for (i = 0; r == 0 && i * page < length; i++)
			*bytes += pages[i] & 1 || is_partial(i * page, length, page) ? page : 0;
		ob__sys_munmap(mapping, length);
	}
	return r;
}

size_t ob__sys_page_size(void)
{
	long n = sysconf(_SC_PAGESIZE);

	return n > 0 ? (size_t)n : 4096;
}
