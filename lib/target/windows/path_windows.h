/* SPDX-License-Identifier: MIT */
/* Paths in the form that Windows needs. Any thread may call these functions. */
#ifndef OUTBUF_LIB_PATH_WINDOWS_H
#define OUTBUF_LIB_PATH_WINDOWS_H

#include <wchar.h>

/* The caller frees what these three return. After an error they return NULL, and ob__sys_windows_error() says why. */

/* The path in UTF-16, absolute, with the prefix that lets it be long. A device becomes \\.\NUL. */
wchar_t *ob__path_full(const char *path);
/* `path`, which is of ob__path_full(), with its last component replaced by `name` (UTF-8): a file beside it. */
wchar_t *ob__path_beside(const wchar_t *path, const char *name);
/* The last component in UTF-8 and in lower case: paths that mean the same file for Windows give the same name. */
char *ob__path_name(const wchar_t *path);

/* Does the path have no file name at its end, as "dir/", "." and "C:"? */
int ob__path_is_directory(const char *path);
/* Is `path`, which is of ob__path_full(), a device or pipe and not a file? */
int ob__path_is_device(const wchar_t *path);
/* The last component of `path`, which is of ob__path_full(): a pointer into it. */
const wchar_t *ob__path_last(const wchar_t *path);

#endif
