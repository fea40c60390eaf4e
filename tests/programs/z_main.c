/* SPDX-License-Identifier: MIT */
/* Compress and expand something with zlib, print sizes and checksums. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int main(void)
{
	static unsigned char in[300000], out[400000], back[300000];
	uLongf n = sizeof out, m = sizeof back;
	unsigned i;
	int level;

	for (i = 0; i < sizeof in; i++)
		in[i] = (unsigned char)(i * i >> 7 ^ i % 251);
	for (level = 0; level <= 9; level += 3) {
		n = sizeof out;
		m = sizeof back;
		if (compress2(out, &n, in, sizeof in, level) != Z_OK ||
		    uncompress(back, &m, out, n) != Z_OK || m != sizeof in ||
		    memcmp(in, back, sizeof in) != 0)
			return 1;
		printf("zlib %s level %d: %lu bytes, crc32 %08lx, adler32 %08lx\n", zlibVersion(), level,
		       (unsigned long)n, crc32(0, out, (uInt)n), adler32(1, out, (uInt)n));
	}
	return 0;
}
