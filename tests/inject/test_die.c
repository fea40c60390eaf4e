/* SPDX-License-Identifier: MIT */
/*
 * Die at every call.
 *
 * A process that writes an output is killed before and after each of its system calls, with threads,
 * mappings and all, in every way an output can be written (ways.h). Whoever looks then finds the old file
 * complete, or the new one; in place anything, as is said there. At most one hidden file is left
 * (outbuf.h, Caveats; with a lock, its file too). The next run finds its way, and cleans up.
 *
 * Death is SIGKILL: nothing of ours runs any more, and the kernel keeps what reached it. What a power
 * failure would leave of that is another question, which outbuf_sync() answers.
 */
#include "config.h"

#include "inject/ways.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "inject/inject.h"

struct attempt {
	const struct way *way;
	const char *path;
	struct inject_plan plan;
};

/* In the child: its exit status is the errno. */
static int attempt(void *arg)
{
	const struct attempt *a = arg;

	inject_arm(&a->plan);
	return -way_run(a->way, a->path, CONTENT_1);
}

#define KILLED (128 + SIGKILL)

static unsigned bad;

/* Say what is wrong; go on, since the next stop may tell more. */
static void expect(int holds, const struct attempt *a, const char *what, int found)
{
	if (holds)
		return;
	if (bad++ < 20)
		print_message("%s, %s call %u: %s (%d)\n", a->way->name,
		              a->plan.what == INJECT_DIE_BEFORE ? "before" : "after", a->plan.at, what,
		              found);
}

/*
 * A ring that was killed with requests in flight goes a moment after its process, and has the file
 * until then, and with it the lock. (A run in that moment takes the file for another's, and leaves
 * it to the run after.)
 */
static void wait_for_locks(const struct sandbox *s)
{
	struct timespec pause = { .tv_nsec = 1000000 };
	struct dirent *entry;
	DIR *d = opendir(s->dir);

	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		int fd, tries = 0;

		if (strncmp(entry->d_name, ".out.", 5) != 0)
			continue;
		fd = openat(dirfd(d), entry->d_name, O_RDONLY | O_CLOEXEC);
		while (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK && tries++ < 3000)
			nanosleep(&pause, NULL);
		close(fd);
	}
	closedir(d);
}

/*
 * The next run is this process's: it has nothing of the dead one's, and a fork more is half the
 * time. It must leave no more than there is when nobody died.
 */
static void check_after_death(const struct sandbox *s, const struct attempt *a)
{
	unsigned flags = a->way->mode->flags, spare = flags & MODE_SPARE ? 1 : 0;
	int before = a->way->old ? OLD_CONTENT : NOTHING_THERE;
	struct found left = look_around(s), then;
	int there = what_stands_at(s->path), r;

	if (!(flags & MODE_IN_PLACE))
		expect(there == before || (there == CONTENT_1 && !(flags & MODE_DISCARD)), a,
		       "neither the old file nor the new", there);
	expect(left.hidden <= a->way->mode->litter && left.others == 0, a, "litter",
	       (int)(left.hidden + left.others));
	wait_for_locks(s);
	inject_arm(&(struct inject_plan){ .at = 0 });
	r = way_run(a->way, s->path, CONTENT_2);
	expect(r == 0, a, "the next run fails", r);
	r = what_stands_at(s->path);
	expect(r == (flags & MODE_DISCARD ? there : CONTENT_2), a, "not what the next run wrote", r);
	then = look_around(s);
	expect(then.hidden <= spare && then.others == 0, a, "litter after the next run",
	       (int)(then.hidden + then.others));
}

/* One stop. 1, or 0 if it did not come to that call. */
static int stop(const struct sandbox *s, struct attempt *a)
{
	int r;

	way_prepare(a->way, s);
	r = in_child(0, attempt, a);
	if (r == KILLED) {
		check_after_death(s, a);
		return 1;
	}
	expect(r == 0, a, "the run that nobody stops fails", r);
	return 0;
}

/*
 * How many calls there are may differ by a few from run to run (what io_uring asks the kernel): it is over
 * when there were none at several numbers.
 */
static unsigned stop_everywhere(const struct sandbox *s, const struct way *way, unsigned first,
                                unsigned step)
{
	struct attempt a = { .way = way, .path = s->path };
	unsigned stops = 0, at, missed = 0;

	for (at = first; missed < (step > 1 ? 1 : 3); at += step) {
		unsigned before = stops;

		a.plan = (struct inject_plan){ .at = at, .what = INJECT_DIE_BEFORE };
		stops += (unsigned)stop(s, &a);
		a.plan.what = INJECT_DIE_AFTER;
		stops += (unsigned)stop(s, &a);
		missed = stops == before ? missed + 1 : 0;
	}
	return stops;
}

static void test_die_at_every_call(void **state)
{
	struct sandbox *s = *state;
	unsigned step = (unsigned)one_in(), all = 0, i;
	struct way way;
	int r;

	for (i = 0; (r = way_get(&way, i)) >= 0; i++) {
		unsigned stops = r > 0 ? 0 : stop_everywhere(s, &way, 1 + i % step, step);

		if (r == 0)
			print_message("%s: %u stops\n", way.name, stops);
		assert_true(r > 0 || stops > 0 || step > 1);
		all += stops;
	}
	print_message("%u stops in all, at every call (1 of %u)\n", all, step);
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { sandbox_test(test_die_at_every_call) };
	const char *forgotten = inject_install();

	if (forgotten != NULL) {
		print_message("Bail out! a function of %s is not in tests/inject.c\n", forgotten);
		return 1;
	}
	return cmocka_run_group_tests_name("die", tests, NULL, NULL);
}
