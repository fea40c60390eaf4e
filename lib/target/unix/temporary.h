/* SPDX-License-Identifier: MIT */
/* Which hidden names this process has, for outbuf_remove_temporary_files(). */
#ifndef OUTBUF_LIB_TEMPORARY_H
#define OUTBUF_LIB_TEMPORARY_H

struct temporary;

/*
 * The name in the directory is a file of this process's, which is of no use if the process ends. `dirfd` stays open
 * until ob__temporary_forget(). Any thread. NULL if it cannot be noted: there is no memory, or the name is too long.
 */
struct temporary *ob__temporary_note(int dirfd, const char *name);

/* The file has its name no more. NULL is allowed. Any thread. */
void ob__temporary_forget(struct temporary *t);

/* Remove all that are noted. Safe in a signal handler. Any thread. */
void ob__temporary_remove_all(void);

#endif
