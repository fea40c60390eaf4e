/* SPDX-License-Identifier: MIT */
/* The other end of a pipe, terminal or socket: a thread that reads, slowly or not for long. */
#ifndef TESTS_READER_H
#define TESTS_READER_H

#include <pthread.h>
#include <stddef.h>

struct reader {
	int fd;            /* read from, and closed at the end; or -1 and */
	const char *path;  /* a FIFO, opened by the thread */
	size_t at_most;    /* then it closes; 0: reads to the end */
	unsigned pause_us; /* before each read */
	unsigned char *data;
	size_t n;          /* bytes read */
	int error;         /* errno of the first call that failed; EIO is a terminal's end */
	pthread_t thread;
};

/* Members are set but for data, n, error and thread. 0 or an errno. */
int reader_start(struct reader *r);

/* Wait until it has read all; `data` is the caller's then. */
void reader_join(struct reader *r);

#endif
