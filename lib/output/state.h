/* SPDX-License-Identifier: MIT */
/* The state of an output: who may use it now, the sticky error, its size, the Views that are open. */
#ifndef OUTBUF_LIB_STATE_H
#define OUTBUF_LIB_STATE_H

#include "output/output.h"

/* Tell the observer that a phase begins, which works on `bytes` bytes. Owner. Returns the time, for the end. */
uint64_t ob__state_begin_phase(struct outbuf *ob, enum outbuf_phase phase, uint64_t bytes);
void ob__state_end_phase(struct outbuf *ob, enum outbuf_phase phase, uint64_t bytes, uint64_t began);

/*
 * No View can be open from here to ob__state_end_exclusive(): threads that want to open one wait. Owner. Returns the
 * state to go back to, or a negative errno: -EBUSY while a View is open, -EINVAL if `ob` is NULL, committed or
 * discarded. That is noted, as the failure of the call that `what` says.
 */
int ob__state_begin_exclusive(struct outbuf *ob, struct failure what);
void ob__state_end_exclusive(struct outbuf *ob, int state);

/*
 * A View of [begin, end) enters the table of open ones (open_views.h). Any thread. While the owner is exclusive, the
 * View leaves again and waits. If the owner's call ends with -EBUSY, it has changed nothing that the View could notice.
 * If it runs, the View then finds the state that the call leaves.
 *
 * Returns 0, or why the output takes no View: -EINVAL; -EDEADLK if this very thread is inside the owner's exclusive
 * call, which would wait for itself; or the sticky error of a discarded output. The View has entered
 * in either case, at *place; the caller has to take it out by ob__open_views_leave().
 */
int ob__state_enter_view(struct outbuf *ob, uint64_t begin, uint64_t end, uint16_t *place);

/* The sticky error, 0 if there is none. Any thread. */
static inline int state_error(const struct outbuf *ob)
{
	return atomic_load_explicit(&ob->error, memory_order_acquire);
}

/*
 * Make `error`, a negative errno, the sticky error unless there is one; `what` says what it is about. Any thread.
 * Returns the sticky error.
 */
int ob__state_fail_at(struct outbuf *ob, int error, struct failure what);

/* The same, for an operation without numbers. */
static inline int state_fail(struct outbuf *ob, int error, enum failed_operation operation)
{
	return ob__state_fail_at(ob, error, (struct failure){ .operation = operation });
}

/*
 * A call returns `r`: if that is an error, sticky or not, note what it is about, for outbuf_error_text(). Any thread.
 * Returns `r`.
 */
int ob__state_result(struct outbuf *ob, int r, struct failure what);

/* The last error that was noted, 0 if none was, and what it is about. Any thread. */
int ob__state_last_error(struct outbuf *ob, struct failure *what);

/* The length that the file would have if it were committed now. Owner. */
static inline uint64_t state_size(const struct outbuf *ob)
{
	uint64_t high = atomic_load_explicit(&ob->heap.written_end, memory_order_relaxed);

	return high > ob->planned ? high : ob->planned;
}

/* A pointer into the output is about to be handed out. Any thread. Writes the cache line only the first time. */
static inline void state_note_pointer(struct outbuf *ob)
{
	if (!atomic_load_explicit(&ob->pointer_out, memory_order_relaxed))
		atomic_store_explicit(&ob->pointer_out, 1, memory_order_relaxed);
}

/* Close the backend and the file, and remove the file unless it is published. Owner. May be called again. */
void ob__state_release_file(struct outbuf *ob);

/*
 * The output has failed inside an owner's call: memory was lost, or commit failed. Its file is removed, the memory
 * that is left stays until close. Exclusive; the caller ends with STATE_DISCARDED.
 */
void ob__state_give_up(struct outbuf *ob, int error, struct failure what);

#endif
