/* SPDX-License-Identifier: MIT */
/* Names of files, as Windows wants them. */
#ifndef OUTBUF_LIB_PATH_WINDOWS_H
#define OUTBUF_LIB_PATH_WINDOWS_H

#include <wchar.h>

/* All of these are to be freed; NULL, and ob__sys_windows_error() says why. */

/* UTF-16 of a path, absolute, with the prefix that lets it be long; a device as \\.\NUL. */
wchar_t *ob__path_full(const char *path);
/* What stands in the same directory under another name, in UTF-8. */
wchar_t *ob__path_beside(const wchar_t *path, const char *name);
/* The last component in UTF-8, in lower case: one name for what Windows takes for one. */
char *ob__path_name(const wchar_t *path);

/* Does the path end in no name of a file: "dir/", ".", "C:"? */
int ob__path_is_directory(const char *path);
/* Of ob__path_full(): no file at all? */
int ob__path_is_device(const wchar_t *path);
/* Of ob__path_full(): the last component. */
const wchar_t *ob__path_last(const wchar_t *path);

#endif
