/* SPDX-License-Identifier: MIT */
/* Questions about an output, and the version of the library. Nothing here changes an output. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "output/state.h"

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)

const char *outbuf_version(void)
{
	return TEXT(OUTBUF_VERSION_MAJOR) "." TEXT(OUTBUF_VERSION_MINOR) "." TEXT(OUTBUF_VERSION_PATCH);
}

int outbuf_is_mapped(const struct outbuf *ob)
{
	return ob->mapped_end > 0;
}

uint64_t outbuf_size(const struct outbuf *ob)
{
	return state_size(ob);
}

int outbuf_error(const struct outbuf *ob)
{
	return state_error(ob);
}

int outbuf_stats(struct outbuf *ob, struct outbuf_stats *stats)
{
	struct outbuf_stats now = { .size = sizeof now };
	size_t size;

	if (ob == NULL || stats == NULL || stats->size < sizeof stats->size)
		return -EINVAL;
	now.output_size = state_size(ob);
	now.mapped = ob->map_size < now.output_size ? ob->map_size : now.output_size;
	now.heap = now.output_size - now.mapped;
	now.reserved = ob__heap_reserved(&ob->heap);
	now.flushed = ob->flushed + atomic_load_explicit(&ob->bytes_put, memory_order_relaxed);
	now.views = ob__open_views_total(&ob->views);
	now.heap_grown = atomic_load_explicit(&ob->heap.grown, memory_order_relaxed);
	memcpy(now.phase_ns, ob->phase_ns, sizeof now.phase_ns);
	now.backend = ob->flush.backend->name;
	now.flush_error = ob->flush_refused;
	now.flush_why = ob->choice.flush_why;
	now.staged = (uint32_t)ob->may_stage;
	now.file_system = ob->target.fs != NULL ? ob->target.fs->name : "none";
	now.map_why = ob->is_small && ob->choice.map == OUTBUF_AUTO ? "small" : ob->choice.map_why;
	now.placement = ob__target_placement(&ob->target);
	now.map_error = ob->map_error;
	now.prealloc_error = ob->prealloc_error;
	now.recycle_why = ob->target.recycle_why;
	now.zeroed = atomic_load_explicit(&ob->zeroed, memory_order_relaxed);
	now.replace_error = ob->target.replace_error;
	now.faults = atomic_load_explicit(&ob->faults, memory_order_relaxed);

	/* As with options: fill as many members as the caller has, and zero those that this library does not know. */
	size = stats->size;
	if (size > sizeof now)
		memset((unsigned char *)stats + sizeof now, 0, size - sizeof now);
	memcpy(stats, &now, size < sizeof now ? size : sizeof now);
	stats->size = size;
	return 0;
}

int outbuf_gap(struct outbuf *ob, uint64_t *offset, uint64_t *length)
{
	if (ob->gap.length == 0)
		return 0;
	*offset = ob->gap.offset;
	*length = ob->gap.length;
	return 1;
}

int outbuf_overlap(struct outbuf *ob, struct outbuf_overlap *overlap)
{
	struct range range, other;

	if (!ob__coverage_conflict(&ob->coverage, &range, &other))
		return 0;
	*overlap = (struct outbuf_overlap){
		.offset = range.offset,
		.length = range.length,
		.other_offset = other.offset,
		.other_length = other.length,
	};
	return 1;
}
