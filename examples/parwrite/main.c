/* SPDX-License-Identifier: MIT */
/*
 * parwrite - combine relocatable objects into one, as `ld -r` does, on several threads
 *
 * This is a small linker, and its needs have shaped the interface of liboutbuf. job.c does the work. This file has what
 * belongs to the process: its command line, its standard error, and its exit status.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "job.h"

/*
 * If standard input, output or error was closed by whoever started us, the next file would get its descriptor, and what
 * is printed would be written into that file. So each gets /dev/null, the wrong way round: reading or printing fails
 * with EBADF, as before.
 */
static void occupy_closed_descriptors(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return;
}

/* Remove what would be left, and end as without this handler, which SA_RESETHAND has taken away. */
static void end_interrupted(int signal)
{
	outbuf_remove_temporary_files();
	raise(signal);
}

/* What is ignored, as by nohup(1), stays ignored. */
static void clean_up_when_interrupted(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction ours = { .sa_handler = end_interrupted, .sa_flags = (int)SA_RESETHAND }, before;

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			sigaction(signals[i], &ours, NULL);
}

int main(int argc, char **argv)
{
	struct job job = { .error = ERROR_INIT };
	int status;

	occupy_closed_descriptors();
	clean_up_when_interrupted();
	status = options_parse(&job.options, argc, argv);
	if (status < 0) {
		status = job_run(&job) ? EXIT_FAILURE : EXIT_SUCCESS;
		if (status != EXIT_SUCCESS)
			say(job.error.text);
	}
	job_free(&job);
	options_free(&job.options);
	return status;
}
