/* SPDX-License-Identifier: MIT */
/* Compress and expand something with bzip2, print sizes. */
#include <bzlib.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	static char in[300000], out[400000], back[300000];
	unsigned i, level;

	for (i = 0; i < sizeof in; i++)
		in[i] = (char)(i * i >> 7 ^ i % 251);
	for (level = 1; level <= 9; level += 4) {
		unsigned n = sizeof out, m = sizeof back, sum = 0;

		if (BZ2_bzBuffToBuffCompress(out, &n, in, sizeof in, (int)level, 0, 0) != BZ_OK ||
		    BZ2_bzBuffToBuffDecompress(back, &m, out, n, 0, 0) != BZ_OK || m != sizeof in ||
		    memcmp(in, back, sizeof in) != 0)
			return 1;
		for (i = 0; i < n; i++)
			sum = sum * 31 + (unsigned char)out[i];
		printf("bzip2 %s level %u: %u bytes, sum %08x\n", BZ2_bzlibVersion(), level, n, sum);
	}
	return 0;
}
