/* SPDX-License-Identifier: MIT */
/* What the parts of inject.h share; tests see that alone. */
#ifndef TESTS_INJECT_PLAN_H
#define TESTS_INJECT_PLAN_H

#include <stddef.h>

#include "inject/inject_kinds.h"

#define INJECT_NAME(name, function, hard, soft, partial) KIND_##name,
enum inject_kind { INJECT_KINDS(INJECT_NAME, , ) INJECT_N_KINDS };

enum act {
	ACT_GO,
	ACT_FAIL, /* errno is set */
	ACT_PART, /* half of what was asked for */
	ACT_DIE   /* once it is done */
};

/* Count a call: what is to become of it? Any thread. */
enum act next_act(enum inject_kind kind);
_Noreturn void die(void);

/* Nothing was written so far. */
void files_forget(void);

/* Is one of the functions in two tables of `size` bytes the same? */
int left_as_it_was(const void *now, const void *before, size_t size);

/* 0, or -1 if one is. Nothing to do where there is no such table. */
int vm_install(void);
void vm_remove(void);
int uring_install(void);
void uring_remove(void);

#endif
