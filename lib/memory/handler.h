/* SPDX-License-Identifier: MIT */
/* The handler of SIGBUS, beside those of the program. Built where there is <sys/mman.h>. */
#ifndef OUTBUF_LIB_HANDLER_H
#define OUTBUF_LIB_HANDLER_H

#include <signal.h>

/* 1: the fault was ours, and the access may be repeated. 0: it is the program's. On any thread, in a signal handler. */
typedef int handler_recover(const siginfo_t *info);

/*
 * From now on faults are given to `recover` first, always the same function. What it does not take goes to the action
 * that SIGBUS has now. Does nothing if our handler is the current action. The caller serialises these two functions. 0,
 * or a negative errno of sigaction(2).
 */
int ob__handler_install(handler_recover *recover);

/*
 * Restore the action that SIGBUS had before, if our handler is the current action. If not, it stays, because the
 * program's handler may call it.
 */
void ob__handler_uninstall(void);

#endif
