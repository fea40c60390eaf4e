/* SPDX-License-Identifier: MIT */
/* outbuf_flush() and outbuf_sync(): bytes in the page cache, and on the disk, before commit. */
#include "config.h"

#include "output/state.h"
#include "output/write_back.h"
#include "system/sys.h"

int outbuf_flush(struct outbuf *ob)
{
	const struct failure what = { .operation = FAILED_FLUSH };
	int state = ob__state_begin_exclusive(ob, what);
	int r = 0;

	if (state < 0)
		return state;
	if (state == STATE_OPEN && !ob->sequential)
		r = ob__write_back_heap(ob);
	if (r == 0)
		r = state_error(ob);
	ob__state_result(ob, r, what);
	ob__state_end_exclusive(ob, state);
	return r;
}

static int sync_file(struct outbuf *ob, int state)
{
	uint64_t began;
	int r = state == STATE_OPEN ? ob__write_back_heap(ob) : 0;

	began = ob__state_begin_phase(ob, OUTBUF_PHASE_SYNC, state_size(ob));
	if (r == 0 && ob->mapped_end > 0)
		r = ob__space_sync(&ob->heap.space, ob->mapped_end);
	if (r == 0)
		r = ob__sys_fdatasync(ob->target.fd);
	if (r < 0)
		state_fail(ob, r, FAILED_SYNC);
	else
		r = state_error(ob);
	ob__state_end_phase(ob, OUTBUF_PHASE_SYNC, state_size(ob), began);
	return r;
}

int outbuf_sync(struct outbuf *ob)
{
	const struct failure what = { .operation = FAILED_SYNC };
	int state = ob__state_begin_exclusive(ob, what);
	int r = 0;

	if (state < 0)
		return state;
	if (ob->sequential) {
		ob->sync_wanted = 1;
		r = state_error(ob);
	} else {
		r = sync_file(ob, state);
	}
	ob__state_result(ob, r, what);
	ob__state_end_exclusive(ob, state);
	return r;
}
