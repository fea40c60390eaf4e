/* SPDX-License-Identifier: MIT */
/*
 * parwrite - combine relocatable objects into one, as `ld -r` does, on several threads
 *
 * This is a small linker, and its needs have shaped the interface of liboutbuf. job.c does the work. This file has what
 * belongs to the process: its command line, its standard error, and its exit status.
 */
#include "config.h"

#include <stdlib.h>

#include "job.h"

int main(int argc, char **argv)
{
	struct job job = { .error = ERROR_INIT };
	int status = options_parse(&job.options, argc, argv);

	if (status < 0) {
		status = job_run(&job) ? EXIT_FAILURE : EXIT_SUCCESS;
		if (status != EXIT_SUCCESS)
			say(job.error.text);
	}
	job_free(&job);
	options_free(&job.options);
	return status;
}
