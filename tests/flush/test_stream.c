/* SPDX-License-Identifier: MIT */
/*
 * Outputs that are no file of ours: descriptors, functions, memory. Whatever it is, nothing leaves
 * before commit, then everything once and in order; nothing is mapped, replaced, or closed that
 * is the caller's. (What descriptors do that others do not: test_descriptor.c.)
 */
#include "config.h"

#include "inject/faults.h"
#include "rigs/rig.h"
#include "support/support.h"
#include "system/unix/sys_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static struct sys_table real;

static int begin(void **state)
{
	real = ob__sys_table;
	return rig_make_want(state);
}

/* Calls that would put something somewhere. */
static _Atomic int writes;

static ssize_t count_write(int fd, const void *data, size_t n)
{
	atomic_fetch_add(&writes, 1);
	return real.write(fd, data, n);
}

static ssize_t no_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	(void)fd, (void)data, (void)n, (void)offset;
	atomic_fetch_add(&writes, 1000000);
	errno = EPROTO;
	return -1;
}

static int no_ftruncate(int fd, off_t size)
{
	(void)fd, (void)size;
	atomic_fetch_add(&writes, 1000000);
	errno = EPROTO;
	return -1;
}

/* ------------------------------------------------------------- one of each kind */

static void check_memory(struct outbuf *ob, int is_memory)
{
	uint64_t n = 1;
	const void *data = outbuf_memory(ob, &n);

	if (!is_memory) {
		assert_null(data);
		assert_int_equal(n, 0);
		return;
	}
	assert_int_equal(n, RIG_PLANNED + RIG_TAIL);
	assert_memory_equal(data, rig_want, RIG_PLANNED + RIG_TAIL);
}

static void test_nothing_before_commit_then_all(void **state)
{
	size_t i;

	for (i = 0; rig_kinds[i].name != NULL; i++) {
		int is_memory = strcmp(rig_kinds[i].backend, "memory") == 0;
		struct outbuf_stats stats;
		struct outbuf *ob;
		struct rig rig;
		int is_fd;

		if (rig_begin(&rig, &rig_kinds[i], *state))
			continue;
		ob__sys_table.write = count_write;
		ob__sys_table.pwrite = no_pwrite;
		ob__sys_table.ftruncate = no_ftruncate;
		atomic_store(&writes, 0);
		assert_int_equal(rig_kinds[i].open(&ob, &rig, NULL), 0);
		stats = stats_of(ob);
		assert_string_equal(stats.backend, rig_kinds[i].backend);
		assert_string_equal(stats.placement, rig_kinds[i].placement);
		assert_string_equal(stats.map_why, "not a regular file");
		assert_string_equal(stats.file_system, "none");
		assert_int_equal(stats.staged, 0);
		assert_int_equal(rig_emit(ob), 0);
		assert_int_equal(outbuf_is_mapped(ob), 0);
		assert_int_equal(outbuf_flush(ob), 0);
		assert_int_equal(outbuf_sync(ob), 0);
		assert_int_equal(outbuf_unmap(ob), 0);
		assert_int_equal(outbuf_size(ob), RIG_PLANNED + RIG_TAIL);
		check_memory(ob, 0);
		assert_int_equal(atomic_load(&writes) + rig.calls, 0);
		assert_int_equal(outbuf_commit(ob), 0);
		assert_in_range(atomic_load(&writes) + rig.calls, !is_memory, is_memory ? 0 : 999999);
		assert_int_equal(outbuf_size(ob), RIG_PLANNED + RIG_TAIL);
		if (!is_memory)
			assert_int_equal(stats_of(ob).flushed, RIG_PLANNED + RIG_TAIL);
		check_memory(ob, is_memory);
		is_fd = rig.fd < 0 || fcntl(rig.fd, F_GETFL) >= 0;
		outbuf_close(ob);
		assert_true(is_fd && (rig.fd < 0 || fcntl(rig.fd, F_GETFL) >= 0));
		ob__sys_table = real;
		if (strcmp(rig_kinds[i].backend, "sink") == 0) {
			assert_int_equal(rig.gaps, 0);
			assert_in_range(rig.largest, 1, 1 << 20);
			assert_true(rig.calls > 1);
		}
		assert_int_equal(rig_end(&rig), is_memory ? 0 : RIG_PLANNED + RIG_TAIL);
	}
}

static void test_discard_writes_nothing(void **state)
{
	size_t i;

	for (i = 0; rig_kinds[i].name != NULL; i++) {
		struct outbuf *ob;
		struct rig rig;

		if (rig_begin(&rig, &rig_kinds[i], *state))
			continue;
		assert_int_equal(rig_kinds[i].open(&ob, &rig, NULL), 0);
		assert_int_equal(rig_emit(ob), 0);
		assert_int_equal(outbuf_flush(ob), 0);
		assert_int_equal(outbuf_discard(ob), 0);
		assert_int_equal(outbuf_commit(ob), -ECANCELED);
		check_memory(ob, 0);
		outbuf_close(ob);
		assert_int_equal(rig_end(&rig), 0);
	}
}

/* An output of length 0 is none. */
static void test_nothing_at_all(void **state)
{
	size_t i;

	for (i = 0; rig_kinds[i].name != NULL; i++) {
		struct outbuf *ob;
		uint64_t n = 1;
		struct rig rig;

		if (rig_begin(&rig, &rig_kinds[i], *state))
			continue;
		assert_int_equal(rig_kinds[i].open(&ob, &rig, NULL), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		/* There is a memory, of no bytes. */
		if (strcmp(rig_kinds[i].backend, "memory") == 0)
			assert_non_null(outbuf_memory(ob, &n));
		else
			assert_null(outbuf_memory(ob, &n));
		assert_int_equal(n, 0);
		outbuf_close(ob);
		assert_int_equal(rig.calls, 0);
		assert_int_equal(rig_end(&rig), 0);
	}
}

static int count_sink(void *arg, uint64_t offset, const void *data, size_t n)
{
	(void)offset, (void)data;
	*(uint64_t *)arg += n;
	return 0;
}

/* A plan that cannot be is an error of map alone: the output goes on. */
static void test_map_fails(void **state)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	uint64_t sunk = 0, size;
	struct outbuf *ob[2];
	int i;

	(void)state;
	options.max_size = 1 << 20;
	assert_int_equal(outbuf_open_memory(&ob[0], &options), 0);
	assert_int_equal(outbuf_open_sink(&ob[1], count_sink, &sunk, &options), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(outbuf_map(ob[i], 2 << 20), -EFBIG);
		assert_int_equal(outbuf_error(ob[i]), 0);
		assert_int_equal(fill_some(ob[i], 'n', 5000), 0);
		assert_int_equal(outbuf_commit(ob[i]), 0);
	}
	assert_int_equal(sunk, 5000);
	assert_int_equal(((const unsigned char *)outbuf_memory(ob[0], &size))[4999], 'n');
	assert_int_equal(size, 5000);
	outbuf_close(ob[0]);
	outbuf_close(ob[1]);
}

/* What only a file can do is an error if it was asked for. */
static void test_what_only_files_can_do(void **state)
{
	size_t i;
	int ask;

	for (i = 0; rig_kinds[i].name != NULL; i++)
		for (ask = 0; ask < 4; ask++) {
			struct outbuf_options o = OUTBUF_OPTIONS_INIT;
			struct outbuf *ob = (struct outbuf *)&o;
			struct rig rig;

			if (rig_begin(&rig, &rig_kinds[i], *state))
				continue;
			o.map = ask == 0 ? OUTBUF_REQUIRE : OUTBUF_AUTO;
			o.stage = ask == 1 ? OUTBUF_REQUIRE : OUTBUF_AUTO;
			o.flush = ask == 2 ? OUTBUF_FLUSH_PWRITE : OUTBUF_FLUSH_AUTO;
			o.prealloc = ask == 3 ? OUTBUF_REQUIRE : OUTBUF_AUTO;
			if (ask < 3) {
				assert_int_equal(rig_kinds[i].open(&ob, &rig, &o), -ENOTSUP);
				assert_null(ob);
			} else {
				/* Reserving is said by outbuf_map(). */
				assert_int_equal(rig_kinds[i].open(&ob, &rig, &o), 0);
				assert_int_equal(outbuf_map(ob, 100), -EOPNOTSUPP);
				assert_int_equal(outbuf_error(ob), 0);
				outbuf_close(ob);
			}
			assert_int_equal(rig_end(&rig), 0);
		}
}

/* ------------------------------------------------------------- functions and memory */

static void test_sink_answers(void **state)
{
	static const struct { int answer, result; } table[] = {
		{ -EIO, -EIO }, { -ENOSPC, -ENOSPC }, { 1, -EINVAL }, { 4096, -EINVAL }, { 0, 0 },
	};
	struct outbuf_options big = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob = (struct outbuf *)&big;
	struct rig rig;
	size_t i;

	assert_int_equal(outbuf_open_sink(&ob, NULL, NULL, NULL), -EINVAL);
	assert_null(ob);
	assert_int_equal(outbuf_open_sink(NULL, rig_sink, NULL, NULL), -EINVAL);
	assert_int_equal(outbuf_open_memory(NULL, NULL), -EINVAL);
	big.order = 2;
	assert_int_equal(outbuf_open_sink(&ob, rig_sink, NULL, &big), -EINVAL);

	for (i = 0; i < sizeof table / sizeof *table; i++) {
		assert_int_equal(rig_begin(&rig, rig_kind("a function"), *state), 0);
		rig.answer = table[i].answer;
		assert_int_equal(rig.kind->open(&ob, &rig, NULL), 0);
		assert_int_equal(rig_emit(ob), 0);
		assert_int_equal(outbuf_commit(ob), table[i].result);
		/* It was not asked again. */
		assert_int_equal(rig.calls > 1, table[i].answer == 0);
		outbuf_close(ob);
		rig_end(&rig);
	}
}

static void test_memory(void **state)
{
	struct outbuf_view v;
	struct outbuf *ob;
	const unsigned char *data;
	uint64_t n;
	size_t i;

	(void)state;
	if (getenv("VALGRIND") != NULL) {
		print_message("valgrind keeps a quarter of what is usable, used or not\n");
		skip();
	}
	assert_int_equal(outbuf_open_memory(&ob, NULL), 0);
	outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
	for (i = 0; i < (3 << 20); i++)
		outbuf_write8(&v, (uint8_t)(i * 7));
	assert_int_equal(outbuf_commit(ob), -EBUSY);
	assert_null(outbuf_memory(ob, &n));
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_set_size(ob, (3 << 20) - 5), 0);
	assert_int_equal(outbuf_set_size(ob, (3 << 20) + 9999), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	assert_int_equal(outbuf_commit(ob), -EINVAL);
	data = outbuf_memory(ob, &n);
	assert_non_null(data);
	assert_int_equal(n, (3 << 20) + 9999);
	for (i = 0; i < n; i++)
		if (data[i] != (i < (3 << 20) - 5 ? (unsigned char)(i * 7) : 0))
			fail_msg("byte %zu is %02x", i, data[i]);
	outbuf_close(ob);
	n = 1;
	assert_null(outbuf_memory(NULL, &n));
	assert_int_equal(n, 0);

	/* A failed one has none. */
	assert_int_equal(outbuf_open_memory(&ob, NULL), 0);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	outbuf_fail(ob, -EPROTO);
	assert_int_equal(outbuf_commit(ob), -EPROTO);
	assert_null(outbuf_memory(ob, &n));
	outbuf_close(ob);
}

/* More than 32 bits can say, most of it never touched. */
static void test_large_memory(void **state)
{
	const uint64_t size = (uint64_t)5 << 30;
	struct outbuf_view v;
	struct outbuf *ob;
	const unsigned char *data;
	uint64_t n;

	(void)state;
	if (getenv("VALGRIND") != NULL) {
		print_message("valgrind keeps a shadow of all 5 GiB\n");
		skip();
	}
	assert_int_equal(outbuf_open_memory(&ob, NULL), 0);
	if (sizeof(void *) < 8 || !has_vm() || outbuf_map(ob, size) != 0) {
		outbuf_close(ob);
		print_message("no room for 5 GiB of addresses\n");
		skip();
	}
	assert_int_equal(outbuf_view(ob, &v, size - 10, 5), 0);
	outbuf_write_string(&v, "hello");
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	data = outbuf_memory(ob, &n);
	assert_int_equal(n, size);
	assert_memory_equal(data + size - 10, "hello\0\0\0\0\0", 10);
	assert_int_equal(data[0] | data[size / 2], 0);
	outbuf_close(ob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_nothing_before_commit_then_all),
		fault_test(test_discard_writes_nothing),
		fault_test(test_nothing_at_all),
		fault_test(test_map_fails),
		fault_test(test_what_only_files_can_do),
		fault_test(test_sink_answers),
		fault_test(test_memory),
		fault_test(test_large_memory),
	};

	return cmocka_run_group_tests_name("stream", tests, begin, rig_free_want);
}
