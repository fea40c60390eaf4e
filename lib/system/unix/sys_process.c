/* SPDX-License-Identifier: MIT */
/* What belongs to the process: its limits, environment and CPUs; time; random bits. */
#include "config.h"

#include "system/sys.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "system/unix/sys_table.h"
#include "system/unix/sys_unix.h"

int ob__sys_random(uint64_t *bits)
{
	ssize_t got = ob__sys_table.getrandom(bits, sizeof *bits, 0);

	if (got < 0)
		return -errno;
	return got == (ssize_t)sizeof *bits ? 0 : -EIO;
}

uint64_t ob__sys_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

void ob__sys_pause(void)
{
	struct timespec duration = { .tv_nsec = 20000 };

	nanosleep(&duration, NULL);
}

void ob__sys_poll_pause(void)
{
	struct timespec duration = { .tv_nsec = 10 * 1000 * 1000 };

	nanosleep(&duration, NULL);
}

const char *ob__sys_environment(const char *name)
{
#ifdef HAVE_SECURE_GETENV
	return secure_getenv(name);
#else
	return getuid() == geteuid() && getgid() == getegid() ? getenv(name) : NULL;
#endif
}

unsigned ob__sys_cpus(void)
{
	long n;
#ifdef HAVE_SCHED_GETAFFINITY
	/* The CPUs that a container or taskset leaves us, not all that the machine has. */
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		return (unsigned)CPU_COUNT(&set);
#endif
	n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (unsigned)n : 1;
}

uint64_t ob__sys_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
