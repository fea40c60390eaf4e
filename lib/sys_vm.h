/* SPDX-License-Identifier: MIT */
/* The memory part of sys.h: built only where there is <sys/mman.h>. */
#ifndef OUTBUF_LIB_SYS_VM_H
#define OUTBUF_LIB_SYS_VM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sys_vm_table {
	void *(*mmap)(void *at, size_t n, int prot, int flags, int fd, off_t offset);
	int (*munmap)(void *at, size_t n);
	int (*mprotect)(void *at, size_t n, int prot);
	int (*msync)(void *at, size_t n, int flags);
	int (*posix_madvise)(void *at, size_t n, int advice);
	int (*populate)(void *at, size_t n); /* madvise(2), MADV_POPULATE_WRITE: Linux 5.14 */
	int (*dont_need)(void *at, size_t n); /* madvise(2), MADV_DONTNEED, which posix_madvise(3) does not do */
	int (*mincore)(void *at, size_t n, unsigned char *pages);
};

/* Written by tests, before they start threads; constant otherwise. */
extern struct sys_vm_table sys_vm_table;

/* 0 or a negative errno; *got is set on success alone. */
int sys_mmap(void *at, size_t n, int prot, int flags, int fd, uint64_t offset, void **got);
int sys_munmap(void *at, size_t n);
int sys_mprotect(void *at, size_t n, int prot);
int sys_msync(void *at, size_t n);
/* Does every page of the range exist, whatever its protection? */
int sys_is_mapped(void *at, size_t n);
/* Have the pages writable, where that can be asked for without a signal: else an errno. */
int sys_populate(void *at, size_t n);
/* The pages may go: of a file they are read again, other memory is zero then. 0 or an errno: they stay. */
int sys_dont_need(void *at, size_t n);
/* How many of the file's first n bytes are in the page cache, by mincore(2). 0 or an errno. */
int sys_count_resident(int fd, uint64_t n, uint64_t *bytes);
size_t sys_page_size(void);

#endif
