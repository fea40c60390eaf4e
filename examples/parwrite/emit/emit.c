/* SPDX-License-Identifier: MIT */
/*
 * emit.c - phase 1: contents and relocations, from the inputs' mappings into the output's
 *
 * Sections are of any size, and threads must get equal shares, so sections are not the tasks. The
 * whole range from the first section's start to the last one's end is cut in blocks of 1 MiB; a
 * block takes what pieces lie in it, be it the middle of one large section or 10,000 small
 * ones. A block is found from its number by a binary search over the pieces, no list of tasks
 * is made. Blocks start at multiples of 1 MiB, so two threads meet in one page at most where
 * a record crosses the limit: relocations are not cut in two.
 *
 * One View per block, bounded: a mistake in the layout is -ERANGE and not a neighbour's bytes, and
 * with --check-overlap the library proves that no byte has two writers.
 *
 * Relocations are read from the input, changed, and written field by field (relocate.c). outbuf_write_ref() would
 * let them be copied and changed where they lie in the output, but a pointer that stays valid must
 * point into the mapping, whose new pages cost a fault each, and not into the block that the library hands to
 * pwrite(2). All contents of LLVM (130 MB) by two threads: 122 ms so, 69 as it is.
 *
 * Padding is written and not skipped. It is zero in a new file anyway, but not in one that is
 * written over.
 */
#include "config.h"

#include "emit/emit.h"

#include <outbuf.h>

#include "input/input.h"
#include "layout/layout.h"
#include "report/clock.h"
#include "report/progress.h"
#include "report/report.h"
#include "report/trace.h"
#include "symbols/symbols.h"
#include "workqueue.h"

/* The last piece that starts at or before `offset`, or the first. There is one at least. */
static size_t piece_at(const struct layout *l, uint64_t offset)
{
	size_t low = 0, high = l->n_pieces;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (l->pieces[middle].file_offset <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The bytes of phase 1, as the blocks are cut. */
static uint64_t contents_size(const struct layout *l)
{
	return l->n_pieces ? l->contents_end - l->contents_start : 0;
}

/* Where block i starts: at its multiple, or behind the relocation that lies across it. */
static uint64_t block_start(const struct layout *l, size_t i)
{
	uint64_t at = l->contents_start + workqueue_block_start(contents_size(l), i);
	const struct piece *piece = &l->pieces[piece_at(l, at)];
	uint64_t into = at - piece->file_offset, record = piece->section->entsize;

	if (at <= piece->file_offset || into >= piece->section->size ||
	    piece->section->kind != SECTION_RELOCATIONS)
		return at;
	return at + (record - into % record) % record;
}

static const char *piece_name(const struct piece *piece)
{
	return piece->section->kind == SECTION_GROUP ? ".group" : piece->section->name;
}

/* The part of a piece that lies in [at, end), at the View's position. */
static int write_part(const struct emission *e, struct outbuf_view *view, const struct piece *piece,
                      uint64_t end, size_t order)
{
	uint64_t began = e->trace ? now_ns() : 0, at = outbuf_tell(view);
	uint64_t from = at - piece->file_offset, to = piece->section->size;
	int result;

	if (to > end - piece->file_offset)
		to = end - piece->file_offset;
	if (piece->section->kind != SECTION_RELOCATIONS)
		result = outbuf_write(view, piece->section->data + from, to - from);
	else
		result = relocate(e, piece, view, from, to, order) ? TASK_FAILED : 0;
	trace_span(e->trace, piece_name(piece), began, at, to - from);
	return result;
}

/* Between two pieces of one section it is the section's. */
static unsigned char padding_before(const struct piece *piece)
{
	const struct section *s = piece->section;

	return s->kind == SECTION_CONTENT && s->offset > 0 ? s->out->fill : 0;
}

static int emit_block(const struct emission *e, size_t i)
{
	const struct layout *l = e->layout;
	uint64_t start = block_start(l, i), end = block_start(l, i + 1);
	struct outbuf_view view;
	int error = outbuf_view(e->ob, &view, start, end - start);
	int ended;

	if (error)
		return error;
	for (size_t p = piece_at(l, start); !error && p < l->n_pieces; p++) {
		const struct piece *piece = &l->pieces[p];

		if (piece->file_offset >= end)
			break;
		if (piece->file_offset + piece->section->size <= start)
			continue;
		if (piece->file_offset > outbuf_tell(&view))
			error = outbuf_fill(&view, padding_before(piece), piece->file_offset - outbuf_tell(&view));
		if (!error)
			error = write_part(e, &view, piece, end, i);
	}
	if (!error)
		outbuf_fill(&view, 0, end - outbuf_tell(&view));
	ended = outbuf_view_end(&view);
	progress_add(e->progress, end - start);
	return error ? error : ended;
}

int emit_contents(struct emission *e)
{
	return emit_run(e, workqueue_blocks(contents_size(e->layout)), emit_block);
}
