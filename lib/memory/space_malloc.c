/* SPDX-License-Identifier: MIT */
/*
 * The address range of an output on systems without calls for virtual memory.
 *
 * The output must never move, so the whole range is allocated at once by calloc(). Most systems without <sys/mman.h>
 * provide the pages of large zeroed blocks only when they are touched. For those that do not, the default is small:
 * 256 MiB, less if many outputs are open, halved until the allocation succeeds. The caller asks for more by
 * options.max_size or outbuf_map().
 */
#include "config.h"

#include "memory/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory/round.h"

#define PAGE ((uint64_t)4096)

struct space_budget ob__space_budget(void)
{
	return (struct space_budget){ 0, (uint64_t)8 << 30, (uint64_t)256 << 20, (uint64_t)16 << 20 };
}

uint64_t ob__space_page_size(void)
{
	return PAGE;
}

int ob__space_reserve(struct space *s, uint64_t want, uint64_t need)
{
	uint64_t size;

	if (need > SIZE_MAX / 2 - PAGE)
		return -EFBIG;
	need = round_up(need, PAGE);
	if (want < need)
		want = need;
	for (size = want;; size = size / 2 > need ? size / 2 : need) {
		void *memory = size <= SIZE_MAX / 2 ? calloc(1, (size_t)size) : NULL;
		if (memory != NULL) {
			*s = (struct space){ .base = memory, .reserved = size, .allocation = memory };
			return 0;
		}
		if (size == need)
			return -ENOMEM;
	}
}

int ob__space_reserve_growing(struct space *s, uint64_t need, uint64_t *usable)
{
	(void)s, (void)need, (void)usable;
	return -ENOSYS;
}

int ob__space_extend(struct space *s, uint64_t want, uint64_t need)
{
	(void)s, (void)want, (void)need;
	return -ENOSYS;
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

int ob__space_cut(struct space *s, uint64_t from, uint64_t to)
{
	(void)s, (void)from, (void)to;
	return -ENOSYS;
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

void ob__space_give_back(struct space *s, uint64_t stored)
{
	(void)stored;
	ob__space_free(s);
}

void ob__space_free(struct space *s)
{
	free(s->allocation);
	memset(s, 0, sizeof *s);
}
