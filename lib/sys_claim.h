/* SPDX-License-Identifier: MIT */
/* What sys.c puts into its table for sys_claim.c: calls that are missing on some systems. */
#ifndef OUTBUF_LIB_SYS_CLAIM_H
#define OUTBUF_LIB_SYS_CLAIM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int sys_real_cachestat(int fd, uint64_t length, uint64_t *pages);
ssize_t sys_real_flistxattr(int fd, char *names, size_t n);
ssize_t sys_real_fgetxattr(int fd, const char *name, void *value, size_t n);

#endif
