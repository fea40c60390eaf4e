/* SPDX-License-Identifier: MIT */
/* What the Windows twins of sys, space and target share. */
#ifndef OUTBUF_LIB_SYS_WINDOWS_H
#define OUTBUF_LIB_SYS_WINDOWS_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "system/sys.h"

/* What stands behind a descriptor of the C library; INVALID_HANDLE_VALUE for none. */
HANDLE ob__sys_handle(int fd);
/* A negative errno for what GetLastError() says. */
int ob__sys_windows_error(void);

#endif
