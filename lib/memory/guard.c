/* SPDX-License-Identifier: MIT */
/*
 * A full disk is an error message.
 *
 * A store into a mapping for which the disk has no block, or whose page cannot be read, raises SIGBUS.
 * Blocks are reserved before a file is mapped, but not all file systems can, some call success what is
 * none (ZFS, copy on write), and another process may truncate the file. Users of other linkers meet a
 * "bus error" then, look at `df` when everything is free again, and take days (llvm#98988, #123567,
 * #167785, golang/go#37310).
 *
 * The handler asks whose address it is. If it is in one of our mappings it asks the kernel for the
 * reason, by reserving the block that was missing: fallocate(2) says ENOSPC, EDQUOT, EIO; or it works,
 * as somebody made room in this moment: then the store is simply tried again. The reason becomes the output's
 * error, so commit will fail with it, and nothing that is stored from now on matters; but the thread must
 * go on until its caller notices. So the whole output is mapped again, privately: what was stored
 * can still be read, and stores go to memory. One signal is enough for that. If even that faults
 * (tmpfs, which wants a page to show a hole; a truncated file; a bad disk) memory takes the place of the part
 * from the fault on, larger at each fault: 1 MiB, 2, 4, ... 15,872 pages that a truncated file has lost are
 * 7 faults, 1,536 that a full tmpfs cannot hold 4, and 1 or 2 on ext4, xfs and btrfs.
 *
 * If the address is not ours, the action that was there before is taken.
 *
 * Slots are never freed, only reused, so that the handler can walk their list without a lock. A slot's
 * numbers may change while it is looked at, but not those of the slot that has the address: its
 * mapping is there as long as somebody faults in it. Others are told by a version that is odd during a change.
 *
 * Everything here that the handler calls is a system call, or lock-free.
 */
#include "config.h"

#include "memory/guard.h"

#include <errno.h>

#ifdef HAVE_VM

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "memory/round.h"
#include "system/unix/sys_unix.h"
#include "system/unix/sys_vm.h"

/*
 * Faults of an output that went away by themselves, before it is called a full disk: several threads may
 * meet one moment's shortage. Not of one page: two threads that fault in turns on a disk of 32 MiB had
 * 9,379 of them, each time another's.
 */
#define RETRIES 64

#define PART_MIN ((uint64_t)1 << 20)
#define PART_MAX ((uint64_t)1 << 30)

enum {
	SHARED,    /* as it was mapped */
	SWITCHING, /* a thread is mapping it privately */
	PRIVATE,   /* stores go to memory; what still faults is replaced part by part */
};

struct guard_slot {
	struct guard_slot *next; /* constant once in the list */
	_Atomic unsigned version; /* odd while `from` and `to` are written, under `lock` */
	_Atomic uintptr_t from, to;
	/* Written while `from` and `to` are 0 and the slot is nobody's. */
	_Atomic int fd;
	_Atomic(_Atomic int *) error;
	_Atomic(_Atomic uint64_t *) faults;
	/* By the handler, on any thread. */
	_Atomic int state;
	_Atomic int retries;
	_Atomic uint64_t part; /* bytes that the next fault replaces, if it is private and faults even so */
	int used; /* under `lock` */
};

/* Written under `lock`; the handler walks the list. */
static _Atomic(struct guard_slot *) slots;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned guards; /* under `lock`: in use */
static int installed;   /* under `lock` */
/*
 * Under `lock`, by install(), the handler reads what `previous` points to. Two, as our handler may still be
 * running, on a thread that met a fault of somebody else's, when it is installed anew.
 */
static struct sigaction actions[2];
static _Atomic(const struct sigaction *) previous = &actions[0];

/* ------------------------------------------------------------------- the handler */

/* Why did the store at this offset fail? 0: it would not any more. */
static int reason(struct guard_slot *s, uint64_t offset)
{
	uint64_t page = ob__sys_page_size();
	struct stat st;
	int r = ob__sys_fstat(atomic_load(&s->fd), &st);

	if (r < 0)
		return r;
	/* Another process has truncated the file, and nobody can say what it has now. */
	if (offset >= round_up((uint64_t)st.st_size, page))
		return -EIO;
	r = ob__sys_fallocate(atomic_load(&s->fd), round_down(offset, page), page);
	switch (r) {
	case 0:
		return atomic_fetch_add(&s->retries, 1) < RETRIES ? 0 : -ENOSPC;
	case -ENOSPC:
	case -EDQUOT:
	case -EIO:
	case -EFBIG:
		return r;
	default:
		/* It does not reserve. Of what stores fail by, a full disk is nearly all. */
		return -ENOSPC;
	}
}

static int map_over(uintptr_t from, uintptr_t to, int flags, int fd, uint64_t offset)
{
	void *got;

	/* Not charged: nobody will want most of it. */
	return ob__sys_mmap((void *)from, to - from, PROT_READ | PROT_WRITE,
	                MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | flags, fd, offset, &got);
}

/* Memory in the place of what faults even now. */
static int replace_part(struct guard_slot *s, uintptr_t page_at, uintptr_t to)
{
	uint64_t part = atomic_load(&s->part);

	/* Another thread may have done it in the meantime. */
	if (ob__sys_advise((void *)page_at, ob__sys_page_size(), SYS_POPULATE) == 0)
		return 0;
	atomic_store(&s->part, part < PART_MAX ? part * 2 : part);
	if (to - page_at > part)
		to = page_at + (uintptr_t)part;
	return map_over(page_at, to, MAP_ANONYMOUS, -1, 0);
}

/* 1: the thread may go on. */
static int mend(struct guard_slot *s, uintptr_t from, uintptr_t to, uintptr_t at)
{
	uintptr_t page_at = at - at % ob__sys_page_size();
	_Atomic int *error = atomic_load(&s->error);
	int shared = SHARED, none = 0, r;

	atomic_fetch_add(atomic_load(&s->faults), 1);
	if (atomic_load(&s->state) == PRIVATE)
		return replace_part(s, page_at, to) == 0;
	if (atomic_load(&s->state) == SHARED) {
		r = reason(s, at - from);
		if (r == 0)
			return 1;
		/* First the reason: who goes on must find it. */
		atomic_compare_exchange_strong(error, &none, r);
	}
	if (!atomic_compare_exchange_strong(&s->state, &shared, SWITCHING)) {
		/* Somebody else is at it. Then the store faults once more, or not. */
		while (atomic_load(&s->state) == SWITCHING)
			ob__sys_pause();
		return 1;
	}
	r = map_over(from, to, 0, atomic_load(&s->fd), 0);
	atomic_store(&s->state, PRIVATE);
	return r == 0 ? 1 : replace_part(s, page_at, to) == 0;
}

static struct guard_slot *slot_of(uintptr_t at, uintptr_t *from, uintptr_t *to)
{
	struct guard_slot *s;

	for (s = atomic_load(&slots); s != NULL; s = s->next) {
		unsigned version = atomic_load(&s->version);

		*from = atomic_load(&s->from);
		*to = atomic_load(&s->to);
		if (at >= *from && at < *to && version % 2 == 0 && atomic_load(&s->version) == version)
			return s;
	}
	return NULL;
}

/* Was it sent, or told of memory that nobody touched? Then it will not come again by itself. */
static int comes_once(const siginfo_t *info)
{
#ifdef BUS_MCEERR_AO
	if (info->si_code == BUS_MCEERR_AO)
		return 1;
#endif
	return info->si_code <= 0;
}

/* What would have happened without us. */
static void pass_on(int signal, siginfo_t *info, void *context)
{
	const struct sigaction *before = atomic_load(&previous);

	if (before->sa_flags & SA_SIGINFO) {
		before->sa_sigaction(signal, info, context);
	} else if (before->sa_handler == SIG_DFL ||
	           (before->sa_handler == SIG_IGN && !comes_once(info))) {
		/*
		 * The store faults again, now without us. A fault that is ignored kills too.
		 */
		struct sigaction dead = { .sa_handler = SIG_DFL };

		ob__sys_sigaction(signal, &dead, NULL);
		if (comes_once(info))
			raise(signal);
	} else if (before->sa_handler != SIG_IGN) {
		before->sa_handler(signal);
	}
}

static void on_bus_error(int signal, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr, from, to;
	int saved = errno;
	/* Not what another process sends, and not memory that has gone bad. */
	struct guard_slot *s = info->si_code == BUS_ADRERR ? slot_of(at, &from, &to) : NULL;

	if (s == NULL || !mend(s, from, to, at))
		pass_on(signal, info, context);
	errno = saved;
}

/* ------------------------------------------------------------ coming and going */

/* Both under `lock`. */

static int is_ours(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_bus_error;
}

/* Has the process no handler at all? Then ours, should it still be there, is called by nobody. */
static int is_nobodys(const struct sigaction *action)
{
	return !(action->sa_flags & SA_SIGINFO) &&
	       (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN);
}

static int install(void)
{
	struct sigaction ours = { .sa_sigaction = on_bus_error }, now;
	struct sigaction *theirs = atomic_load(&previous) == &actions[0] ? &actions[1] : &actions[0];
	int r = ob__sys_sigaction(SIGBUS, NULL, &now);

	if (r < 0)
		return r;
	/* It could not be removed, and is still there: itself, or behind somebody else's. */
	if (is_ours(&now) || (installed && !is_nobodys(&now))) {
		installed = 1;
		return 0;
	}
	*theirs = now;
	atomic_store(&previous, theirs);
	/* As the other wants it: it may be its turn. */
	ours.sa_mask = theirs->sa_mask;
	ours.sa_flags = SA_SIGINFO | (theirs->sa_flags & SA_RESTART) | SA_ONSTACK;
	r = ob__sys_sigaction(SIGBUS, &ours, &now);
	if (r < 0)
		return r;
	/* Not while a handler may be reading it, unless somebody came between. */
	if (now.sa_sigaction != theirs->sa_sigaction || now.sa_flags != theirs->sa_flags)
		*theirs = now;
	installed = 1;
	return 0;
}

static void uninstall(void)
{
	struct sigaction now;

	/* Somebody has come after us and may call us: then it stays, and passes everything on. */
	if (ob__sys_sigaction(SIGBUS, NULL, &now) < 0 || !is_ours(&now))
		return;
	if (ob__sys_sigaction(SIGBUS, atomic_load(&previous), NULL) == 0)
		installed = 0;
}

static struct guard_slot *new_slot(void)
{
	struct guard_slot *s = atomic_load(&slots);

	while (s != NULL && s->used)
		s = s->next;
	if (s == NULL) {
		s = calloc(1, sizeof *s);
		if (s == NULL)
			return NULL;
		s->next = atomic_load(&slots);
		atomic_store(&slots, s);
	}
	s->used = 1;
	return s;
}

static void set_range(struct guard_slot *s, uintptr_t from, uintptr_t to)
{
	atomic_fetch_add(&s->version, 1);
	atomic_store(&s->from, from);
	atomic_store(&s->to, to);
	atomic_fetch_add(&s->version, 1);
}

static int begin(struct guard *g, uintptr_t from, uintptr_t to, int fd, _Atomic int *error,
                 _Atomic uint64_t *faults)
{
	int r = guards == 0 ? install() : 0;

	if (r < 0)
		return r;
	g->slot = new_slot();
	if (g->slot == NULL) {
		if (guards == 0)
			uninstall();
		return -ENOMEM;
	}
	guards++;
	atomic_store(&g->slot->fd, fd);
	atomic_store(&g->slot->error, error);
	atomic_store(&g->slot->faults, faults);
	atomic_store(&g->slot->state, SHARED);
	atomic_store(&g->slot->retries, 0);
	atomic_store(&g->slot->part, PART_MIN);
	set_range(g->slot, from, to);
	return 0;
}

int ob__guard_begin(struct guard *g, void *base, uint64_t size, int fd, _Atomic int *error,
                _Atomic uint64_t *faults)
{
	uintptr_t from = (uintptr_t)base, to = from + (uintptr_t)size;
	int copy, r = 0;

	if (g->slot != NULL) {
		pthread_mutex_lock(&lock);
		set_range(g->slot, from, to);
		pthread_mutex_unlock(&lock);
		return 0;
	}
	/* Of our own: the output's may be closed while threads still store (discard). */
	copy = ob__sys_dup(fd);
	if (copy < 0)
		return copy;
	pthread_mutex_lock(&lock);
	r = begin(g, from, to, copy, error, faults);
	pthread_mutex_unlock(&lock);
	if (r < 0)
		ob__sys_close(copy);
	return r;
}

int ob__guard_end(struct guard *g)
{
	struct guard_slot *s = g->slot;
	int r;

	if (s == NULL)
		return 0;
	pthread_mutex_lock(&lock);
	set_range(s, 0, 0);
	s->used = 0;
	r = ob__sys_close(atomic_load(&s->fd));
	if (--guards == 0)
		uninstall();
	pthread_mutex_unlock(&lock);
	g->slot = NULL;
	return r;
}

#else

int ob__guard_begin(struct guard *g, void *base, uint64_t size, int fd, _Atomic int *error,
                _Atomic uint64_t *faults)
{
	/*
	 * On Windows a file that is mapped has its clusters. A page that cannot be read is an exception, not a signal, and
	 * ends the process unless the program catches that.
	 */
	(void)g, (void)base, (void)size, (void)fd, (void)error, (void)faults;
	return 0;
}

int ob__guard_end(struct guard *g)
{
	(void)g;
	return 0;
}

#endif
