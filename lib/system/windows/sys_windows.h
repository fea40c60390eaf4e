/* SPDX-License-Identifier: MIT */
/* What the Windows versions of sys, space and target share. Any thread may call these functions. */
#ifndef OUTBUF_LIB_SYS_WINDOWS_H
#define OUTBUF_LIB_SYS_WINDOWS_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "system/sys.h"

/* The handle behind a descriptor of the C library. INVALID_HANDLE_VALUE if there is none. */
HANDLE ob__sys_handle(int fd);
/* The negative errno for GetLastError(). -EIO for an error that is not in its table. */
int ob__sys_windows_error(void);

#endif
