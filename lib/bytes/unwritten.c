/* SPDX-License-Identifier: MIT */
/*
 * Bytes that nobody wrote.
 *
 * In a new file, bytes that nobody wrote are zero. In a recycled file they are *stale*: what the earlier output had
 * there. Other linkers let such bytes through wherever a writer skips padding (wild PR#1238). So it is recorded, to
 * the byte, what Views stored and which pointers were handed out. The rest is zeroed before a pointer leads there,
 * and at commit.
 *
 * In any output, such bytes may be the work of a thread that nobody waited for: it opens its View after commit, is
 * refused, and the file has zeros there. options.check_complete records the same for the whole output, and commit
 * looks for gaps.
 *
 * The output of a linker has a gap before every other section: 100,000 gaps. One tree of all gaps (ranges.c) costs
 * 0.5 us and more per View, and a tree per block was tried: 4 times as long per View, and 60 bytes of memory per View
 * instead of 4 (doc/decisions.md). A log that is sorted at the end cannot answer in between. So the file is cut into
 * blocks of 64 KiB, and each block has a short sorted list of its unwritten pieces. A shift finds the block, and
 * changing its list moves a few bytes. A block that is unwritten as a whole, or not at all, has no list.
 *
 * Cost: 24 bytes per 64 KiB, which take memory only where something was written. A View takes 25 ns longer than the
 * 41 ns without (2 cores, rows of 56 bytes in order; 537 instead of 336 instructions in random order with gaps).
 */
#include "config.h"

#include "bytes/unwritten.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BITS 16 /* zero_stale.c relies on 64 KiB */
#define BLOCK ((uint64_t)1 << BLOCK_BITS)

struct piece {
	uint32_t from, to; /* offsets in the block; from < to. Pieces of a block ascend and do not touch */
};

enum {
	WHOLE,  /* all bytes of the block are unwritten; memory of calloc() says so */
	PIECES, /* those of its pieces are; there is at least one */
	NONE,   /* no byte is */
};

/* Written by any thread under the lock of struct unwritten. */
struct unwritten_block {
	struct piece *pieces; /* NULL unless PIECES */
	uint32_t n;           /* number of pieces */
	uint32_t room;        /* how many `pieces` has memory for */
	unsigned char state;
	unsigned char in_memory; /* 1: some bytes of the block were stored at their place in memory */
};

static uint64_t blocks_for(uint64_t length)
{
	return length / BLOCK + (length % BLOCK != 0);
}

int ob__unwritten_init(struct unwritten *u, uint64_t length, int grows)
{
	uint64_t n = blocks_for(length);
	int r;

	*u = (struct unwritten){ .length = length, .grows = grows, .n = (size_t)n };
	if (n >= SIZE_MAX / sizeof *u->blocks)
		return -ENOMEM;
	r = -pthread_mutex_init(&u->lock, NULL);
	if (r < 0)
		return r;
	u->blocks = calloc((size_t)n + 1, sizeof *u->blocks);
	if (u->blocks == NULL) {
		pthread_mutex_destroy(&u->lock);
		return -ENOMEM;
	}
	return 0;
}

void ob__unwritten_destroy(struct unwritten *u)
{
	size_t i;

	if (u->blocks == NULL)
		return;
	for (i = 0; i < u->n; i++)
		free(u->blocks[i].pieces);
	free(u->blocks);
	u->blocks = NULL;
	pthread_mutex_destroy(&u->lock);
}

/* Record `length` bytes at least, which is more than now. Called under the lock. */
static int grow(struct unwritten *u, uint64_t length)
{
	uint64_t n = blocks_for(length);
	struct unwritten_block *blocks;

	if (n < 2 * (uint64_t)u->n)
		n = 2 * (uint64_t)u->n;
	if (n > SIZE_MAX / sizeof *blocks)
		return -ENOMEM;
	/* Not realloc(): where nothing was written this is memory that was never touched. */
	blocks = calloc((size_t)n, sizeof *blocks);
	if (blocks == NULL)
		return -ENOMEM;
	memcpy(blocks, u->blocks, u->n * sizeof *blocks);
	free(u->blocks);
	u->blocks = blocks;
	u->n = (size_t)n;
	u->length = n > UINT64_MAX / BLOCK ? UINT64_MAX : n * BLOCK;
	return 0;
}

/* Have memory for one more piece. A block that is unwritten as a whole gets its list. */
static int make_room(struct unwritten_block *b)
{
	struct piece *pieces;
	uint32_t room = b->room == 0 ? 4 : b->room * 2;

	if (b->state == PIECES && b->n < b->room)
		return 0;
	pieces = realloc(b->pieces, room * sizeof *pieces);
	if (pieces == NULL)
		return -ENOMEM;
	b->pieces = pieces;
	b->room = room;
	if (b->state == WHOLE) {
		pieces[0] = (struct piece){ 0, (uint32_t)BLOCK };
		b->n = 1;
		b->state = PIECES;
	}
	return 0;
}

/* No piece is left, and the block is in this state. */
static void drop_list(struct unwritten_block *b, unsigned char state)
{
	free(b->pieces);
	b->pieces = NULL;
	b->n = b->room = 0;
	b->state = state;
}

static void drop(struct unwritten_block *b, uint32_t first, uint32_t end)
{
	memmove(b->pieces + first, b->pieces + end, (b->n - end) * sizeof *b->pieces);
	b->n -= end - first;
	if (b->n == 0)
		drop_list(b, NONE);
}

/* The number of the first piece that ends behind `at`. */
static uint32_t find(const struct unwritten_block *b, uint32_t at)
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
static int cut(struct unwritten_block *b, uint32_t from, uint32_t to)
{
	uint32_t i, end;
	int r;

	if (from == 0 && to == BLOCK) {
		drop_list(b, NONE);
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

static const struct piece whole_block = { 0, (uint32_t)BLOCK };

/* The block's pieces from `at` on, *n of them. */
static const struct piece *pieces_from(const struct unwritten_block *b, uint32_t at, uint32_t *n)
{
	uint32_t first = b->state == PIECES ? find(b, at) : 0;

	*n = b->state == PIECES ? b->n - first : b->state == WHOLE;
	return b->state == PIECES ? b->pieces + first : &whole_block;
}

static int zero_pieces(const struct unwritten_block *b, uint64_t base, uint32_t from, uint32_t to, unwritten_zero *zero,
                       void *arg)
{
	uint32_t n, i;
	const struct piece *pieces = pieces_from(b, from, &n);
	int r = 0;

	for (i = 0; r == 0 && i < n && pieces[i].from < to; i++) {
		uint32_t first = pieces[i].from > from ? pieces[i].from : from;
		uint32_t last = pieces[i].to < to ? pieces[i].to : to;

		r = zero(arg, (struct range){ base + first, last - first }, b->in_memory);
	}
	return r;
}

static int remove_unwritten(struct unwritten *u, struct range range, int in_memory, unwritten_zero *zero, void *arg)
{
	uint64_t at = range.offset, end;
	int r = 0;

	if (range.length == 0 || (!u->grows && at >= u->length))
		return 0;
	pthread_mutex_lock(&u->lock);
	if (u->grows && range_end(range) > u->length)
		r = grow(u, range_end(range));
	/* The last block may extend past the length. Its bytes there are never asked for. */
	end = range.length < u->length - at ? at + range.length : u->length;
	while (r == 0 && at < end) {
		struct unwritten_block *b = &u->blocks[at >> BLOCK_BITS];
		uint64_t base = at & ~(BLOCK - 1);
		uint64_t stop = end < base + BLOCK ? end : base + BLOCK;

		b->in_memory |= in_memory != 0;
		if (b->state != NONE && zero != NULL)
			r = zero_pieces(b, base, (uint32_t)(at - base), (uint32_t)(stop - base), zero, arg);
		if (r == 0 && b->state != NONE)
			r = cut(b, (uint32_t)(at - base), (uint32_t)(stop - base));
		at = stop;
	}
	pthread_mutex_unlock(&u->lock);
	return r;
}

int ob__unwritten_mark(struct unwritten *u, struct range range, int in_memory)
{
	return remove_unwritten(u, range, in_memory, NULL, NULL);
}

int ob__unwritten_clear(struct unwritten *u, struct range range, unwritten_zero *zero, void *arg)
{
	return remove_unwritten(u, range, 0, zero, arg);
}

int ob__unwritten_truncate(struct unwritten *u, uint64_t size)
{
	size_t i = (size_t)(size >> BLOCK_BITS);
	uint32_t from = (uint32_t)(size & (BLOCK - 1));
	int r = 0;

	if (size >= u->length)
		return 0;
	if (from > 0 && u->blocks[i].state != WHOLE) {
		struct unwritten_block *b = &u->blocks[i];

		if (b->state == NONE) {
			/* As a whole first; then what was written is removed from it. */
			b->state = WHOLE;
			r = cut(b, 0, from);
		} else {
			/* What is behind `from` becomes one piece, which may join the one before. */
			r = cut(b, from, (uint32_t)BLOCK);
			if (r == 0 && b->state == NONE) {
				b->state = WHOLE;
				r = cut(b, 0, from);
			} else if (r == 0 && b->pieces[b->n - 1].to == from) {
				b->pieces[b->n - 1].to = (uint32_t)BLOCK;
			} else if (r == 0 && (r = make_room(b)) == 0) {
				b->pieces[b->n++] = (struct piece){ from, (uint32_t)BLOCK };
			}
		}
	}
	for (i += from > 0; i < u->n; i++)
		drop_list(&u->blocks[i], WHOLE);
	return r;
}

struct range ob__unwritten_first(struct unwritten *u, uint64_t size)
{
	struct range gap = { 0, 0 };
	uint64_t at;
	uint32_t n, i;

	pthread_mutex_lock(&u->lock);
	for (at = 0; at < size && at < u->length; at += BLOCK) {
		const struct piece *pieces = pieces_from(&u->blocks[at >> BLOCK_BITS], 0, &n);

		for (i = 0; i < n; i++) {
			/* A gap may go on in the next block. */
			if (gap.length > 0 && at + pieces[i].from > range_end(gap))
				goto found;
			if (gap.length == 0)
				gap.offset = at + pieces[i].from;
			gap.length = at + pieces[i].to - gap.offset;
		}
		if (gap.length > 0 && range_end(gap) < at + BLOCK)
			goto found;
	}
	/* What was never recorded, nobody wrote. */
	if (size > u->length && (gap.length == 0 || range_end(gap) == u->length)) {
		gap.offset = gap.length == 0 ? u->length : gap.offset;
		gap.length = size - gap.offset;
	}
found:
	pthread_mutex_unlock(&u->lock);
	if (gap.length == 0 || gap.offset >= size)
		return (struct range){ size, 0 };
	return (struct range){ gap.offset, range_end(gap) < size ? gap.length : size - gap.offset };
}
