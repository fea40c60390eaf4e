/* SPDX-License-Identifier: MIT */
/*
 * The address range of an output, where there is no virtual memory to play with.
 *
 * The promise that nothing moves leaves one way: take the whole range from calloc() at once. Most
 * systems that lack <sys/mman.h> for us still hand out large zeroed blocks lazily, and
 * where they do not, the default is kept small (256 MiB, halved until it can be had) and
 * the caller says more by options.max_size or outbuf_map().
 */
#include "config.h"

#include "space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE ((uint64_t)4096)

uint64_t space_default(void)
{
	return (uint64_t)256 << 20;
}

uint64_t space_page(void)
{
	return PAGE;
}

int space_reserve(struct space *s, uint64_t want, uint64_t need)
{
	uint64_t try;

	if (need > SIZE_MAX / 2 - PAGE)
		return -EFBIG;
	need = (need + PAGE - 1) & ~(PAGE - 1);
	if (want < need)
		want = need;
	for (try = want;; try = try / 2 > need ? try / 2 : need) {
		void *got = try <= SIZE_MAX / 2 ? calloc(1, (size_t)try) : NULL;
		if (got != NULL) {
			*s = (struct space){ .base = got, .reserved = try, .whole = got };
			return 0;
		}
		if (try == need)
			return -ENOMEM;
	}
}

int space_peek(int fd, void **page)
{
	(void)fd, (void)page;
	return -ENOSYS;
}

int space_peek_sync(void *page)
{
	(void)page;
	return -ENOSYS;
}

void space_peek_end(void *page)
{
	(void)page;
}

int space_map_file(struct space *s, int fd, uint64_t from, uint64_t to)
{
	(void)s, (void)fd, (void)from, (void)to;
	return -ENOSYS;
}

int space_usable(struct space *s, uint64_t from, uint64_t to)
{
	(void)s, (void)from, (void)to;
	return 0;
}

void space_clear(struct space *s, uint64_t from, uint64_t to)
{
	memset(s->base + from, 0, (size_t)(to - from));
}

void space_forget(struct space *s, uint64_t from, uint64_t to)
{
	(void)s, (void)from, (void)to;
}

void space_expect(struct space *s, uint64_t from, uint64_t to)
{
	(void)s, (void)from, (void)to;
}

int space_sync(struct space *s, uint64_t to)
{
	(void)s, (void)to;
	return 0;
}

int space_settle(struct space *s, uint64_t to)
{
	(void)s, (void)to;
	return 0;
}

void space_release(struct space *s)
{
	free(s->whole);
	memset(s, 0, sizeof *s);
}
