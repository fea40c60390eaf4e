/* SPDX-License-Identifier: MIT */
/*
 * "Not here": all the ways in which io_uring is refused, and that nothing is held then. In a
 * build without liburing that is the whole backend.
 */
#include "config.h"

#include "flush/flush.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* open's answer for this file; what it opened is closed. */
static int open_on(int fd)
{
	struct flush f = { .backend = &ob__flush_uring, .fd = fd };
	int r = f.backend->open(&f);

	if (r == 0)
		f.backend->close(&f);
	return r;
}

/* The same for a new file, as nothing but 0 or a negative errno that leaves all as it was. */
static int open_new(const char *path)
{
	unsigned fds = count_fds();
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), r;

	assert_true(fd >= 0);
	r = open_on(fd);
	assert_int_equal(close(fd), 0);
	assert_int_equal(count_fds(), fds);
	return r;
}

/*
 * What a program notices where io_uring is refused with this error: as an order it fails, as a wish the
 * next backend writes the same bytes, and says why. 0, or the line that went wrong.
 */
static int goes_on(const char *path, int error)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf_stats stats = { .size = sizeof stats };
	static unsigned char written[300000], read_back[sizeof written + 1];
	struct outbuf_view v;
	struct outbuf *ob;
	int fd, r;

	memset(written, 'u', sizeof written);
	options.flush = OUTBUF_FLUSH_URING;
	r = outbuf_open(&ob, path, &options);
	if (r != error || ob != NULL)
		return __LINE__;
	options.flush = OUTBUF_FLUSH_AUTO;
	setenv("OUTBUF_FLUSH", "uring", 1);
	r = outbuf_open(&ob, path, &options);
	unsetenv("OUTBUF_FLUSH");
	if (r != 0 || outbuf_stats(ob, &stats) != 0 || strcmp(stats.backend, "pwrite") != 0 ||
	    stats.flush_error != error || strcmp(stats.flush_why, "OUTBUF_FLUSH") != 0)
		return __LINE__;
	outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
	outbuf_write(&v, written, sizeof written);
	if (outbuf_view_end(&v) != 0 || outbuf_commit(ob) != 0 || outbuf_close(ob) != 0)
		return __LINE__;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, read_back, sizeof read_back) != (ssize_t)sizeof written ||
	    memcmp(read_back, written, sizeof written) != 0)
		return __LINE__;
	close(fd);
	return unlink(path) == 0 ? 0 : __LINE__;
}

#ifndef HAVE_LIBURING

static void test_stub(void **state)
{
	struct sandbox *s = *state;

	assert_int_equal(open_new(s->path), -ENOTSUP);
	assert_int_equal(unlink(s->path), 0);
	assert_int_equal(goes_on(s->path, -ENOTSUP), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_stub),
	};

	return cmocka_run_group_tests_name("uring_refused", tests, NULL, NULL);
}

#else

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "rigs/ring.h"
#include "system/unix/sys_uring.h"

static struct sys_uring_table real;

static int injected;

static int no_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	(void)entries, (void)ring, (void)flags;
	return -injected;
}

static int no_probe(struct io_uring *ring, struct io_uring_probe *probe, unsigned ops)
{
	(void)ring, (void)probe, (void)ops;
	return -injected; /* 0: answers, and knows no operation */
}

static void test_kernel_says_no(void **state)
{
	static const int errors[] = { EPERM, ENOSYS, ENOMEM, EINVAL, EMFILE };
	struct sandbox *s = *state;
	size_t i;

	for (i = 0; i < sizeof errors / sizeof *errors; i++) {
		injected = errors[i];
		ob__sys_uring_table.queue_init = no_init;
		assert_int_equal(open_new(s->path), -errors[i]);
		ob__sys_uring_table = real;
	}
}

static void test_old_kernel(void **state)
{
	struct sandbox *s = *state;

	need_ring();
	ob__sys_uring_table.register_probe = no_probe;
	injected = EINVAL;
	assert_int_equal(open_new(s->path), -EINVAL);
	injected = 0;
	assert_int_equal(open_new(s->path), -ENOSYS);
	ob__sys_uring_table = real;
	assert_int_equal(open_new(s->path), 0);
}

/* A descriptor of the program's, for which a ring is ordered. */
static int order_ring(int fd)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	options.flush = OUTBUF_FLUSH_URING;
	return outbuf_open_fd(&ob, fd, &options);
}

static void test_not_a_file(void **state)
{
	struct sandbox *s = *state;
	int ends[2], fd;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(order_ring(ends[1]), -ENOTSUP);
	close(ends[0]);
	close(ends[1]);
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_int_equal(order_ring(fd), -ENOTSUP);
	close(fd);
	/* It would append, whatever the offset. */
	fd = open(s->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_int_equal(order_ring(fd), -ENOTSUP);
	close(fd);
	assert_int_equal(open_on(-1), -ENOTSUP);
}

enum { NO_FILTER = 77, RIGHT = 0, WRONG = 1 };

struct refusal {
	const struct sandbox *s;
	int fd;
};

static int under_seccomp(void *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof code / sizeof *code, .filter = code };
	const struct refusal *refusal = arg;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
		return NO_FILTER;
	if (open_on(refusal->fd) != -EPERM)
		return WRONG;
	return goes_on(refusal->s->path, -EPERM) == 0 ? RIGHT : WRONG;
}

static void test_seccomp(void **state)
{
	struct sandbox *s = *state;
	struct refusal refusal = { s, open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) };
	int r = in_child(0, under_seccomp, &refusal);

	close(refusal.fd);
	if (r == NO_FILTER) {
		print_message("no seccomp filters here\n");
		skip();
	}
	assert_int_equal(r, RIGHT);
}

/* ------------------------------------------------------- kernel.io_uring_disabled */

/* Somebody has switched it off, for the whole machine: tests/scripts/each-way.sh, which says so. */
static void test_switched_off(void **state)
{
	struct sandbox *s = *state;

	assert_int_equal(open_new(s->path), -EPERM);
	assert_int_equal(unlink(s->path), 0);
	assert_int_equal(goes_on(s->path, -EPERM), 0);
}

static int put_back(void **state)
{
	ob__sys_uring_table = real;
	return sandbox_remove(state);
}

#define refused_test(f) cmocka_unit_test_setup_teardown(f, sandbox_make, put_back)

int main(void)
{
	const struct CMUnitTest tests[] = {
		refused_test(test_kernel_says_no),
		refused_test(test_old_kernel),
		refused_test(test_not_a_file),
		refused_test(test_seccomp),
	};
	const struct CMUnitTest switched_off[] = {
		refused_test(test_switched_off),
	};

	real = ob__sys_uring_table;
	if (getenv("OUTBUF_TEST_SWITCHED_OFF") != NULL)
		return cmocka_run_group_tests_name("uring_switched_off", switched_off, NULL, NULL);
	return cmocka_run_group_tests_name("uring_refused", tests, NULL, NULL);
}

#endif
