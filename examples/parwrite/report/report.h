/* SPDX-License-Identifier: MIT */
/*
 * report.h - a run reports one error, once, on one line
 *
 * Functions that can fail return 0 or -1. They leave the reason in the struct error that they were given, and main()
 * prints it. Besides, only the progress bar and the messages about the command line (options.c) go to stderr, and the
 * statistics if the output goes to standard output (stats.c).
 */
#ifndef PARWRITE_REPORT_H
#define PARWRITE_REPORT_H

#include <pthread.h>
#include <stddef.h>

struct error {
	pthread_mutex_t lock; /* guards the members below */

	/* Written by any thread under the lock. Read without it while only one thread runs. */
	char *text;   /* "FILE: cause", allocated by malloc(); NULL: no error */
	size_t order; /* the number of the task that failed, see fail_at(); 0 for fail() */
};

#define ERROR_INIT { .lock = PTHREAD_MUTEX_INITIALIZER }

#if defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

/*
 * Store "FILE: cause" as the error, or only the cause if `file` is NULL. A message that an earlier fail() stored stays;
 * one that fail_at() stored with a number above 0 is replaced. Any thread. Returns -1.
 */
int fail(struct error *error, const char *file, const char *format, ...) PRINTF_LIKE(3, 4);

/*
 * fail() for task number `order` of several tasks that run at once. Of several errors the one with the lowest number is
 * kept, so the message does not depend on which task failed first. Any thread. Returns -1.
 */
int fail_at(struct error *error, size_t order, const char *file, const char *format, ...)
	PRINTF_LIKE(4, 5);

/*
 * Move the message of `from` to `error`, as fail_at() of task number `order` would store it. `from` has no message
 * afterwards. No other thread may use `from`. Any thread.
 */
void error_move(struct error *error, size_t order, struct error *from);

/* calloc(), but n may be 0. Any thread. NULL: out of memory, and `error` says so. To be freed by free(). */
void *allocate(struct error *error, size_t n, size_t size);

/*
 * Make sure that an array of n elements, each `size` bytes long, has room for one more. *room is the number of elements
 * that it has room for. Returns the array, which may have moved. NULL: out of memory, `error` says so, and the old
 * array is intact. Any thread.
 */
void *grow(struct error *error, void *array, size_t n, size_t *room, size_t size);

/*
 * Print "parwrite: text" to stderr. It is one line whatever bytes the names of files and symbols in `text` have:
 * control characters are printed as "?". Longer texts are cut at 4095 bytes.
 */
void say(const char *text);

/* Free the message and the lock. No other thread may use the error. */
void error_free(struct error *error);

#endif
