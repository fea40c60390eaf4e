/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "options/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <outbuf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/report.h"

enum { THREADS_MAX = 1024, EXIT_USAGE = 2 };

static const char help[] =
	"Usage: parwrite [-r] [-j N] [OPTION...] -o OUTPUT INPUT...\n"
	"Combine relocatable ELF objects, and archives of them, into one, in parallel.\n"
	"\n"
	"  -o FILE, --output=FILE  where to write; nothing is there before all of it is;\n"
	"                          - is standard output\n"
	"  -j N, --threads=N       use N threads (default: one per available CPU)\n"
	"  -r, --relocatable       make a relocatable object; nothing else is possible\n"
	"  --whole-archive         take all members of the archives that follow (default)\n"
	"  --no-whole-archive      take those members that others refer to\n"
	"  -L DIR, -l NAME         look for libNAME.a, or for FILE with -l :FILE, in DIRs\n"
	"  -S, --strip-debug       leave out debug information\n"
	"  -x, --discard-all       leave out local symbols that no relocation names\n"
	"  -X, --discard-locals    of these, only those whose names begin with .L\n"
	"  --build-id[=KIND]       add a note that names the output by its bytes; KIND is fast,\n"
	"                          md5, sha1 (default), tree, uuid, 0x and digits, or none\n"
	"  -Map FILE, --map=FILE   write a text that tells where everything came to lie\n"
	"  --trace FILE            write what each thread did, for chrome://tracing\n"
	"  --stats[=json]          print sizes, times and how the output was written\n"
	"  --progress, --no-progress\n"
	"                          show a bar on standard error (default: on a terminal)\n"
	"  --no-map                do not map the output, write it from memory\n"
	"  --recycle               write over the output before last, and keep the last one\n"
	"  --durability=LEVEL      wait until the disk has the file (data), and its name (full)\n"
	"  --check-overlap         make sure that no two threads write the same bytes\n"
	"  --help, --version       print this, or the version, and exit\n"
	"  @FILE                   read more arguments from FILE";

enum { OPT_INPUT = 1, OPT_WHOLE_ARCHIVE = 256, OPT_NO_WHOLE_ARCHIVE, OPT_STATS, OPT_PROGRESS, OPT_NO_PROGRESS,
       OPT_NO_MAP, OPT_BUILD_ID, OPT_MAP, OPT_TRACE, OPT_RECYCLE, OPT_DURABILITY, OPT_CHECK, OPT_HELP, OPT_VERSION };

/* The '-' in front: getopt returns words that are not options in their order among the options, as OPT_INPUT. */
static const char short_options[] = "-:o:j:rL:l:SxX";

static const struct option long_options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "threads", required_argument, NULL, 'j' },
	{ "relocatable", no_argument, NULL, 'r' },
	{ "whole-archive", no_argument, NULL, OPT_WHOLE_ARCHIVE },
	{ "no-whole-archive", no_argument, NULL, OPT_NO_WHOLE_ARCHIVE },
	{ "library-path", required_argument, NULL, 'L' },
	{ "library", required_argument, NULL, 'l' },
	{ "strip-debug", no_argument, NULL, 'S' },
	{ "discard-all", no_argument, NULL, 'x' },
	{ "discard-locals", no_argument, NULL, 'X' },
	{ "build-id", optional_argument, NULL, OPT_BUILD_ID },
	{ "Map", required_argument, NULL, OPT_MAP },
	{ "map", required_argument, NULL, OPT_MAP },
	{ "trace", required_argument, NULL, OPT_TRACE },
	{ "stats", optional_argument, NULL, OPT_STATS },
	{ "progress", no_argument, NULL, OPT_PROGRESS },
	{ "no-progress", no_argument, NULL, OPT_NO_PROGRESS },
	{ "no-map", no_argument, NULL, OPT_NO_MAP },
	{ "recycle", no_argument, NULL, OPT_RECYCLE },
	{ "durability", required_argument, NULL, OPT_DURABILITY },
	{ "check-overlap", no_argument, NULL, OPT_CHECK },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* The state while the command line is parsed. One thread. */
struct parsing {
	struct options *options;
	struct libraries libraries;
	struct error error;
	size_t room;       /* how many elements options->inputs has room for */
	int whole_archive; /* 1: --whole-archive is in effect for the inputs that follow */
};

/* How many CPUs this process may run on. With taskset, or in a container, these are fewer than the machine has. */
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

/* Complain about the command line. Returns the status to exit with. */
static int usage_error(const char *problem, const char *what)
{
	char text[512];

	snprintf(text, sizeof text, "%s%s%.400s (see parwrite --help)", problem, what ? " " : "",
	         what ? what : "");
	say(text);
	return EXIT_USAGE;
}

/* Print a line to standard output. Returns the status to exit with. */
static int print(const char *text, const char *version)
{
	/* If standard output is a file on a full disk, the exit status must show it. */
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
		return usage_error("-j takes a number from 1 to 1024, not", text);
	*threads = (unsigned)n;
	return -1;
}

/* Explain why getopt_long_only() returned ':' or '?' (`option`) for `word`. Returns the status to exit with. */
static int report_getopt_error(int option, const char *word)
{
	char letter[] = { '-', (char)optopt, '\0' };

	if (word[1] != '-' && optopt > 0 && optopt <= UCHAR_MAX)
		word = letter; /* an option of one letter: `word` may hold several of them, as in -rx */
	if (option == ':')
		return usage_error("option needs a value:", word);
	return usage_error(optopt > UCHAR_MAX ? "option takes no value:" : "unknown or ambiguous option:", word);
}

/*
 * Add an input: a file, or if `library` is 1 a name that -l was given. Such names are looked up later, when all
 * directories are known. Returns as options_parse().
 */
static int add_input(struct parsing *p, const char *text, int library)
{
	struct options *options = p->options;
	struct input *inputs = grow(&p->error, options->inputs, options->n_inputs, &p->room, sizeof *inputs);

	if (!inputs)
		return 1;
	options->inputs = inputs;
	inputs[options->n_inputs] = (struct input){
		.path = strdup(text), .lazy = !p->whole_archive, .library = (unsigned char)library
	};
	if (!inputs[options->n_inputs].path) {
		fail(&p->error, NULL, "out of memory");
		return 1;
	}
	options->n_inputs++;
	return -1;
}

/* Replace the names for -l by the paths of the archives. Returns as options_parse(). */
static int find_libraries(struct parsing *p)
{
	for (size_t i = 0; i < p->options->n_inputs; i++) {
		struct input *input = &p->options->inputs[i];
		char *path;

		if (!input->library)
			continue;
		path = libraries_find(&p->libraries, input->path, &p->error);
		if (!path)
			return 1;
		free(input->path);
		input->path = path;
	}
	return -1;
}

static int parse_stats(struct options *options, const char *form)
{
	if (form && strcmp(form, "json") != 0)
		return usage_error("--stats takes json, not", form);
	options->stats = form ? STATS_JSON : STATS_TEXT;
	return -1;
}

static int parse_durability(struct options *options, const char *level)
{
	static const char *const levels[] = {
		[OUTBUF_DURABLE_NONE] = "none", [OUTBUF_DURABLE_DATA] = "data", [OUTBUF_DURABLE_FULL] = "full",
	};
	unsigned i;

	for (i = 0; i < sizeof levels / sizeof *levels; i++) {
		if (strcmp(level, levels[i]) == 0) {
			options->durability = i;
			return -1;
		}
	}
	return usage_error("--durability takes none, data or full, not", level);
}

static int parse_build_id(struct options *options, const char *kind)
{
	const char *problem = build_id_parse(kind, &options->build_id);

	return problem ? usage_error(problem, kind) : -1;
}

/* Apply one option that getopt_long_only() returned. Returns as options_parse(). */
static int apply_option(struct parsing *p, int option)
{
	struct options *options = p->options;

	switch (option) {
	case OPT_INPUT:
		return add_input(p, optarg, 0);
	case 'l':
		return add_input(p, optarg, 1);
	case 'L':
		return libraries_add(&p->libraries, optarg, &p->error) ? 1 : -1;
	case 'o':
		options->output = optarg;
		return -1;
	case 'j':
		return parse_threads(optarg, &options->threads);
	case 'r':
		return -1;
	case 'S':
		options->leave_out.debug = 1;
		return -1;
	case 'x':
		options->leave_out.locals = 1;
		return -1;
	case 'X':
		options->leave_out.temporary = 1;
		return -1;
	case OPT_WHOLE_ARCHIVE:
	case OPT_NO_WHOLE_ARCHIVE:
		p->whole_archive = option == OPT_WHOLE_ARCHIVE;
		return -1;
	case OPT_BUILD_ID:
		return parse_build_id(options, optarg ? optarg : "sha1");
	case OPT_MAP:
		options->map_file = optarg;
		return -1;
	case OPT_TRACE:
		options->trace_file = optarg;
		return -1;
	case OPT_STATS:
		return parse_stats(options, optarg);
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
	case OPT_DURABILITY:
		return parse_durability(options, optarg);
	case OPT_CHECK:
		options->check_overlap = 1;
		return -1;
	case OPT_HELP:
		return print(help, "");
	case OPT_VERSION:
		return print("parwrite (liboutbuf) ", outbuf_version());
	default:
		return report_getopt_error(option, options->args.list[optind - 1]);
	}
}

static int parse(struct parsing *p, int argc, char **argv)
{
	struct options *options = p->options;
	int option, status = -1;

	if (args_expand(&options->args, argc, argv, &p->error))
		return 1;
	if (options->args.n > INT_MAX)
		return usage_error("too many arguments", NULL);
	opterr = 0; /* getopt must print no messages: they would begin with argv[0] */
	while (status < 0 && (option = getopt_long_only((int)options->args.n, options->args.list, short_options,
	                                           long_options, NULL)) != -1)
		status = apply_option(p, option);
	for (; status < 0 && (size_t)optind < options->args.n; optind++) /* after "--" */
		status = add_input(p, options->args.list[optind], 0);
	if (status >= 0)
		return status;
	if (!options->output)
		return usage_error("no output: -o FILE is missing", NULL);
	if (options->n_inputs == 0)
		return usage_error("no input files", NULL);
	return find_libraries(p);
}

int options_parse(struct options *options, int argc, char **argv)
{
	struct parsing p = { .options = options, .error = ERROR_INIT, .whole_archive = 1 };
	int status;

	options->threads = available_cpus();
	options->progress = isatty(STDERR_FILENO);
	status = parse(&p, argc, argv);
	if (p.error.text)
		say(p.error.text);
	error_free(&p.error);
	free(p.libraries.directories);
	return status;
}

void options_free(struct options *options)
{
	for (size_t i = 0; i < options->n_inputs; i++)
		free(options->inputs[i].path);
	free(options->inputs);
	args_free(&options->args);
}
