/* SPDX-License-Identifier: MIT */
/*
 * How an output ends: committed, discarded, closed.
 *
 * Commit writes everything to the file, frees the memory and publishes the file at its path. Whatever fails on the
 * way leaves the path as it was, unless the file is written in place. The last steps of publishing are an exception:
 * if the directory cannot be synced (on Windows, if the file cannot be made read-only, synced or closed), the new
 * file is at the path already. The order is what makes it safe: the file is complete, has its exact length and is on
 * the disk (if that is wanted) before the path leads to it.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "output/mapping.h"
#include "output/state.h"
#include "output/write_back.h"
#include "output/zero_stale.h"

int outbuf_fail(struct outbuf *ob, int error)
{
	if (ob == NULL)
		return -EINVAL;
	/* The caller says that his work failed: that must not be lost because of a sign. */
	if (error == 0)
		error = -EIO;
	return state_fail(ob, error > 0 ? -error : error, FAILED_PROGRAM);
}

/* All bytes are in the file: set its exact length and permissions, and wait for the disk if that is wanted. */
static int finish_file(struct outbuf *ob)
{
	int waits = ob->options.durability != OUTBUF_DURABLE_NONE && ob->target.fs != NULL;
	uint64_t size = state_size(ob), began = 0;
	int r = ob__target_resize(&ob->target, size);

	if (r == 0 && waits)
		began = ob__state_begin_phase(ob, OUTBUF_PHASE_SYNC, size);
	if (r == 0)
		r = ob__target_finish(&ob->target);
	if (began != 0)
		ob__state_end_phase(ob, OUTBUF_PHASE_SYNC, size, began);
	return r;
}

static int publish(struct outbuf *ob)
{
	uint64_t size = state_size(ob);
	uint64_t began = ob__state_begin_phase(ob, OUTBUF_PHASE_PUBLISH, size);
	/* The last moment at which outbuf_fail() of a worker counts. */
	int r = state_error(ob);

	if (r == 0)
		r = ob__target_publish(&ob->target);
	ob__state_end_phase(ob, OUTBUF_PHASE_PUBLISH, size, began);
	return r;
}

/* With options.check_complete: 0, or -ENODATA if nobody wrote some byte of the planned size. */
static int check_complete(struct outbuf *ob)
{
	if (!ob->options.check_complete)
		return 0;
	ob->gap = ob__unwritten_first(&ob->gaps, ob->stated_size);
	return ob->gap.length > 0 ? -ENODATA : 0;
}

int outbuf_commit(struct outbuf *ob)
{
	struct failure what = { .operation = FAILED_COMMIT };
	int state = ob__state_begin_exclusive(ob, what);
	int r;

	if (state == -EINVAL && ob != NULL && atomic_load(&ob->state) == STATE_DISCARDED)
		return state_error(ob);
	if (state < 0)
		return state;

	r = state_error(ob);
	if (r == 0)
		r = check_complete(ob);
	if (r == 0)
		r = ob__zero_stale(ob);
	if (r == 0 && state == STATE_OPEN)
		r = ob->sequential ? ob__write_back_sequential(ob) : ob__write_back_heap(ob);
	/* The backend lets go of the file before it is published: somebody may run it at once. */
	ob__flush_close(&ob->flush);
	if (r == 0 && ob->flush.backend != &ob__flush_memory)
		r = ob__mapping_remove(ob);
	/* The guard may have caught a fault up to here. */
	if (r == 0)
		r = state_error(ob);
	if (r == 0)
		r = finish_file(ob);
	if (r == 0) {
		what.operation = FAILED_PUBLISH;
		r = publish(ob);
	}
	ob__state_result(ob, r, what);
	if (r < 0)
		ob__state_give_up(ob, r, what);
	/* r may be an error although the file is published: of the last steps, which follow that. */
	ob__state_end_exclusive(ob, ob->target.published ? STATE_COMMITTED : STATE_DISCARDED);
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
	/* The error is set before the state, so that a View which is refused because of the state finds it. */
	state_fail(ob, -ECANCELED, FAILED_NOTHING);
	atomic_store(&ob->state, STATE_DISCARDED);
	/* A View may be writing to the file's descriptor at this moment: then it stays open until close. */
	if (ob__open_views_any(&ob->views))
		ob__target_remove(&ob->target);
	else
		ob__state_release_file(ob);
	return 0;
}

const void *outbuf_memory(const struct outbuf *ob, uint64_t *size)
{
	*size = 0;
	if (ob == NULL || atomic_load(&ob->state) != STATE_COMMITTED || ob->flush.backend != &ob__flush_memory)
		return NULL;
	*size = state_size(ob);
	return ob->heap.space.base;
}

int outbuf_close(struct outbuf *ob)
{
	if (ob == NULL)
		return 0;
	/*
	 * Also with Views open, which are abandoned: refusing would leave a program that forgot one with a file,
	 * memory and a lock that it cannot get rid of. Such an output was not committed, so nothing is published.
	 */
	if (atomic_load(&ob->state) != STATE_COMMITTED)
		outbuf_discard(ob);
	ob__guard_end(&ob->guard);
	ob__heap_destroy(&ob->heap);
	/* Once more, now that nothing is mapped: Windows does not remove a mapped file. */
	ob__state_release_file(ob);
	ob__unwritten_destroy(&ob->stale);
	ob__unwritten_destroy(&ob->gaps);
	ob__dirty_destroy(&ob->dirty);
	ob__blocks_destroy(&ob->blocks);
	ob__coverage_destroy(&ob->coverage);
	ob__open_views_destroy(&ob->views);
	free(ob->path);
	free(ob);
	return 0;
}

void outbuf_remove_temporary_files(void)
{
	ob__target_remove_temporary();
}
