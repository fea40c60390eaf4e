/* SPDX-License-Identifier: MIT */
/*
 * The life of an output, top to bottom: open, map, flush, commit, discard.
 *
 * Bytes live in one range of addresses: a mapping of the file over [0, mapped_end), heap
 * behind it (heap.h). With no mapping mapped_end is 0 and everything is heap; there is no
 * second way of writing. What is in the mapping is in the file. What is in the heap reaches it
 * by a flush backend (flush.h), at the latest in commit. The file itself, and how it comes to
 * stand at the path, is the target's business (target.h).
 *
 * While it is mapped the file is whole pages long, so that the last page's tail, where the heap's
 * first bytes lie, is part of the file and not a place where stores are lost. Commit sets the
 * exact size.
 *
 * Mapping again with a larger size moves nothing that a caller can see: the heap bytes that
 * will be mapped are written to the file first, then the file is mapped over them, at the
 * same addresses, with the same content.
 *
 * Functions here belong to the owner. Those that touch memory as a whole run with no View open
 * (exclusively), see enum outbuf_state.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "internal.h"
#include "sys.h"
#include "verify.h"

/* ------------------------------------------------------------------ small things */

static uint64_t phase_begin(struct outbuf *ob, enum outbuf_phase phase, uint64_t bytes)
{
	if (ob->options.observe != NULL)
		ob->options.observe(ob->options.observe_arg, phase, 0, bytes);
	return sys_now();
}

static void phase_end(struct outbuf *ob, enum outbuf_phase phase, uint64_t bytes, uint64_t began)
{
	ob->phase_ns[phase] += sys_now() - began;
	if (ob->options.observe != NULL)
		ob->options.observe(ob->options.observe_arg, phase, 1, bytes);
}

/*
 * Nobody writes from here to exclusive_end(). Returns the state to come back to, or a negative
 * errno: -EBUSY while a View is open, -EINVAL when the life is over.
 */
static int exclusive_begin(struct outbuf *ob)
{
	int state;

	if (ob == NULL)
		return -EINVAL;
	state = atomic_load(&ob->state);
	if (state != STATE_OPEN && state != STATE_UNMAPPED)
		return -EINVAL;
	if (outbuf_has_views(ob))
		return -EBUSY;
	/* Again, now that no View can be opened any more: they wait for exclusive_end(). */
	atomic_store(&ob->state, STATE_EXCLUSIVE);
	if (outbuf_has_views(ob)) {
		atomic_store(&ob->state, state);
		return -EBUSY;
	}
	if (ob->tracked)
		target_grown(&ob->target, ob->dirty_ranges.file_end);
	return state;
}

static void exclusive_end(struct outbuf *ob, int state)
{
	atomic_store(&ob->state, state);
}

int outbuf_fail(struct outbuf *ob, int error)
{
	int none = 0;

	if (ob == NULL || error >= 0)
		return -EINVAL;
	return atomic_compare_exchange_strong(&ob->error, &none, error) ? error : none;
}

/* -------------------------------------------------------------------------- open */

/* What outbuf_open() and its sisters differ in. */
struct destination {
	const char *path; /* or NULL */
	int fd;           /* or -1 */
	int (*sink)(void *sink_arg, uint64_t offset, const void *data, size_t n);
	void *sink_arg;
};

static int open_target(struct outbuf *ob, const struct destination *to)
{
	if (to->path != NULL)
		return target_open(&ob->target, to->path, (mode_t)ob->options.mode,
		                   ob->options.replace == OUTBUF_REPLACE_IN_PLACE);
	if (to->fd >= 0)
		return target_borrow(&ob->target, to->fd);
	target_none(&ob->target);
	return 0;
}

/* Views may put blocks into the file: not while it has an old content that may have to stay. */
static void look_whether_to_stage(struct outbuf *ob)
{
	ob->stage = ob->tracked && !ob->target.old_content;
}

/* How the bytes will get there. */
static int open_flush(struct outbuf *ob, const struct destination *to)
{
	struct choice *c = &ob->choice;
	int r;

	*c = choose(&ob->options, ob->target.fs);
	if (ob->target.fs == NULL && ob->options.map == OUTBUF_REQUIRE)
		return -ENOTSUP;
	ob->parallel = (struct parallel){
		.threads = ob->options.threads,
		.run = ob->options.run,
		.run_arg = ob->options.run_arg,
	};
	if (ob->parallel.threads == 0 && ob->target.fs != NULL)
		ob->parallel.threads = ob->target.fs->threads;
	ob->flush = (struct flush){
		.fd = ob->target.fd,
		.parallel = &ob->parallel,
		.sink = to->sink,
		.sink_arg = to->sink_arg,
	};
	r = flush_open(&ob->flush, c->wanted, c->preferred, &ob->flush_refused);
	if (r < 0)
		return r;
	if (ob->flush_refused == 0)
		ob->flush_refused = c->refused;
	ob->sequential = ob->flush.backend->put == NULL;
	ob->tracked = !ob->sequential && c->stage != OUTBUF_NO;
	if (ob->sequential && (c->stage == OUTBUF_REQUIRE || c->map == OUTBUF_REQUIRE))
		return -ENOTSUP;
	if (ob->sequential)
		c->map = OUTBUF_NO;
	look_whether_to_stage(ob);
	return 0;
}

static int open_parts(struct outbuf *ob, const struct destination *to)
{
	int r = heap_init(&ob->heap, ob->options.max_size);

	if (r < 0)
		return r;
	r = coverage_init(&ob->coverage);
	if (r < 0)
		goto no_coverage;
	r = blocks_init(&ob->blocks);
	if (r < 0)
		goto no_blocks;
	r = dirty_init(&ob->dirty_ranges);
	if (r < 0)
		goto no_dirty;
	r = open_target(ob, to);
	if (r < 0)
		goto no_target;
	r = open_flush(ob, to);
	if (r == 0)
		return 0;
	flush_close(&ob->flush);
	target_abandon(&ob->target);
no_target:
	dirty_destroy(&ob->dirty_ranges);
no_dirty:
	blocks_destroy(&ob->blocks);
no_blocks:
	coverage_destroy(&ob->coverage);
no_coverage:
	heap_destroy(&ob->heap);
	return r;
}

static int open_to(struct outbuf **result, const struct destination *to,
                   const struct outbuf_options *options)
{
	struct outbuf_options checked;
	struct outbuf *ob;
	int r = options_take(&checked, options);

	if (r < 0)
		return r;
	ob = calloc(1, sizeof *ob);
	if (ob == NULL)
		return -ENOMEM;
	ob->options = checked;
	ob->swap = (checked.order == OUTBUF_BIG_ENDIAN) != OUTBUF_HOST_BIG;
	ob->limit = sys_file_limit();
	r = open_parts(ob, to);
	if (r < 0)
		free(ob);
	else
		*result = ob;
	return r;
}

int outbuf_open(struct outbuf **result, const char *path, const struct outbuf_options *options)
{
	const struct destination to = { .path = path, .fd = -1 };

	if (result == NULL)
		return -EINVAL;
	*result = NULL;
	return path == NULL ? -EINVAL : open_to(result, &to, options);
}

int outbuf_open_fd(struct outbuf **result, int fd, const struct outbuf_options *options)
{
	const struct destination to = { .fd = fd };

	if (result == NULL)
		return -EINVAL;
	*result = NULL;
	return fd < 0 ? -EBADF : open_to(result, &to, options);
}

int outbuf_open_sink(struct outbuf **result,
                     int (*sink)(void *sink_arg, uint64_t offset, const void *data, size_t n),
                     void *sink_arg, const struct outbuf_options *options)
{
	const struct destination to = { .fd = -1, .sink = sink, .sink_arg = sink_arg };

	if (result == NULL)
		return -EINVAL;
	*result = NULL;
	return sink == NULL ? -EINVAL : open_to(result, &to, options);
}

int outbuf_open_memory(struct outbuf **result, const struct outbuf_options *options)
{
	const struct destination to = { .fd = -1 };

	if (result == NULL)
		return -EINVAL;
	*result = NULL;
	return open_to(result, &to, options);
}

/* --------------------------------------------------------------- carrying the heap */

/* Small gaps between bytes to be carried, of which nobody wrote: carried too, in one call. */
#define GAP_MAX 4096

/* What is true in the heap's [from, to) alone, to the same place in the file. */
static int carry(struct outbuf *ob, uint64_t from, uint64_t to)
{
	int r = 0;

	while (r == 0 && from < to) {
		struct range part = { from, to - from };

		if (ob->tracked)
			part = range_common(dirty_next(&ob->dirty_ranges, from, GAP_MAX), part);
		if (part.length == 0)
			break;
		r = flush_write(&ob->flush, ob->heap.space.base + part.offset, part.offset,
		                part.length);
		if (r == 0)
			ob->flushed += part.length;
		from = range_end(part);
	}
	return r;
}

/* Bytes in the heap that the file may lack: [mapped_end, this). */
static uint64_t heap_end(const struct outbuf *ob)
{
	uint64_t high = atomic_load_explicit(&ob->heap.high, memory_order_relaxed);

	if (atomic_load_explicit(&ob->dirty, memory_order_relaxed) == 0 || high < ob->mapped_end)
		return ob->mapped_end;
	return high;
}

/*
 * Have [0, size) in the file, with blocks if that is wanted. A full disk then shows before the
 * copying, and ext4 takes the bytes faster: 1 GiB of pwrite in 0.17 to 0.22 s, not 0.24 to 0.26 s
 * (Linux 6.18; runs that met no cold memory).
 */
static int reserve(struct outbuf *ob, uint64_t size)
{
	uint64_t before = ob->target.size;
	int unsupported = ob->prealloc_error;
	int r;

	if (ob->options.prealloc == OUTBUF_AUTO && ob->target.fs != NULL && !ob->target.fs->reserve) {
		ob->prealloc_error = -EOPNOTSUPP;
		return target_resize(&ob->target, size > before ? size : before);
	}
	if (ob->options.prealloc == OUTBUF_NO)
		return target_resize(&ob->target, size > before ? size : before);
	r = target_reserve(&ob->target, size, &unsupported);
	if (r == 0 && unsupported < 0 && ob->options.prealloc == OUTBUF_REQUIRE) {
		target_resize(&ob->target, before);
		return unsupported;
	}
	ob->prealloc_error = unsupported;
	return r;
}

/* After that all of [0, end) is in the file, if no pointer is out. */
static int clean(struct outbuf *ob, uint64_t end)
{
	int dirty = atomic_fetch_and_explicit(&ob->dirty, ~DIRTY_VIEW, memory_order_relaxed);

	if (!ob->tracked || (dirty & DIRTY_RAW))
		return 0;
	return dirty_clean(&ob->dirty_ranges, end);
}

/* What is in the heap alone to the file. */
static int flush(struct outbuf *ob)
{
	uint64_t end = heap_end(ob);
	uint64_t bytes = end - ob->mapped_end;
	uint64_t began = phase_begin(ob, OUTBUF_PHASE_FLUSH, bytes);
	int r = reserve(ob, end);

	if (r == 0)
		r = carry(ob, ob->mapped_end, end);
	if (r == 0)
		r = clean(ob, end);
	if (r < 0)
		outbuf_fail(ob, r);
	look_whether_to_stage(ob);
	phase_end(ob, OUTBUF_PHASE_FLUSH, bytes, began);
	return r;
}

/* The whole output, front to back, once: nothing can be taken back. */
static int flush_in_order(struct outbuf *ob)
{
	uint64_t size = outbuf_size(ob);
	uint64_t began = phase_begin(ob, OUTBUF_PHASE_FLUSH, size);
	int r = size > 0 ? heap_need(&ob->heap, size) : 0;

	if (r == 0 && ob->target.fs != NULL)
		r = reserve(ob, size);
	if (r == 0)
		r = flush_write(&ob->flush, ob->heap.space.base, 0, size);
	if (r == 0)
		ob->flushed = size;
	/* Pipes and terminals cannot be synced, and need not. */
	if (r == 0 && ob->sync_wanted && ob->target.fd >= 0) {
		r = sys_fdatasync(ob->target.fd);
		r = r == -EINVAL || r == -EROFS || r == -EOPNOTSUPP ? 0 : r;
	}
	if (r < 0)
		outbuf_fail(ob, r);
	phase_end(ob, OUTBUF_PHASE_FLUSH, size, began);
	return r;
}

int outbuf_flush(struct outbuf *ob)
{
	int state = exclusive_begin(ob);
	int r = 0;

	if (state < 0)
		return state;
	if (state == STATE_OPEN && !ob->sequential)
		r = flush(ob);
	exclusive_end(ob, state);
	return r;
}

static int sync_file(struct outbuf *ob, int state)
{
	uint64_t began;
	int r = state == STATE_OPEN ? flush(ob) : 0;

	began = phase_begin(ob, OUTBUF_PHASE_SYNC, outbuf_size(ob));
	if (r == 0 && ob->mapped_end > 0)
		r = space_sync(&ob->heap.space, ob->mapped_end);
	if (r == 0)
		r = sys_fdatasync(ob->target.fd);
	if (r < 0)
		outbuf_fail(ob, r);
	phase_end(ob, OUTBUF_PHASE_SYNC, outbuf_size(ob), began);
	return r;
}

int outbuf_sync(struct outbuf *ob)
{
	int state = exclusive_begin(ob);
	int r = 0;

	if (state < 0)
		return state;
	if (ob->sequential)
		ob->sync_wanted = 1;
	else
		r = sync_file(ob, state);
	exclusive_end(ob, state);
	return r;
}

/* ----------------------------------------------------------------- map and unmap */

static uint64_t whole_pages(uint64_t size)
{
	uint64_t page = space_page();

	return (size + page - 1) / page * page;
}

/* The backend first: what it holds may be the file. */
static void release_file(struct outbuf *ob)
{
	flush_close(&ob->flush);
	target_abandon(&ob->target);
}

/*
 * Give up the output from inside: memory was lost, or commit failed. The memory that is
 * left stays until close.
 */
static void give_up(struct outbuf *ob, int error)
{
	outbuf_fail(ob, error);
	release_file(ob);
}

/* The file cannot be mapped: is that an error, or does the heap take over? */
static int refused(const struct outbuf *ob, int map_error)
{
	if (ob->options.map != OUTBUF_REQUIRE)
		return 0;
	return map_error == -ENOSYS ? -ENOTSUP : map_error;
}

/* Heap up to `end` is the file itself now. */
static int begin_mapping(struct outbuf *ob, uint64_t end)
{
	struct range mapped = { ob->mapped_end, end - ob->mapped_end };

	ob->mapped_end = end;
	return ob->tracked ? dirty_forget(&ob->dirty_ranges, mapped) : 0;
}

/*
 * Extend the file and its mapping. If the file cannot be mapped that is known before it is
 * touched: in place, it keeps its content. On failure it has its length from before.
 */
static int map_file(struct outbuf *ob, uint64_t size, int *map_error)
{
	uint64_t before = ob->target.size;
	uint64_t end = whole_pages(size);
	uint64_t high = heap_end(ob);
	int lost = 0;
	int r;

	if (end > ob->mapped_end) {
		*map_error = space_probe(ob->target.fd);
		if (*map_error < 0)
			return refused(ob, *map_error);
	}
	r = reserve(ob, end);
	if (r == 0 && ob->mapped_end == 0 && ob->target.fs->verify) {
		*map_error = space_trial(ob->target.fd);
		if (*map_error < 0)
			r = refused(ob, *map_error);
	}
	if (r == 0 && *map_error == 0)
		r = carry(ob, ob->mapped_end, high < end ? high : end);
	if (r == 0 && *map_error == 0 && end > ob->mapped_end) {
		*map_error = heap_map_file(&ob->heap, ob->target.fd, ob->mapped_end, end, &lost);
		if (*map_error < 0)
			r = lost ? -ENOMEM : refused(ob, *map_error);
		else
			r = begin_mapping(ob, end);
	}
	if (lost)
		/* The kernel took memory away and did not map: bytes may be gone (space_vm.c). */
		give_up(ob, r);
	else if (r < 0)
		target_resize(&ob->target, before);
	else if (*map_error == 0)
		ob->mapped = size;
	return r;
}

/*
 * No mapping: only see now whether disk and memory will do. A file written in place keeps
 * its content until the first flush.
 */
static int plan_without_mapping(struct outbuf *ob, uint64_t size)
{
	/* Staged Views need little of it. */
	int r = ob->stage ? 0 : heap_need(&ob->heap, size);

	if (r == 0 && !ob->target.old_content)
		r = reserve(ob, size);
	return r;
}

static int map(struct outbuf *ob, uint64_t size, int state)
{
	int map_error = 0;
	int r;

	if (size == 0)
		return 0;
	r = heap_reserve(&ob->heap, size);
	if (r == 0 && ob->choice.map != OUTBUF_NO)
		r = map_file(ob, size, &map_error);
	/* After unmap the content is in the file alone, and heap would hide it. */
	if (r == 0 && map_error != 0 && state == STATE_UNMAPPED)
		r = map_error;
	if (r == 0 && (map_error != 0 || ob->choice.map == OUTBUF_NO))
		r = plan_without_mapping(ob, size);
	if (r == 0) {
		ob->map_error = map_error;
		ob->planned = size;
	}
	look_whether_to_stage(ob);
	return r;
}

int outbuf_map(struct outbuf *ob, uint64_t size)
{
	int state = exclusive_begin(ob);
	uint64_t began;
	int r;

	if (state < 0)
		return state;
	if (size < outbuf_size(ob)) {
		exclusive_end(ob, state);
		return -EINVAL;
	}
	if (size > INT64_MAX - space_page()) {
		exclusive_end(ob, state);
		return -EFBIG;
	}
	began = phase_begin(ob, OUTBUF_PHASE_MAP, size);
	r = map(ob, size, state);
	phase_end(ob, OUTBUF_PHASE_MAP, size, began);
	if (r == 0)
		state = STATE_OPEN;
	else if (ob->target.fd < 0) /* given up */
		state = STATE_DISCARDED;
	exclusive_end(ob, state);
	return r;
}

/* The memory goes; the file has it all. On a file system that nobody knows, see whether it has. */
static int unmap(struct outbuf *ob)
{
	uint64_t bytes = outbuf_size(ob);
	uint64_t began = phase_begin(ob, OUTBUF_PHASE_UNMAP, bytes);
	int doubt = ob->mapped_end > 0 && ob->target.fs->verify;
	struct samples samples;
	int r = 0;

	if (doubt)
		samples_take(&samples, ob->heap.space.base,
		             bytes < ob->mapped_end ? bytes : ob->mapped_end);
	heap_release(&ob->heap);
	ob->mapped_end = 0;
	if (doubt)
		r = samples_check(&samples, ob->target.fd);
	phase_end(ob, OUTBUF_PHASE_UNMAP, bytes, began);
	return r;
}

int outbuf_unmap(struct outbuf *ob)
{
	int state = exclusive_begin(ob);
	int r = 0;

	if (state < 0)
		return state;
	if (state == STATE_OPEN && ob->mapped_end > 0) {
		r = flush(ob);
		if (r == 0) {
			r = unmap(ob);
			if (r < 0)
				outbuf_fail(ob, r);
			ob->planned = outbuf_size(ob);
			atomic_store_explicit(&ob->dirty, 0, memory_order_relaxed);
			if (ob->tracked)
				dirty_forget(&ob->dirty_ranges, (struct range){ 0, UINT64_MAX });
			state = STATE_UNMAPPED;
		}
	}
	exclusive_end(ob, state);
	return r;
}

int outbuf_set_size(struct outbuf *ob, uint64_t size)
{
	int state = exclusive_begin(ob);
	uint64_t kept;
	int r = 0;

	if (state < 0)
		return state;
	/* What is cut off must be zero if the output grows over it again: in the file too. */
	kept = size > ob->mapped_end ? size : ob->mapped_end;
	if (state != STATE_OPEN)
		r = -EINVAL;
	else if (size > INT64_MAX - space_page())
		r = -EFBIG;
	else if (size > outbuf_size(ob))
		r = heap_reserve(&ob->heap, size);
	else if (kept < ob->target.size)
		r = target_resize(&ob->target, kept);
	if (r == 0) {
		heap_cut(&ob->heap, size, ob->mapped_end);
		if (ob->tracked)
			r = dirty_forget(&ob->dirty_ranges, (struct range){ size, UINT64_MAX - size });
		if (ob->options.check_overlap)
			coverage_cut(&ob->coverage, size);
		ob->planned = size;
	}
	exclusive_end(ob, state);
	return r;
}

/* -------------------------------------------------------------- the end of a life */

static int publish(struct outbuf *ob)
{
	uint64_t size = outbuf_size(ob);
	uint64_t began = phase_begin(ob, OUTBUF_PHASE_PUBLISH, size);
	int r = target_resize(&ob->target, size);

	/* Last word: a worker of the caller's may have failed meanwhile. */
	if (r == 0)
		r = outbuf_error(ob);
	if (r == 0)
		r = target_publish(&ob->target);
	phase_end(ob, OUTBUF_PHASE_PUBLISH, size, began);
	return r;
}

int outbuf_commit(struct outbuf *ob)
{
	int state = exclusive_begin(ob);
	int r;

	if (state == -EINVAL && ob != NULL && atomic_load(&ob->state) == STATE_DISCARDED)
		return outbuf_error(ob);
	if (state < 0)
		return state;

	r = outbuf_error(ob);
	if (r == 0 && state == STATE_OPEN)
		r = ob->sequential ? flush_in_order(ob) : flush(ob);
	/* What a backend holds may hold the file open. */
	flush_close(&ob->flush);
	if (r == 0 && ob->flush.backend != &flush_memory)
		r = unmap(ob);
	if (r == 0)
		r = publish(ob);
	if (r < 0)
		give_up(ob, r);
	exclusive_end(ob, r < 0 ? STATE_DISCARDED : STATE_COMMITTED);
	return r;
}

int outbuf_discard(struct outbuf *ob)
{
	int state;

	if (ob == NULL)
		return -EINVAL;
	state = atomic_load(&ob->state);
	if (state == STATE_DISCARDED)
		return 0;
	if (state == STATE_COMMITTED || state == STATE_EXCLUSIVE)
		return -EINVAL;
	/* First the reason, then the state: a View refused now finds an error to return. */
	outbuf_fail(ob, -ECANCELED);
	atomic_store(&ob->state, STATE_DISCARDED);
	/* A View may be putting a block into it: then it stays open until close. */
	if (outbuf_has_views(ob))
		target_remove(&ob->target);
	else
		release_file(ob);
	return 0;
}

const void *outbuf_memory(const struct outbuf *ob, uint64_t *size)
{
	*size = 0;
	if (ob == NULL || atomic_load(&ob->state) != STATE_COMMITTED ||
	    ob->flush.backend != &flush_memory)
		return NULL;
	*size = outbuf_size(ob);
	return ob->heap.space.base;
}

int outbuf_close(struct outbuf *ob)
{
	if (ob == NULL)
		return 0;
	if (outbuf_has_views(ob))
		return -EBUSY;
	if (atomic_load(&ob->state) != STATE_COMMITTED)
		outbuf_discard(ob);
	release_file(ob);
	dirty_destroy(&ob->dirty_ranges);
	blocks_destroy(&ob->blocks);
	coverage_destroy(&ob->coverage);
	heap_destroy(&ob->heap);
	free(ob);
	return 0;
}
