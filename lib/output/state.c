/* SPDX-License-Identifier: MIT */
/*
 * Who may use an output now, and whether it has failed.
 *
 * Owner's calls that need the whole output (map, flush, commit, ...) must not run while a thread writes through a
 * View, and writers must not pay for that. So there is no lock. The owner sets STATE_EXCLUSIVE and looks whether a View
 * is open; a View enters the table of open ones (open_views.h) and looks at the state (output.h says why that is
 * enough). If both happen at once the View waits: it leaves the table and tries again every 20 us, which is rare,
 * because linkers map and commit while no thread writes.
 */
#include "config.h"

#include "output/state.h"

#include <errno.h>

#include "system/sys.h"

/*
 * The output whose exclusive call this thread is inside, or NULL; `outer` leads to those around it. There can be
 * several: a pool that steals work may run a task of the program's, inside options.run, that commits another output.
 * If that task opens a View of the first one it would wait for itself.
 */
static _Thread_local struct outbuf *exclusive_here;

uint64_t ob__state_begin_phase(struct outbuf *ob, enum outbuf_phase phase, uint64_t bytes)
{
	if (ob->options.observe != NULL)
		ob->options.observe(ob->options.observe_arg, phase, 0, bytes);
	return ob__sys_now();
}

void ob__state_end_phase(struct outbuf *ob, enum outbuf_phase phase, uint64_t bytes, uint64_t began)
{
	ob->phase_ns[phase] += ob__sys_now() - began;
	if (ob->options.observe != NULL)
		ob->options.observe(ob->options.observe_arg, phase, 1, bytes);
}

int ob__state_begin_exclusive(struct outbuf *ob, struct failure what)
{
	int state;

	if (ob == NULL)
		return -EINVAL;
	what.refused = 1;
	state = atomic_load(&ob->state);
	if (state != STATE_OPEN && state != STATE_UNMAPPED)
		return ob__state_result(ob, -EINVAL, what);
	if (ob__open_views_any(&ob->views))
		return ob__state_result(ob, -EBUSY, what);
	/* A View may have been opened since. From this store on none can be. */
	atomic_store(&ob->state, STATE_EXCLUSIVE);
	if (ob__open_views_any(&ob->views)) {
		atomic_store(&ob->state, state);
		return ob__state_result(ob, -EBUSY, what);
	}
	ob->outer = exclusive_here;
	exclusive_here = ob;
	/* file_end is raised before the write, so after a failure it may lie beyond the file's end. */
	if (state_error(ob) == 0)
		ob__target_note_length(&ob->target, ob->dirty.file_end);
	return state;
}

void ob__state_end_exclusive(struct outbuf *ob, int state)
{
	exclusive_here = ob->outer;
	atomic_store(&ob->state, state);
}

/* Is this thread inside an exclusive call for the output? */
static int is_exclusive_here(const struct outbuf *ob)
{
	const struct outbuf *here = exclusive_here;

	while (here != NULL && here != ob)
		here = here->outer;
	return here != NULL;
}

int ob__state_enter_view(struct outbuf *ob, uint64_t begin, uint64_t end, uint16_t *place)
{
	for (;;) {
		int state;

		*place = ob__open_views_enter(&ob->views, begin, end);
		state = atomic_load(&ob->state);
		if (state == STATE_DISCARDED)
			return state_error(ob);
		if (state != STATE_EXCLUSIVE)
			return state == STATE_OPEN ? 0 : -EINVAL;
		if (is_exclusive_here(ob))
			return -EDEADLK;
		ob__open_views_leave(&ob->views, *place);
		ob__sys_pause();
	}
}

int ob__state_fail_at(struct outbuf *ob, int error, struct failure what)
{
	int none = 0;

	if (!atomic_compare_exchange_strong(&ob->error, &none, error))
		return none;
	ob->failure = what;
	atomic_store_explicit(&ob->failure_known, 1, memory_order_release);
	return error;
}

static void lock_notes(struct outbuf *ob)
{
	while (atomic_flag_test_and_set_explicit(&ob->noting, memory_order_acquire))
		ob__sys_pause();
}

static void unlock_notes(struct outbuf *ob)
{
	atomic_flag_clear_explicit(&ob->noting, memory_order_release);
}

int ob__state_result(struct outbuf *ob, int r, struct failure what)
{
	if (r >= 0)
		return r;
	lock_notes(ob);
	ob->last_error = r;
	ob->last_failure = what;
	unlock_notes(ob);
	return r;
}

int ob__state_last_error(struct outbuf *ob, struct failure *what)
{
	int error;

	lock_notes(ob);
	error = ob->last_error;
	*what = ob->last_failure;
	unlock_notes(ob);
	return error;
}

void ob__state_release_file(struct outbuf *ob)
{
	/* The backend first: it may still hold the descriptor. */
	ob__flush_close(&ob->flush);
	ob__target_abandon(&ob->target);
}

void ob__state_give_up(struct outbuf *ob, int error, struct failure what)
{
	ob__state_fail_at(ob, error, what);
	ob->given_up = 1;
	ob__state_release_file(ob);
}
