/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(const double *values, size_t n)
{
	double *sorted = malloc(n * sizeof *sorted), m;

	if (sorted == NULL)
		die("median", 12);
	memcpy(sorted, values, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, compare_doubles);
	m = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
	free(sorted);
	return m;
}

double least(const double *values, size_t n)
{
	double m = values[0];

	while (n-- > 1)
		m = values[n] < m ? values[n] : m;
	return m;
}

/* Replace \040 by a blank: /proc/self/mounts has blanks of a mount point in this form. */
static void decode_blanks(char *s)
{
	char *to = s;

	while (*s != '\0') {
		if (s[0] == '\\' && s[1] == '0' && s[2] == '4' && s[3] == '0') {
			*to++ = ' ';
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Finds the longest mount point that is a prefix of the directory's path. */
void file_system(const char *dir, char type[64])
{
	char line[1024], point[512], kind[64], path[4096];
	size_t best = 0;
	FILE *mounts = fopen("/proc/self/mounts", "r");

	snprintf(type, 64, "unknown");
	if (mounts == NULL || realpath(dir, path) == NULL)
		return;
	while (fgets(line, sizeof line, mounts) != NULL) {
		size_t n;

		if (sscanf(line, "%*s %511s %63s", point, kind) != 2)
			continue;
		decode_blanks(point);
		n = strcmp(point, "/") == 0 ? 0 : strlen(point);
		if (n >= best && strncmp(path, point, n) == 0 && (path[n] == '/' || path[n] == '\0')) {
			best = n;
			snprintf(type, 64, "%s", kind);
		}
	}
	fclose(mounts);
}

void print_machine(const char *dir)
{
	struct utsname u;
	char type[64];

	uname(&u);
	printf("%s %s %s, %ld CPUs", u.sysname, u.release, u.machine, sysconf(_SC_NPROCESSORS_ONLN));
	if (dir != NULL) {
		file_system(dir, type);
		printf(", %s", type);
	}
	printf("\n");
}

void die(const char *what, int error)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}
