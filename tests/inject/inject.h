/* SPDX-License-Identifier: MIT */
/*
 * Any system call of the library fails, does a part, or is the process's last.
 *
 * While installed, every function in the library's tables of calls (sys.h, sys_vm.h, sys_uring.h) is one
 * of ours: it counts, on any thread, and at the call that the plan names does what the plan says. A
 * function that is added to a table and not here is found by inject_install().
 *
 * How this differs from faults.h: there a test brings its own replacement of one function, which can lie
 * in ways that this cannot (a mapping that loses bytes), and counts its calls alone. Here nobody chooses the
 * functions: it is all of them, so that the n-th call can be any.
 */
#ifndef TESTS_INJECT_H
#define TESTS_INJECT_H

#include <stddef.h>

enum inject_what {
	INJECT_NOTHING,      /* only count */
	INJECT_ONCE,         /* call `at` fails */
	INJECT_FROM_THEN_ON, /* call `at` and all later ones of that function */
	INJECT_PART,         /* call `at` does half of what it should, and says so */
	INJECT_INTERRUPT,    /* half, and the next call of that function is interrupted */
	INJECT_DIE_BEFORE,   /* the process is killed, with all its threads and mappings, by SIGKILL */
	INJECT_DIE_AFTER
};

struct inject_plan {
	unsigned at; /* which call, counted from 1 */
	enum inject_what what;
	unsigned which; /* of the errnos that this call may return (inject_kinds.h), counted from 0 */
};

/* What has happened. */
struct inject_report {
	const char *kind; /* of call `at`; NULL if it did not come to that call, or nothing was done there */
	int reached;      /* it did */
	int error;        /* the errno; 0: none, for a part or an interruption */
	int hard;         /* it must be reported */
	int again;        /* from then on would be more than once: there were calls that could fail likewise */
	int phase;        /* what inject_phase() had said last */
};

/*
 * Put our functions into the tables, or take them out. Not while other threads run. Returns NULL, or
 * the name of a table of which an entry was left as it is.
 */
const char *inject_install(void);
void inject_remove(void);

/* Forget all, and count from 0. Not while other threads run. */
void inject_arm(const struct inject_plan *plan);
struct inject_report inject_report(void);

/* From now on O_TMPFILE is not supported, which counts as no call; or it is again. */
void inject_nameless(int works);

/* Where the scenario is. */
enum { AT_OPEN, AT_MAP, AT_WRITE, AT_END, AT_CLOSE };
void inject_phase(int phase);

/* The kinds of calls (inject_kinds.h) that were never made, one by one; how many they are. */
unsigned inject_unreached(void (*tell)(const char *kind));

/*
 * Ranges that the library has mapped and not unmapped. Where munmap failed by the plan the kernel would
 * have kept the range: those are unmapped now, and not counted.
 */
unsigned inject_mappings(void);

#endif
