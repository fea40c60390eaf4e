/* SPDX-License-Identifier: MIT */
/*
 * Reading the whole output once more, on all threads, before it is committed: for a build ID, which is made of its
 * bytes.
 *
 * A byte is in one of three places: in the mapping, in the heap's memory, or in the file alone, if a staged View
 * wrote it. outbuf_data() would load bytes of the last kind into memory, and commit would write them again. Here they
 * are read into a buffer that is reused. A block that is in memory as a whole is handed out where it is.
 *
 * The walk counts as a View, so that the output cannot be committed during it, and so that the callback may release
 * finished memory (outbuf_release). Each block is a task of the pool.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "output/state.h"
#include "output/zero_stale.h"
#include "system/sys.h"

struct walk {
	/* Constant. */
	struct outbuf *ob;
	uint64_t size;
	size_t block_size;
	int in_file; /* 1: all bytes are in the file alone, after outbuf_unmap() */
	outbuf_block *block;
	void *arg;
	/* Written by any thread. */
	struct blocks buffers; /* of block_size bytes, for blocks that must be read */
	_Atomic uint64_t stop; /* the lowest block that failed: later ones are not begun; written under lock */
	pthread_mutex_t lock;
	int error; /* the error of block `stop`; under lock */
};

/* Read the heap's [at, end) into a buffer. */
static int read_heap(const struct walk *w, unsigned char *to, uint64_t at, uint64_t end)
{
	struct outbuf *ob = w->ob;
	uint64_t usable = atomic_load_explicit(&ob->heap.usable_end, memory_order_acquire);
	int r = 0;

	while (r == 0 && at < end) {
		struct range part = { at, end - at };
		enum dirty_place place = ob__dirty_find_copy(&ob->dirty, part, &part);

		/* Memory that was never made usable was never written. */
		if (place == DIRTY_MEMORY && at >= usable)
			place = DIRTY_NOWHERE;
		else if (place == DIRTY_MEMORY && range_end(part) > usable)
			part.length = usable - at;
		if (place == DIRTY_FILE)
			r = ob__sys_pread_all(ob->target.fd, to, (size_t)part.length, part.offset);
		else if (place == DIRTY_MEMORY)
			memcpy(to, ob->heap.space.base + at, (size_t)part.length);
		else
			memset(to, 0, (size_t)part.length);
		to += part.length;
		at += part.length;
	}
	return r;
}

/* Can [at, end) be read in memory as it is? Bytes that nobody wrote can, if their memory is usable: it holds zeros. */
static int is_in_memory(const struct walk *w, uint64_t at, uint64_t end)
{
	struct outbuf *ob = w->ob;

	if (w->in_file)
		return 0;
	at = at > ob->mapped_end ? at : ob->mapped_end;
	if (at >= end)
		return 1;
	if (end > atomic_load_explicit(&ob->heap.usable_end, memory_order_acquire))
		return 0;
	while (at < end) {
		struct range part = { at, end - at };

		if (ob__dirty_find_copy(&ob->dirty, part, &part) == DIRTY_FILE)
			return 0;
		at = range_end(part);
	}
	return 1;
}

static int read_block(const struct walk *w, unsigned char *to, uint64_t at, uint64_t end)
{
	const struct outbuf *ob = w->ob;
	uint64_t border = at > ob->mapped_end ? at : end < ob->mapped_end ? end : ob->mapped_end;

	if (w->in_file)
		return ob__sys_pread_all(ob->target.fd, to, (size_t)(end - at), at);
	if (border > at)
		memcpy(to, ob->heap.space.base + at, (size_t)(border - at));
	return read_heap(w, to + (border - at), border, end);
}

static int walk_block(struct walk *w, uint64_t i, uint64_t at, uint64_t end)
{
	unsigned char *buffer;
	int r;

	if (is_in_memory(w, at, end))
		return w->block(w->arg, i, at, w->ob->heap.space.base + at, (size_t)(end - at));
	buffer = ob__blocks_acquire(&w->buffers);
	if (buffer == NULL)
		return -ENOMEM;
	r = read_block(w, buffer, at, end);
	if (r == 0)
		r = w->block(w->arg, i, at, buffer, (size_t)(end - at));
	ob__blocks_release(&w->buffers, buffer);
	return r;
}

static void walk_task(void *arg, size_t i)
{
	struct walk *w = arg;
	uint64_t at = (uint64_t)i * w->block_size;
	uint64_t end = w->size - at > w->block_size ? at + w->block_size : w->size;
	int r;

	if (i >= atomic_load_explicit(&w->stop, memory_order_relaxed))
		return;
	r = walk_block(w, i, at, end);
	if (r == 0)
		return;
	if (r > 0)
		r = -EINVAL;
	pthread_mutex_lock(&w->lock);
	if (i < atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		atomic_store_explicit(&w->stop, i, memory_order_relaxed);
		w->error = r;
	}
	pthread_mutex_unlock(&w->lock);
}

static int walk(struct outbuf *ob, size_t block_size, outbuf_block *block, void *arg, int in_file)
{
	struct walk w = {
		.ob = ob,
		.size = state_size(ob),
		.block_size = block_size,
		.in_file = in_file,
		.block = block,
		.arg = arg,
		.stop = UINT64_MAX,
	};
	uint64_t n = w.size / block_size + (w.size % block_size > 0);
	/* More threads than a flush may use: reading does not take the inode's lock. */
	struct parallel pool = ob->parallel;
	int r;

	if (n > SIZE_MAX)
		return -EFBIG;
	r = ob__blocks_init(&w.buffers);
	if (r < 0)
		return r;
	/* A free buffer holds a pointer to the next (blocks.c). */
	w.buffers.size = block_size < w.size ? block_size : (size_t)w.size;
	if (w.buffers.size < sizeof(void *))
		w.buffers.size = sizeof(void *);
	pool.threads = ob->options.threads;
	r = -pthread_mutex_init(&w.lock, NULL);
	if (r == 0) {
		r = ob__parallel_run(&pool, (size_t)n, walk_task, &w);
		pthread_mutex_destroy(&w.lock);
	}
	ob__blocks_destroy(&w.buffers);
	r = r < 0 ? r : w.error;
	/* The guard may have caught a fault meanwhile. */
	return r < 0 ? r : state_error(ob);
}

int outbuf_walk(struct outbuf *ob, size_t block_size, outbuf_block *block, void *arg)
{
	const struct failure what = { .operation = FAILED_WALK };
	uint16_t place = 0;
	int state, r;

	if (block == NULL || block_size == 0)
		return -EINVAL;
	state = ob__state_begin_exclusive(ob, what);
	if (state < 0)
		return state;
	/* While no View is open the old output's bytes in a recycled file can be zeroed. */
	r = state_error(ob);
	if (r == 0)
		r = ob__zero_stale(ob);
	if (r == 0)
		place = ob__open_views_enter(&ob->views, 0, UINT64_MAX);
	ob__state_end_exclusive(ob, state);
	if (r < 0)
		return ob__state_result(ob, r, what);
	r = ob__state_result(ob, walk(ob, block_size, block, arg, state == STATE_UNMAPPED), what);
	ob__open_views_leave(&ob->views, place);
	return r;
}
