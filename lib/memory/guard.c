/* SPDX-License-Identifier: MIT */
/*
 * A full disk becomes an error of the output, instead of SIGBUS.
 *
 * A store into a mapping raises SIGBUS if the disk has no block for it, or if the page cannot be read. Blocks are
 * reserved before a file is mapped. But not all file systems can reserve, some report success and reserve nothing
 * (ZFS, copy on write), and another process may truncate the file. Users of other linkers see a "bus error" then. By
 * the time they look at `df` the space is free again, and it takes them days to find the reason (llvm#98988, #123567,
 * #167785, golang/go#37310).
 *
 * The handler looks for the mapping that has the address. If it is one of ours, the handler asks the kernel for the
 * reason, by reserving the block that was missing: fallocate(2) returns ENOSPC, EDQUOT or EIO. If it succeeds, the page
 * is read by pread(2), which fails on a bad disk. If that succeeds, too, space has become free in the meantime, and the
 * store is tried again. The reason becomes the output's sticky error. Commit will fail with it, so nothing that is
 * stored from now on matters. But the thread must be able to go on until its caller notices. So the whole output is
 * mapped again, privately: what was stored before can still be read, and new stores go to memory. One signal is enough
 * for that.
 *
 * The private mapping can fault too: on tmpfs, which needs a page even to read a hole, in a truncated file, and on a
 * bad disk. Then anonymous memory replaces a part of it, from the fault on. The part is twice as large at each fault:
 * 1 MiB, 2, 4, and so on. For 15,872 pages that a truncated file has lost, this takes 7 faults; for 1,536 pages that
 * a full tmpfs cannot hold, 4; on ext4, xfs and btrfs 1 or 2.
 *
 * If the address is in no mapping of ours, the signal is passed on (handler.c).
 *
 * Slots are never freed, only reused, so that the handler can walk their list without a lock. Each slot's range is
 * protected by a seqlock: the handler skips a slot whose version is odd or has changed. That cannot hide the slot
 * that has the address, because the range of a mapping does not change while a thread is faulting in it.
 *
 * The handler makes system calls and uses lock-free atomics, and nothing else: it may interrupt any code.
 */
#include "config.h"

#include "memory/guard.h"

#include <errno.h>

#ifdef HAVE_VM

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "memory/handler.h"
#include "memory/round.h"
#include "system/unix/sys_unix.h"
#include "system/unix/sys_vm.h"

/*
 * So often a store of an output is tried again because the missing block could be reserved after the fault. After
 * that the disk counts as full. There must be several tries, because a short lack of space can hit several threads.
 * They are counted per output, not per page: two threads that faulted alternately on a disk of 32 MiB had 9,379 such
 * faults, each on another page than the one before.
 */
#define MAX_RETRIES 64

/* How many bytes a fault in the private mapping replaces by anonymous memory: at the first such fault, and at most. */
#define PART_MIN ((uint64_t)1 << 20)
#define PART_MAX ((uint64_t)1 << 30)

/* How the output of a slot is mapped. */
enum {
	SHARED,    /* shared with the file: nothing has failed */
	SWITCHING, /* a thread is in its handler and maps it privately */
	PRIVATE,   /* privately: stores go to memory, and parts that still fault are replaced by memory */
};

struct guard_slot {
	struct guard_slot *next;    /* constant once the slot is in the list */
	_Atomic unsigned version;   /* the seqlock: odd while `from` and `to` are written; written under `lock` */
	_Atomic uintptr_t from, to; /* the addresses of the mapping; both 0: none. Written under `lock` */
	/* Written under `lock`, before the range is set, so that the handler does not find the slot meanwhile. */
	_Atomic int fd;                     /* of the mapped file; ours, closed by ob__guard_end() */
	_Atomic(_Atomic int *) error;       /* the output's sticky error */
	_Atomic(_Atomic uint64_t *) faults; /* the output's count of faults */
	/* Set with the members above, then written by the handler, on any thread. */
	_Atomic int state;     /* SHARED, SWITCHING or PRIVATE */
	_Atomic int retries;   /* faults so far whose missing block could be reserved afterwards */
	_Atomic uint64_t part; /* bytes that the next fault replaces by memory once the mapping is private */
	int used;              /* 1: it belongs to an output. Written under `lock` */
};

/* The list of all slots. Written under `lock`; the handler reads it on any thread, without the lock. */
static _Atomic(struct guard_slot *) slots;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned guard_count; /* slots in use; under `lock` */

/* ------------------------------------------------------------------- the handler */

/* Can the page be read? In small parts, because the handler may run on a small stack. 0 or a negative errno. */
static int read_page(int fd, uint64_t offset, uint64_t page)
{
	unsigned char part[256];
	uint64_t at;
	int r = 0;

	for (at = 0; r == 0 && at < page; at += sizeof part)
		r = ob__sys_pread_all(fd, part, sizeof part, offset + at);
	return r;
}

/* Reserve the block of this page. 0 or a negative errno. */
static int reserve_page(int fd, uint64_t offset, uint64_t page)
{
	int tries = 0, r;

	do
		r = ob__sys_fallocate(fd, offset, page);
	while (r == -EINTR && ++tries < MAX_RETRIES);
	return r;
}

/* Why did the access at this offset of the file fail? A negative errno, or 0 if it is to be tried again. */
static int fault_error(struct guard_slot *s, uint64_t offset)
{
	uint64_t page = ob__sys_page_size();
	struct stat st;
	int r = ob__sys_fstat(atomic_load(&s->fd), &st);

	if (r < 0)
		return r;
	/* Another process has truncated the file. What is left of its content is unknown. */
	if (offset >= round_up((uint64_t)st.st_size, page))
		return -EIO;
	r = reserve_page(atomic_load(&s->fd), round_down(offset, page), page);
	if (r == -ENOSPC || r == -EDQUOT || r == -EIO || r == -EFBIG)
		return r;
	/* The block is there, or the file system cannot reserve, so it does not tell. */
	if (read_page(atomic_load(&s->fd), round_down(offset, page), page) < 0)
		return -EIO;
	if (r == 0 && atomic_fetch_add(&s->retries, 1) < MAX_RETRIES)
		return 0;
	/* Nearly all stores that fail mean a full disk. */
	return -ENOSPC;
}

/* Replace the mapping of [from, to), by anonymous memory or a private mapping of the file. 0 or a negative errno. */
static int map_private(uintptr_t from, uintptr_t to, int flags, int fd, uint64_t offset)
{
	void *got;

	/* MAP_NORESERVE: the memory is not charged, because most of it will never be stored to. */
	return ob__sys_mmap((void *)from, to - from, PROT_READ | PROT_WRITE,
	                MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | flags, fd, offset, &got);
}

/*
 * The private mapping faulted at this page. Replace a part of it, which begins with the page and ends at `to` at the
 * latest, by anonymous memory. 0 or a negative errno.
 */
static int replace_part(struct guard_slot *s, uintptr_t page_at, uintptr_t to)
{
	uint64_t part = atomic_load(&s->part);

	/* Another thread may have replaced the page in the meantime. */
	if (ob__sys_advise((void *)page_at, ob__sys_page_size(), SYS_POPULATE) == 0)
		return 0;
	atomic_store(&s->part, part < PART_MAX ? part * 2 : part);
	if (to - page_at > part)
		to = page_at + (uintptr_t)part;
	return map_private(page_at, to, MAP_ANONYMOUS, -1, 0);
}

/* A thread faulted at address `at`, in the mapping [from, to) of the slot. 1: it may go on and repeat the access. */
static int recover(struct guard_slot *s, uintptr_t from, uintptr_t to, uintptr_t at)
{
	uintptr_t page_at = at - at % ob__sys_page_size();
	_Atomic int *error = atomic_load(&s->error);
	int expected_state = SHARED, no_error = 0, r;

	atomic_fetch_add(atomic_load(&s->faults), 1);
	if (atomic_load(&s->state) == PRIVATE)
		return replace_part(s, page_at, to) == 0;
	if (atomic_load(&s->state) == SHARED) {
		r = fault_error(s, at - from);
		if (r == 0)
			return 1;
		/* The error is set before the mapping is replaced: a thread that goes on must find it. */
		atomic_compare_exchange_strong(error, &no_error, r);
	}
	if (!atomic_compare_exchange_strong(&s->state, &expected_state, SWITCHING)) {
		/* Another thread is replacing the mapping. If the access faults again it is handled again. */
		while (atomic_load(&s->state) == SWITCHING)
			ob__sys_pause();
		return 1;
	}
	r = map_private(from, to, 0, atomic_load(&s->fd), 0);
	atomic_store(&s->state, PRIVATE);
	return r == 0 ? 1 : replace_part(s, page_at, to) == 0;
}

/* The slot whose mapping has the address, and its range, or NULL. */
static struct guard_slot *find_slot(uintptr_t at, uintptr_t *from, uintptr_t *to)
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

/* The handler: 1 if the fault was in a mapping of ours, and the access may be repeated. */
static int recover_fault(const siginfo_t *info)
{
	uintptr_t at = (uintptr_t)info->si_addr, from, to;
	/* Other codes are signals that a process sent, and memory that is broken. */
	struct guard_slot *s = info->si_code == BUS_ADRERR ? find_slot(at, &from, &to) : NULL;

	return s != NULL && recover(s, from, to, at);
}

/* ------------------------------------------------------------------------ slots */

/* The static functions below are called under `lock`. */

/* A slot that is not in use, or a new one. NULL: no memory. */
static struct guard_slot *acquire_slot(void)
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

/* ob__guard_begin() for an output that has no slot yet; `fd` becomes the slot's on success. */
static int begin_locked(struct guard *g, uintptr_t from, uintptr_t to, int fd, _Atomic int *error,
                 _Atomic uint64_t *faults)
{
	/* Not only the first: the program may have installed a handler since that calls nobody. */
	int r = ob__handler_install(recover_fault);

	if (r < 0)
		return r;
	g->slot = acquire_slot();
	if (g->slot == NULL) {
		if (guard_count == 0)
			ob__handler_uninstall();
		return -ENOMEM;
	}
	guard_count++;
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
	int own_fd, r = 0;

	if (g->slot != NULL) {
		pthread_mutex_lock(&lock);
		set_range(g->slot, from, to);
		pthread_mutex_unlock(&lock);
		return 0;
	}
	/*
	 * The slot needs its own descriptor: outbuf_discard() closes the output's, or redirects it to /dev/null,
	 * while threads may still store to the mapping.
	 */
	own_fd = ob__sys_dup(fd);
	if (own_fd < 0)
		return own_fd;
	pthread_mutex_lock(&lock);
	r = begin_locked(g, from, to, own_fd, error, faults);
	pthread_mutex_unlock(&lock);
	if (r < 0)
		ob__sys_close(own_fd);
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
	if (--guard_count == 0)
		ob__handler_uninstall();
	pthread_mutex_unlock(&lock);
	g->slot = NULL;
	return r;
}

#else

int ob__guard_begin(struct guard *g, void *base, uint64_t size, int fd, _Atomic int *error,
                _Atomic uint64_t *faults)
{
	/*
	 * On Windows the clusters of a mapped file are allocated, so a full disk cannot be noticed by a store. A page
	 * that cannot be read raises an exception, not a signal. It ends the process unless the program catches it.
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
