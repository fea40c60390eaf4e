/* SPDX-License-Identifier: MIT */
/*
 * Calls for memory. What is mapped is counted here and not in /proc/self/maps, where malloc's and the
 * sanitizers' own mappings come and go: there must be none when an output is closed.
 */
#include "config.h"

#include "inject/inject.h"
#include "inject/inject_plan.h"

#ifdef HAVE_VM

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

#include "system/unix/sys_vm.h"

static struct sys_vm_table real;

/* Ranges that are mapped, or would be, had munmap not been made to fail. */
static struct range_of_memory {
	uintptr_t from, to; /* from == to: unused */
	int kept;           /* its munmap has failed */
} ranges[64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards them */
static int lost; /* more than fit: a leak for certain */

static void add(uintptr_t from, uintptr_t to, int kept)
{
	size_t i = 0;

	while (i < 64 && ranges[i].from != ranges[i].to)
		i++;
	if (i < 64)
		ranges[i] = (struct range_of_memory){ from, to, kept };
	else
		lost++;
}

/* [from, to) is unmapped, mapped anew, or kept though it should be unmapped. */
static void cut(uintptr_t from, uintptr_t to, int kept)
{
	size_t i;

	for (i = 0; i < 64; i++) {
		struct range_of_memory r = ranges[i];

		if (r.from >= to || r.to <= from)
			continue;
		ranges[i].to = ranges[i].from;
		if (r.from < from)
			add(r.from, from, r.kept);
		if (r.to > to)
			add(to, r.to, r.kept);
	}
	if (kept)
		add(from, to, 1);
}

static void *i_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	enum act act = next_act(flags & MAP_ANONYMOUS ? KIND_mmap_room : KIND_mmap_file);
	void *got = act == ACT_FAIL ? MAP_FAILED : real.mmap(at, n, prot, flags, fd, offset);

	if (act == ACT_DIE)
		die();
	if (got != MAP_FAILED) {
		pthread_mutex_lock(&lock);
		cut((uintptr_t)got, (uintptr_t)got + n, 0);
		add((uintptr_t)got, (uintptr_t)got + n, 0);
		pthread_mutex_unlock(&lock);
	}
	return got;
}

static int i_munmap(void *at, size_t n)
{
	enum act act = next_act(KIND_munmap);
	int r = -1;

	/* First the book, then the kernel: another thread may be given the range at once. */
	if (n > 0) {
		pthread_mutex_lock(&lock);
		cut((uintptr_t)at, (uintptr_t)at + n, act == ACT_FAIL);
		pthread_mutex_unlock(&lock);
	}
	if (act != ACT_FAIL)
		r = real.munmap(at, n);
	if (act == ACT_DIE)
		die();
	return r;
}

static int i_msync(void *at, size_t n, int flags)
{
	enum act act = next_act(n <= ob__sys_page_size() ? KIND_msync_trial : KIND_msync);
	int r = act == ACT_FAIL ? -1 : real.msync(at, n, flags);

	if (act == ACT_DIE)
		die();
	return r;
}

#define CALL(kind, name, failed, params, args)                     \
	static int i_##name params                                \
	{                                                         \
		enum act act = next_act(kind);                    \
		int r = act == ACT_FAIL ? failed : real.name args; \
		if (act == ACT_DIE)                               \
			die();                                    \
		return r;                                         \
	}
#define SIMPLE(name, failed, params, args) CALL(KIND_##name, name, failed, params, args)

SIMPLE(mprotect, -1, (void *at, size_t n, int prot), (at, n, prot))
SIMPLE(posix_madvise, errno, (void *at, size_t n, int advice), (at, n, advice))

static const int advices[] = {
	[SYS_POPULATE] = KIND_populate, [SYS_DONT_NEED] = KIND_dont_need, [SYS_HUGE] = KIND_huge,
};
CALL(advices[advice], advise, -1, (void *at, size_t n, enum sys_advice advice), (at, n, advice))
SIMPLE(mincore, -1, (void *at, size_t n, unsigned char *pages), (at, n, pages))

int vm_install(void)
{
	real = ob__sys_vm_table;
	ob__sys_vm_table.mmap = i_mmap;
	ob__sys_vm_table.munmap = i_munmap;
	ob__sys_vm_table.msync = i_msync;
	ob__sys_vm_table.mprotect = i_mprotect;
	ob__sys_vm_table.posix_madvise = i_posix_madvise;
	ob__sys_vm_table.advise = i_advise;
	ob__sys_vm_table.mincore = i_mincore;
	return left_as_it_was(&ob__sys_vm_table, &real, sizeof real) ? -1 : 0;
}

void vm_remove(void)
{
	ob__sys_vm_table = real;
}

unsigned inject_mappings(void)
{
	unsigned n = (unsigned)lost;
	size_t i;

	lost = 0;
	for (i = 0; i < 64; i++) {
		if (ranges[i].from == ranges[i].to)
			continue;
		n += !ranges[i].kept;
		munmap((void *)ranges[i].from, ranges[i].to - ranges[i].from);
		ranges[i].to = ranges[i].from;
	}
	return n;
}

#else

int vm_install(void) { return 0; }
void vm_remove(void) {}
unsigned inject_mappings(void) { return 0; }

#endif
