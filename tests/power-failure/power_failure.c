/* SPDX-License-Identifier: MIT */
/*
 * What is left of an output after the power fails, at many moments.
 *
 *     power_failure [OPTION]... TYPE MIB MKFS WRITER [ARGUMENT]...
 *
 * MKFS, a command of the shell, makes a file system of this type on the file $IMAGE, which has MIB MiB. Then
 *
 *     WRITER ARGUMENT... DIR MARK EXPECTED COUNT FIRST
 *
 * writes versions FIRST to FIRST + COUNT - 1 of DIR/out. Of each version V it first makes the file EXPECTED/V, which is
 * on no disk. It writes "b V" to MARK before it commits V, and "a V" when commit has returned.
 *
 *   -p POINTS     so many power failures (200)
 *   -n VERSIONS   so many versions (40)
 *   -s SEED       of the random numbers (1)
 *   -o OPTIONS    for mounting
 *   -k COMMAND    of the shell, on the file $DISK after each failure: what repairs a file system that has no journal
 *   -u BYTES      what the disk writes whole or not at all (512)
 *   -f            full: what was acknowledged is there. Else any version that was begun is good, or none; but never an
 *                 older one than was on the disk at an earlier moment
 *   -l            litter: what must be gone after the next run but one file, which is a spare
 *   -c            a control: it must go wrong. With -f by something older than acknowledged, else by a mixture
 *   -v            tell of each moment that is wrong
 *
 * After each failure the file system is mounted, and DIR/out must be a version. Then the writer runs once more, and that
 * version must be there. Prints one line. Status 0: as it must be; 1: not; 2: the test could not be made.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "disk.h"
#include "look.h"
#include "mounts.h"

#define NEXT 1000001 /* the version that the run after a failure writes */

static struct {
	size_t points;
	unsigned versions;
	uint64_t seed;
	const char *type, *mkfs, *mount_options, *repair;
	uint32_t sector;
	char **writer; /* its command */
	int n_writer;
	int full, spare, control, verbose;
} options = { .points = 200, .versions = 40, .seed = 1, .mount_options = "", .sector = 512 };

/* Below the directory of this run, which is in memory. */
static char dir[200], fuse[260], disk[300], mark[300], mnt[260], expected[260], out_dir[300], out[340];

static struct {
	unsigned mount_failed, whole, nothing, mixture, older, lost, not_begun, next_failed, littered, still_littered;
} counts;

static _Noreturn void give_up(const char *what, int error)
{
	fprintf(stderr, "power_failure: %s: %s\n", what, strerror(error));
	exit(2);
}

static void check_mounted(int r, const char *what)
{
	if (r < 0)
		give_up(what, -r);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Run the writer. Its exit status, as wait(2) has it. */
static int run_writer(char *mark_path, unsigned count, uint64_t first)
{
	char count_text[20], first_text[30], *command[40];
	int i, status;
	pid_t pid;

	for (i = 0; i < options.n_writer; i++)
		command[i] = options.writer[i];
	snprintf(count_text, sizeof count_text, "%u", count);
	snprintf(first_text, sizeof first_text, "%" PRIu64, first);
	command[i++] = out_dir;
	command[i++] = mark_path;
	command[i++] = expected;
	command[i++] = count_text;
	command[i++] = first_text;
	command[i] = NULL;
	pid = fork();
	if (pid < 0)
		give_up("fork", errno);
	if (pid == 0) {
		execvp(command[0], command);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

/* -------------------------------------------------------------------- the record */

static void make_file_system(uint64_t mib)
{
	char image[300], command[1200];
	int fd;

	snprintf(image, sizeof image, "%s/image", dir);
	fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)(mib << 20)) < 0)
		give_up(image, errno);
	close(fd);
	setenv("IMAGE", image, 1);
	snprintf(command, sizeof command, "{ %s; } >'%s/mkfs.log' 2>&1 || { cat '%s/mkfs.log' >&2; false; }", options.mkfs, dir, dir);
	if (system(command) != 0)
		give_up("no file system could be made", EINVAL);
	if (disk_open(image, fuse) < 0)
		exit(2);
	unlink(image);
}

/* Let the writer write all versions, while the disk records. */
static void record(void)
{
	int status;

	/* Mounted and unmounted once before, so that what mkfs left to do is done. */
	check_mounted(mounts_mount(disk, mnt, options.type, options.mount_options), "the first mount");
	if (mkdir(out_dir, 0777) < 0)
		give_up(out_dir, errno);
	check_mounted(mounts_unmount(mnt, options.type), "the first unmount");
	disk_record(1);
	check_mounted(mounts_mount(disk, mnt, options.type, options.mount_options), "the second mount");
	status = run_writer(mark, options.versions, 1);
	disk_record(0);
	check_mounted(mounts_unmount(mnt, options.type), "the second unmount");
	if (status != 0) {
		fprintf(stderr, "power_failure: the writer failed: status %x\n", (unsigned)status);
		exit(2);
	}
}

/* ------------------------------------------------------------------- the failures */

/* A moment: after so many records, with so much of what was not flushed. */
struct point {
	size_t records;
	uint32_t unit;
	unsigned percent;
};

static int by_records(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	return (x->records > y->records) - (x->records < y->records);
}

/* The first record of this kind from `at` on; the end if there is none. The point is behind it. */
static size_t behind(const struct record *records, size_t n, size_t at, enum record_kind kind)
{
	while (at < n && records[at].kind != kind)
		at++;
	return at < n ? at + 1 : n;
}

/*
 * Moments all over the record: of each sixth of them, those right after a flush with nothing lost; with all that was
 * written; with only what was flushed, half of these right after an acknowledgement; and three with some of the rest, by
 * pages, by whole writes and by sectors.
 */
static struct point *choose_points(void)
{
	struct point *points = calloc(options.points, sizeof *points);
	const struct record *records;
	size_t n, i;

	if (points == NULL)
		give_up("points", ENOMEM);
	records = disk_records(&n);
	for (i = 0; i < options.points; i++) {
		const uint32_t units[] = { 4096, 0, options.sector };
		struct point *p = &points[i];
		unsigned kind = (unsigned)disk_random(&options.seed, 6);

		p->records = (size_t)(((double)i + (double)disk_random(&options.seed, 1000) / 1000) / (double)options.points *
		                      (double)n);
		p->percent = kind < 2 ? 100 : kind == 2 ? 0 : (unsigned)disk_random(&options.seed, 5) * 25;
		p->unit = kind < 3 ? 0 : units[kind - 3];
		if (kind == 0)
			p->records = behind(records, n, p->records, RECORD_FLUSH);
		else if (kind == 2 && disk_random(&options.seed, 2) == 0)
			p->records = behind(records, n, p->records, RECORD_ACKNOWLEDGE);
	}
	qsort(points, options.points, sizeof *points, by_records);
	return points;
}

static void tell(const struct point *p, size_t units, size_t kept, const char *what, const char *why)
{
	if (options.verbose)
		printf("  after %zu records, %zu of %zu units of %" PRIu32 " survived: %s%s%s\n", p->records, kept, units, p->unit,
		       what, *why != '\0' ? ": " : "", why);
}

/*
 * Is this version, 0 for none, older than one that was found before? Points are checked in their order. What was found
 * without anything that was not flushed is on the disk for good.
 */
static void check_order(const struct point *p, uint64_t version, size_t units, size_t kept)
{
	static uint64_t on_disk;

	if (version < on_disk) {
		counts.lost++;
		tell(p, units, kept, "older than what was on the disk before", "");
	} else if (p->percent == 0 || units == 0) {
		on_disk = version;
	}
}

/* The file system is mounted, after a failure: is everything as it must be? */
static void check(const struct point *p, uint64_t begun, uint64_t acknowledged, size_t units, size_t kept)
{
	char why[300], no_mark[] = "-";
	uint64_t version;
	unsigned others;
	int status;

	switch (look(out, expected, options.versions, 0, &version, why, sizeof why)) {
	case FOUND_VERSION:
		counts.whole++;
		check_order(p, version, units, kept);
		if (version > begun) {
			counts.not_begun++;
			tell(p, units, kept, "a version that was not begun", why);
		} else if (version < acknowledged) {
			counts.older++;
			if (options.full)
				tell(p, units, kept, "older than what was acknowledged", "");
		}
		break;
	case FOUND_NOTHING:
		counts.nothing++;
		check_order(p, 0, units, kept);
		/* What was acknowledged is gone. */
		if (acknowledged > 0) {
			counts.older++;
			if (options.full)
				tell(p, units, kept, "nothing, and a version was acknowledged", "");
		}
		break;
	case FOUND_MIXTURE:
		counts.mixture++;
		tell(p, units, kept, "no version", why);
		break;
	}
	others = look_for_others(out_dir, "out");
	counts.littered += others > 0;
	status = run_writer(no_mark, 1, NEXT);
	if (status != 0 || look(out, expected, 0, NEXT, &version, why, sizeof why) != FOUND_VERSION) {
		counts.next_failed++;
		tell(p, units, kept, "the next run failed", why);
	}
	others = look_for_others(out_dir, "out");
	if (others > (options.spare ? 1u : 0u)) {
		counts.still_littered++;
		tell(p, units, kept, "files are left after the next run", "");
	}
}

/* What it finds is its own affair: the exit status tells that there was something. */
static void repair(void)
{
	char command[1200];

	if (options.repair == NULL)
		return;
	setenv("DISK", disk, 1);
	snprintf(command, sizeof command, "{ %s; } >'%s/repair.log' 2>&1", options.repair, dir);
	if (system(command) == -1)
		give_up("the repair", errno);
}

static void fail_at(const struct point *p)
{
	const struct survival survival = { .unit = p->unit, .percent = p->percent, .seed = &options.seed };
	uint64_t begun = 0, acknowledged = 0;
	const struct record *records;
	size_t kept, units = disk_fail(p->records, survival, &kept), n, i;
	int r;

	repair();
	r = mounts_mount(disk, mnt, options.type, options.mount_options);
	if (r < 0) {
		counts.mount_failed++;
		tell(p, units, kept, "it cannot be mounted", strerror(-r));
		return;
	}
	records = disk_records(&n);
	for (i = 0; i < p->records; i++) {
		if (records[i].kind == RECORD_BEGIN)
			begun = records[i].version;
		else if (records[i].kind == RECORD_ACKNOWLEDGE)
			acknowledged = records[i].version;
	}
	check(p, begun, acknowledged, units, kept);
	check_mounted(mounts_unmount(mnt, options.type), "unmounting");
}

/* ------------------------------------------------------------------------- the run */

/* The line, and what the exit status is. */
static int report(double recorded, double checked)
{
	unsigned wrong = counts.mixture + counts.not_begun + counts.lost + (options.full ? counts.older : 0);
	unsigned broken = counts.mount_failed + counts.next_failed + counts.still_littered;
	const struct record *records;
	size_t n, i, flushes = 0, writes = 0;

	records = disk_records(&n);
	for (i = 0; i < n; i++) {
		flushes += records[i].kind == RECORD_FLUSH;
		writes += records[i].kind == RECORD_WRITE;
	}
	printf("%zu points: %u whole, %u older than acknowledged, %u without a file, %u mixtures, %u lost again, %u not begun; %u mounts and "
	       "%u next runs failed; hidden files at %u, too many after the next run at %u; %zu writes, %zu flushes; %.1f s to "
	       "record, %.1f s to check\n",
	       options.points, counts.whole, counts.older, counts.nothing, counts.mixture, counts.lost, counts.not_begun,
	       counts.mount_failed, counts.next_failed, counts.littered, counts.still_littered, writes, flushes, recorded,
	       checked);
	fflush(stdout);
	if (options.control)
		return (options.full ? counts.older : counts.mixture) > 0 ? 0 : 1;
	return wrong + broken > 0 ? 1 : 0;
}

static void make_names(void)
{
	const char *memory = getenv("TMPDIR");

	snprintf(dir, sizeof dir, "%s/power-failure.XXXXXX", memory != NULL ? memory : "/dev/shm");
	if (mkdtemp(dir) == NULL)
		give_up(dir, errno);
	snprintf(fuse, sizeof fuse, "%s/fuse", dir);
	snprintf(disk, sizeof disk, "%s/disk", fuse);
	snprintf(mark, sizeof mark, "%s/mark", fuse);
	snprintf(mnt, sizeof mnt, "%s/mnt", dir);
	snprintf(expected, sizeof expected, "%s/expected", dir);
	snprintf(out_dir, sizeof out_dir, "%s/d", mnt);
	snprintf(out, sizeof out, "%s/out", out_dir);
	if (mkdir(fuse, 0700) < 0 || mkdir(mnt, 0700) < 0 || mkdir(expected, 0700) < 0)
		give_up(dir, errno);
}

static void remove_names(void)
{
	char command[300];

	mounts_detach(mnt);
	mounts_detach(fuse);
	snprintf(command, sizeof command, "rm -rf --one-file-system '%s'", dir);
	if (system(command) != 0)
		fprintf(stderr, "power_failure: %s stays\n", dir);
}

static uint64_t read_options(int argc, char **argv)
{
	int c;

	/* "+": the writer's options are its own. */
	while ((c = getopt(argc, argv, "+p:n:s:o:k:u:flcv")) != -1) {
		switch (c) {
		case 'p': options.points = strtoull(optarg, NULL, 10); break;
		case 'n': options.versions = (unsigned)strtoul(optarg, NULL, 10); break;
		case 's': options.seed = strtoull(optarg, NULL, 10); break;
		case 'o': options.mount_options = optarg; break;
		case 'k': options.repair = optarg; break;
		case 'u': options.sector = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'f': options.full = 1; break;
		case 'l': options.spare = 1; break;
		case 'c': options.control = 1; break;
		case 'v': options.verbose = 1; break;
		default: argc = 0; break;
		}
	}
	if (argc - optind < 4 || argc - optind > 30 || options.points == 0 || options.versions == 0 ||
	    options.sector == 0) {
		fprintf(stderr, "usage: power_failure [-p POINTS] [-n VERSIONS] [-s SEED] [-o OPTIONS] [-k COMMAND] [-u BYTES] [-flcv] TYPE MIB MKFS "
		                "WRITER [ARGUMENT]...\n");
		exit(2);
	}
	options.type = argv[optind];
	options.mkfs = argv[optind + 2];
	options.writer = argv + optind + 3;
	options.n_writer = argc - optind - 3;
	return strtoull(argv[optind + 1], NULL, 10);
}

int main(int argc, char **argv)
{
	uint64_t mib = read_options(argc, argv);
	double began = now(), recorded;
	struct point *points;
	size_t i;

	if (mounts_private() < 0)
		give_up("a mount namespace", errno);
	make_names();
	atexit(remove_names);
	make_file_system(mib);
	record();
	recorded = now();
	points = choose_points();
	for (i = 0; i < options.points; i++)
		fail_at(&points[i]);
	free(points);
	return report(recorded - began, now() - recorded);
}
