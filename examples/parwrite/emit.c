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
 * Relocations are copied by outbuf_write_ref(), which tells where the copy lies, and are
 * rebased there. The input cannot be changed (its mapping is read-only, and shared with
 * whoever else reads that file); a buffer in between would be one more copy. The bytes are in
 * the cache from having been written a moment ago.
 *
 * Padding is written and not skipped. It is zero in a new file anyway, but not in one that is
 * written over.
 */
#include "config.h"

#include "emit.h"

#include <elf.h>
#include <outbuf.h>

#include "../workqueue.h"
#include "input.h"
#include "layout.h"
#include "le.h"
#include "progress.h"
#include "report.h"
#include "symbols.h"

int emit_result(struct emission *e, int result)
{
	struct outbuf_overlap o;

	if (result >= 0)
		return result ? -1 : 0; /* positive: TASK_FAILED, and the message is there */
	if (e->ob && outbuf_overlap(e->ob, &o))
		return fail(e->error, e->path,
		            "%llu bytes at offset %llu overlap %llu bytes at offset %llu",
		            (unsigned long long)o.length, (unsigned long long)o.offset,
		            (unsigned long long)o.other_length, (unsigned long long)o.other_offset);
	return fail(e->error, e->path, "%s", strerror(-result));
}

static int bad_relocation(const struct emission *e, size_t order, const struct piece *piece,
                          const char *what, uint64_t value)
{
	return fail_at(e->error, order, piece->object->name, "section %s: a relocation %s (0x%llx)",
	               piece->section->name, what, (unsigned long long)value);
}

/*
 * Make n bytes of relocations, which lie in the output at `at`, those of the output: the offset
 * counts from the output section's start, the symbol has another number, and what was relative
 * to an input section's start is relative to the output section's.
 */
static int rebase(const struct emission *e, const struct piece *piece, unsigned char *at, size_t n,
                  size_t order)
{
	const struct object *o = piece->object;
	const struct section *target = &o->sections[piece->section->info];

	for (unsigned char *p = at; p < at + n; p += sizeof(Elf64_Rela)) {
		uint64_t offset = le64(p), info = le64(p + 8), addend = le64(p + 16);
		uint32_t number = (uint32_t)(info >> 32), type = (uint32_t)info, new = 0;

		/* Beyond its section it would change another object's bytes. */
		if (offset >= target->size && (type != R_X86_64_NONE || offset > target->size))
			return bad_relocation(e, order, piece, "past its section's end", offset);
		if (number >= o->n_symbols && number != 0)
			return bad_relocation(e, order, piece, "for a missing symbol", number);
		if (number != 0)
			new = o->symbol_map[number];
		if (number != 0 && new == 0)
			return bad_relocation(e, order, piece, "for a symbol left out", number);
		if (new != 0 && new < e->symbols->first_local) {
			Elf64_Sym symbol = object_symbol(o, number);
			addend += o->sections[symbol.st_shndx].offset + symbol.st_value;
		}
		put_le64(p, offset + target->offset);
		put_le64(p + 8, (uint64_t)new << 32 | type);
		put_le64(p + 16, addend);
	}
	return 0;
}

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
	return l->n_pieces ? l->contents_end - CONTENTS_START : 0;
}

/* Where block i starts: at its multiple, or behind the relocation that lies across it. */
static uint64_t block_start(const struct layout *l, size_t i)
{
	uint64_t at = CONTENTS_START + workqueue_block_start(contents_size(l), i);
	const struct piece *piece = &l->pieces[piece_at(l, at)];
	uint64_t into = at - piece->file_offset;

	if (at <= piece->file_offset || into >= piece->section->size ||
	    piece->section->kind != SECTION_RELOCATIONS)
		return at;
	return at + (sizeof(Elf64_Rela) - into % sizeof(Elf64_Rela)) % sizeof(Elf64_Rela);
}

/* The part of a piece that lies in [at, end), at the View's position. */
static int write_part(const struct emission *e, struct outbuf_view *view, const struct piece *piece,
                      uint64_t end, size_t order)
{
	uint64_t from = outbuf_tell(view) - piece->file_offset;
	uint64_t to = piece->section->size;
	void *ref;

	if (to > end - piece->file_offset)
		to = end - piece->file_offset;
	if (piece->section->kind != SECTION_RELOCATIONS)
		return outbuf_write(view, piece->section->data + from, to - from);
	int error = outbuf_write_ref(view, piece->section->data + from, to - from, &ref);
	if (error)
		return error;
	return rebase(e, piece, ref, to - from, order) ? TASK_FAILED : 0;
}

static int emit_block(const struct emission *e, size_t i, size_t order)
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
			error = outbuf_fill(&view, 0, piece->file_offset - outbuf_tell(&view));
		if (!error)
			error = write_part(e, &view, piece, end, order);
	}
	if (!error)
		outbuf_fill(&view, 0, end - outbuf_tell(&view));
	ended = outbuf_view_end(&view);
	progress_add(e->progress, end - start);
	return error ? error : ended;
}

/* Names come first, as nobody can help with them: by the time the blocks are done, so are they. */
static int contents_task(void *arg, size_t i)
{
	struct emission *e = arg;

	if (i == 0)
		return strings_build(e, i) ? TASK_FAILED : 0;
	return emit_block(e, i - 1, i);
}

int emit_contents(struct emission *e)
{
	size_t blocks = workqueue_blocks(contents_size(e->layout));

	return emit_result(e, workqueue_run(e->queue, 1 + blocks, contents_task, e));
}
