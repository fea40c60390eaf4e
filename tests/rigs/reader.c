/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "rigs/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROOM ((size_t)8 << 20)
#define STEP ((size_t)32 << 10)

static void pause_for(unsigned us)
{
	struct timespec time = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L };

	if (us > 0)
		nanosleep(&time, NULL);
}

static void *read_all(void *arg)
{
	struct reader *r = arg;
	size_t most = r->at_most > 0 ? r->at_most : ROOM;
	ssize_t got = 1;

	if (r->path != NULL)
		r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
	while (r->fd >= 0 && got > 0 && r->n < most) {
		size_t rest = most - r->n;

		pause_for(r->pause_us);
		got = read(r->fd, r->data + r->n, rest < STEP ? rest : STEP);
		r->n += got > 0 ? (size_t)got : 0;
	}
	r->error = r->fd < 0 || got < 0 ? errno : 0;
	if (r->fd >= 0)
		close(r->fd);
	return NULL;
}

int reader_start(struct reader *r)
{
	r->n = 0;
	r->error = 0;
	r->data = malloc(ROOM);
	return r->data == NULL ? ENOMEM : pthread_create(&r->thread, NULL, read_all, r);
}

void reader_join(struct reader *r)
{
	pthread_join(r->thread, NULL);
}
