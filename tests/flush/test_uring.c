/* SPDX-License-Identifier: MIT */
/*
 * The io_uring backend by itself, while all goes well: the bytes, and what it leaves behind.
 * Errors are in test_uring_faults.c, "not here" in test_uring_refused.c.
 */
#include "config.h"

#include "rigs/ring.h"
#include "support/support.h"
#include "system/unix/sys_uring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void test_contents(void **state)
{
	static const uint64_t offsets[] = { 0, 1, 4095, BLOCK - 1, BLOCK, 3 * BLOCK + 5 };
	static const size_t lengths[] = { 1, 4096, BLOCK - 1, BLOCK, BLOCK + 1, 9 * BLOCK + 77 };
	struct sandbox *s = *state;
	size_t i, j;
	int put;

	for (i = 0; i < sizeof offsets / sizeof *offsets; i++)
		for (j = 0; j < sizeof lengths / sizeof *lengths; j++)
			for (put = 0; put < 2; put++) {
				struct flush f = ring_at(s->path);
				uint64_t at = offsets[i];
				size_t n = lengths[j];
				unsigned char *data = bytes_for(at, n);

				if (put)
					assert_int_equal(ob__flush_uring.put(&f, data, at, n), 0);
				else
					assert_int_equal(ob__flush_uring.write(&f, data, at, n), 0);
				free(data);
				ring_end(&f);
				assert_bytes(s->path, at, n);
			}
}

static void test_nothing(void **state)
{
	struct sandbox *s = *state;
	struct flush f = ring_at(s->path);

	assert_int_equal(ob__flush_uring.write(&f, NULL, 0, 0), 0);
	assert_int_equal(ob__flush_uring.put(&f, NULL, 123, 0), 0);
	ring_end(&f);
	assert_file(s->path, "", 0);
}

static struct sys_uring_table real;
static int requests;

static int counting_submit(struct io_uring *ring)
{
	int r = real.submit(ring);

	requests += r > 0 ? r : 0;
	return r;
}

/* Requests end where blocks of the file do. */
static void test_blocks(void **state)
{
	struct sandbox *s = *state;
	struct flush f = ring_at(s->path);
	unsigned char *data = bytes_for(BLOCK - 1, 2 * BLOCK);

	real = ob__sys_uring_table;
	ob__sys_uring_table.submit = counting_submit;
	requests = 0;
	assert_int_equal(ob__flush_uring.write(&f, data, BLOCK - 1, 2 * BLOCK), 0);
	ob__sys_uring_table = real;
	assert_int_equal(requests, 3);
	free(data);
	ring_end(&f);
	assert_bytes(s->path, BLOCK - 1, 2 * BLOCK);
}

/* Several writes through one ring, more blocks in all than it has entries. */
static void test_again_and_again(void **state)
{
	struct sandbox *s = *state;
	struct flush f = ring_at(s->path);
	size_t n = 40 * BLOCK + 9, step = 3 * BLOCK + 1, at;
	unsigned char *data = bytes_for(0, n);

	for (at = 0; at < n; at += step) {
		size_t now = n - at < step ? n - at : step;

		assert_int_equal(ob__flush_uring.write(&f, data + at, at, now), 0);
	}
	free(data);
	ring_end(&f);
	assert_bytes(s->path, 0, n);
}

enum { PUTS = 8, EACH = 12, PART = 200000 };

struct putters {
	struct flush *f;
	unsigned char *data;
};

static int put_some(void *arg, unsigned i)
{
	struct putters *p = arg;
	unsigned k;
	int r = 0;

	for (k = 0; k < EACH && r == 0; k++) {
		size_t at = (size_t)(k * PUTS + i) * PART;

		r = p->f->backend->put(p->f, p->data + at, at, PART);
	}
	return r;
}

static void test_put_threads(void **state)
{
	struct sandbox *s = *state;
	struct flush f = ring_at(s->path);
	struct putters p = { .f = &f, .data = bytes_for(0, PUTS * EACH * PART) };

	assert_int_equal(run_threads(PUTS, put_some, &p), 0);
	free(p.data);
	ring_end(&f);
	assert_bytes(s->path, 0, PUTS * EACH * PART);
}

/* Each its own ring, at an address that was another's a moment ago. */
static int ring_after_ring(void *arg, unsigned i)
{
	const char *dir = arg;
	char path[400];
	int k, r = 0;

	snprintf(path, sizeof path, "%s/%u", dir, i);
	for (k = 0; k < 50 && r == 0; k++) {
		struct flush f = {
			.backend = &ob__flush_uring,
			.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
		};

		r = f.fd < 0 ? -errno : f.backend->open(&f);
		if (r == 0) {
			r = f.backend->put(&f, path, (uint64_t)k, sizeof path - 1);
			f.backend->close(&f);
		}
		if (f.fd >= 0)
			close(f.fd);
	}
	return r;
}

static void test_many_rings(void **state)
{
	struct sandbox *s = *state;

	need_ring();
	assert_int_equal(run_threads(8, ring_after_ring, s->dir), 0);
}

static int without_threads(void *arg)
{
	const struct rlimit none = { 1, 1 };
	struct flush *f = arg;
	unsigned char *data = bytes_for(0, 3 * BLOCK);
	int r = setrlimit(RLIMIT_NPROC, &none) != 0;

	r = r ? 1 : ob__flush_uring.open(f) != 0 ? 2 : 0;
	if (r == 0) {
		r = ob__flush_uring.write(f, data, 0, 3 * BLOCK) != 0 ? 3 : 0;
		ob__flush_uring.close(f);
	}
	free(data);
	return r;
}

/* The kernel cannot start its worker: ECANCELED on some file systems. */
static void test_no_more_threads(void **state)
{
	struct sandbox *s = *state;
	struct flush f;

	need_ring();
	f = (struct flush){ .fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) };
	assert_true(f.fd >= 0);
	assert_int_equal(in_child(1, without_threads, &f), 0);
	close(f.fd);
	assert_bytes(s->path, 0, 3 * BLOCK);
}

/* After close nobody has the file open for writing: it can be run, or leased. */
static void test_lets_go(void **state)
{
	struct sandbox *s = *state;
	unsigned char *data = bytes_for(0, 4 * BLOCK);
	int i;

	for (i = 0; i < 20; i++) {
		struct flush f = ring_at(s->path);
		int fd;

		assert_int_equal(ob__flush_uring.write(&f, data, 0, 4 * BLOCK), 0);
		ring_end(&f);
		fd = open(s->path, O_RDONLY | O_CLOEXEC);
		/* Not every file system has leases; only this error is ours. */
		if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
			assert_int_not_equal(errno, EAGAIN);
		close(fd);
	}
	free(data);
}

static int flags_of_ring;

static int watched_submit(struct io_uring *ring)
{
	flags_of_ring = fcntl(ring->ring_fd, F_GETFD);
	return real.submit(ring);
}

static void test_close_on_exec(void **state)
{
	struct sandbox *s = *state;
	struct flush f = ring_at(s->path);

	real = ob__sys_uring_table;
	ob__sys_uring_table.submit = watched_submit;
	assert_int_equal(ob__flush_uring.put(&f, "x", 0, 1), 0);
	ob__sys_uring_table = real;
	assert_int_equal(flags_of_ring, FD_CLOEXEC);
	ring_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_contents),
		sandbox_test(test_nothing),
		sandbox_test(test_blocks),
		sandbox_test(test_again_and_again),
		sandbox_test(test_put_threads),
		sandbox_test(test_many_rings),
		sandbox_test(test_no_more_threads),
		sandbox_test(test_lets_go),
		sandbox_test(test_close_on_exec),
	};

	return cmocka_run_group_tests_name("uring", tests, NULL, NULL);
}
