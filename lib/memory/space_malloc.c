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

#include "memory/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory/round.h"

#define PAGE ((uint64_t)4096)

uint64_t ob__space_default_size(void)
{
	return (uint64_t)256 << 20;
}

uint64_t ob__space_page_size(void)
{
	return PAGE;
}

int ob__space_reserve(struct space *s, uint64_t want, uint64_t need)
{
	uint64_t try;

	if (need > SIZE_MAX / 2 - PAGE)
		return -EFBIG;
	need = round_up(need, PAGE);
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

int ob__space_map_page(int fd, void **page)
{
	(void)fd, (void)page;
	return -ENOSYS;
}

int ob__space_sync_page(void *page)
{
	(void)page;
	return -ENOSYS;
}

void ob__space_unmap_page(void *page)
{
	(void)page;
}

int ob__space_map_file(struct space *s, int fd, uint64_t from, uint64_t to)
{
	(void)s, (void)fd, (void)from, (void)to;
	return -ENOSYS;
}

int ob__space_make_usable(struct space *s, uint64_t from, uint64_t to)
{
	(void)s, (void)from, (void)to;
	return 0;
}

void ob__space_zero(struct space *s, uint64_t from, uint64_t to)
{
	memset(s->base + from, 0, (size_t)(to - from));
}

void ob__space_drop_pages(struct space *s, uint64_t from, uint64_t to)
{
	(void)s, (void)from, (void)to;
}

void ob__space_advise_store(struct space *s, uint64_t from, uint64_t to)
{
	(void)s, (void)from, (void)to;
}

int ob__space_sync(struct space *s, uint64_t to)
{
	(void)s, (void)to;
	return 0;
}

int ob__space_prepare_unmap(struct space *s, uint64_t to)
{
	(void)s, (void)to;
	return 0;
}

void ob__space_free(struct space *s)
{
	free(s->whole);
	memset(s, 0, sizeof *s);
}
