/* SPDX-License-Identifier: MIT */
/* Threads of the library. The signal handlers of the program must not run on them. */
#include "config.h"

#include "system/sys.h"

#include <signal.h>

/*
 * Block all signals but those that a fault of this thread raises. If one of these were blocked, a fault would kill
 * the process instead of calling its handler: the guard, or a handler of a debugger or a language runtime.
 */
static void block_signals(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGTRAP);
	pthread_sigmask(SIG_SETMASK, &all, before);
}

int ob__sys_start_thread(pthread_t *thread, void *(*work)(void *arg), void *arg)
{
	sigset_t before;
	int r;

	block_signals(&before);
	r = -pthread_create(thread, NULL, work, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}
