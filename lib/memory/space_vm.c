/* SPDX-License-Identifier: MIT */
/*
 * The address range of an output on systems with virtual memory.
 *
 * Only a part of the output has a known size. The part with a layout can be mapped. What follows it (symbol tables,
 * signatures) needs memory too, and pointers into the output must stay valid while it grows. Other programs did one
 * of these:
 *
 *   - They moved the buffer. mremap(2) makes every pointer invalid, and BSD and macOS do not have it.
 *   - They mapped twice the file's size and extended the file by ftruncate(2) later. POSIX does not promise that pages
 *     beyond the end of the file become usable when it grows.
 *   - They kept the tail in a second buffer. Then no write may cross the boundary, and every access has to find out
 *     which buffer has the byte.
 *
 * Here more addresses are reserved than are needed now, with PROT_NONE. That costs neither memory nor commit
 * charge, not even with vm.overcommit_memory=2, because only writable private memory is charged. The file is mapped
 * over the start of the range with MAP_FIXED. Behind it memory is made usable step by step with mprotect(2), which
 * fails with ENOMEM if the system refuses the charge. MAP_NORESERVE is not used, because it would turn that check
 * off.
 *
 * A range is extended in place when more is needed: what is behind it is mapped, if that is free. So that it is free,
 * the range lies where programs have nothing (slots.h). To reserve 1 TiB at once was too much: under qemu-user, which
 * notes each page, one output of 3 MB took 39 s, and where addresses have 39 bits it took all or half of them.
 *
 * Where no slot can be had, and where the caller states a size, the whole is reserved at once, at a place of the
 * kernel's choice. Under `ulimit -v` and valgrind so many addresses may not be available; the size is halved until the
 * call succeeds. If it had to be halved, addresses are scarce, so half of what was reserved is released again: the
 * program needs addresses too.
 *
 * Cost: one mmap and one munmap of the range, 4 us together, and 1 us of mprotect per growth step.
 *
 * The base is aligned to 2 MiB, so that huge pages are possible in the mapping and in the heap.
 */
#include "config.h"

#include "memory/space.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "memory/round.h"
#include "memory/slots.h"
#include "system/unix/sys_vm.h"

/* The size of a huge page on machines with pages of 4 KiB. */
#define HUGE_PAGE ((uint64_t)2 << 20)

/*
 * Map where it is asked for, or not at all: Linux 4.17. Older kernels, and other systems without the flag, take the
 * address as a hint, so the address that they return is compared.
 */
#ifdef MAP_FIXED_NOREPLACE
#define HERE MAP_FIXED_NOREPLACE
#elif defined __linux__
#define HERE 0x100000
#else
#define HERE 0
#endif

/* How many slots are tried: another copy of this library in the process may have as many outputs open. */
#define SLOT_TRIES 64

/* What is reserved behind the plan at first: a part of the address space, but not more than this. */
#define FIRST_SHARE ((uint64_t)1 << 17)
#define FIRST_MOST ((uint64_t)1 << 30)

/*
 * A range for half as many bytes or fewer has this size at first, in bytes, and all of it is usable at once: one call
 * instead of two. A multiple of all page sizes.
 */
#define SMALL ((uint64_t)512 << 10)

/*
 * Is ThreadSanitizer in this program? It leaves a program 1.5 TiB of addresses. To forget the history of a large
 * range it unmaps the range's shadow memory and maps it again. If the 1.5 TiB are full, the kernel may place another
 * thread's mapping in the hole in between, and the process ends with "mmap at bad address" (gcc 12: once in 28 runs
 * in which 8 threads opened an output of 1 TiB each). So the reservation must be small there. This is checked at run
 * time, because the program may have been built with ThreadSanitizer and this library without.
 */
#if defined __ELF__ && defined __GNUC__
void __tsan_acquire(void *) __attribute__((weak));
#define UNDER_TSAN (__tsan_acquire != NULL)
#else
#define UNDER_TSAN 0
#endif

/* Its memory has other borders than the machine's. What tests pretend is 256 GiB, which a program has there, too. */
static int under_tsan(void)
{
	return UNDER_TSAN && ob__slots_pretended_space == 0;
}

/*
 * A program has 128 TiB of addresses on most machines of 64 bits, 256 or 512 GiB on some, and 2 to 4 GiB on those of
 * 32. With 128 TiB these are 1 TiB as the largest; 32 TiB, 1 TiB, and 4 GiB. The least must let 10,000 outputs be open
 * at once on 64 bits: 40 TiB.
 */
struct space_budget ob__space_budget(void)
{
	uint64_t all;

	if (sizeof(void *) < 8)
		return (struct space_budget){ 0, (uint64_t)2 << 30, (uint64_t)512 << 20, (uint64_t)8 << 20 };
	if (under_tsan())
		return (struct space_budget){ 0, (uint64_t)512 << 30, (uint64_t)16 << 30, (uint64_t)64 << 20 };
	all = ob__slots_space();
	return (struct space_budget){
		.largest = all / 8 < (uint64_t)1 << 40 ? all / 8 : (uint64_t)1 << 40,
		.total = all / 4,
		.most = all / 128,
		.least = all >> 15,
	};
}

uint64_t ob__space_page_size(void)
{
	return ob__sys_page_size();
}

/* Reserve exactly `size` bytes, at a base that is a multiple of HUGE_PAGE. 0 or a negative errno. */
static int reserve_exactly(struct space *s, uint64_t size)
{
	uint64_t allocation_size = size + HUGE_PAGE;
	void *got;
	uintptr_t base;
	int r;

	if (allocation_size < size || allocation_size > SIZE_MAX)
		return -ENOMEM;
	r = ob__sys_mmap(NULL, (size_t)allocation_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &got);
	if (r < 0)
		return r;
	base = (uintptr_t)round_up((uintptr_t)got, HUGE_PAGE);
	*s = (struct space){
		.base = (unsigned char *)base,
		.reserved = size,
		.allocation = got,
		.allocation_size = allocation_size,
	};
	return 0;
}

/* Half of `size`, in whole pages, but not less than `least`. */
static uint64_t halve(uint64_t size, uint64_t least, uint64_t page)
{
	uint64_t h = round_up(size / 2, page);

	return h > least ? h : least;
}

/* Release the addresses behind the first `size` bytes. */
static void trim(struct space *s, uint64_t size)
{
	uint64_t kept = (uint64_t)(s->base - (unsigned char *)s->allocation) + size;

	ob__sys_munmap(s->base + size, (size_t)(s->allocation_size - kept));
	s->allocation_size = kept;
	s->reserved = size;
}

int ob__space_reserve(struct space *s, uint64_t want, uint64_t need)
{
	uint64_t page = ob__sys_page_size();
	uint64_t size;

	/* What an address can express, less what the alignment of the base and rounding up may add. */
	if (need > SIZE_MAX / 2 - HUGE_PAGE - page)
		return -EFBIG;
	if (want > SIZE_MAX / 2 - HUGE_PAGE - page)
		want = SIZE_MAX / 2 - HUGE_PAGE - page;
	need = round_up(need, page);
	want = round_up(want, page);
	if (want < need)
		want = need;

	for (size = want; reserve_exactly(s, size) < 0; size = halve(size, need, page)) {
		/* Whatever the kernel's errno is, the caller learns only that there are not so many addresses. */
		if (size == need)
			return -ENOMEM;
	}
	if (size < want)
		trim(s, halve(size, need, page));
	return 0;
}

/* Reserve n bytes at this address. 0 or a negative errno; -EEXIST: something is there. */
static int reserve_here(void *at, uint64_t n, int prot)
{
	void *got;
	int r = ob__sys_mmap(at, (size_t)n, prot, MAP_PRIVATE | MAP_ANONYMOUS | HERE, -1, 0, &got);

	if (r == 0 && got != at) {
		ob__sys_munmap(got, (size_t)n);
		r = -EEXIST;
	}
	return r;
}

static void release_slot(struct space *s)
{
	if (s->slot > 0)
		ob__slots_release(s->slot - 1);
	s->slot = 0;
}

/*
 * Small ranges that were given back, and that hold zeros: to map one, touch a page of it and unmap it takes 5 to 7 us,
 * which is as much as the file takes on tmpfs. Each is its address, which is a multiple of HUGE_PAGE, plus the number
 * of its slot, plus 1. 0: none. Any thread; a range is put in and taken out by one exchange.
 */
#define KEPT 4
static _Atomic uintptr_t kept[KEPT];
#define SLOT_OF(range) ((int)((range) & (HUGE_PAGE - 1)) - 1)

static void set_range(struct space *s, int slot, void *at, uint64_t size)
{
	*s = (struct space){
		.base = at,
		.reserved = size,
		.allocation = at,
		.allocation_size = size,
		.slot = slot + 1,
	};
}

/* 1: there was one, and it is *s. */
static int take_kept(struct space *s)
{
	uintptr_t range = 0;
	int i;

	for (i = 0; i < KEPT && range == 0; i++)
		if (atomic_load_explicit(&kept[i], memory_order_relaxed) != 0)
			range = atomic_exchange(&kept[i], 0);
	if (range == 0)
		return 0;
	set_range(s, SLOT_OF(range), (void *)(range & ~(uintptr_t)(HUGE_PAGE - 1)), SMALL);
	return 1;
}

/* 1: it was kept. */
static int keep(const struct space *s)
{
	uintptr_t none;
	int i;

	for (i = 0; i < KEPT; i++) {
		none = 0;
		if (atomic_compare_exchange_strong(&kept[i], &none, (uintptr_t)s->base + (uintptr_t)s->slot))
			return 1;
	}
	return 0;
}

int ob__space_reserve_growing(struct space *s, uint64_t need, uint64_t *usable)
{
	uint64_t space = ob__slots_space(), first = space / FIRST_SHARE;
	int slot = -1, tries, r = -EEXIST, is_small = need <= SMALL / 2;

	if (sizeof(void *) < 8 || under_tsan())
		return -ENOSYS;
	if (need > space / 2)
		return -ENOMEM;
	*usable = is_small ? SMALL : 0;
	if (is_small && take_kept(s))
		return 0;
	need = is_small ? SMALL : round_up(need + (first < FIRST_MOST ? first : FIRST_MOST), ob__sys_page_size());
	for (tries = 0; tries < SLOT_TRIES && r == -EEXIST; tries++) {
		slot = ob__slots_take(slot + 1);
		if (slot < 0)
			return -ENOMEM;
		r = reserve_here(ob__slots_address(slot), need, is_small ? PROT_READ | PROT_WRITE : PROT_NONE);
		if (r < 0)
			ob__slots_release(slot);
		else
			set_range(s, slot, ob__slots_address(slot), need);
	}
	return r;
}

void ob__space_give_back(struct space *s, uint64_t stored)
{
	/* Zeroing what was stored is cheaper than the faults of fresh pages. */
	if (s->slot > 0 && s->reserved == SMALL && stored <= SMALL / 2) {
		memset(s->base, 0, (size_t)stored);
		if (keep(s)) {
			memset(s, 0, sizeof *s);
			return;
		}
	}
	ob__space_free(s);
}

int ob__space_extend(struct space *s, uint64_t want, uint64_t need)
{
	uint64_t page = ob__sys_page_size(), size;

	if (s->slot == 0)
		return -ENOSYS;
	/* No range has so much; and adding it to an address must not wrap. */
	if (need > ob__slots_space())
		return -ENOMEM;
	need = round_up(need, page) - s->reserved;
	want = want > ob__slots_space() ? ob__slots_space() : round_up(want, page);
	want = want < s->reserved + need ? need : want - s->reserved;
	for (size = want; reserve_here(s->base + s->reserved, size, PROT_NONE) < 0; size = halve(size, need, page))
		if (size == need)
			return -ENOMEM;
	s->reserved += size;
	s->allocation_size += size;
	return 0;
}

int ob__space_map_page(int fd, void **page)
{
	return ob__sys_mmap(NULL, ob__sys_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, page);
}

int ob__space_sync_page(void *page)
{
	return ob__sys_msync(page, ob__sys_page_size());
}

void ob__space_unmap_page(void *page)
{
	ob__sys_munmap(page, ob__sys_page_size());
}

/*
 * mmap(2) has failed for [from, to). 1 if the kernel removed what was there: then there is a hole, and another thread
 * may have mapped something in it since. Everything behind the hole is released. The hole itself is forgotten without
 * unmapping it, so that ob__space_free() does not unmap another thread's memory.
 */
static int forget_hole(struct space *s, uint64_t from, uint64_t to)
{
	if (ob__sys_is_mapped(s->base + from, (size_t)(to - from)))
		return 0;
	trim(s, to);
	s->allocation_size -= to - from;
	s->reserved = from;
	/* It must not grow into the hole either. */
	release_slot(s);
	return 1;
}

int ob__space_map_file(struct space *s, int fd, uint64_t from, uint64_t to)
{
	void *got;
	int r = ob__sys_mmap(s->base + from, (size_t)(to - from), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
	                     from, &got);

	if (r < 0)
		forget_hole(s, from, to);
	return r;
}

int ob__space_cut(struct space *s, uint64_t from, uint64_t to)
{
	void *got;
	int r = ob__sys_mmap(s->base + from, (size_t)(to - from), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	                     -1, 0, &got);

	/* If only a hole is left, what was to be cut is gone, too. */
	return r < 0 && forget_hole(s, from, to) ? 0 : r;
}

int ob__space_make_usable(struct space *s, uint64_t from, uint64_t to)
{
	return ob__sys_mprotect(s->base + from, (size_t)(to - from), PROT_READ | PROT_WRITE);
}

void ob__space_zero(struct space *s, uint64_t from, uint64_t to)
{
	uint64_t page = ob__sys_page_size();
	uint64_t first = round_up(from, page), last = round_down(to, page);
	void *got;

	/* New memory replaces the whole pages: memset() would fault in those that were never used. */
	if (first < last &&
	    ob__sys_mmap(s->base + first, (size_t)(last - first), PROT_READ | PROT_WRITE,
	             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0, &got) == 0) {
		memset(s->base + from, 0, (size_t)(first - from));
		from = last;
	}
	memset(s->base + from, 0, (size_t)(to - from));
}

void ob__space_drop_pages(struct space *s, uint64_t from, uint64_t to)
{
	/* An error is ignored: pages that stay in memory keep their content, which space.h allows. */
	ob__sys_advise(s->base + from, (size_t)(to - from), SYS_DONT_NEED);
}

void ob__space_advise_store(struct space *s, uint64_t from, uint64_t to)
{
	from = round_up(from, HUGE_PAGE);
	to = round_down(to, HUGE_PAGE);
	if (from < to)
		ob__sys_advise(s->base + from, (size_t)(to - from), SYS_HUGE);
}

int ob__space_sync(struct space *s, uint64_t to)
{
	return ob__sys_msync(s->base, (size_t)to);
}

int ob__space_prepare_unmap(struct space *s, uint64_t to)
{
	(void)s, (void)to;
	return 0;
}

void ob__space_free(struct space *s)
{
	if (s->base != NULL)
		ob__sys_munmap(s->allocation, (size_t)s->allocation_size);
	release_slot(s);
	memset(s, 0, sizeof *s);
}
