/* SPDX-License-Identifier: MIT */
/* What tests use of POSIX and this C library has under another name. */
#ifndef TESTS_PORT_WINDOWS_H
#define TESTS_PORT_WINDOWS_H

#include <direct.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Nothing is inherited that is not passed on by name; but line ends would be translated. */
#define O_CLOEXEC O_BINARY
#define lstat(path, st) stat(path, st)
#define unsetenv(name) _putenv_s(name, "")

char *mkdtemp(char *template);

#endif
