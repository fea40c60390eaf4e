/* SPDX-License-Identifier: MIT */
/*
 * Which Views are open.
 *
 * The owner's calls need to know whether a View is open, and a message which one it is. Every View pays for that twice,
 * and a small View takes 40 ns in all, so it must cost a few. Two counters, of the opened and of the ended, cost two
 * atomic read-modify-writes, 5 ns each, and 190 ns with two threads, which take the counters' cache line from each
 * other at each View. And they do not tell which View it is that somebody forgot.
 *
 * So there is a table with a place for each open View. Opening one takes a free place by compare-exchange, ending it
 * is a plain store. The table is in stripes of two cache lines. A thread begins to look for a place at a stripe of its
 * own, by its number, and numbers are consecutive: so threads that were started together write no cache line in common,
 * if there are no more of them than stripes. Else they share stripes, which is slower and as correct.
 *
 * A View may be moved, and ended on another thread: it knows its place, and anybody may free that.
 *
 * The cost: the owner reads the whole table, 128 bytes per processor. A thread that finds no place in four stripes
 * counts the View by two counters, as above, and its range is not known.
 *
 * The order of loads and stores is strong enough for the owner, and no stronger. A View acquires what was released
 * with the place that it takes, so that the owner, who sees only the last View at each place, sees what the ones before
 * it wrote. Those were, as a rule, the same thread's. To synchronise with Views of other threads would hide two Views
 * on the same bytes from race detectors, unless both write at the same moment.
 */
#include "config.h"

#include "output/open_views.h"

#include <errno.h>
#include <stdlib.h>

#include "memory/round.h"
#include "system/sys.h"

/* Two cache lines: processors of Intel's load them in pairs. */
#define STRIPE_BYTES 128
#define PLACES 5
#define STRIPES_MIN 8
#define STRIPES_MAX 64
/* So many are tried: 20 Views that are open at once always have places. */
#define STRIPES_TRIED 4

/* The place of one View. */
struct place {
	_Atomic uint64_t taken; /* 0: free; else 1 more than the offset of its begin. Taken by any thread, if free */
	_Atomic uint64_t end;   /* of its range; written by the thread that took the place, just after it did */
	_Atomic uint64_t opened; /* Views that were opened here, so far; written by the thread that took the place */
};

struct open_views_stripe {
	struct place places[PLACES];
	char unused[STRIPE_BYTES - PLACES * sizeof(struct place)];
};

_Static_assert(sizeof(struct open_views_stripe) == STRIPE_BYTES, "stripes share no cache lines");
/* A place's number, from 1: 0 says that a View has none. */
#define NUMBER(stripe, place) ((stripe) * 8 + (place) + 1)

_Static_assert(PLACES <= 8 && NUMBER(STRIPES_MAX, 0) < UINT16_MAX, "a number fits into struct outbuf_view");
_Static_assert(STRIPES_TRIED <= STRIPES_MIN, "no stripe is tried twice");

/* This thread's number, from 1; 0: it has none yet. */
static _Thread_local unsigned thread_number;
static atomic_uint threads_numbered;

/* As many as processors, rounded up to a power of two, within the limits. Asked once: outputs may be small and many. */
static unsigned count_stripes(void)
{
	static atomic_uint known;
	unsigned n = atomic_load_explicit(&known, memory_order_relaxed);

	if (n == 0) {
		unsigned cpus = ob__sys_cpus();

		for (n = STRIPES_MIN; n < cpus && n < STRIPES_MAX; n *= 2)
			continue;
		atomic_store_explicit(&known, n, memory_order_relaxed);
	}
	return n;
}

int ob__open_views_init(struct open_views *o)
{
	unsigned n = count_stripes();

	/* calloc(3) and not aligned_alloc(3), which Windows lacks. */
	o->memory = calloc(n + 1, STRIPE_BYTES);
	if (o->memory == NULL)
		return -ENOMEM;
	o->stripes = (void *)(uintptr_t)round_up((uintptr_t)o->memory, STRIPE_BYTES);
	o->mask = n - 1;
	return 0;
}

void ob__open_views_destroy(struct open_views *o)
{
	free(o->memory);
	o->memory = NULL;
}

static struct place *find(const struct open_views *o, uint16_t number)
{
	return &o->stripes[(number - 1) / 8].places[(number - 1) % 8];
}

/* Take a place of this stripe. Its number, or 0 if none is free. */
static uint16_t take_place(const struct open_views *o, unsigned stripe, uint64_t begin, uint64_t end)
{
	uint64_t taken = begin < UINT64_MAX ? begin + 1 : begin;
	struct place *p = o->stripes[stripe].places;
	unsigned i;

	for (i = 0; i < PLACES; i++, p++) {
		uint64_t none = 0;

		if (atomic_load_explicit(&p->taken, memory_order_relaxed) != 0 ||
		    !atomic_compare_exchange_strong(&p->taken, &none, taken))
			continue;
		atomic_store_explicit(&p->end, end, memory_order_relaxed);
		return (uint16_t)NUMBER(stripe, i);
	}
	return 0;
}

uint16_t ob__open_views_enter(struct open_views *o, uint64_t begin, uint64_t end)
{
	unsigned i;

	if (thread_number == 0)
		thread_number = 1 + atomic_fetch_add_explicit(&threads_numbered, 1, memory_order_relaxed);
	for (i = 0; i < STRIPES_TRIED; i++) {
		uint16_t place = take_place(o, (thread_number + i) & o->mask, begin, end);

		if (place != 0)
			return place;
	}
	atomic_fetch_add(&o->more_entered, 1);
	return 0;
}

void ob__open_views_count(struct open_views *o, uint16_t place)
{
	struct place *p;
	uint64_t n;

	if (place == 0) {
		atomic_fetch_add_explicit(&o->more_opened, 1, memory_order_relaxed);
		return;
	}
	p = find(o, place);
	/* No read-modify-write: the place is this View's. */
	n = atomic_load_explicit(&p->opened, memory_order_relaxed);
	atomic_store_explicit(&p->opened, n + 1, memory_order_relaxed);
}

void ob__open_views_leave(struct open_views *o, uint16_t place)
{
	if (place == 0)
		atomic_fetch_add_explicit(&o->more_left, 1, memory_order_release);
	else
		atomic_store_explicit(&find(o, place)->taken, 0, memory_order_release);
}

/* All places, one after the other. */
static unsigned count_places(const struct open_views *o)
{
	return (o->mask + 1) * PLACES;
}

static const struct place *nth(const struct open_views *o, unsigned index)
{
	return &o->stripes[index / PLACES].places[index % PLACES];
}

/* How many of them are open, by loads of this order. Not all are counted if there are more than `most`. */
static uint64_t count(const struct open_views *o, uint64_t most, memory_order order)
{
	unsigned stripe, i;
	uint64_t n = 0;

	for (stripe = 0; stripe <= o->mask && n < most; stripe++) {
		const struct place *p = o->stripes[stripe].places;

		for (i = 0; i < PLACES; i++, p++)
			n += atomic_load_explicit(&p->taken, order) != 0;
	}
	/* Those that left first: a View that comes and goes between the two loads must not count as gone alone. */
	if (n < most) {
		uint64_t left = atomic_load_explicit(&o->more_left, order);

		n += atomic_load_explicit(&o->more_entered, order) - left;
	}
	return n;
}

int ob__open_views_any(const struct open_views *o)
{
	return count(o, 1, memory_order_seq_cst) != 0;
}

int ob__open_views_several(const struct open_views *o)
{
	return count(o, 2, memory_order_relaxed) > 1;
}

uint64_t ob__open_views_total(const struct open_views *o)
{
	unsigned i;
	uint64_t n = atomic_load_explicit(&o->more_opened, memory_order_relaxed);

	for (i = 0; i < count_places(o); i++)
		n += atomic_load_explicit(&nth(o, i)->opened, memory_order_relaxed);
	return n;
}

/* Insert it among the `known` ones, by offset; the last falls out if there are `size` already. */
static void insert(struct range *ranges, size_t size, size_t *known, struct range range)
{
	size_t i;

	if (*known < size)
		++*known;
	else if (size == 0 || ranges[size - 1].offset <= range.offset)
		return;
	for (i = *known - 1; i > 0 && ranges[i - 1].offset > range.offset; i--)
		ranges[i] = ranges[i - 1];
	ranges[i] = range;
}

uint64_t ob__open_views_list(const struct open_views *o, struct range *ranges, size_t size, size_t *known)
{
	unsigned i;
	/* In this order, as above. */
	uint64_t left = atomic_load(&o->more_left), n = atomic_load(&o->more_entered) - left;

	*known = 0;
	for (i = 0; i < count_places(o); i++) {
		const struct place *p = nth(o, i);
		uint64_t taken = atomic_load(&p->taken), begin = taken - 1;
		uint64_t end = atomic_load_explicit(&p->end, memory_order_relaxed);

		if (taken == 0)
			continue;
		n++;
		/* If the end is not stored yet, it may be another View's. */
		insert(ranges, size, known, (struct range){ begin, end < begin ? 0 : end - begin });
	}
	return n;
}
