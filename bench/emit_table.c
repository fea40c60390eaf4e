/* SPDX-License-Identifier: MIT */
/*
 * Prints the results of bench_emit as a table, and writes them as tab-separated lines for programs.
 *
 * The rate of a way is that of its median round. The best round is printed beside it: on a virtual machine that
 * returns free memory to its host the same run takes 0.2 s or 2 s, depending on the pages that it gets. The ratio
 * compares medians: with the best way that makes a file and has the same number of threads.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "emit.h"
#include "measure.h"

/* GB/s. */
static double rate(double seconds)
{
	return (double)job.size / 1e9 / seconds;
}

static int has_numbers(const struct results *r, size_t way, size_t column)
{
	return r->measured[way][column].error == 0 && !r->measured[way][column].too_many_threads;
}

static double median_rate(const struct results *r, size_t way, size_t column)
{
	return rate(median(r->measured[way][column].seconds, r->rounds));
}

static double best_rate(const struct results *r, size_t way, size_t column)
{
	return rate(least(r->measured[way][column].seconds, r->rounds));
}

/* The way's median rate divided by the best of the column; 0 if the column has no rate. */
static double ratio(const struct results *r, size_t way, size_t column)
{
	double most = 0;
	size_t i;

	for (i = 0; i < r->ways; i++)
		if (r->way[i]->kind != LIMIT && has_numbers(r, i, column) &&
		    median_rate(r, i, column) > most)
			most = median_rate(r, i, column);
	return most > 0 ? median_rate(r, way, column) / most : 0;
}

static const char *const kinds[] = { [OURS] = "ours", [HAND] = "by hand", [LIMIT] = "no file" };

void print_table(const struct results *r)
{
	size_t i, t;

	printf("%zu MiB in %zu sections, %zu of them below 64 KiB, and %zu tasks\n", job.size >> 20,
	       job.section_count, job.small_count, job.task_count);
	printf("GB/s: median of %zu (best), ratio of the median to the best way's\n", r->rounds);
	printf("%-8s %-33s", "", "way");
	for (t = 0; t < r->columns; t++)
		printf("   %8u thread%s  ", r->threads[t], r->threads[t] == 1 ? " " : "s");
	printf("\n");
	for (i = 0; i < r->ways; i++) {
		const struct measurement *refused = NULL;
		int first = i == 0 || r->way[i]->kind != r->way[i - 1]->kind;

		printf("%-8s %-33s", first ? kinds[r->way[i]->kind] : "", r->way[i]->name);
		for (t = 0; t < r->columns; t++) {
			if (has_numbers(r, i, t)) {
				printf("  %5.2f (%5.2f)", median_rate(r, i, t), best_rate(r, i, t));
				if (r->way[i]->kind != LIMIT)
					printf("  %4.2f", ratio(r, i, t));
				else
					printf("%6s", "");
			} else {
				printf("  %5s%14s", "-", "");
			}
			if (r->measured[i][t].error != 0)
				refused = &r->measured[i][t];
		}
		if (refused != NULL)
			printf("  %s: %s", refused->refused, strerror(-refused->error));
		printf("\n");
	}
}

void write_tsv(const struct results *r, const char *name, const char *file_system)
{
	FILE *file = fopen(name, "w");
	size_t i, t;

	if (file == NULL)
		die(name, errno);
	fprintf(file, "fs\tkind\tway\tthreads\tMiB\trounds\tmedian\tbest\tratio\trefused\n");
	for (i = 0; i < r->ways; i++)
		for (t = 0; t < r->columns; t++) {
			const struct measurement *one = &r->measured[i][t];

			if (one->too_many_threads)
				continue;
			fprintf(file, "%s\t%s\t%s\t%u\t%zu\t%zu\t", file_system, kinds[r->way[i]->kind],
			        r->way[i]->name, r->threads[t], job.size >> 20, r->rounds);
			if (one->error != 0)
				fprintf(file, "-\t-\t-\t%s: %s\n", one->refused, strerror(-one->error));
			else
				fprintf(file, "%.3f\t%.3f\t%.3f\t-\n", median_rate(r, i, t),
				        best_rate(r, i, t), ratio(r, i, t));
		}
	if (ferror(file) || fclose(file) != 0)
		die(name, errno);
}
