/* SPDX-License-Identifier: MIT */
/*
 * Sets of ranges, and where bytes are true, against arrays with one element per byte: thousands of
 * random steps at the start, in the middle and at the end of what an offset can say. A failure
 * names the seed; OUTBUF_TEST_SEED=N begins with it.
 */
#include "config.h"

#include "bytes/dirty.h"
#include "support/support.h"

#include <errno.h>
#include <string.h>

#define N 160u /* bytes in the model */
#define ROUNDS 24
#define STEPS 600

static const uint64_t bases[] = { 0, 1, 12345678901, UINT64_MAX - N - 1, UINT64_MAX - N };
#define BASES (sizeof bases / sizeof *bases)

static struct {
	uint64_t seed, base, number;
	unsigned step;
} at;

static void begin(uint64_t number)
{
	at.number = at.seed = env_number("OUTBUF_TEST_SEED", 1) + number;
	at.base = bases[number % BASES];
}

#define CHECK(condition)                                                                        \
	do {                                                                                    \
		if (!(condition))                                                               \
			fail_msg("seed %llu, base %llx, step %u: %s", (unsigned long long)at.number, \
			         (unsigned long long)at.base, at.step, #condition);             \
	} while (0)

static unsigned below(unsigned n)
{
	return (unsigned)random_below(&at.seed, n);
}

/* [*from, *to) in the model, empty now and then, mostly short. */
static struct range random_range(unsigned *from, unsigned *to)
{
	unsigned most = below(4) == 0 ? N : 20;

	*from = below(N + 1);
	*to = *from + below(most);
	*to = *to > N ? N : *to;
	return (struct range){ at.base + *from, *to - *from };
}

/* ------------------------------------------------------------------- joining and cutting */

static void check_runs(const struct ranges *set, const unsigned char *in)
{
	unsigned i = 0, end;

	while (i < N) {
		struct range rest = { at.base + i, N - i };
		const struct range *hit = ob__ranges_first(set, rest);

		while (i < N && !in[i])
			i++;
		CHECK((hit != NULL) == (i < N));
		if (hit == NULL)
			break;
		for (end = i; end < N && in[end]; end++)
			continue;
		/* One element per run: what touches was joined. */
		CHECK(hit->offset == at.base + i);
		CHECK(hit->length == end - i);
		i = end;
	}
}

static void test_join_and_cut(void **state)
{
	uint64_t round;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		unsigned char in[N] = "";
		struct ranges set = { .root = NULL };

		begin(round);
		for (at.step = 0; at.step < STEPS; at.step++) {
			unsigned from, to, what = below(100);
			struct range range = random_range(&from, &to);
			const struct range *any;

			if (what < 55) {
				CHECK(ob__ranges_merge(&set, range) == 0);
				memset(in + from, 1, to - from);
			} else if (what < 99) {
				CHECK(ob__ranges_remove(&set, range) == 0);
				memset(in + from, 0, to - from);
			} else {
				ob__ranges_clear(&set);
				CHECK(set.root == NULL);
				memset(in, 0, sizeof in);
			}
			check_runs(&set, in);
			range = random_range(&from, &to);
			any = ob__ranges_any(&set, range);
			CHECK((any != NULL) == (to > from && memchr(in + from, 1, to - from) != NULL));
			CHECK(any == NULL || range_intersection(*any, range).length > 0);
		}
		ob__ranges_clear(&set);
	}
}

/* -------------------------------------------------------- elements that stay what they are */

static void check_elements(const struct ranges *set, const unsigned *id)
{
	unsigned i, end;

	for (i = 0; i < N; i = end) {
		const struct range byte = { at.base + i, 1 };
		const struct range *hit = ob__ranges_any(set, byte);

		CHECK(hit == ob__ranges_first(set, byte));
		CHECK((hit != NULL) == (id[i] != 0));
		for (end = i + 1; end < N && id[end] == id[i]; end++)
			continue;
		CHECK(hit == NULL || (hit->offset == at.base + i && hit->length == end - i));
	}
}

static void add_erase_cut(struct ranges *set, unsigned *id, unsigned *next)
{
	unsigned from, to, i, what = below(3), old;
	struct range range = random_range(&from, &to);

	switch (what) {
	case 0:
		for (i = from; i < to && id[i] == 0; i++)
			continue;
		if (i < to || from == to)
			break; /* not free */
		CHECK(ob__ranges_insert(set, range) == 0);
		for (i = from, ++*next; i < to; i++)
			id[i] = *next;
		break;
	case 1:
		if (from == N || id[from] == 0)
			break;
		old = id[from];
		for (from = 0; id[from] != old; from++)
			continue;
		for (to = from; to < N && id[to] == old; to++)
			id[to] = 0;
		ob__ranges_erase(set, (struct range){ at.base + from, to - from });
		break;
	default:
		CHECK(ob__ranges_remove(set, range) == 0);
		old = from > 0 ? id[from - 1] : 0;
		memset(id + from, 0, (to - from) * sizeof *id);
		/* A part that is left behind the cut is another element now. */
		if (from < to && old != 0 && to < N && id[to] == old)
			for (i = to, ++*next; i < N && id[i] == old; i++)
				id[i] = *next;
	}
}

static void test_elements(void **state)
{
	uint64_t round;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		unsigned id[N] = { 0 }, next = 0;
		struct ranges set = { .root = NULL };

		begin(round);
		for (at.step = 0; at.step < STEPS; at.step++) {
			add_erase_cut(&set, id, &next);
			check_elements(&set, id);
		}
		ob__ranges_clear(&set);
	}
}

static void test_edges(void **state)
{
	struct ranges set = { .root = NULL };
	struct range all = { 0, UINT64_MAX }, first = { 0, 1 }, last = { UINT64_MAX - 1, 1 };
	struct range none = { 5, 0 };
	const struct range *hit;

	(void)state;
	assert_int_equal(ob__ranges_merge(&set, none), 0);
	assert_null(set.root);
	assert_int_equal(ob__ranges_merge(&set, first), 0);
	assert_int_equal(ob__ranges_merge(&set, last), 0);
	assert_null(ob__ranges_any(&set, (struct range){ 1, UINT64_MAX - 2 }));
	assert_int_equal(ob__ranges_merge(&set, (struct range){ 1, UINT64_MAX - 2 }), 0);
	hit = ob__ranges_first(&set, last);
	assert_int_equal(hit->offset, 0);
	assert_int_equal(hit->length, UINT64_MAX);
	assert_int_equal(ob__ranges_merge(&set, all), 0);
	assert_int_equal(ob__ranges_remove(&set, none), 0);
	assert_int_equal(ob__ranges_remove(&set, (struct range){ 7, UINT64_MAX - 8 }), 0);
	hit = ob__ranges_first(&set, all);
	assert_int_equal(hit->length, 7);
	hit = ob__ranges_first(&set, (struct range){ 7, UINT64_MAX - 7 });
	assert_int_equal(hit->offset, UINT64_MAX - 1);
	assert_int_equal(hit->length, 1);
	assert_null(ob__ranges_any(&set, none));
	assert_int_equal(ob__ranges_remove(&set, all), 0);
	assert_null(set.root);
	assert_int_equal(range_intersection(first, last).length, 0);
	assert_int_equal(range_intersection(all, last).offset, UINT64_MAX - 1);
	ob__ranges_erase(&set, all);
	ob__ranges_clear(&set);
}

/* ------------------------------------------------------------------------ two places */

enum place { NEITHER, MEMORY, FILED };

/* What is where, and what the bytes are to be. */
static struct {
	enum place place[N];
	unsigned char memory[N], file[N], truth[N];
	uint64_t file_end;
	struct range asked; /* what load may be called for */
	unsigned loads, fail_load;
} model;

static int load(void *arg, struct range range)
{
	unsigned i, from = (unsigned)(range.offset - at.base);

	CHECK(arg == &model);
	CHECK(range.length > 0);
	CHECK(range.offset >= model.asked.offset && range_end(range) <= range_end(model.asked));
	if (++model.loads == model.fail_load)
		return -EIO;
	for (i = from; i < from + range.length; i++) {
		CHECK(model.place[i] == FILED); /* exactly these, and once */
		model.place[i] = MEMORY; /* also if a later one fails */
		model.memory[i] = model.file[i];
	}
	return 0;
}

static void check_truth(void)
{
	unsigned i;

	for (i = 0; i < N; i++) {
		CHECK(model.place[i] == FILED || model.memory[i] == model.truth[i]);
		CHECK(model.place[i] == MEMORY || model.file[i] == model.truth[i]);
	}
}

static void check_places(const struct dirty *d)
{
	unsigned i;

	for (i = 0; i < N; i++) {
		const struct range byte = { at.base + i, 1 };

		CHECK((ob__ranges_any(&d->memory, byte) != NULL) == (model.place[i] == MEMORY));
		CHECK((ob__ranges_any(&d->file, byte) != NULL) == (model.place[i] == FILED));
	}
	CHECK(d->file_end == model.file_end);
}

/* Bytes written through a pointer. */
static void step_take(struct dirty *d)
{
	unsigned from, to, i;
	int r;

	model.asked = random_range(&from, &to);
	model.loads = 0;
	model.fail_load = below(10) == 0 ? 1 + below(3) : 0;
	r = ob__dirty_claim_memory(d, model.asked, load, &model);
	CHECK(r == (model.fail_load > 0 && model.loads >= model.fail_load ? -EIO : 0));
	for (i = from; r == 0 && i < to; i++) {
		CHECK(model.place[i] != FILED);
		model.place[i] = MEMORY;
		if (below(2))
			model.memory[i] = model.truth[i] = (unsigned char)below(256);
	}
}

/* Bytes put by a block. */
static void step_split(struct dirty *d)
{
	unsigned from, to, i;
	struct range rest = random_range(&from, &to);

	while (rest.length > 0) {
		struct range part = { 1, 2 };
		int in_memory = 2;

		CHECK(ob__dirty_route_write(d, rest, &part, &in_memory) == 0);
		CHECK(part.offset == rest.offset && part.length > 0 && part.length <= rest.length);
		for (i = 0; i < part.length; i++, from++) {
			unsigned char byte = (unsigned char)below(256);

			CHECK((model.place[from] == MEMORY) == in_memory);
			model.truth[from] = byte;
			if (in_memory)
				model.memory[from] = byte;
			else
				model.file[from] = byte;
			model.place[from] = in_memory ? MEMORY : FILED;
		}
		if (!in_memory && range_end(part) > model.file_end)
			model.file_end = range_end(part);
		rest.offset += part.length;
		rest.length -= part.length;
	}
}

/* End of what is to be carried from `from` on, by the words of dirty.h. */
static unsigned end_of_next(unsigned from, unsigned gap)
{
	unsigned end = from, i;

	for (;;) {
		while (end < N && model.place[end] == MEMORY)
			end++;
		for (i = end; i < N && i - end < gap && model.place[i] == NEITHER; i++)
			continue;
		if (i == N || i - end >= gap || model.place[i] != MEMORY)
			return end;
		end = i;
	}
}

/* Everything below `end` to the file. */
static void step_flush(struct dirty *d)
{
	unsigned from = below(8) == 0 ? below(N) : 0, end = below(2) ? N : below(N + 1);
	/* No file reaches up to where adding a gap would wrap. */
	unsigned gap = at.base > INT64_MAX ? 0 : below(12), i = from;

	while (i < N) {
		struct range part = ob__dirty_next(d, at.base + i, gap);
		unsigned first = i, last;

		while (first < N && model.place[first] != MEMORY)
			first++;
		CHECK((part.length == 0) == (first == N));
		if (part.length == 0)
			break;
		part = range_intersection(part, (struct range){ at.base + i, N - i });
		last = end_of_next(first, gap);
		CHECK(part.offset == at.base + first);
		CHECK(range_end(part) == at.base + last);
		if (from == 0)
			memcpy(model.file + first, model.memory + first, last - first);
		i = last;
	}
	/* Carried, it is clean; or a pointer is out, and it stays where it is. */
	if (from > 0 || below(3) == 0)
		return;
	CHECK(ob__dirty_mark_clean(d, (struct range){ at.base, end }) == 0);
	for (i = 0; i < end; i++)
		if (model.place[i] == MEMORY) {
			model.place[i] = FILED;
			if (at.base + i + 1 > model.file_end)
				model.file_end = at.base + i + 1;
		}
}

/* One range to the file, and out of memory. */
static void step_release(struct dirty *d)
{
	unsigned from, to;
	struct range range = random_range(&from, &to);

	CHECK(ob__dirty_mark_clean(d, range) == 0);
	for (; from < to; from++) {
		if (model.place[from] != MEMORY)
			continue;
		model.file[from] = model.memory[from];
		model.memory[from] = 0;
		model.place[from] = FILED;
		if (at.base + from + 1 > model.file_end)
			model.file_end = at.base + from + 1;
	}
}

/* Where they are: each byte, and as many as are in the same place. */
static void step_where(struct dirty *d)
{
	static const enum place places[] = { [DIRTY_NOWHERE] = NEITHER, [DIRTY_MEMORY] = MEMORY, [DIRTY_FILE] = FILED };
	unsigned from, to;
	struct range range = random_range(&from, &to);

	while (range.length > 0) {
		struct range part = { 1, 2 };
		enum dirty_place place = ob__dirty_find_copy(d, range, &part);
		unsigned n = 0;

		/* Elements that touch may be apart: then it is only some of them. */
		while (from + n < to && n < part.length && model.place[from + n] == places[place])
			n++;
		CHECK(part.offset == range.offset && part.length > 0 && part.length == n);
		CHECK(place != DIRTY_NOWHERE || from + n == to || model.place[from + n] != NEITHER);
		from += n;
		range.offset += n;
		range.length -= n;
	}
}

/* Cut off, and zero from now on. */
static void step_forget(struct dirty *d)
{
	unsigned from, to;
	struct range range = random_range(&from, &to);

	if (below(3) == 0) {
		to = N;
		range.length = UINT64_MAX - range.offset;
	}
	CHECK(ob__dirty_forget(d, range) == 0);
	for (; from < to; from++) {
		model.place[from] = NEITHER;
		model.memory[from] = model.file[from] = model.truth[from] = 0;
	}
	if (range_end(range) >= model.file_end && model.file_end > range.offset)
		model.file_end = range.offset;
}

static void test_two_places(void **state)
{
	uint64_t round;

	(void)state;
	for (round = 0; round < 4 * ROUNDS; round++) {
		struct dirty d;

		begin(round);
		memset(&model, 0, sizeof model);
		assert_int_equal(ob__dirty_init(&d), 0);
		d.tracks_ranges = 1;
		for (at.step = 0; at.step < STEPS; at.step++) {
			unsigned what = below(100);

			if (what < 30)
				step_take(&d);
			else if (what < 75)
				step_split(&d);
			else if (what < 85)
				step_flush(&d);
			else if (what < 90)
				step_release(&d);
			else
				step_forget(&d);
			step_where(&d);
			check_truth();
			check_places(&d);
		}
		ob__dirty_destroy(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join_and_cut),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_two_places),
	};

	return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
