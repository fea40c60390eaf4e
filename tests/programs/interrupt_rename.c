/* SPDX-License-Identifier: MIT */
/* Preloaded: the process gets the signal $INTERRUPT just before an output would be renamed to its path. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

int renameat(int fromdir, const char *from, int todir, const char *to);

int renameat(int fromdir, const char *from, int todir, const char *to)
{
	const char *number = getenv("INTERRUPT");

	(void)fromdir, (void)from, (void)todir, (void)to;
	if (number == NULL)
		_exit(98);
	/* 0: it exits. */
	if (atoi(number) == 0)
		exit(5);
	kill(getpid(), atoi(number));
	for (;;)
		pause();
}
