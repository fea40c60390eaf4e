/* SPDX-License-Identifier: MIT */
/* The memory part of sys.h: built only where there is <sys/mman.h>. */
#ifndef OUTBUF_LIB_SYS_VM_H
#define OUTBUF_LIB_SYS_VM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What posix_madvise(3) cannot say. */
enum sys_advice {
	SYS_POPULATE,  /* have the pages writable, without a signal if that cannot be: Linux 5.14 */
	SYS_DONT_NEED, /* the pages may go: of a file they are read again, other memory is zero then */
	SYS_HUGE       /* large pages, please */
};

struct sys_vm_table {
	void *(*mmap)(void *at, size_t n, int prot, int flags, int fd, off_t offset);
	int (*munmap)(void *at, size_t n);
	int (*mprotect)(void *at, size_t n, int prot);
	int (*msync)(void *at, size_t n, int flags);
	int (*posix_madvise)(void *at, size_t n, int advice);
	int (*advise)(void *at, size_t n, enum sys_advice advice); /* madvise(2) */
	int (*mincore)(void *at, size_t n, unsigned char *pages);
};

/* Written by tests, before they start threads; constant otherwise. */
extern struct sys_vm_table ob__sys_vm_table;

/* 0 or a negative errno; *got is set on success alone. */
int ob__sys_mmap(void *at, size_t n, int prot, int flags, int fd, uint64_t offset, void **got);
int ob__sys_munmap(void *at, size_t n);
int ob__sys_mprotect(void *at, size_t n, int prot);
int ob__sys_msync(void *at, size_t n);
/* Does every page of the range exist, whatever its protection? */
int ob__sys_is_mapped(void *at, size_t n);
/* 0, or an errno: -ENOSYS or -EINVAL where it is not known. */
int ob__sys_advise(void *at, size_t n, enum sys_advice advice);
/* How many of the file's first n bytes are in the page cache, by mincore(2). 0 or an errno. */
int ob__sys_mincore_resident(int fd, uint64_t n, uint64_t *bytes);
size_t ob__sys_page_size(void);

#endif
