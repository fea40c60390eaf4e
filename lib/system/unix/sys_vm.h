/* SPDX-License-Identifier: MIT */
/* The memory part of sys.h. It is built only where there is <sys/mman.h>. */
#ifndef OUTBUF_LIB_SYS_VM_H
#define OUTBUF_LIB_SYS_VM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Advice that posix_madvise(3) does not have, or has with another effect. */
enum sys_advice {
	SYS_POPULATE,  /* make the pages writable now; an error, and no signal, if that is impossible: Linux 5.14 */
	SYS_DONT_NEED, /* free the pages: those of a file are read again when needed, other memory is zero then */
	SYS_HUGE       /* use large pages if possible */
};

/* The table of system calls for memory. Each member returns -1 (mmap: MAP_FAILED) and sets errno if it fails. */
struct sys_vm_table {
	void *(*mmap)(void *at, size_t n, int prot, int flags, int fd, off_t offset);
	int (*munmap)(void *at, size_t n);
	int (*mprotect)(void *at, size_t n, int prot);
	int (*msync)(void *at, size_t n, int flags);
	int (*posix_madvise)(void *at, size_t n, int advice);
	int (*advise)(void *at, size_t n, enum sys_advice advice); /* madvise(2) */
	int (*mincore)(void *at, size_t n, unsigned char *pages);
};

/* Written by tests before they start threads; otherwise constant. */
extern struct sys_vm_table ob__sys_vm_table;

/* Any thread may call these functions. They return 0 or a negative errno, except where a comment says otherwise. */

/* *got is set only on success. */
int ob__sys_mmap(void *at, size_t n, int prot, int flags, int fd, uint64_t offset, void **got);
int ob__sys_munmap(void *at, size_t n);
int ob__sys_mprotect(void *at, size_t n, int prot);
/* Write the range back and wait for that (MS_SYNC). */
int ob__sys_msync(void *at, size_t n);
/* 1 if every page of the range is mapped, whatever its protection, else 0. */
int ob__sys_is_mapped(void *at, size_t n);
/* -ENOSYS or -EINVAL where the system does not know this advice. */
int ob__sys_advise(void *at, size_t n, enum sys_advice advice);
/* How many of the file's first n bytes are in the page cache, by mincore(2). */
int ob__sys_mincore_resident(int fd, uint64_t n, uint64_t *bytes);
/* The size of a page in bytes. */
size_t ob__sys_page_size(void);

#endif
