/* SPDX-License-Identifier: MIT */
/*
 * Many outputs at once share the addresses of the process, and leave some to the program. A call that is refused takes
 * none, and sets no limit.
 */
#include "config.h"

#include "inject/faults.h"
#include "memory/space.h"
#include "output/output.h"
#include "support/addresses.h"
#include "support/support.h"
#include "system/unix/sys_table.h"
#include "system/unix/sys_vm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define MOST 10000

static struct sys_table real;
static struct sys_vm_table real_vm;

/*
 * In memory: they need no descriptors, of which there may be 1,024. What can be extended begins with little
 * (space_vm.c), what cannot gets a share.
 */
static void test_many(void **state)
{
	static struct outbuf *many[MOST];
	const struct space_budget budget = ob__space_budget();
	/* A machine of 32 bits has no addresses for more. */
	unsigned n = sizeof(void *) < 8 ? 50 : MOST, i;
	uint64_t last = budget.most, all = 0, first = 0;
	void *data, *theirs;

	(void)state;
	if (!addresses_for(budget.total)) {
		print_message("fewer addresses than the outputs would share\n");
		skip();
	}
	for (i = 0; i < n; i++) {
		uint64_t reserved;

		assert_int_equal(outbuf_open_memory(&many[i], NULL), 0);
		assert_int_equal(outbuf_data(many[i], 0, 100, &data), 0);
		memset(data, 'm', 100);
		reserved = stats_of(many[i]).reserved;
		if (budget.largest == 0 || reserved >= budget.least) {
			assert_true(reserved <= last && reserved >= budget.least);
			last = reserved;
		}
		all += reserved;
		first = i == 0 ? reserved : first;
	}
	assert_true(all <= budget.total + n * budget.least);
	/* The program maps something large of its own. */
	theirs = mmap(NULL, sizeof(void *) < 8 ? 64 * MIB : 64 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(theirs, MAP_FAILED);
	munmap(theirs, sizeof(void *) < 8 ? 64 * MIB : 64 * GIB);
	/* Who needs more says so. */
	outbuf_close(many[0]);
	if (sizeof(void *) >= 8) {
		assert_int_equal(outbuf_open_memory(&many[0], NULL), 0);
		assert_int_equal(outbuf_data(many[0], budget.least + 4096, 100, &data), 0);
		assert_true(stats_of(many[0]).reserved >= (budget.largest > 0 ? 1 : 4) * budget.least);
		outbuf_close(many[0]);
	}
	for (i = 1; i < n; i++) {
		assert_int_equal(outbuf_commit(many[i]), 0);
		outbuf_close(many[i]);
	}
	/* Everything was given back. */
	assert_int_equal(outbuf_open_memory(&many[0], NULL), 0);
	assert_int_equal(outbuf_data(many[0], 0, 1, &data), 0);
	assert_int_equal(stats_of(many[0]).reserved, first);
	outbuf_close(many[0]);
}

/* Lines of /proc/self/maps; 0 where there is none. */
static unsigned count_maps(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned n = 0;
	int c;

	while (maps != NULL && (c = fgetc(maps)) != EOF)
		n += c == '\n';
	if (maps != NULL)
		fclose(maps);
	return n;
}

/* Linux lets a process have 65,530 mappings (vm.max_map_count): for 10,000 outputs that is 6 each. */
static void test_few_mappings(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *many[50];
	unsigned before, i;
	char path[320];
	void *data;

	skip_unmappable();
	for (before = 0, i = 0; i < 50; i++) {
		struct outbuf_options o = OUTBUF_OPTIONS_INIT;

		o.map = OUTBUF_REQUIRE;
		o.guard = 1;
		snprintf(path, sizeof path, "%s-%u", s->path, i);
		many[i] = open_with(path, &o);
		assert_int_equal(outbuf_map(many[i], 8192), 0);
		/* And heap behind it. */
		assert_int_equal(outbuf_data(many[i], 0, 20000, &data), 0);
		memset(data, 'm', 20000);
		/* What malloc and the sanitizers need at first is not counted. */
		if (i == 9)
			before = count_maps();
	}
	/* The mapping, the heap, the reserved rest: 3; and the start of the range, if the kernel did not align it. */
	assert_in_range(count_maps() - before, 0, 40 * 4 + 20);
	for (i = 0; i < 50; i++)
		outbuf_close(many[i]);
}

/* --------------------------------------------------------------------- refused */

static int no_blocks(int fd, int mode, off_t offset, off_t length)
{
	(void)fd, (void)mode, (void)offset, (void)length;
	errno = ENOSPC;
	return -1;
}

static int no_memory(void *at, size_t n, int prot)
{
	(void)at, (void)n, (void)prot;
	errno = ENOMEM;
	return -1;
}

/* Whatever was refused, the output has the range and the limit of a new one. */
static void is_as_new(struct outbuf *ob)
{
	const struct space_budget budget = ob__space_budget();
	void *data;

	assert_int_equal(outbuf_error(ob), 0);
	assert_int_equal(stats_of(ob).reserved, 0);
	assert_int_equal(outbuf_data(ob, 0, 100, &data), 0);
	assert_true(stats_of(ob).reserved <= budget.most);
	assert_int_equal(outbuf_data(ob, budget.largest > budget.most ? budget.largest : budget.most, 1, &data), -EFBIG);
	outbuf_close(ob);
}

static void test_refused(void **state)
{
	const uint64_t budget = ob__space_budget().most;
	struct sandbox *s = *state;
	struct outbuf *ob;
	void *data;
	int r;

	ob = open_with(s->path, NULL);
	assert_int_not_equal(outbuf_map(ob, (uint64_t)1 << 60), 0);
	is_as_new(ob);
	ob = open_with(s->path, NULL);
	assert_int_not_equal(outbuf_data(ob, (uint64_t)3 << 60, 1, &data), 0);
	is_as_new(ob);
	ob = open_with(s->path, NULL);
	assert_int_not_equal(outbuf_set_size(ob, (uint64_t)1 << 60), 0);
	is_as_new(ob);

	/* There are addresses, but the file system has no such files, or the disk no such room. */
	if (can_map() && required_blocks() == 0 && addresses_for(budget)) {
		ob = open_with(s->path, NULL);
		ob__sys_table.fallocate = no_blocks;
		r = outbuf_map(ob, budget / 2);
		ob__sys_table = real;
		assert_int_equal(r, -ENOSPC);
		is_as_new(ob);
	}

	/* There are addresses, but no memory. */
	ob = open_with(s->path, NULL);
	ob__sys_vm_table.mprotect = no_memory;
	r = outbuf_data(ob, budget / 2, 100, &data);
	ob__sys_vm_table = real_vm;
	assert_int_equal(r, -ENOMEM);
	is_as_new(ob);
}

/* What was there before a refusal stays: the range does not move. */
static void test_refused_later(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	uint64_t reserved;
	void *data, *again;

	assert_int_equal(outbuf_data(ob, 0, 100, &data), 0);
	memset(data, 'n', 100);
	reserved = stats_of(ob).reserved;
	assert_int_equal(outbuf_map(ob, (uint64_t)1 << 60), -EFBIG);
	assert_int_equal(outbuf_data(ob, (uint64_t)3 << 60, 1, &again), -EFBIG);
	assert_int_equal(stats_of(ob).reserved, reserved);
	assert_int_equal(outbuf_data(ob, 0, 100, &again), 0);
	assert_ptr_equal(data, again);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
	assert_filled(s, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_many),
		fault_test(test_few_mappings),
		fault_test(test_refused),
		fault_test(test_refused_later),
	};

	real = ob__sys_table;
	real_vm = ob__sys_vm_table;
	return cmocka_run_group_tests_name("many", tests, NULL, NULL);
}
