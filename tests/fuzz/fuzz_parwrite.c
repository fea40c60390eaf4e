/* SPDX-License-Identifier: MIT */
/*
 * fuzz_parwrite.c - any bytes as parwrite's input
 *
 * Objects and archives come from anywhere, and a linker is run by people who have not looked at
 * them. So the input becomes a file and goes through a whole run, in process: parse, layout,
 * emit, commit. Besides not crashing (the sanitizers' part) this is asked:
 *
 *   - a run that fails says why, in one text, and leaves the output as it was
 *   - the library met no mistake of parwrite's: no View was written past its end (-ERANGE), no two
 *     had the same bytes (check_overlap)
 *   - what parwrite makes it takes: its output goes through a second run, in which nothing is left out, as that
 *     may be what relocations are for
 *
 * The file's size chooses threads, mapping and what is left out, so any file is an input and none needs a header. The
 * library learns a limit of 64 MiB by RLIMIT_FSIZE: alignments are real padding, and a fuzzer
 * finds those of 1 GiB at once.
 */
#include "config.h"

#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "support/files.h"
#include "job.h"

enum { LIMIT = 64 << 20 };

static void put(const char *path, const void *data, size_t size)
{
	if (put_file(path, data, size) != 0)
		finding("%s: cannot be written", path);
}

static const char precious[] = "precious";

/* Returns 0 or -1, as job_run(). */
static int run(char *input, const char *output, unsigned variant)
{
	struct job job = { .error = ERROR_INIT };
	struct input file = { .path = input };
	struct outbuf_overlap overlap;
	int r, error;

	job.options.output = output;
	job.options.inputs = &file;
	job.options.n_inputs = 1;
	job.options.threads = 1 + (variant & 1);
	job.options.no_map = variant >> 1 & 1;
	job.options.leave_out.debug = variant >> 2 & 1;
	job.options.leave_out.locals = variant >> 3 & 1;
	job.options.leave_out.temporary = variant >> 4 & 1;
	file.lazy = (variant >> 5 & 3) == 3;
	job.options.check_overlap = 1;
	r = job_run(&job);
	error = job.ob != NULL ? outbuf_error(job.ob) : 0;
	if (r == 0 && job.error.text != NULL)
		finding("it worked, and says: %s", job.error.text);
	if (r != 0 && (job.error.text == NULL || *job.error.text == '\0'))
		finding("it failed and says nothing");
	if (job.ob != NULL && outbuf_overlap(job.ob, &overlap))
		finding("two Views on the same bytes: %s", job.error.text);
	if (error != 0 && error != -EFBIG && error != -ENOSPC)
		finding("the output failed: %s (%s)", strerror(-error),
		        r != 0 ? job.error.text : "and nobody saw it");
	if (getenv("FUZZ_SAY") != NULL)
		fprintf(stderr, "%s\n", r != 0 ? job.error.text : "it worked");
	job_free(&job);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *input, *output, *again;

	if (input == NULL) {
		const struct rlimit limit = { LIMIT, LIMIT };

		setrlimit(RLIMIT_FSIZE, &limit);
		input = scratch_path("input");
		output = scratch_path("output");
		again = scratch_path("again");
		put(output, precious, sizeof precious);
	}
	put(input, data, size);
	if (run(input, output, (unsigned)size) != 0) {
		if (same_file(output, precious, sizeof precious) != 0)
			finding("it failed, and the output has changed");
		return 0;
	}
	if (run(output, again, ((unsigned)size + 1) & 3) != 0)
		finding("it does not take what it made");
	put(output, precious, sizeof precious);
	return 0;
}
