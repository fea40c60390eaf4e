/* SPDX-License-Identifier: MIT */
/*
 * The backend that uses io_uring, through liburing.
 *
 * People expect io_uring to be fast, so it can be requested and measured. It is never chosen by default. On ext4 and
 * tmpfs a kernel thread does a buffered write, one per file at a time ("a necessary evil", liburing#571). On xfs the
 * submitting thread mostly makes the copy itself. In both cases the effect is that of pwrite on one thread.
 * Milliseconds for 512 MiB of warm memory into a new file in blocks of 1 MiB, medians of 15 in random order (Linux
 * 6.18, 2 cores):
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
 * uring is slower than pwrite by put, because two threads wake each other for every block: 256 MiB in blocks of 64
 * KiB, by 8 threads on ext4, take 123 ms, and 74 ms by pwrite. One queue for all threads would avoid that. But even
 * at its best this backend is no faster than pwrite. So put simply holds a mutex, and no request is in flight while
 * no thread is inside write or put.
 *
 * Neither buffers nor the file are registered with the ring (ext4, 512 MiB, medians of 21, a busier machine). With
 * registered buffers it takes 157 ms instead of 154, because pinning them takes 11 ms; and RLIMIT_MEMLOCK allows only
 * 8 MiB here. With a registered file it takes 154 ms instead of 150. And unless the file is unregistered first, a
 * closed ring keeps it open for writing for a while, so that a program just linked could not be run (ETXTBSY, 100
 * times of 100). A registered file would also still be written to after the descriptor of a discarded output was
 * redirected to /dev/null.
 *
 * Cost: a ring, and kernel threads that count as threads of the process. If the process may have no more threads
 * (RLIMIT_NPROC, pids.max) requests are completed as cancelled, after the kernel has tried for up to 0.2 s to start a
 * thread. So from the first such completion on all bytes are written by pwrite(2): 30 MB in blocks of 256 KiB take 0.1
 * s, and took 23 s when every block was tried (ext4 and tmpfs). This is not tried out when the backend is opened: that
 * would cost every output a request, and the limit may be reached later.
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

/*
 * Writes in flight at most. One takes 187 ms where 2, 8 and 32 take 152 to 154 (ext4, the busier machine, see above).
 */
#define QUEUE_DEPTH 8u

/*
 * How often submitting is tried while the kernel has no memory for a request and none is in flight. Between two
 * attempts is a pause of at least 20 us.
 */
#define SUBMIT_TRIES 1000

/* A write: a whole block at first, then what is left of it after a short write. Under uring.lock. */
struct request {
	const unsigned char *from;
	uint64_t offset; /* in the file */
	unsigned n;      /* bytes that are left */
};

/* The backend's state. */
struct uring {
	int fd;               /* constant */
	pthread_mutex_t lock; /* guards the members below; write and put hold it until nothing is in flight */
	struct io_uring ring;
	int error;               /* the first error, or 0; after it nothing is submitted, requests may stay queued */
	unsigned failed_submits; /* attempts to submit that failed since the last that succeeded */
	unsigned queued;         /* requests in the ring that are not submitted yet, the nudge included */
	unsigned in_flight;      /* requests that the kernel has, the nudge included */
	int nudge_pending;       /* 1: one of the requests is a nudge */
	int given_up;            /* 1: the kernel has no thread for the ring, or took 1 s: pwrite(2) writes the rest */
	unsigned n_idle;
	struct request *idle[QUEUE_DEPTH]; /* the first n_idle are those of `requests` that are not used */
	struct request requests[QUEUE_DEPTH];
};

/* Keep the first error. */
static void note_error(struct uring *u, int error)
{
	if (u->error == 0)
		u->error = error;
}

/* Put the request into the ring. There is always room: the ring has an entry for each request and for one nudge. */
static void queue_write(struct uring *u, struct request *q)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	io_uring_prep_write(sqe, u->fd, q->from, q->n, q->offset);
	io_uring_sqe_set_data(sqe, q);
	u->queued++;
}

/* Submit the queued requests. On return they are submitted, or it has to be called again, or u->error is set. */
static void submit(struct uring *u)
{
	int r = ob__sys_uring_submit(&u->ring);

	if (r > 0) {
		u->queued -= (unsigned)r;
		u->in_flight += (unsigned)r;
		u->failed_submits = 0;
		return;
	}
	if (r == 0 || r == -EAGAIN || r == -EBUSY) {
		/* The kernel has room again when a request in flight is completed. */
		if (u->in_flight > 0)
			return;
		if (++u->failed_submits < SUBMIT_TRIES) {
			ob__sys_pause();
			return;
		}
	}
	note_error(u, r == 0 ? -EIO : r);
}

/*
 * A nudge is a no-op request that makes the kernel go on. Linux 6.18 sometimes leaves a buffered write in its queue
 * for ever, about once in 100,000 rings: the write is submitted but not completed, and there is no worker thread that
 * would take it. Any other request wakes a worker, which then completes both. (Tried on the process that hung: its
 * 4,095 bytes were written at once.) So if no request was completed for a second, a nudge is submitted. Its data
 * pointer is NULL. A second is lost each time, so the ring is given up then.
 */
static void nudge(struct uring *u)
{
	struct io_uring_sqe *sqe = u->nudge_pending ? NULL : io_uring_get_sqe(&u->ring);

	if (sqe == NULL) {
		/* The nudge may still be queued. After an error write_by_ring() submits nothing any more. */
		if (u->queued > 0)
			submit(u);
		return;
	}
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	io_uring_sqe_set_data(sqe, NULL);
	u->nudge_pending = 1;
	u->queued++;
	submit(u);
}

/*
 * Wait for a completion; NULL: there is none yet, call again. The kernel reads the caller's memory until a request is
 * completed, so write and put must not return earlier, not even if waiting fails. (That happens if the program closes
 * all descriptors above 2, the ring's too.) The mapped memory of the ring keeps the ring alive, and shows
 * completions: in that case it is polled.
 */
static struct io_uring_cqe *wait_for_completion(struct uring *u)
{
	struct io_uring_cqe *cqe = NULL;
	int r = ob__sys_uring_wait(&u->ring, &cqe);

	if (r == 0)
		return cqe;
	if (r == -ETIME) {
		u->given_up = 1;
		nudge(u);
		return NULL;
	}
	if (r != -EAGAIN && r != -EBUSY)
		note_error(u, r);
	while (ob__sys_uring_peek(&u->ring, &cqe) != 0)
		ob__sys_pause();
	return cqe;
}

/* A request was completed with `res`, bytes written or a negative errno. 0 or a negative errno. */
static int finish_request(struct uring *u, const struct request *q, int res)
{
	switch (res) {
	case -ECANCELED: /* the kernel could not start a worker thread: RLIMIT_NPROC, or pids.max of the cgroup */
	case -EAGAIN:    /* this and the next: the kernel has no memory for the request or its thread */
	case -ENOMEM:
		u->given_up = 1;
		return ob__sys_pwrite_all(u->fd, q->from, q->n, q->offset);
	case -EINTR:
		return ob__sys_pwrite_all(u->fd, q->from, q->n, q->offset);
	case 0:
		return -EIO;
	default:
		if (res > 0)
			return 0;
		return ob__sys_wait_for_room(res) ? ob__sys_pwrite_all(u->fd, q->from, q->n, q->offset) : res;
	}
}

/* Wait for one request in flight. After a short write its rest is queued again, unless the ring was given up. */
static void complete_one(struct uring *u)
{
	struct io_uring_cqe *cqe = wait_for_completion(u);
	struct request *q;
	int res;

	if (cqe == NULL)
		return;
	q = io_uring_cqe_get_data(cqe);
	res = cqe->res;
	io_uring_cqe_seen(&u->ring, cqe);
	u->in_flight--;
	if (q == NULL) {
		u->nudge_pending = 0;
		return;
	}
	if (u->error == 0 && res > 0 && (unsigned)res < q->n) {
		q->from += res;
		q->offset += (unsigned)res;
		q->n -= (unsigned)res;
		if (!u->given_up) {
			queue_write(u, q);
			return;
		}
		res = -ECANCELED; /* what is left */
	}
	if (u->error == 0)
		u->error = finish_request(u, q, res);
	u->idle[u->n_idle++] = q;
}

/*
 * Write n bytes at `offset`, and return when nothing is in flight. Blocks end at multiples of their size in the file,
 * as in flush_pwrite.c. *done is how many of the first bytes are written: all, unless the ring was given up. 0 or a
 * negative errno.
 */
static int write_by_ring(struct uring *u, const unsigned char *from, uint64_t offset, uint64_t n, uint64_t *done)
{
	uint64_t all = n;

	while (u->in_flight > 0 || (u->error == 0 && (u->queued > 0 || (n > 0 && !u->given_up)))) {
		while (u->error == 0 && !u->given_up && n > 0 && u->n_idle > 0) {
			unsigned step = (unsigned)(BLOCK - offset % BLOCK);
			struct request *q = u->idle[--u->n_idle];

			step = step < n ? step : (unsigned)n;
			*q = (struct request){ .from = from, .offset = offset, .n = step };
			queue_write(u, q);
			from += step;
			offset += step;
			n -= step;
		}
		if (u->error == 0 && u->queued > 0)
			submit(u);
		if (u->in_flight > 0)
			complete_one(u);
	}
	*done = all - n;
	return u->error;
}

static int uring_write(struct flush *f, const void *data, uint64_t offset, uint64_t n)
{
	struct uring *u = f->state;
	const unsigned char *from = data;
	uint64_t done;
	int r;

	pthread_mutex_lock(&u->lock);
	r = write_by_ring(u, from, offset, n, &done);
	pthread_mutex_unlock(&u->lock);
	/* Without the mutex: the threads that put need not wait for each other here. */
	return r < 0 || done == n ? r : ob__sys_pwrite_all(u->fd, from + done, (size_t)(n - done), offset + done);
}

static int uring_put(struct flush *f, const void *data, uint64_t offset, size_t n)
{
	return uring_write(f, data, offset, n);
}

static int uring_open(struct flush *f)
{
	struct uring *u;
	int r;

	if (f->fd < 0)
		return -ENOTSUP;
	u = calloc(1, sizeof *u);
	if (u == NULL)
		return -ENOMEM;
	r = ob__sys_uring_open(&u->ring, QUEUE_DEPTH + 1); /* liburing rounds up to a power of two */
	if (r < 0) {
		free(u);
		return r;
	}
	pthread_mutex_init(&u->lock, NULL);
	u->fd = f->fd;
	while (u->n_idle < QUEUE_DEPTH) {
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
