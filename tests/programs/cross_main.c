/* SPDX-License-Identifier: MIT */
#include "cross.h"

#include <stdio.h>
#include <string.h>

int begun[2];
static const char *const words[] = { "here", "same", "there" };
static char buffer[64];
static char *const end_of_buffer = buffer + sizeof buffer;
static const double numbers[] = { 1.5, 2.25, -8 };

__attribute__((constructor)) static void begin(void) { begun[0]++; }

static int own(int x) { return x - 1; }
static const struct node own_node = { "own", own, there_nodes, 3 };

int main(void)
{
	const struct node *n;
	int i;

	for (n = &own_node; n; n = n->next)
		printf("%s %d %ld\n", n->name, n->apply(20), n->weight);
	for (i = 0; i < 8; i++)
		printf(" %d", there(i, i == 2 ? 1 : i));
	printf("\n%s %s %s %.3f\n", words[0], words[1], words[2], there_sum(numbers, 3));
	snprintf(buffer, sizeof buffer, "%d %d %d", in_thread, begun[0], begun[1]);
	printf("%s %d\n", buffer, (int)(end_of_buffer - buffer));
	return (int)strlen(buffer);
}
