/* SPDX-License-Identifier: MIT */
/*
 * report.h - one error, said once, on one line
 *
 * Functions that can fail return 0 or -1 and leave the reason in a struct error that they
 * were given; main() prints it. Nothing else writes to stderr but the progress bar.
 */
#ifndef PARWRITE_REPORT_H
#define PARWRITE_REPORT_H

#include <pthread.h>
#include <stddef.h>

struct error {
	pthread_mutex_t lock;
	/* Any thread, under the lock; read without it when only one thread is left. */
	char *text;   /* "FILE: cause"; NULL: no error */
	size_t order; /* see fail_at() */
};

#define ERROR_INIT { .lock = PTHREAD_MUTEX_INITIALIZER }

#if defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

/* Keep "FILE: cause" (file may be NULL) unless there is an error already. Returns -1. */
int fail(struct error *error, const char *file, const char *format, ...) PRINTF_LIKE(3, 4);

/*
 * The same from one of several tasks that run at once: the one with the lowest number is kept,
 * so that the message does not depend on who came first.
 */
int fail_at(struct error *error, size_t order, const char *file, const char *format, ...)
	PRINTF_LIKE(4, 5);

/* Keep what another one says, as from a task of that number; that one says nothing any more. */
void error_move(struct error *error, size_t order, struct error *from);

/* calloc() that fails with a message; n may be 0. */
void *allocate(struct error *error, size_t n, size_t size);

/*
 * Make room for one more in an array that grows: returns the array, moved or not, or NULL with
 * the old one intact.
 */
void *grow(struct error *error, void *array, size_t n, size_t *room, size_t size);

/* "parwrite: text" on stderr, in one line whatever file and symbol names hold. */
void say(const char *text);

void error_free(struct error *error);

#endif
