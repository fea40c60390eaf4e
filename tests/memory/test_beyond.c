/* SPDX-License-Identifier: MIT */
/*
 * An output larger than the address space: 5 GiB where a pointer has 32 bits, or `ulimit -v` says 1 GiB. What is staged
 * needs addresses for its blocks only. The file is sparse: 1 MiB of it has blocks.
 */
#include "config.h"

#include "support/addresses.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAR ((uint64_t)5 << 30)

/* The bytes at `offset` are these. */
static int has(const char *path, uint64_t offset, const void *want, size_t n)
{
	unsigned char got[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int same = fd >= 0 && pread(fd, got, n, (off_t)offset) == (ssize_t)n && memcmp(got, want, n) == 0;

	if (fd >= 0)
		close(fd);
	return same;
}

/* All blocks come by: the one with the last byte that was stored says whether it was read back. */
static int look_at_last(void *arg, uint64_t i, uint64_t offset, const void *data, size_t n)
{
	(void)i;
	if (offset < FAR && FAR - offset <= n)
		*(int *)arg = ((const char *)data)[FAR - 1 - offset] == 'u';
	return 0;
}

static void skip_unstaged(const char *path)
{
	struct outbuf *ob = open_mapping(path, OUTBUF_NO, 0);
	int staged = stats_of(ob).staged;

	outbuf_close(ob);
	if (!staged) {
		print_message("Views are not staged here\n");
		skip();
	}
}

/* Can a file be that long, and be sparse? Not on vfat, and not with `ulimit -f`. */
static void skip_without_such_files(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st = { .st_size = 0 };
	int can;

	assert_true(fd >= 0);
	can = ftruncate(fd, (off_t)FAR + 100) == 0 && pwrite(fd, "x", 1, (off_t)FAR) == 1 && fsync(fd) == 0 &&
	      fstat(fd, &st) == 0 && st.st_blocks < 2048;
	close(fd);
	unlink(path);
	if (!can) {
		print_message("no files of 5 GiB, or not without blocks\n");
		skip();
	}
}

/* 5 GiB, most of it a hole: long and short pieces at both sides of 2, of 4, and at 5 GiB; 0, or where it is wrong. */
static int write_far(const char *path, int *far)
{
	static const uint64_t at[] = { 100, ((uint64_t)2 << 30) - 3, ((uint64_t)4 << 30) - 3, FAR - 300000 };
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf_view v;
	struct outbuf *ob;
	void *data;
	int end = 0;
	size_t i;

	options.max_size = FAR + 100;
	options.map = OUTBUF_NO;
	if (outbuf_open(&ob, path, &options) != 0)
		return 100;
	/* Now it is known how many addresses there are. */
	outbuf_view(ob, &v, 0, 0);
	outbuf_view_end(&v);
	*far = stats_of(ob).reserved < FAR;
	if (*far && outbuf_data(ob, FAR - 1, 1, &data) != -ENOMEM)
		return 101;
	if (*far && outbuf_map(ob, FAR) != -ENOMEM)
		return 102;
	for (i = 0; i < sizeof at / sizeof *at; i++) {
		outbuf_view(ob, &v, at[i], 6);
		outbuf_write_string(&v, "middle");
		if (outbuf_view_end(&v) != 0)
			return 110 + (int)i;
		outbuf_view(ob, &v, at[i] + 6, 100000);
		outbuf_fill(&v, 'l', 99999);
		outbuf_write8(&v, 'e');
		if (outbuf_view_end(&v) != 0)
			return 120 + (int)i;
	}
	/* Without end, forwards and back, and not a byte beyond the limit. */
	outbuf_view(ob, &v, 7, OUTBUF_UNBOUNDED);
	outbuf_seek(&v, FAR - 2);
	if (outbuf_write_string(&v, "up") != 0 || outbuf_tell(&v) != FAR || outbuf_seek(&v, 8) != 0)
		return 130;
	outbuf_write8(&v, 'b');
	if (outbuf_view_end(&v) != 0 || outbuf_size(ob) != FAR)
		return 131;
	if (outbuf_set_size(ob, FAR + 101) != -EFBIG || outbuf_set_size(ob, FAR + 100) != 0)
		return 132;
	outbuf_view(ob, &v, FAR - 1, 1);
	outbuf_write_string(&v, "u");
	if (outbuf_view_end(&v) != 0)
		return 133;
	if (outbuf_walk(ob, (size_t)1 << 20, look_at_last, &end) != 0 || !end)
		return 134;
	if (outbuf_commit(ob) != 0)
		return 135;
	outbuf_close(ob);
	for (i = 0; i < sizeof at / sizeof *at; i++)
		if (!has(path, at[i], "middlelll", 9) || !has(path, at[i] + 100004, "le", 2))
			return 140 + (int)i;
	return has(path, 6, "\0\0b\0", 4) && has(path, FAR - 3, "\0uu\0", 4) && has(path, FAR + 99, "", 1) ? 0 : 150;
}

static int far_under_limit(void *arg)
{
	struct sandbox *s = arg;
	int far = 0, r = addresses_limit();

	if (r == 0)
		r = write_far(s->path, &far);
	if (r == 0 && !far)
		r = 160;
	unlink(s->path);
	return r;
}

/* 5 GiB where there is 1 GiB of addresses, which any machine can be made to have... */
static void test_beyond_limit(void **state)
{
	skip_in_order();
	skip_unstaged(((struct sandbox *)*state)->path);
	skip_without_such_files(((struct sandbox *)*state)->path);
	with_few_addresses(far_under_limit, *state);
}

/* ... and with all there are: 32-bit machines have less. */
static void test_beyond_addresses(void **state)
{
	struct sandbox *s = *state;
	int far = 0, r;

	if (getenv("VALGRIND") != NULL) {
		print_message("valgrind keeps a shadow of all 5 GiB\n");
		skip();
	}
	skip_in_order();
	skip_unstaged(s->path);
	skip_without_such_files(s->path);
	r = write_far(s->path, &far);
	unlink(s->path);
	assert_int_equal(r, 0);
	if (sizeof(void *) < 8)
		assert_true(far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_beyond_limit),
		sandbox_test(test_beyond_addresses),
	};

	return cmocka_run_group_tests_name("beyond", tests, NULL, NULL);
}
