/* SPDX-License-Identifier: MIT */
/*
 * What file systems lack: each of these tries it in the sandbox's directory, and skips the test with the reason where it is
 * missing. To be called at a test's beginning, as what is open then stays open.
 */
#ifndef TESTS_ABILITIES_H
#define TESTS_ABILITIES_H

#include "support/support.h"

/* For the result of a system call: skips if it is -1 and errno says that it is not to be had here; else it fails. */
void need(int made);

/* Permissions of files, which the umask takes away, and owners (vfat and SMB have those of the mount). */
void need_permissions(const struct sandbox *s);
/* Symbolic links. */
void need_symbolic_links(const struct sandbox *s);
/* Two names of one file, each of which can be opened. */
void need_hard_links(const struct sandbox *s);
/* Files with holes, which take no blocks. */
void need_holes(const struct sandbox *s);
/* A file that is open can be removed, and its name used again at once (on SMB it stays until it is closed). */
void need_removing_open(const struct sandbox *s);

#endif
