/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "faults.h"

#include <errno.h>
#include <stdatomic.h>

#include "support.h"
#include "sys.h"
#ifdef HAVE_VM
#include "sys_vm.h"

static struct sys_vm_table real_vm;
#endif

static struct sys_table real;

static struct {
	_Atomic int calls;   /* any thread */
	int from, error, once; /* constant while threads run */
} plan;

int call_fails(void)
{
	int call = atomic_fetch_add(&plan.calls, 1) + 1;

	if (plan.error == 0 || call < plan.from || (plan.once && call > plan.from))
		return 0;
	errno = plan.error;
	return 1;
}

void arm(int from, int error, int once)
{
	atomic_store(&plan.calls, 0);
	plan.from = from;
	plan.error = error;
	plan.once = once;
}

int calls_made(void)
{
	return atomic_load(&plan.calls);
}

int faults_begin(void **state)
{
	real = sys_table;
#ifdef HAVE_VM
	real_vm = sys_vm_table;
#endif
	arm(0, 0, 0);
	return sandbox_make(state);
}

int faults_end(void **state)
{
	sys_table = real;
#ifdef HAVE_VM
	sys_vm_table = real_vm;
#endif
	return sandbox_remove(state);
}
