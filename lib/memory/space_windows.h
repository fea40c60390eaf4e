/* SPDX-License-Identifier: MIT */
/* What tests need of space_windows.c. */
#ifndef OUTBUF_LIB_SPACE_WINDOWS_H
#define OUTBUF_LIB_SPACE_WINDOWS_H

/*
 * Not 0: behave as on a system that has no placeholders (space_windows.c). Written by tests while there is no output,
 * read by any thread.
 */
extern int ob__space_without_placeholders;

/* Does this system have placeholders? Any thread. */
int ob__space_has_placeholders(void);

#endif
