/* SPDX-License-Identifier: MIT */
/*
 * io_uring, through liburing.
 *
 * It is expected to be fast, so it is here to be asked for and to be measured; it is never chosen
 * unasked. ext4 and tmpfs have a buffered write done by a thread of the kernel's, and there is one
 * of these per file at a time ("a necessary evil", liburing#571); on xfs the submitting thread
 * mostly copies itself. Either way it is pwrite on one thread. 512 MiB of warm memory into a new
 * file in blocks of 1 MiB, ms, medians of 15 in random order (Linux 6.18, 2 cores):
 *
 *                                  ext4   xfs in a loop image   tmpfs
 *     pwrite, 1 thread              120            83            175
 *     pwrite, 2 threads             133            87            173
 *     uring                         134            88            192
 *     pwrite, put by 1 thread       120            83            171
 *     uring, put by 1 thread        168            85            183
 *     pwrite, put by 8 threads      144            92            192
 *     uring, put by 8 threads       147            90            184
 *
 * put is the slower one as two threads wake each other for every block: 256 MiB in blocks of
 * 64 KiB, by 8 threads, ext4, take 123 ms against pwrite's 74. A queue that all threads share would
 * mend that, but pwrite is no slower than this backend at its best; so put holds a mutex, and
 * nothing is ever in flight while nobody is in here.
 *
 * Nothing is registered with the ring (ext4, 512 MiB, medians of 21, a busier machine). Buffers:
 * 157 ms instead of 154, as pinning them takes 11, and RLIMIT_MEMLOCK allows 8 MiB here. The
 * file: 154 instead of 150, and unless it is unregistered first, a closed ring keeps it open for
 * writing for a while: a program just linked could not be run (ETXTBSY, 100 of 100). Nor would it
 * follow when the descriptor of a discarded output is led to /dev/null.
 *
 * Cost: a ring, and threads of the kernel's that count as the process's. Where it may have no more
 * (RLIMIT_NPROC, pids.max) requests come back cancelled; their bytes are written by hand.
 */
#include "config.h"

#include "flush/flush.h"

#include <errno.h>

#ifdef HAVE_LIBURING

#include <pthread.h>
#include <stdlib.h>

#include "system/sys.h"
#include "system/unix/sys_uring.h"

#define BLOCK ((uint64_t)1 << 20)

/* 1 in flight: 187 ms where 2, 8 and 32 take 152 to 154 (as above: ext4, busier). */
#define QUEUE 8u

/* Pauses of at least 20 us while the kernel has no memory for a request and none is in flight. */
#define SUBMIT_TRIES 1000

/* From a block to what is left of it after a short write. */
struct request {
	const unsigned char *from;
	uint64_t offset;
	unsigned n;
};

struct uring {
	int fd;               /* constant */
	pthread_mutex_t lock; /* guards the rest; held until nothing is in flight */
	struct io_uring ring;
	int error;               /* the first one; final: requests may be stuck in the ring then */
	unsigned tries;          /* of submitting, in vain, in a row */
	unsigned queued, flying; /* requests in the ring, and with the kernel; a nudge is one */
	int nudged;              /* one of them is a nudge */
	unsigned n_idle;
	struct request *idle[QUEUE];
	struct request requests[QUEUE];
};

static void fail(struct uring *u, int error)
{
	if (u->error == 0)
		u->error = error;
}

/* There is room in the ring: it has an entry for each request, and for a nudge. */
static void queue(struct uring *u, struct request *q)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	io_uring_prep_write(sqe, u->fd, q->from, q->n, q->offset);
	io_uring_sqe_set_data(sqe, q);
	u->queued++;
}

static void submit(struct uring *u)
{
	int r = ob__sys_uring_submit(&u->ring);

	if (r > 0) {
		u->queued -= (unsigned)r;
		u->flying += (unsigned)r;
		u->tries = 0;
		return;
	}
	if (r == 0 || r == -EAGAIN || r == -EBUSY) {
		/* What is in flight makes room when it lands. */
		if (u->flying > 0)
			return;
		if (++u->tries < SUBMIT_TRIES) {
			ob__sys_pause();
			return;
		}
	}
	fail(u, r == 0 ? -EIO : r);
}

/*
 * Linux 6.18 was seen to leave a buffered write in its queue for ever, once in some 100,000 rings: submitted,
 * not completed, and no worker thread left that would take it. Any other request wakes one, which then does
 * both (tried on the process that hung: 4,095 bytes written at once). So behind what takes a second a no-op
 * is put, without data.
 */
static void nudge(struct uring *u)
{
	struct io_uring_sqe *sqe = u->nudged ? NULL : io_uring_get_sqe(&u->ring);

	if (sqe == NULL) {
		/* It may not have got there yet, and after an error nobody else submits. */
		if (u->queued > 0)
			submit(u);
		return;
	}
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	io_uring_sqe_set_data(sqe, NULL);
	u->nudged = 1;
	u->queued++;
	submit(u);
}

/*
 * The kernel reads the caller's memory until the request has landed, so we must not return before,
 * even if waiting fails (somebody closed all descriptors above 2, ours too). The ring's memory
 * keeps it alive and shows what has landed: look there now and then. NULL: not yet.
 */
static struct io_uring_cqe *wait_for_one(struct uring *u)
{
	struct io_uring_cqe *cqe = NULL;
	int r = ob__sys_uring_wait(&u->ring, &cqe);

	if (r == 0)
		return cqe;
	if (r == -ETIME) {
		nudge(u);
		return NULL;
	}
	if (r != -EAGAIN && r != -EBUSY)
		fail(u, r);
	while (ob__sys_uring_peek(&u->ring, &cqe) != 0)
		ob__sys_pause();
	return cqe;
}

/* A request is over: 0 or a negative errno. */
static int finish(struct uring *u, const struct request *q, int result)
{
	switch (result) {
	case -ECANCELED: /* no thread for a worker: RLIMIT_NPROC, or the cgroup's pids.max */
	case -EAGAIN:
	case -EINTR:
		return ob__sys_pwrite_all(u->fd, q->from, q->n, q->offset);
	case 0:
		return -EIO;
	default:
		return result < 0 ? result : 0;
	}
}

static void land(struct uring *u)
{
	struct io_uring_cqe *cqe = wait_for_one(u);
	struct request *q;
	int result;

	if (cqe == NULL)
		return;
	q = io_uring_cqe_get_data(cqe);
	result = cqe->res;
	io_uring_cqe_seen(&u->ring, cqe);
	u->flying--;
	if (q == NULL) {
		u->nudged = 0;
		return;
	}
	if (u->error == 0 && result > 0 && (unsigned)result < q->n) {
		q->from += result;
		q->offset += (unsigned)result;
		q->n -= (unsigned)result;
		queue(u, q);
		return;
	}
	if (u->error == 0)
		u->error = finish(u, q, result);
	u->idle[u->n_idle++] = q;
}

/* Blocks end at multiples of their size in the file, as in flush_pwrite.c. */
static int write_all(struct uring *u, const unsigned char *from, uint64_t offset, uint64_t n)
{
	while (u->flying > 0 || (u->error == 0 && (u->queued > 0 || n > 0))) {
		while (u->error == 0 && n > 0 && u->n_idle > 0) {
			unsigned step = (unsigned)(BLOCK - offset % BLOCK);
			struct request *q = u->idle[--u->n_idle];

			step = step < n ? step : (unsigned)n;
			*q = (struct request){ .from = from, .offset = offset, .n = step };
			queue(u, q);
			from += step;
			offset += step;
			n -= step;
		}
		if (u->error == 0 && u->queued > 0)
			submit(u);
		if (u->flying > 0)
			land(u);
	}
	return u->error;
}

static int uring_write(struct flush *f, const void *data, uint64_t offset, uint64_t n)
{
	struct uring *u = f->state;
	int r;

	pthread_mutex_lock(&u->lock);
	r = write_all(u, data, offset, n);
	pthread_mutex_unlock(&u->lock);
	return r;
}

static int uring_put(struct flush *f, const void *data, uint64_t offset, size_t n)
{
	return uring_write(f, data, offset, n);
}

static int uring_open(struct flush *f)
{
	struct uring *u;
	int r = ob__sys_is_seekable(f->fd);

	if (r <= 0)
		return r == 0 ? -ENOTSUP : r;
	u = calloc(1, sizeof *u);
	if (u == NULL)
		return -ENOMEM;
	r = ob__sys_uring_open(&u->ring, QUEUE + 1); /* rounded up to a power of two */
	if (r < 0) {
		free(u);
		return r;
	}
	pthread_mutex_init(&u->lock, NULL);
	u->fd = f->fd;
	while (u->n_idle < QUEUE) {
		u->idle[u->n_idle] = &u->requests[u->n_idle];
		u->n_idle++;
	}
	f->state = u;
	return 0;
}

static void uring_close(struct flush *f)
{
	struct uring *u = f->state;

	ob__sys_uring_close(&u->ring);
	pthread_mutex_destroy(&u->lock);
	free(u);
	f->state = NULL;
}

const struct flush_backend ob__flush_uring = {
	.name = "uring",
	.open = uring_open,
	.write = uring_write,
	.put = uring_put,
	.close = uring_close,
};

#else /* built without liburing */

static int uring_open(struct flush *f)
{
	(void)f;
	return -ENOTSUP;
}

const struct flush_backend ob__flush_uring = {
	.name = "uring",
	.open = uring_open,
};

#endif
