/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "rigs/mixed.h"

unsigned char mixed_want[MIXED_SIZE];

int mixed_make(void **state)
{
	uint64_t seed = 8;
	size_t i;

	(void)state;
	for (i = 0; i < MIXED_SIZE; i++)
		mixed_want[i] = (unsigned char)random_next(&seed);
	return 0;
}

int mixed_emit(struct outbuf *ob)
{
	struct outbuf_view v;
	size_t at;
	int r = outbuf_map(ob, MIXED_PLANNED);

	if (r < 0)
		return r;
	outbuf_view(ob, &v, 0, 60000);
	outbuf_write(&v, mixed_want, 20000);
	for (at = 20000; at < 60000; at++)
		outbuf_write8(&v, mixed_want[at]);
	outbuf_view_end(&v);
	for (; at < 90000; at += 1000) {
		outbuf_view(ob, &v, at, 1000);
		outbuf_write(&v, mixed_want + at, 1000);
		outbuf_view_end(&v);
	}
	outbuf_view(ob, &v, at, OUTBUF_UNBOUNDED);
	outbuf_write(&v, mixed_want + at, MIXED_SIZE - at);
	return outbuf_view_end(&v);
}
