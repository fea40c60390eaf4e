/* SPDX-License-Identifier: MIT */
/*
 * The place of a byte: memory or file.
 *
 * Below mapped_end both are the same: a mapping and pwrite(2) meet in the page cache, byte by byte. Above it, in the
 * heap, a byte has two copies and one of them is authoritative (struct dirty). A staged View writes its blocks to the
 * file. A pointer needs the bytes in memory, so they are loaded. Whoever stores here first asks which copy counts.
 *
 * Every write to the file that is not a flush goes through ob__store_put(), which refuses what RLIMIT_FSIZE forbids:
 * the system call would raise SIGXFSZ, which kills a program that does not expect it.
 */
#include "config.h"

#include "output/store.h"

#include <errno.h>
#include <string.h>

#include "output/state.h"
#include "system/sys.h"

static int load(void *arg, struct range range)
{
	struct outbuf *ob = arg;

	return ob__sys_pread_all(ob->target.fd, ob->heap.space.base + range.offset, (size_t)range.length, range.offset);
}

static struct range heap_part(const struct outbuf *ob, uint64_t offset, uint64_t n)
{
	return range_intersection((struct range){ offset, n },
	                          (struct range){ ob->mapped_end, UINT64_MAX - ob->mapped_end });
}

void ob__store_advise(struct outbuf *ob, uint64_t offset, uint64_t n)
{
	struct range range = heap_part(ob, offset, n);

	/* Each small page of fresh memory is a fault: ld.lld took 1.56 s for 107 MB, with large pages 1.19 (btrfs). */
	if (range.length > 0)
		ob__space_advise_store(&ob->heap.space, range.offset, range_end(range));
}

static int claim(struct outbuf *ob, uint64_t offset, uint64_t n, int for_pointer)
{
	struct range range = heap_part(ob, offset, n);
	/* At least one byte, so that there is an address. */
	int r = ob__heap_make_usable(&ob->heap, offset + n > 0 ? offset + n : 1);

	/* The advice comes before the memory is touched by loading. */
	if (r == 0 && for_pointer)
		ob__store_advise(ob, offset, n);
	if (r == 0 && range.length > 0)
		r = ob__dirty_claim_memory(&ob->dirty, range, load, ob);
	return r;
}

int ob__store_claim_memory(struct outbuf *ob, uint64_t offset, uint64_t n)
{
	return claim(ob, offset, n, 0);
}

int ob__store_claim_for_pointer(struct outbuf *ob, uint64_t offset, uint64_t n)
{
	return claim(ob, offset, n, 1);
}

int ob__store_put(struct outbuf *ob, const unsigned char *from, uint64_t offset, size_t n)
{
	return offset + n > ob->file_limit ? -EFBIG : ob->flush.backend->put(&ob->flush, from, offset, n);
}

/* A write that outbuf_stats() counts as flushed. */
static int put_counted(struct outbuf *ob, const unsigned char *from, struct range range)
{
	int r = ob__store_put(ob, from, range.offset, (size_t)range.length);

	if (r == 0)
		atomic_fetch_add_explicit(&ob->bytes_put, range.length, memory_order_relaxed);
	return r;
}

int ob__store_in_memory(struct outbuf *ob, uint64_t offset, const unsigned char *from, size_t n)
{
	int r = ob__store_claim_memory(ob, offset, n);

	if (r == 0)
		memcpy(ob->heap.space.base + offset, from, n);
	return r;
}

int ob__store_in_file(struct outbuf *ob, uint64_t offset, const unsigned char *from, size_t n)
{
	int r = 0;

	if (state_error(ob) != 0)
		return 0;
	/* Checked for the whole, so that nothing is stored of a write that must fail. */
	if (offset + n > ob->file_limit)
		return -EFBIG;
	while (r == 0 && n > 0) {
		struct range part = { offset, n };
		int in_memory = 0;

		if (offset < ob->mapped_end)
			part.length = n < ob->mapped_end - offset ? n : ob->mapped_end - offset;
		else
			r = ob__dirty_route_write(&ob->dirty, part, &part, &in_memory);
		if (r == 0 && in_memory)
			memcpy(ob->heap.space.base + part.offset, from, (size_t)part.length);
		else if (r == 0)
			r = put_counted(ob, from, part);
		from += part.length;
		offset += part.length;
		n -= (size_t)part.length;
	}
	return r;
}

int ob__store_move_to_file(struct outbuf *ob, uint64_t from, uint64_t to)
{
	struct range rest = { from, to - from };
	int r = 0;

	if (!ob->may_stage || from >= to)
		return 0;
	while (r == 0 && rest.length > 0) {
		struct range part = range_intersection(ob__dirty_next(&ob->dirty, rest.offset, 0), rest);

		if (part.length == 0)
			break;
		r = put_counted(ob, ob->heap.space.base + part.offset, part);
		if (r == 0)
			r = ob__dirty_mark_clean(&ob->dirty, part);
		rest = (struct range){ range_end(part), to - range_end(part) };
	}
	if (r == 0)
		ob__space_drop_pages(&ob->heap.space, from, to);
	return r;
}
