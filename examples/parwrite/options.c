/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <outbuf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "report.h"

enum { THREADS_MAX = 1024, USAGE = 2 };

static const char help[] =
	"Usage: parwrite [-r] [-j N] [OPTION...] -o OUTPUT INPUT...\n"
	"Combine relocatable ELF objects, and archives of them, into one, in parallel.\n"
	"\n"
	"  -o FILE, --output=FILE  where to write; nothing is there before all of it is;\n"
	"                          - is standard output\n"
	"  -j N                    use N threads (default: one per available CPU)\n"
	"  -r                      make a relocatable object; nothing else is possible\n"
	"  --whole-archive         take all members of archives; this is the default\n"
	"  --stats                 print sizes, times and how the output was written\n"
	"  --progress, --no-progress\n"
	"                          show a bar on standard error (default: on a terminal)\n"
	"  --no-map                do not map the output, write it from memory\n"
	"  --recycle               write over the output before last, and keep the last one\n"
	"  --check-overlap         make sure that no two threads write the same bytes\n"
	"  --help, --version       print this, or the version, and exit\n"
	"  @FILE                   read more arguments from FILE";

enum { OPT_WHOLE_ARCHIVE = 256, OPT_STATS, OPT_PROGRESS, OPT_NO_PROGRESS, OPT_NO_MAP,
       OPT_RECYCLE, OPT_CHECK, OPT_HELP, OPT_VERSION };

static const struct option long_options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "whole-archive", no_argument, NULL, OPT_WHOLE_ARCHIVE },
	{ "stats", no_argument, NULL, OPT_STATS },
	{ "progress", no_argument, NULL, OPT_PROGRESS },
	{ "no-progress", no_argument, NULL, OPT_NO_PROGRESS },
	{ "no-map", no_argument, NULL, OPT_NO_MAP },
	{ "recycle", no_argument, NULL, OPT_RECYCLE },
	{ "check-overlap", no_argument, NULL, OPT_CHECK },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* CPUs this process may run on: with taskset or in a container, fewer than there are. */
static unsigned available_cpus(void)
{
	long n = -1;
#ifdef HAVE_SCHED_GETAFFINITY
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0)
		n = CPU_COUNT(&set);
#endif
	if (n < 1)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (unsigned)n;
}

static int usage(const char *problem, const char *what)
{
	char text[512];

	snprintf(text, sizeof text, "%s%s%.400s (see parwrite --help)", problem, what ? " " : "",
	         what ? what : "");
	say(text);
	return USAGE;
}

static int print(const char *text, const char *version)
{
	/* A full disk behind standard output is to be an exit status, too. */
	if (printf("%s%s\n", text, version) >= 0 && fflush(stdout) == 0)
		return 0;
	say("standard output: cannot be written");
	return 1;
}

static int parse_threads(const char *text, unsigned *threads)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || n < 1 || n > THREADS_MAX)
		return usage("-j takes a number from 1 to 1024, not", text);
	*threads = (unsigned)n;
	return -1;
}

/* What getopt_long() returned ':' or '?' for. */
static int complain(int option, const char *word)
{
	char letter[] = { '-', (char)optopt, '\0' };

	if (word[1] != '-')
		word = letter; /* one of several, as in -rx */
	if (option == ':')
		return usage("option needs a value:", word);
	return usage(optopt > UCHAR_MAX ? "option takes no value:" : "unknown or ambiguous option:",
	             word);
}

/* One option as getopt_long() found it. Returns as options_parse(). */
static int apply(struct options *options, int option)
{
	switch (option) {
	case 'o':
		options->output = optarg;
		return -1;
	case 'j':
		return parse_threads(optarg, &options->threads);
	case 'r':
	case OPT_WHOLE_ARCHIVE:
		return -1;
	case OPT_STATS:
		options->stats = 1;
		return -1;
	case OPT_PROGRESS:
	case OPT_NO_PROGRESS:
		options->progress = option == OPT_PROGRESS;
		return -1;
	case OPT_NO_MAP:
		options->no_map = 1;
		return -1;
	case OPT_RECYCLE:
		options->recycle = 1;
		return -1;
	case OPT_CHECK:
		options->check_overlap = 1;
		return -1;
	case OPT_HELP:
		return print(help, "");
	case OPT_VERSION:
		return print("parwrite (liboutbuf) ", outbuf_version());
	default:
		return complain(option, options->args.list[optind - 1]);
	}
}

int options_parse(struct options *options, int argc, char **argv)
{
	struct error error = ERROR_INIT;
	int option, status = -1;

	options->threads = available_cpus();
	options->progress = isatty(STDERR_FILENO);
	if (args_expand(&options->args, argc, argv, &error)) {
		say(error.text);
		status = 1;
	} else if (options->args.n > INT_MAX) {
		status = usage("too many arguments", NULL);
	}
	error_free(&error);
	if (status >= 0)
		return status;

	opterr = 0; /* its messages would begin with argv[0] */
	while ((option = getopt_long((int)options->args.n, options->args.list, ":o:j:r",
	                             long_options, NULL)) != -1) {
		status = apply(options, option);
		if (status >= 0)
			return status;
	}
	options->inputs = options->args.list + optind;
	options->n_inputs = options->args.n - (size_t)optind;
	if (!options->output)
		return usage("no output: -o FILE is missing", NULL);
	if (options->n_inputs == 0)
		return usage("no input files", NULL);
	return -1;
}

void options_free(struct options *options)
{
	args_free(&options->args);
}
