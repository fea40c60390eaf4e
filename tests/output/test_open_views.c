/* SPDX-License-Identifier: MIT */
/*
 * The table of open Views, against a list: random steps on one thread, and on threads that end each other's Views. A
 * failure names the seed; OUTBUF_TEST_SEED=N begins with it.
 */
#include "config.h"

#include "output/open_views.h"
#include "support/support.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#define MOST 40
#define STEPS 20000
#define LISTED 7

struct entered {
	uint64_t begin, end;
	uint16_t place;
};

static int is_among(const struct entered *views, unsigned n, struct range r)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (views[i].begin == r.offset && views[i].end == range_end(r))
			return 1;
	}
	return 0;
}

/* The list is of Views that are open, in order, and as long as it can be. Those without a place are not in it. */
static int check_list(const struct open_views *o, const struct entered *views, unsigned n)
{
	struct range ranges[LISTED];
	unsigned i, placed = 0;
	size_t known, k;

	if (ob__open_views_list(o, ranges, LISTED, &known) != n)
		return 1;
	for (i = 0; i < n; i++)
		placed += views[i].place != 0;
	if (known != (placed < LISTED ? placed : LISTED))
		return 2;
	for (k = 0; k < known; k++) {
		if (!is_among(views, n, ranges[k]))
			return 3;
		if (k > 0 && ranges[k - 1].offset > ranges[k].offset)
			return 4;
	}
	/* None that has a place and begins before the last is left out. */
	for (i = 0; known == LISTED && i < n; i++) {
		if (views[i].place != 0 && views[i].begin < ranges[LISTED - 1].offset) {
			for (k = 0; k < known && ranges[k].offset != views[i].begin; k++)
				continue;
			if (k == known)
				return 5;
		}
	}
	return 0;
}

static int check_all(const struct open_views *o, const struct entered *views, unsigned n, uint64_t total)
{
	if (ob__open_views_any(o) != (n > 0))
		return 6;
	if (ob__open_views_several(o) != (n > 1))
		return 7;
	if (ob__open_views_total(o) != total)
		return 8;
	return check_list(o, views, n);
}

static void test_model(void **state)
{
	uint64_t seed = env_number("OUTBUF_TEST_SEED", 1), total = 0;
	struct entered views[MOST];
	unsigned n = 0, step, most = 3;
	struct open_views o;

	(void)state;
	memset(&o, 0, sizeof o);
	assert_int_equal(ob__open_views_init(&o), 0);
	for (step = 0; step < STEPS; step++) {
		int r;

		/* Few for a while, then many, so that the stripe is full and empty again and again. */
		if (step % 100 == 0)
			most = 1 + (unsigned)random_below(&seed, MOST);
		if (n < most && random_below(&seed, 2) == 0) {
			struct entered *v = &views[n++];

			v->begin = random_below(&seed, 50);
			v->end = v->begin + random_below(&seed, 9);
			if (random_below(&seed, 10) == 0)
				v->end = UINT64_MAX;
			if (random_below(&seed, 20) == 0)
				v->begin = UINT64_MAX - 1 - random_below(&seed, 3), v->end = UINT64_MAX;
			v->place = ob__open_views_enter(&o, v->begin, v->end);
			/* Those that come when no more than 20 are open are always known. */
			assert_true(n > 20 || v->place != 0);
			if (random_below(&seed, 4) != 0) {
				ob__open_views_count(&o, v->place);
				total++;
			}
		} else if (n > 0) {
			unsigned i = (unsigned)random_below(&seed, n);

			ob__open_views_leave(&o, views[i].place);
			views[i] = views[--n];
		}
		r = check_all(&o, views, n, total);
		if (r != 0)
			fail_msg("seed %lu, step %u: %d", env_number("OUTBUF_TEST_SEED", 1), step, r);
	}
	ob__open_views_destroy(&o);
}

/* --------------------------------------------------------------------------- threads */

#define THREADS 12
#define ROUNDS 1000
#define HELD 3

struct shared {
	struct open_views o;
	pthread_mutex_t lock;
	struct entered passed[THREADS * HELD]; /* which any thread ends */
	unsigned n;
};

static int work(void *arg, unsigned number)
{
	struct shared *s = arg;
	unsigned i, k;
	int r = 0;

	for (i = 0; i < ROUNDS; i++) {
		struct entered views[HELD];

		for (k = 0; k < HELD; k++) {
			views[k] = (struct entered){ .begin = number * 100 + k, .end = number * 100 + k + 1 };
			views[k].place = ob__open_views_enter(&s->o, views[k].begin, views[k].end);
			ob__open_views_count(&s->o, views[k].place);
		}
		if (!ob__open_views_any(&s->o) || !ob__open_views_several(&s->o))
			r = 1;
		/* One is left to others, and one of theirs ended. */
		pthread_mutex_lock(&s->lock);
		s->passed[s->n++] = views[0];
		if (s->n > THREADS) {
			views[0] = s->passed[i % s->n];
			s->passed[i % s->n] = s->passed[s->n - 1];
			s->n--;
		} else {
			views[0].begin = UINT64_MAX;
		}
		pthread_mutex_unlock(&s->lock);
		for (k = 0; k < HELD; k++) {
			if (views[k].begin != UINT64_MAX)
				ob__open_views_leave(&s->o, views[k].place);
		}
	}
	return r;
}

static void test_threads(void **state)
{
	static struct shared s;

	(void)state;
	assert_int_equal(ob__open_views_init(&s.o), 0);
	pthread_mutex_init(&s.lock, NULL);
	assert_int_equal(run_threads(THREADS, work, &s), 0);
	assert_int_equal(check_all(&s.o, s.passed, s.n, (uint64_t)THREADS * ROUNDS * HELD), 0);
	assert_int_equal(s.n, THREADS);
	while (s.n > 0)
		ob__open_views_leave(&s.o, s.passed[--s.n].place);
	assert_int_equal(check_all(&s.o, s.passed, 0, (uint64_t)THREADS * ROUNDS * HELD), 0);
	pthread_mutex_destroy(&s.lock);
	ob__open_views_destroy(&s.o);
}

/* ------------------------------------------------------ the owner and one thread, without a lock */

struct pair {
	struct open_views o;
	_Atomic int closed;  /* the owner's word: no more */
	_Atomic int turn;    /* the round that has begun */
	_Atomic int done;    /* the round that the thread is through with */
	int rounds;
	uint64_t written; /* by the thread; read by the owner when no View is open */
};

static void *enter_and_leave(void *arg)
{
	struct pair *p = arg;
	int i;

	for (i = 1; i <= p->rounds; i++) {
		uint16_t place;

		while (atomic_load(&p->turn) < i)
			sched_yield();
		place = ob__open_views_enter(&p->o, 0, 10);
		if (!atomic_load(&p->closed)) {
			p->written++;
			ob__open_views_leave(&p->o, place);
		} else {
			ob__open_views_leave(&p->o, place);
		}
		atomic_store_explicit(&p->done, i, memory_order_relaxed);
	}
	return NULL;
}

/*
 * What the library's own use of it relies on: if the owner says "closed" and then finds no View open, none opens, and
 * all that was written can be read. `done` is relaxed, so only the table makes `written` visible.
 */
static void test_owner(void **state)
{
	static struct pair p;
	uint64_t wrong = 0;
	pthread_t thread;
	int i, spin;

	(void)state;
	p.rounds = (int)(20000 / one_in());
	assert_int_equal(ob__open_views_init(&p.o), 0);
	assert_int_equal(pthread_create(&thread, NULL, enter_and_leave, &p), 0);
	for (i = 1; i <= p.rounds; i++) {
		uint64_t before, after;

		atomic_store(&p.closed, 0);
		atomic_store(&p.turn, i);
		/* Sometimes at once, mostly while the thread is at it, sometimes after it. */
		for (spin = 0; spin < i % 512; spin++)
			atomic_load_explicit(&p.done, memory_order_relaxed);
		while (i % 16 == 0 && atomic_load_explicit(&p.done, memory_order_relaxed) < i)
			sched_yield();
		atomic_store(&p.closed, 1);
		while (ob__open_views_any(&p.o))
			continue;
		before = p.written;
		while (atomic_load_explicit(&p.done, memory_order_relaxed) < i)
			sched_yield();
		while (ob__open_views_any(&p.o))
			continue;
		after = p.written;
		wrong += before != after;
	}
	pthread_join(thread, NULL);
	assert_int_equal(wrong, 0);
	assert_true(p.written >= (uint64_t)p.rounds / 16);
	ob__open_views_destroy(&p.o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
