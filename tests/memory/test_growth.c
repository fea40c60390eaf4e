/* SPDX-License-Identifier: MIT */
/*
 * Ranges that are extended in place: where nothing is behind them, up to a neighbour, by several threads at once, on
 * machines of 38 and 39 bits of addresses, and without a place to grow. Built only where there is <sys/mman.h>.
 */
#include "config.h"

#include "inject/faults.h"
#include "memory/slots.h"
#include "memory/space.h"
#include "support/support.h"
#include "system/unix/sys_vm.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

static struct sys_vm_table real_vm;

/*
 * An output in memory with 100 bytes, or a skip: with 32 bits, in few addresses, and under ThreadSanitizer, unless a
 * small machine is pretended.
 */
static struct outbuf *open_growing(unsigned char **base)
{
	struct outbuf *ob;
	void *data;

	assert_int_equal(outbuf_open_memory(&ob, NULL), 0);
	assert_int_equal(outbuf_data(ob, 0, 100, &data), 0);
	memset(data, 'n', 100);
	*base = data;
	if (ob__space_budget().largest == 0 || stats_of(ob).reserved >= ob__space_budget().least) {
		outbuf_close(ob);
		print_message("no range can be extended here\n");
		skip();
	}
	return ob;
}

static int writes(struct outbuf *ob, uint64_t offset)
{
	void *data;
	int r = outbuf_data(ob, offset, 8, &data);

	if (r == 0)
		memcpy(data, "extended", 8);
	return r;
}

static void test_extended(void **state)
{
	unsigned char *base, *again;
	struct outbuf *ob = open_growing(&base);
	uint64_t reserved = stats_of(ob).reserved;
	struct outbuf_view v, before;
	void *data;

	(void)state;
	/* Two Views: one is opened before the range is extended, and goes on beyond where it could end then. */
	assert_int_equal(outbuf_view(ob, &before, 200, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_view(ob, &v, reserved, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_seek(&v, reserved + 10 * MIB), 0);
	assert_true(stats_of(ob).reserved >= reserved + 10 * MIB);
	reserved = stats_of(ob).reserved;
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_seek(&before, reserved + 1), 0);
	assert_true(stats_of(ob).reserved > reserved);
	assert_int_equal(outbuf_seek(&before, 200), 0);
	assert_int_equal(outbuf_write8(&before, 'b'), 0);
	assert_int_equal(outbuf_view_end(&before), 0);

	/* Nothing has moved. */
	assert_int_equal(outbuf_data(ob, 0, 201, &data), 0);
	again = data;
	assert_ptr_equal(again, base);
	assert_int_equal(again[99], 'n');
	assert_int_equal(again[200], 'b');
	outbuf_close(ob);
}

/* 300 GiB beyond the plan, without a stated size, and not beyond the default. */
static void test_far(void **state)
{
	struct sandbox *s = *state;
	unsigned char *base;
	struct outbuf *ob;
	struct outbuf_view v;

	outbuf_close(open_growing(&base));
	ob = open_with(s->path, NULL);
	assert_int_equal(outbuf_map(ob, 1000), 0);
	if (ob__space_budget().largest > 300 * GIB) {
		assert_int_equal(outbuf_view(ob, &v, 300 * GIB, OUTBUF_UNBOUNDED), 0);
		assert_int_equal(outbuf_seek(&v, 301 * GIB), 0);
		assert_int_equal(outbuf_view_end(&v), 0);
		assert_true(stats_of(ob).reserved >= 301 * GIB);
	}
	assert_int_equal(outbuf_view(ob, &v, ob__space_budget().largest + 1, 1), -EFBIG);
	outbuf_close(ob);
}

/* ------------------------------------------------------------------------ neighbours */

static unsigned char *map_neighbour(unsigned char *at)
{
	unsigned char *got = mmap(at, ob__sys_page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_equal(got, at);
	memset(got, 7, ob__sys_page_size());
	return got;
}

/* It is refused what is behind the neighbour, and keeps all that it has. */
static void test_neighbour(void **state)
{
	size_t page = ob__sys_page_size(), i;
	unsigned char *base, *neighbour;
	struct outbuf *ob = open_growing(&base);
	uint64_t reserved = stats_of(ob).reserved;
	void *data;

	(void)state;
	neighbour = map_neighbour(base + reserved);
	assert_int_equal(writes(ob, reserved), -ENOMEM);
	assert_int_equal(stats_of(ob).reserved, reserved);
	assert_int_equal(outbuf_error(ob), 0);
	munmap(neighbour, page);

	/* A little further away: what is before it can still be had. */
	neighbour = map_neighbour(base + reserved + 3 * page);
	assert_int_equal(outbuf_data(ob, reserved + 3 * page, 1, &data), -ENOMEM);
	assert_int_equal(writes(ob, reserved + 3 * page - 8), 0);
	assert_int_equal(stats_of(ob).reserved, reserved + 3 * page);
	assert_int_equal(writes(ob, reserved + 3 * page - 7), -ENOMEM);
	for (i = 0; i < page; i++)
		assert_int_equal(neighbour[i], 7);
	munmap(neighbour, page);

	/* And when it is gone, the rest. */
	assert_int_equal(writes(ob, reserved + 3 * page), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(base[i], 'n');
	assert_memory_equal(base + reserved + 3 * page - 8, "extendedextended", 16);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
}

/* A View of whom more is wanted than there are addresses: its error, and the output's. */
static void test_view_meets_neighbour(void **state)
{
	unsigned char *base, *neighbour;
	struct outbuf *ob = open_growing(&base);
	uint64_t reserved = stats_of(ob).reserved;
	struct outbuf_view v;

	(void)state;
	neighbour = map_neighbour(base + reserved);
	assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_seek(&v, reserved), 0);
	assert_int_equal(outbuf_write8(&v, 1), -ENOMEM);
	assert_int_equal(outbuf_view_end(&v), -ENOMEM);
	assert_int_equal(outbuf_error(ob), -ENOMEM);
	outbuf_close(ob);
	munmap(neighbour, ob__sys_page_size());
}

/* --------------------------------------------------------------------------- threads */

#define THREADS 8
#define PIECE (MIB / 4)
#define PIECES 40

/* Every other piece through a View that was opened before the range reached so far. */
static int write_pieces(void *arg, unsigned thread)
{
	struct outbuf *ob = arg;
	struct outbuf_view v;
	uint64_t i;
	int r = outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);

	for (i = 0; r == 0 && i < PIECES; i++) {
		uint64_t at = (i * THREADS + thread) * PIECE;
		void *data;

		if (i % 2 == 0) {
			r = outbuf_seek(&v, at);
			if (r == 0)
				r = outbuf_fill(&v, (uint8_t)(thread + 1), PIECE);
		} else {
			r = outbuf_data(ob, at, PIECE, &data);
			if (r == 0)
				memset(data, (int)thread + 1, PIECE);
		}
	}
	return r < 0 ? r : outbuf_view_end(&v);
}

/* 80 MiB, of which 2 are reserved at first: the range is extended 6 times while all of them write. */
static void test_threads(void **state)
{
	unsigned char *base;
	struct outbuf *ob;
	uint64_t i;
	void *data;

	(void)state;
	ob__slots_pretended_space = (uint64_t)1 << 38;
	ob = open_growing(&base);
	assert_true(stats_of(ob).reserved < 4 * MIB);
	assert_int_equal(run_threads(THREADS, write_pieces, ob), 0);
	assert_int_equal(outbuf_data(ob, 0, PIECES * THREADS * PIECE, &data), 0);
	assert_ptr_equal(data, base);
	for (i = 0; i < PIECES * THREADS; i++) {
		assert_int_equal(base[i * PIECE], i % THREADS + 1);
		assert_int_equal(base[(i + 1) * PIECE - 1], i % THREADS + 1);
	}
	outbuf_close(ob);
}

/* ------------------------------------------------------------------- other machines */

/* A machine has no addresses beyond its own. */
static void *on_small_machine(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (n > ob__slots_pretended_space || (uintptr_t)at > ob__slots_pretended_space - n) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return real_vm.mmap(at, n, prot, flags, fd, offset);
}

/* 1,000 outputs take a 64th of what there is; one alone can have an eighth. */
static void test_small_machine(void **state)
{
	static struct outbuf *many[1000];
	unsigned bits, i;

	(void)state;
	for (bits = 38; bits <= 39; bits++) {
		const uint64_t space = (uint64_t)1 << bits;
		unsigned char *base;
		struct outbuf_view v;
		struct outbuf *ob;
		uint64_t all = 0;

		ob__slots_pretended_space = space;
		ob__sys_vm_table.mmap = on_small_machine;
		ob = open_growing(&base);
		assert_true((uintptr_t)base >= space / 8 && (uintptr_t)base < space / 8 * 5);
		assert_int_equal(ob__space_budget().largest, space / 8);
		/* Valgrind's own memory is at 64 GiB. */
		if (getenv("VALGRIND") == NULL) {
			assert_int_equal(outbuf_view(ob, &v, space / 8, OUTBUF_UNBOUNDED), 0);
			assert_int_equal(outbuf_view_end(&v), 0);
			assert_int_equal(stats_of(ob).reserved, space / 8);
		}
		assert_int_equal(outbuf_view(ob, &v, space / 8 + 1, 1), -EFBIG);
		outbuf_close(ob);
		for (i = 0; i < 1000; i++) {
			many[i] = open_growing(&base);
			all += stats_of(many[i]).reserved;
		}
		assert_true(all <= space / 64);
		for (i = 0; i < 1000; i++)
			outbuf_close(many[i]);
	}
}

/* Kernels before 4.17 do not know MAP_FIXED_NOREPLACE, and take the address for a hint. */
static void *on_old_kernel(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	return real_vm.mmap(at, n, prot, flags & 0xfffff, fd, offset);
}

static void test_old_kernel(void **state)
{
	ob__sys_vm_table.mmap = on_old_kernel;
	test_extended(state);
	test_neighbour(state);
}

static int refusal;

/* Nothing can be had at an address of one's own choice. */
static void *no_slots(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (at != NULL && !(flags & MAP_FIXED)) {
		call_fails();
		errno = refusal;
		return MAP_FAILED;
	}
	return real_vm.mmap(at, n, prot, flags, fd, offset);
}

/* A share is reserved as a whole then, and is all there is. Occupied slots are passed over, but not all of them. */
static void test_no_slots(void **state)
{
	static const int refusals[] = { EEXIST, ENOMEM, EINVAL };
	const struct space_budget budget = ob__space_budget();
	struct outbuf *ob;
	unsigned char *base;
	size_t i;

	(void)state;
	outbuf_close(open_growing(&base));
	for (i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		void *data;

		refusal = refusals[i];
		ob__sys_vm_table.mmap = no_slots;
		arm(0, 0, 0);
		assert_int_equal(outbuf_open_memory(&ob, NULL), 0);
		assert_int_equal(outbuf_data(ob, 0, 100, &data), 0);
		assert_in_range(calls_made(), 1, refusal == EEXIST ? 100 : 1);
		assert_true(stats_of(ob).reserved >= budget.least && stats_of(ob).reserved <= budget.most);
		assert_int_equal(outbuf_data(ob, budget.most, 1, &data), -EFBIG);
		outbuf_close(ob);
	}
}

/* ----------------------------------------------------------------------------- slots */

static int by_value(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return (x > y) - (x < y);
}

/* Taken in their order they are as far from each other as can be; each once; in the middle. */
static void test_slots(void **state)
{
	static uintptr_t at[1 << 14];
	int n, i, slot;

	(void)state;
	if (sizeof(void *) < 8)
		skip();
	for (n = 0; (slot = ob__slots_take(0)) >= 0; n++) {
		uint64_t space = ob__slots_space(), apart = n < 64 ? space / 128 : space >> 15;

		assert_true(n < 1 << 14);
		at[n] = (uintptr_t)ob__slots_address(slot);
		assert_true(at[n] >= space / 8 && at[n] + apart <= space / 8 * 5);
		if (n == 63 || n == (1 << 14) - 1) {
			qsort(at, (size_t)n + 1, sizeof *at, by_value);
			for (i = 0; i < n; i++)
				assert_true(at[i + 1] - at[i] >= apart);
		}
	}
	assert_int_equal(n, 1 << 14);
	ob__slots_release(5000);
	assert_int_equal(ob__slots_take(0), 5000);
	ob__slots_release(5000);
	assert_int_equal(ob__slots_take(5001), -1);
	for (i = 0; i < n; i++)
		ob__slots_release(i);
}

static int end(void **state)
{
	ob__sys_vm_table = real_vm;
	ob__slots_pretended_space = 0;
	return faults_end(state);
}

#define growth_test(f) cmocka_unit_test_setup_teardown(f, faults_begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		growth_test(test_extended),
		growth_test(test_far),
		growth_test(test_neighbour),
		growth_test(test_view_meets_neighbour),
		growth_test(test_threads),
		growth_test(test_small_machine),
		growth_test(test_old_kernel),
		growth_test(test_no_slots),
		growth_test(test_slots),
	};

	real_vm = ob__sys_vm_table;
	return cmocka_run_group_tests_name("growth", tests, NULL, NULL);
}
