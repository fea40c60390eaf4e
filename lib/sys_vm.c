/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "sys_vm.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

struct sys_vm_table sys_vm_table = {
	.mmap = mmap,
	.munmap = munmap,
	.mprotect = mprotect,
	.msync = msync,
	.posix_madvise = posix_madvise,
};

int sys_mmap(void *at, size_t n, int prot, int flags, int fd, uint64_t offset, void **got)
{
	void *p = sys_vm_table.mmap(at, n, prot, flags, fd, (off_t)offset);

	if (p == MAP_FAILED)
		return -errno;
	*got = p;
	return 0;
}

int sys_munmap(void *at, size_t n)
{
	return sys_vm_table.munmap(at, n) < 0 ? -errno : 0;
}

int sys_mprotect(void *at, size_t n, int prot)
{
	return sys_vm_table.mprotect(at, n, prot) < 0 ? -errno : 0;
}

int sys_msync(void *at, size_t n)
{
	return sys_vm_table.msync(at, n, MS_SYNC) < 0 ? -errno : 0;
}

int sys_is_mapped(void *at, size_t n)
{
	/* Advice that changes nothing, but is answered by ENOMEM where there is a hole. */
	return sys_vm_table.posix_madvise(at, n, POSIX_MADV_NORMAL) == 0;
}

size_t sys_page_size(void)
{
	long n = sysconf(_SC_PAGESIZE);

	return n > 0 ? (size_t)n : 4096;
}
