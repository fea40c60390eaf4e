/* SPDX-License-Identifier: MIT */
#include "cross.h"

_Thread_local int in_thread = 11;
static _Thread_local int own_in_thread = 100;
static int counter = 7, zero;
static const char *const words[] = { "same", "there", "same" };
static short small[3] = { 1, 2, 3 };
static short *in_the_middle = &small[1];

__attribute__((constructor)) static void begin(void) { begun[1]++; }

static int twice(int x) { return 2 * x + zero; }
static int count(int x) { return x + counter++; }

const struct node there_nodes[] = {
	{ "first", twice, &there_nodes[1], 1L << 20 },
	{ "second", count, 0, -5 },
};

__attribute__((noinline)) static int choose(int which, int x)
{
	switch (which) {
	case 0: return twice(x);
	case 1: return count(x);
	case 2: return words[x][0];
	case 3: return *in_the_middle + x;
	case 4: return own_in_thread += x;
	case 5: return in_thread++;
	case 6: return x / 3;
	default: return -1;
	}
}

int there(int which, int x) { return choose(which, x); }

double there_sum(const double *x, int n)
{
	double sum = 0.5;

	while (n-- > 0)
		sum += x[n] * 1.25;
	return sum;
}
