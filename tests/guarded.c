/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "guarded.h"

#include <unistd.h>

#include "internal.h"

struct outbuf *guarded_open(const char *path, size_t size)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	o.map = OUTBUF_REQUIRE;
	o.stage = OUTBUF_NO;
	o.guard = 1;
	ob = open_with(path, &o);
	assert_int_equal(outbuf_map(ob, size), 0);
	return ob;
}

void guarded_truncate(struct outbuf *ob, off_t size)
{
	assert_int_equal(ftruncate(ob->target.fd, size), 0);
}

void guarded_store(void *p, size_t offset)
{
	__asm__ volatile("" ::: "memory");
	((volatile char *)p)[offset] = 'x';
	__asm__ volatile("" ::: "memory");
}
