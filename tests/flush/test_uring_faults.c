/* SPDX-License-Identifier: MIT */
/*
 * Errors of the ring and of what it carries, one at a time: what the io_uring backend makes of
 * each, and that nothing is in flight when it returns.
 */
#include "config.h"

#include "inject/faults.h"
#include "rigs/ring.h"
#include "support/support.h"
#include "system/unix/sys_table.h"
#include "system/unix/sys_unix.h"
#include "system/unix/sys_uring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static struct sys_uring_table real;

static int ring_faults_end(void **state)
{
	ob__sys_uring_table = real;
	return faults_end(state);
}

#define ring_test(f) cmocka_unit_test_setup_teardown(f, faults_begin, ring_faults_end)

/* ------------------------------------------------------- completions that differ */

/* What to make of completion number i, counted from 1, whose true result is given. */
static int (*alter)(int i, int result);
static int landed; /* under the backend's mutex */

static int altering_wait(struct io_uring *ring, struct io_uring_cqe **cqe)
{
	int r = real.wait_cqe(ring, cqe);

	if (r == 0)
		(*cqe)->res = alter(++landed, (*cqe)->res);
	return r;
}

static int third_short(int i, int result) { return i % 3 == 0 && result > 1 ? result / 2 : result; }
static int one_byte_short(int i, int result) { return i < 20 && result > 1 ? result - 1 : result; }
static int each_second_interrupted(int i, int result) { return i % 2 == 0 ? -EINTR : result; }

static int failing, failing_at;
static int fails(int i, int result) { return i == failing_at ? -failing : result; }
static int writes_nothing(int i, int result) { return i == 2 ? 0 : result; }

static int write_altered(struct flush *f, const unsigned char *data, size_t n,
                         int (*how)(int i, int result))
{
	int r;

	alter = how;
	landed = 0;
	ob__sys_uring_table.wait_cqe = altering_wait;
	r = f->backend->write(f, data, 0, n);
	ob__sys_uring_table.wait_cqe = real.wait_cqe;
	return r;
}

/* A short write wrote no more than it says: cut the request before the kernel sees it. */
static int cutting_submit(struct io_uring *ring)
{
	struct io_uring_sq *sq = &ring->sq;
	unsigned at;

	for (at = sq->sqe_head; at != sq->sqe_tail; at++) {
		struct io_uring_sqe *sqe = &sq->sqes[at & *sq->kring_mask];

		if (call_fails() && sqe->len > 1)
			sqe->len = (sqe->len + 2) / 3;
	}
	return real.submit(ring);
}

static void test_short(void **state)
{
	struct sandbox *s = *state;
	size_t n = 20 * BLOCK + 33;
	unsigned char *data;
	struct flush f = ring_at(s->path);

	data = bytes_for(0, n);
	/* Each to a third of what is left, down to one byte; and only the second. */
	arm(1, EIO, 0);
	ob__sys_uring_table.submit = cutting_submit;
	assert_int_equal(ob__flush_uring.put(&f, data, 0, BLOCK), 0);
	assert_true(calls_made() > 10);
	arm(2, EIO, 1);
	assert_int_equal(ob__flush_uring.write(&f, data + BLOCK, BLOCK, n - BLOCK), 0);
	ob__sys_uring_table.submit = real.submit;
	ring_end(&f);
	assert_bytes(s->path, 0, n);

	/* Said to be short while it was not. */
	f = ring_at(s->path);
	assert_int_equal(write_altered(&f, data, n, third_short), 0);
	assert_int_equal(write_altered(&f, data, n, one_byte_short), 0);
	assert_true(landed > 21);
	ring_end(&f);
	assert_bytes(s->path, 0, n);
	free(data);
}

static int counted;
static ssize_t counting_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	counted++;
	return pwrite(fd, data, n, offset);
}

/* Requests that come back undone are written by hand, and there only. */
static void test_by_hand(void **state)
{
	struct sandbox *s = *state;
	size_t n = 20 * BLOCK;
	struct flush f = ring_at(s->path);
	unsigned char *data = bytes_for(0, n);

	ob__sys_table.pwrite = counting_pwrite;
	counted = 0;
	assert_int_equal(write_altered(&f, data, n, each_second_interrupted), 0);
	assert_int_equal(counted, 10);
	assert_int_equal(ob__flush_uring.write(&f, data, 0, n), 0);
	assert_int_equal(counted, 10);
	free(data);
	ring_end(&f);
	assert_bytes(s->path, 0, n);
}

static int threadless;
static int no_thread(int i, int result) { return i >= 3 ? -threadless : result; }

/* The kernel has no thread for the ring, which takes it a while to say: the ring is asked no more, and pwrite goes on. */
static void test_no_thread(void **state)
{
	static const int errors[] = { ECANCELED, EAGAIN, ENOMEM };
	struct sandbox *s = *state;
	size_t i, n = 40 * BLOCK;
	unsigned char *data;

	need_ring();
	data = bytes_for(0, n + 10);
	ob__sys_table.pwrite = counting_pwrite;
	for (i = 0; i < sizeof errors / sizeof *errors; i++) {
		struct flush f = ring_at(s->path);

		threadless = errors[i];
		counted = 0;
		assert_int_equal(write_altered(&f, data, n, no_thread), 0);
		/* What was in flight, by hand, and the rest at once. */
		assert_in_range(landed, 3, IN_FLIGHT + 2);
		assert_int_equal(counted, landed - 2 + 1);
		counted = 0;
		assert_int_equal(f.backend->put(&f, data + n, n, 10), 0);
		assert_int_equal(counted, 1);
		ring_end(&f);
		assert_bytes(s->path, 0, n + 10);
	}
	free(data);
}

static void test_errors(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT, EFBIG };
	struct sandbox *s = *state;
	size_t i, n = 20 * BLOCK;
	unsigned char *data;
	struct flush f;

	need_ring();
	data = bytes_for(0, n);
	for (failing_at = 1; failing_at <= 20; failing_at += 19)
		for (i = 0; i < sizeof errors / sizeof *errors; i++) {
			f = ring_at(s->path);
			failing = errors[i];
			assert_int_equal(write_altered(&f, data, n, fails), -errors[i]);
			/* All landed, few were sent after the first had failed, none later. */
			assert_in_range(landed, 1, failing_at == 1 ? IN_FLIGHT : 20);
			assert_int_equal(ob__flush_uring.put(&f, data, 0, 10), -errors[i]);
			ring_end(&f);
		}
	f = ring_at(s->path);
	assert_int_equal(write_altered(&f, data, n, writes_nothing), -EIO);
	ring_end(&f);
	free(data);

	/* The file's own error: it is not open for writing. */
	f.fd = open(s->path, O_RDONLY | O_CLOEXEC);
	assert_true(f.fd >= 0);
	assert_int_equal(ob__flush_uring.open(&f), 0);
	assert_int_equal(ob__flush_uring.write(&f, "x", 0, 1), -EBADF);
	ring_end(&f);
}

/* What is freed in the background makes room: what found the disk full is written by hand, once that is done. */
static void test_waits_for_room(void **state)
{
	static const int errors[] = { ENOSPC, EDQUOT };
	struct sandbox *s = *state;
	size_t i, n = 20 * BLOCK;
	struct flush f = ring_at(s->path);
	unsigned char *data = bytes_for(0, n);

	ob__sys_table.pwrite = counting_pwrite;
	failing_at = 5;
	for (i = 0; i < 2; i++) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		assert_int_equal(ob__sys_close_later(fd), 0);
		failing = errors[i];
		counted = 0;
		assert_int_equal(write_altered(&f, data, n, fails), 0);
		assert_int_equal(counted, 1);
	}
	free(data);
	ring_end(&f);
	assert_bytes(s->path, 0, n);
}

/* --------------------------------------------------------- the ring does not work */

static unsigned submitted, seen;

static int counting_submit(struct io_uring *ring)
{
	int r = real.submit(ring);

	submitted += r > 0 ? (unsigned)r : 0;
	return r;
}

static int failing_submit(struct io_uring *ring)
{
	return call_fails() ? -errno : counting_submit(ring);
}

static int counting_wait(struct io_uring *ring, struct io_uring_cqe **cqe)
{
	int r = real.wait_cqe(ring, cqe);

	seen += r == 0;
	return r;
}

static int failing_wait(struct io_uring *ring, struct io_uring_cqe **cqe)
{
	return call_fails() ? -errno : counting_wait(ring, cqe);
}

static int counting_peek(struct io_uring *ring, struct io_uring_cqe **cqe)
{
	int r = real.peek_cqe(ring, cqe);

	seen += r == 0;
	return r;
}

/* Write 20 blocks; when that returns, whatever it returns, nothing may be in flight. */
static int write_counted(struct flush *f, int (*submit)(struct io_uring *ring),
                         int (*wait)(struct io_uring *ring, struct io_uring_cqe **cqe))
{
	unsigned char *data = bytes_for(0, 20 * BLOCK);
	int r;

	ob__sys_uring_table.submit = submit;
	ob__sys_uring_table.wait_cqe = wait;
	ob__sys_uring_table.peek_cqe = counting_peek;
	submitted = seen = 0;
	r = f->backend->write(f, data, 0, 20 * BLOCK);
	ob__sys_uring_table = real;
	assert_int_equal(submitted, seen);
	free(data);
	return r;
}

/* As if nothing had landed for a second, each third time; and the nudge that follows cannot be submitted. */
static int late;
static int late_wait(struct io_uring *ring, struct io_uring_cqe **cqe)
{
	return late++ % 3 == 0 ? -ETIME : counting_wait(ring, cqe);
}

static void test_nudges(void **state)
{
	static const int errors[] = { 0, EAGAIN, EBUSY };
	struct sandbox *s = *state;
	size_t i;

	for (i = 0; i < sizeof errors / sizeof *errors; i++) {
		struct flush f = ring_at(s->path);

		late = 0;
		arm(2, errors[i], 1);
		assert_int_equal(write_counted(&f, failing_submit, late_wait), 0);
		/* Nudges are requests, too, and nothing is left of them. Only what was in flight came by the ring. */
		assert_in_range(submitted, IN_FLIGHT + 1, 2 * IN_FLIGHT);
		assert_int_equal(write_counted(&f, counting_submit, counting_wait), 0);
		assert_int_equal(submitted, 0);
		ring_end(&f);
		assert_bytes(s->path, 0, 20 * BLOCK);
	}
}

static void test_submit_passing(void **state)
{
	static const int errors[] = { EINTR, EAGAIN, EBUSY };
	struct sandbox *s = *state;
	size_t i;
	int call;

	for (call = 1; call <= 3; call++)
		for (i = 0; i < sizeof errors / sizeof *errors; i++) {
			struct flush f = ring_at(s->path);

			arm(call, errors[i], 1);
			assert_int_equal(write_counted(&f, failing_submit, counting_wait), 0);
			assert_int_equal(submitted, 20);
			ring_end(&f);
			assert_bytes(s->path, 0, 20 * BLOCK);
		}
}

static void test_submit_fails(void **state)
{
	static const int errors[] = { EBADF, ENXIO, EAGAIN, EBUSY };
	struct sandbox *s = *state;
	size_t i;
	int call;

	for (call = 1; call <= 5; call += 4)
		for (i = 0; i < sizeof errors / sizeof *errors; i++) {
			struct flush f = ring_at(s->path);
			unsigned before = call == 1 ? 0 : IN_FLIGHT; /* by the first call */
			int r;

			arm(call, errors[i], 0);
			r = write_counted(&f, failing_submit, counting_wait);
			assert_int_equal(r, -errors[i]);
			assert_in_range(submitted, before, call == 1 ? 0 : before + 3);
			/* What is left in the ring must not be sent by the next. */
			assert_int_equal(ob__flush_uring.put(&f, "x", 0, 1), -errors[i]);
			ring_end(&f);
		}
}

/* An error comes while the next request waits for room: that one is never sent. */
static int second_fails(struct io_uring *ring, struct io_uring_cqe **cqe)
{
	int r = counting_wait(ring, cqe);

	if (r == 0 && seen == 2)
		(*cqe)->res = -EIO;
	return r;
}

static void test_error_while_queued(void **state)
{
	struct sandbox *s = *state;
	struct flush f = ring_at(s->path);

	arm(2, EAGAIN, 1);
	assert_int_equal(write_counted(&f, failing_submit, second_fails), -EIO);
	assert_int_equal(submitted, IN_FLIGHT);
	ring_end(&f);
}

/* The kernel may take fewer than it is offered, */
static int one_by_one(struct io_uring *ring)
{
	unsigned tail = ring->sq.sqe_tail;
	int r;

	if (tail - ring->sq.sqe_head > 1)
		ring->sq.sqe_tail = ring->sq.sqe_head + 1;
	r = failing_submit(ring);
	ring->sq.sqe_tail = tail;
	return r;
}

/* or none. */
static int takes_none(struct io_uring *ring)
{
	(void)ring;
	return 0;
}

static void test_submit_few(void **state)
{
	struct sandbox *s = *state;
	struct flush f = ring_at(s->path);

	assert_int_equal(write_counted(&f, one_by_one, counting_wait), 0);
	assert_true(calls_made() >= 20);
	ring_end(&f);
	assert_bytes(s->path, 0, 20 * BLOCK);

	f = ring_at(s->path);
	assert_int_equal(write_counted(&f, takes_none, counting_wait), -EIO);
	ring_end(&f);
}

static void test_wait_passing(void **state)
{
	static const int errors[] = { EINTR, EAGAIN, EBUSY };
	struct sandbox *s = *state;
	size_t i;

	for (i = 0; i < sizeof errors / sizeof *errors; i++) {
		struct flush f = ring_at(s->path);

		arm(3, errors[i], 1);
		assert_int_equal(write_counted(&f, counting_submit, failing_wait), 0);
		ring_end(&f);
		assert_bytes(s->path, 0, 20 * BLOCK);
	}
}

/* Somebody closes all descriptors he does not know. */
static int closing_wait(struct io_uring *ring, struct io_uring_cqe **cqe)
{
	if (seen == 3)
		close(ring->ring_fd);
	return counting_wait(ring, cqe);
}

static void test_wait_fails(void **state)
{
	struct sandbox *s = *state;
	struct flush f = ring_at(s->path);

	arm(3, EBADF, 0);
	assert_int_equal(write_counted(&f, counting_submit, failing_wait), -EBADF);
	ring_end(&f);

	f = ring_at(s->path);
	assert_int_equal(write_counted(&f, counting_submit, closing_wait), -EBADF);
	assert_in_range(submitted, IN_FLIGHT, IN_FLIGHT + 4);
	ring_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ring_test(test_short),
		ring_test(test_by_hand),
		ring_test(test_no_thread),
		ring_test(test_errors),
		ring_test(test_nudges),
		ring_test(test_submit_passing),
		ring_test(test_submit_fails),
		ring_test(test_error_while_queued),
		ring_test(test_submit_few),
		ring_test(test_wait_passing),
		ring_test(test_wait_fails),
		/* Last: for a second after it a full disk is asked about twice. */
		ring_test(test_waits_for_room),
	};

	real = ob__sys_uring_table;
	return cmocka_run_group_tests_name("uring_faults", tests, NULL, NULL);
}
