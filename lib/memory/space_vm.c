/* SPDX-License-Identifier: MIT */
/*
 * The address range of an output, where there is virtual memory.
 *
 * The size of an output is half known: the part with a layout can be mapped, but what follows
 * it (symbol tables, signatures) must go somewhere, and pointers into the output must stay
 * valid while it grows. Others moved the buffer (mremap: every pointer dies, and not
 * on BSD or macOS), mapped twice the file's size and let ftruncate make the tail real (access
 * past the end of file and growing it later is not promised by POSIX), or kept the tail
 * in a second buffer (a write may not straddle, and every access asks where it is).
 *
 * Here addresses are reserved for more than anyone will need, PROT_NONE, which costs neither
 * memory nor commit charge, not even with vm.overcommit_memory=2 (only writable private
 * memory is charged). The file is mapped over the start with MAP_FIXED; behind it memory is
 * made usable by mprotect step by step, which is where an honest -ENOMEM comes from. No
 * MAP_NORESERVE: it would switch that honesty off.
 *
 * Cost: one mmap and one munmap of the range, 4 us together, and 1 us of mprotect per growth
 * step. Under `ulimit -v` and valgrind the wish cannot be had; halve it until it can. If it had to be
 * halved the address space is scarce, so give half of what was got back: the program wants to live too.
 *
 * The base is aligned to 2 MiB so that huge pages stay possible in both parts.
 */
#include "config.h"

#include "memory/space.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "memory/round.h"
#include "system/unix/sys_vm.h"

/* On machines with pages of 4 KiB. */
#define HUGE_PAGE ((uint64_t)2 << 20)

/*
 * ThreadSanitizer leaves a program 1.5 TiB, and forgets what stood in a large range by unmapping its shadow
 * and mapping it anew. When those are full the kernel may put what another thread maps meanwhile
 * into that hole, and the process dies of "mmap at bad address" (gcc 12: one in 28 times that 8
 * threads opened an output each, of 1 TiB). So there they must not get full. Asked when the program runs:
 * it may have been built with ThreadSanitizer, and this library without.
 */
#if defined __ELF__ && defined __GNUC__
void __tsan_acquire(void *) __attribute__((weak));
#define UNDER_TSAN (__tsan_acquire != NULL)
#else
#define UNDER_TSAN 0
#endif

uint64_t ob__space_default_size(void)
{
	if (sizeof(void *) < 8)
		return (uint64_t)512 << 20;
	return (uint64_t)(UNDER_TSAN ? 16 : 1024) << 30;
}

uint64_t ob__space_page_size(void)
{
	return ob__sys_page_size();
}

static int reserve_exactly(struct space *s, uint64_t size)
{
	uint64_t whole = size + HUGE_PAGE;
	void *got;
	uintptr_t base;
	int r;

	if (whole < size || whole > SIZE_MAX)
		return -ENOMEM;
	r = ob__sys_mmap(NULL, (size_t)whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &got);
	if (r < 0)
		return r;
	base = (uintptr_t)round_up((uintptr_t)got, HUGE_PAGE);
	*s = (struct space){
		.base = (unsigned char *)base,
		.reserved = size,
		.whole = got,
		.whole_size = whole,
	};
	return 0;
}

static uint64_t half(uint64_t size, uint64_t least, uint64_t page)
{
	uint64_t h = round_up(size / 2, page);

	return h > least ? h : least;
}

static void trim(struct space *s, uint64_t size)
{
	uint64_t kept = (uint64_t)(s->base - (unsigned char *)s->whole) + size;

	ob__sys_munmap(s->base + size, (size_t)(s->whole_size - kept));
	s->whole_size = kept;
	s->reserved = size;
}

int ob__space_reserve(struct space *s, uint64_t want, uint64_t need)
{
	uint64_t page = ob__sys_page_size();
	uint64_t try;

	/* The most an address can say, less what alignment takes. */
	if (need > SIZE_MAX / 2 - HUGE_PAGE - page)
		return -EFBIG;
	if (want > SIZE_MAX / 2 - HUGE_PAGE - page)
		want = SIZE_MAX / 2 - HUGE_PAGE - page;
	need = round_up(need, page);
	want = round_up(want, page);
	if (want < need)
		want = need;

	for (try = want; reserve_exactly(s, try) < 0; try = half(try, need, page)) {
		/* Whatever the kernel's reason, to the caller it is one: no room for that many. */
		if (try == need)
			return -ENOMEM;
	}
	if (try < want)
		trim(s, half(try, need, page));
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

int ob__space_map_file(struct space *s, int fd, uint64_t from, uint64_t to)
{
	size_t size = (size_t)(to - from);
	unsigned char *at = s->base + from;
	void *got;
	int r = ob__sys_mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, from, &got);

	if (r == 0)
		return 0;
	if (ob__sys_is_mapped(at, size))
		return r;
	/*
	 * There is a hole, and it may be somebody else's memory by now: let go of all behind
	 * it, and of it, so that ob__space_free() does not unmap what is not ours.
	 */
	trim(s, to);
	s->whole_size -= to - from;
	s->reserved = from;
	return r;
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

	/* Fresh memory in the place of whole pages: clearing them would bring in those never used. */
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
	/* Advice: what the kernel does not take away is still right. */
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
		ob__sys_munmap(s->whole, (size_t)s->whole_size);
	memset(s, 0, sizeof *s);
}
