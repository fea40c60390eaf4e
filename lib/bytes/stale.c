/* SPDX-License-Identifier: MIT */
/*
 * Stale bytes: those of the old output, in a file that is written over.
 *
 * In a new file, bytes that nobody wrote are zero. In a recycled file they are what the earlier output had there.
 * Other linkers let such bytes through wherever a writer skips padding (wild PR#1238). So it is recorded, to the
 * byte, what Views stored and which pointers were handed out. The rest is zeroed before a pointer leads there, and at
 * commit.
 *
 * The output of a linker has a gap before every other section: 100,000 gaps. One tree of all gaps (ranges.c) costs
 * 0.5 us and more per View, and a tree per block was tried: 4 times as long per View, and 60 bytes of memory per View
 * instead of 4 (doc/decisions.md). A log that is sorted at the end cannot answer in between. So the file is cut into
 * blocks of 64 KiB, and each block has a short sorted list of its stale pieces. A shift finds the block, and changing
 * its list moves a few bytes. A block that is stale as a whole, or not at all, has no list.
 */
#include "config.h"

#include "bytes/stale.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BITS 16 /* zero_stale.c relies on 64 KiB */
#define BLOCK ((uint64_t)1 << BLOCK_BITS)

struct piece {
	uint32_t from, to; /* offsets in the block; from < to. Pieces of a block ascend and do not touch */
};

/* Written by any thread under the lock of struct stale. */
struct stale_block {
	struct piece *pieces; /* the stale pieces; NULL: if `n` is not 0 the whole block is stale, else nothing is */
	uint32_t n;           /* number of pieces */
	uint32_t room;        /* how many `pieces` has memory for */
	int in_memory;        /* 1: some bytes of the block were stored at their place in memory */
};

int ob__stale_init(struct stale *s, uint64_t length)
{
	uint64_t n = length / BLOCK + (length % BLOCK != 0);
	size_t i;
	int r;

	*s = (struct stale){ .length = length, .n = (size_t)n };
	if (n > SIZE_MAX / sizeof *s->blocks)
		return -ENOMEM;
	r = -pthread_mutex_init(&s->lock, NULL);
	if (r < 0)
		return r;
	s->blocks = calloc((size_t)n + 1, sizeof *s->blocks);
	if (s->blocks == NULL) {
		pthread_mutex_destroy(&s->lock);
		return -ENOMEM;
	}
	for (i = 0; i < n; i++)
		s->blocks[i].n = 1;
	return 0;
}

void ob__stale_destroy(struct stale *s)
{
	size_t i;

	if (s->blocks == NULL)
		return;
	for (i = 0; i < s->n; i++)
		free(s->blocks[i].pieces);
	free(s->blocks);
	s->blocks = NULL;
	pthread_mutex_destroy(&s->lock);
}

/* Have memory for one more piece. A block that is stale as a whole gets its list. */
static int make_room(struct stale_block *b)
{
	struct piece *pieces;
	uint32_t room = b->room == 0 ? 4 : b->room * 2;

	if (b->n < b->room)
		return 0;
	pieces = realloc(b->pieces, room * sizeof *pieces);
	if (pieces == NULL)
		return -ENOMEM;
	if (b->pieces == NULL)
		pieces[0] = (struct piece){ 0, (uint32_t)BLOCK };
	b->pieces = pieces;
	b->room = room;
	return 0;
}

static void drop(struct stale_block *b, uint32_t first, uint32_t end)
{
	memmove(b->pieces + first, b->pieces + end, (b->n - end) * sizeof *b->pieces);
	b->n -= end - first;
	if (b->n == 0) {
		free(b->pieces);
		b->pieces = NULL;
		b->room = 0;
	}
}

/* The number of the first piece that ends behind `at`. */
static uint32_t find(const struct stale_block *b, uint32_t at)
{
	uint32_t low = 0, high = b->n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (b->pieces[middle].to > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Remove [from, to) from the block's pieces. */
static int cut(struct stale_block *b, uint32_t from, uint32_t to)
{
	uint32_t i, end;
	int r;

	if (from == 0 && to == BLOCK) {
		if (b->pieces != NULL)
			drop(b, 0, b->n);
		b->n = 0;
		return 0;
	}
	r = make_room(b);
	if (r < 0)
		return r;
	i = find(b, from);
	if (i < b->n && b->pieces[i].from < from) {
		uint32_t tail = b->pieces[i].to;

		b->pieces[i++].to = from;
		if (tail > to) {
			memmove(b->pieces + i + 1, b->pieces + i, (b->n - i) * sizeof *b->pieces);
			b->pieces[i] = (struct piece){ to, tail };
			b->n++;
			return 0;
		}
	}
	for (end = i; end < b->n && b->pieces[end].to <= to; end++)
		continue;
	if (end < b->n && b->pieces[end].from < to)
		b->pieces[end].from = to;
	if (end > i)
		drop(b, i, end);
	return 0;
}

static int zero_pieces(const struct stale_block *b, uint64_t base, uint32_t from, uint32_t to,
                       stale_zero_bytes *zero, void *arg)
{
	static const struct piece whole = { 0, (uint32_t)BLOCK };
	const struct piece *pieces = b->pieces == NULL ? &whole : b->pieces;
	uint32_t i = b->pieces == NULL ? 0 : find(b, from);
	int r = 0;

	for (; r == 0 && i < b->n && pieces[i].from < to; i++) {
		uint32_t first = pieces[i].from > from ? pieces[i].from : from;
		uint32_t last = pieces[i].to < to ? pieces[i].to : to;

		r = zero(arg, (struct range){ base + first, last - first }, b->in_memory);
	}
	return r;
}

static int remove_stale(struct stale *s, struct range range, int in_memory, stale_zero_bytes *zero, void *arg)
{
	uint64_t at = range.offset, end;
	int r = 0;

	if (at >= s->length || range.length == 0)
		return 0;
	/* The last block may extend past the length. Its bytes there are never asked for. */
	end = range.length < s->length - at ? at + range.length : s->length;
	pthread_mutex_lock(&s->lock);
	while (r == 0 && at < end) {
		struct stale_block *b = &s->blocks[at >> BLOCK_BITS];
		uint64_t base = at & ~(BLOCK - 1);
		uint64_t stop = end < base + BLOCK ? end : base + BLOCK;

		b->in_memory |= in_memory;
		if (b->n > 0 && zero != NULL)
			r = zero_pieces(b, base, (uint32_t)(at - base), (uint32_t)(stop - base), zero,
			                arg);
		if (r == 0 && b->n > 0)
			r = cut(b, (uint32_t)(at - base), (uint32_t)(stop - base));
		at = stop;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

int ob__stale_mark_written(struct stale *s, struct range range, int in_memory)
{
	return remove_stale(s, range, in_memory, NULL, NULL);
}

int ob__stale_zero(struct stale *s, struct range range, stale_zero_bytes *zero, void *arg)
{
	return remove_stale(s, range, 0, zero, arg);
}
