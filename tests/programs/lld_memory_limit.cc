// SPDX-License-Identifier: MIT
// Print the limit of memory that is found below the folder, which stands for the root; "none" if there is none.
#include "lld/memory_limit.h"

#include <cstdio>

int main(int, char **argv)
{
	uint64_t limit = memory_limit(argv[1]);

	if (limit == UINT64_MAX)
		puts("none");
	else
		printf("%llu\n", (unsigned long long)limit);
}
