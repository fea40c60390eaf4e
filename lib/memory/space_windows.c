/* SPDX-License-Identifier: MIT */
/*
 * The address range of an output, on Windows.
 *
 * In this file a "view" is a mapping of a file, as Windows calls it, not a View of the API.
 *
 * As on other systems (space_vm.c), more addresses are reserved than any output needs, the file is mapped over their
 * start, and memory is made usable behind it. But on Windows a view of a file cannot replace what is at its
 * addresses. There are two methods:
 *
 *   With placeholders (Windows 10 1803: VirtualAlloc2, MapViewOfFile3). A placeholder is a reservation that can be
 *   split, and replaced by memory or by a view, so that no other thread can get the addresses. The functions are looked
 *   up at run time.
 *
 *   Without placeholders. The reservation is released, the view is requested at its address, and the rest is reserved
 *   again. Another thread may get the addresses in between. At the first mapping of an output nobody has a pointer into
 *   it yet, so other addresses are tried then. A larger mapping later has to stay at its address. It is tried again for
 *   100 times Sleep(1), which is 0.1 to 1.6 s. If the addresses stay occupied, everything from the start of the mapping
 *   on is lost (space.h), and the output fails by -ENOMEM. wine 8 has no placeholders. In a test beside two threads
 *   that did nothing but reserve and release memory, this loss happened in none of 6,000 larger mappings
 *   (tests/memory/test_windows_space.c).
 *
 * With either method the bytes that were in memory where the view will be are in the file already (mapping.c). Usable
 * memory behind the view has to survive: a step of the heap may extend beyond the end of the view. It is copied to
 * other memory while the view is made. Nearly always it holds nothing yet.
 *
 * The address and the file offset of a view are multiples of 64 KiB. So this is the page size here, and a mapped file
 * is up to 64 KiB longer than the output until commit.
 *
 * No list of views is kept: the system can be asked what is at an address (VirtualQuery).
 */
#include "config.h"

#include "memory/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory/round.h"
#include "memory/space_windows.h"
#include "system/windows/sys_windows.h"

/* Flags of VirtualAlloc2(), VirtualFree() and MapViewOfFile3(), which older headers do not define. */
#define PLACEHOLDER_RESERVE 0x00040000
#define PLACEHOLDER_REPLACE 0x00004000
#define PLACEHOLDER_COALESCE 0x00000001
#define PLACEHOLDER_PRESERVE 0x00000002

/*
 * How often addresses are tried that another thread occupies for a moment. That may take longer if the thread is not
 * running, so once TRIES_WITHOUT_SLEEP attempts have failed, the library sleeps 1 ms before each further one.
 */
#define TRIES_WITHOUT_SLEEP 1000
#define TRIES 1100
/* How often a first mapping is tried, each time at another address. */
#define TRIES_ELSEWHERE 100

static void wait_before_retry(int attempt)
{
	if (attempt < TRIES_WITHOUT_SLEEP)
		ob__sys_pause();
	else
		Sleep(1);
}

typedef void *WINAPI virtual_alloc2(HANDLE process, void *at, SIZE_T n, ULONG how, ULONG protection,
                                    void *parameters, ULONG count);
typedef void *WINAPI map_view_of_file3(HANDLE section, HANDLE process, void *at, ULONG64 offset, SIZE_T n, ULONG how,
                                       ULONG protection, void *parameters, ULONG count);

/* Written by find_functions(), which runs once on any thread; constant afterwards. alloc2 NULL: no placeholders. */
static pthread_once_t functions_once = PTHREAD_ONCE_INIT;
int ob__space_without_placeholders;
static virtual_alloc2 *alloc2;
static map_view_of_file3 *map3;

static void find_functions(void)
{
	HMODULE base = GetModuleHandleW(L"kernelbase.dll");
	void *memory;

	if (base == NULL)
		return;
	/* Converted by way of a common type, because compilers warn when one function type is cast to another. */
	alloc2 = (virtual_alloc2 *)(void (*)(void))GetProcAddress(base, "VirtualAlloc2");
	map3 = (map_view_of_file3 *)(void (*)(void))GetProcAddress(base, "MapViewOfFile3");
	memory = alloc2 == NULL || map3 == NULL
	                 ? NULL
	                 : alloc2(NULL, NULL, ob__space_page_size(), MEM_RESERVE | PLACEHOLDER_RESERVE,
	                          PAGE_NOACCESS, NULL, 0);
	if (memory == NULL)
		alloc2 = NULL;
	else
		VirtualFree(memory, 0, MEM_RELEASE);
}

int ob__space_has_placeholders(void)
{
	pthread_once(&functions_once, find_functions);
	return alloc2 != NULL;
}

static int has_placeholders(void)
{
	return !ob__space_without_placeholders && ob__space_has_placeholders();
}

/* A program has 2 GiB of addresses with 32 bits, and 128 TiB with 64 (8 TiB before Windows 8.1). */
struct space_budget ob__space_budget(void)
{
	if (sizeof(void *) < 8)
		return (struct space_budget){ 0, (uint64_t)2 << 30, (uint64_t)512 << 20, (uint64_t)8 << 20 };
	return (struct space_budget){ 0, (uint64_t)2 << 40, (uint64_t)64 << 30, (uint64_t)256 << 20 };
}

uint64_t ob__space_page_size(void)
{
	SYSTEM_INFO info;

	GetSystemInfo(&info);
	return info.dwAllocationGranularity;
}

/* n, rounded up to whole pages. */
static uint64_t whole_pages(uint64_t n)
{
	return round_up(n, ob__space_page_size());
}

/* Reserve n bytes at this address, or anywhere if it is NULL. NULL: the system has no such addresses. */
static void *reserve_at(void *at, uint64_t n)
{
	if (has_placeholders())
		return alloc2(NULL, at, (SIZE_T)n, MEM_RESERVE | PLACEHOLDER_RESERVE, PAGE_NOACCESS, NULL, 0);
	return VirtualAlloc(at, (SIZE_T)n, MEM_RESERVE, PAGE_NOACCESS);
}

int ob__space_reserve(struct space *s, uint64_t want, uint64_t need)
{
	uint64_t size;

	if (need > SIZE_MAX / 2 - ob__space_page_size())
		return -EFBIG;
	need = whole_pages(need);
	want = want > SIZE_MAX / 2 - ob__space_page_size() ? SIZE_MAX / 2 : want;
	want = whole_pages(want < need ? need : want);
	for (size = want;; size = size / 2 > need ? whole_pages(size / 2) : need) {
		void *memory = reserve_at(NULL, size);

		if (memory != NULL) {
			*s = (struct space){ .base = memory, .reserved = size };
			return 0;
		}
		if (size == need)
			return -ENOMEM;
	}
}

int ob__space_reserve_growing(struct space *s, uint64_t need, uint64_t *usable)
{
	(void)s, (void)need, (void)usable;
	return -ENOSYS;
}

int ob__space_extend(struct space *s, uint64_t want, uint64_t need)
{
	(void)s, (void)want, (void)need;
	return -ENOSYS;
}

/* ------------------------------------------------------------ what is at an address */

/* The answer of VirtualQuery() for an address. */
struct region {
	uint64_t n;       /* bytes from the address on that have the same state */
	DWORD state;      /* MEM_FREE, MEM_RESERVE, MEM_COMMIT */
	DWORD type;       /* MEM_MAPPED, MEM_PRIVATE */
	void *allocation; /* the start of the allocation or view that has the address */
};

static struct region region_at(unsigned char *at)
{
	MEMORY_BASIC_INFORMATION info;

	if (VirtualQuery(at, &info, sizeof info) == 0)
		return (struct region){ .n = ob__space_page_size(), .state = MEM_FREE };
	return (struct region){
		.n = (uint64_t)((unsigned char *)info.BaseAddress + info.RegionSize - at),
		.state = info.State,
		.type = info.Type,
		.allocation = info.AllocationBase,
	};
}

/*
 * The rest of the allocation that has the address: first a usable part, then a part that is only reserved. The system
 * releases an allocation as a whole. Callers get its whole length before they release it, because afterwards another
 * thread may have memory at these addresses, which must not be mistaken for the rest of ours.
 */
static struct region whole_allocation_at(unsigned char *at)
{
	struct region whole = region_at(at), next;

	while (whole.state != MEM_FREE) {
		next = region_at(at + whole.n);
		if (next.state == MEM_FREE || next.allocation != whole.allocation)
			break;
		whole.n += next.n;
	}
	return whole;
}

/* The end of the usable memory that begins at `from` and is not mapped from a file; `from` if there is none. */
static uint64_t usable_end(const struct space *s, uint64_t from)
{
	uint64_t at = from;

	while (at < s->reserved) {
		struct region r = region_at(s->base + at);

		if (r.state != MEM_COMMIT || r.type != MEM_PRIVATE)
			break;
		at += r.n;
	}
	return at < s->reserved ? at : s->reserved;
}

/* Release all memory, views and reservations from `from` on. They must all be ours. */
static void release_from(struct space *s, uint64_t from)
{
	unsigned char *at = s->base + from, *end = s->base + s->reserved;

	while (at < end) {
		struct region r = whole_allocation_at(at);

		if (r.state != MEM_FREE && r.type == MEM_MAPPED)
			UnmapViewOfFile(r.allocation);
		else if (r.state != MEM_FREE)
			VirtualFree(r.allocation, 0, MEM_RELEASE);
		at += r.n;
	}
	s->reserved = from;
}

/* ----------------------------------------------------------- memory behind the view */

/* [from, reserved) is one placeholder or one reservation, and nothing of it is usable yet. */
int ob__space_make_usable(struct space *s, uint64_t from, uint64_t to)
{
	unsigned char *at = s->base + from;
	SIZE_T n = (SIZE_T)(to - from);

	if (!has_placeholders())
		return VirtualAlloc(at, n, MEM_COMMIT, PAGE_READWRITE) != NULL ? 0 : -ENOMEM;
	if (to < s->reserved)
		VirtualFree(at, n, MEM_RELEASE | PLACEHOLDER_PRESERVE);
	if (alloc2(NULL, at, n, MEM_RESERVE | MEM_COMMIT | PLACEHOLDER_REPLACE, PAGE_READWRITE, NULL, 0) != NULL)
		return 0;
	/* Join the two placeholders again, so that the next call finds one. */
	if (to < s->reserved)
		VirtualFree(at, (SIZE_T)(s->reserved - from), MEM_RELEASE | PLACEHOLDER_COALESCE);
	return -ENOMEM;
}

int ob__space_cut(struct space *s, uint64_t from, uint64_t to)
{
	/* A view of a file ends as a whole or not at all. */
	(void)s, (void)from, (void)to;
	return -ENOSYS;
}

void ob__space_zero(struct space *s, uint64_t from, uint64_t to)
{
	memset(s->base + from, 0, (size_t)(to - from));
	ob__space_drop_pages(s, whole_pages(from), round_down(to, ob__space_page_size()));
}

void ob__space_drop_pages(struct space *s, uint64_t from, uint64_t to)
{
	while (from < to) {
		struct region r = region_at(s->base + from);
		SIZE_T n = (SIZE_T)(r.n < to - from ? r.n : to - from);

		/* The system may drop the pages without saving them. They hold zeros then, or what they held before. */
		if (r.type == MEM_PRIVATE)
			VirtualAlloc(s->base + from, n, MEM_RESET, PAGE_READWRITE);
		/* Unlocking pages that are not locked removes them from the working set. */
		VirtualUnlock(s->base + from, n);
		from += n;
	}
}

void ob__space_advise_store(struct space *s, uint64_t from, uint64_t to)
{
	/* Windows gives large pages only to processes with a privilege. */
	(void)s, (void)from, (void)to;
}

/* --------------------------------------------------------------------- the file */

/* A section object of the file, `size` bytes long, or 0: as long as the file. NULL: GetLastError() says why. */
static HANDLE section_of(int fd, uint64_t size)
{
	return CreateFileMappingW(ob__sys_handle(fd), NULL, PAGE_READWRITE, (DWORD)(size >> 32), (DWORD)size, NULL);
}

/*
 * An empty file has no page that could be mapped, and a section of one page would make the file longer. There is
 * nothing to try then: *page is NULL, and the call succeeds.
 */
int ob__space_map_page(int fd, void **page)
{
	HANDLE section = section_of(fd, 0);
	int r = 0;

	*page = NULL;
	if (section == NULL)
		return GetLastError() == ERROR_FILE_INVALID ? 0 : ob__sys_windows_error();
	*page = MapViewOfFile(section, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, 1);
	if (*page == NULL)
		r = ob__sys_windows_error();
	CloseHandle(section);
	return r;
}

int ob__space_sync_page(void *page)
{
	return FlushViewOfFile(page, 1) ? 0 : ob__sys_windows_error();
}

void ob__space_unmap_page(void *page)
{
	if (page != NULL)
		UnmapViewOfFile(page);
}

/*
 * Release the memory and reservations in the range from `from` on, so that a view can be mapped there. With
 * placeholders the range is one placeholder afterwards, without them its addresses are free.
 */
static void clear_range(struct space *s, uint64_t from)
{
	unsigned char *at = s->base + from, *end = s->base + s->reserved;

	while (at < end) {
		struct region r = whole_allocation_at(at);

		if (!has_placeholders() && r.state != MEM_FREE)
			VirtualFree(r.allocation, 0, MEM_RELEASE);
		else if (r.state == MEM_COMMIT)
			VirtualFree(at, (SIZE_T)r.n, MEM_RELEASE | PLACEHOLDER_PRESERVE);
		at += r.n;
	}
	if (has_placeholders())
		VirtualFree(s->base + from, (SIZE_T)(s->reserved - from), MEM_RELEASE | PLACEHOLDER_COALESCE);
}

/*
 * Map [from, to) of the section's file at its place in the range, which clear_range() has cleared. Without
 * placeholders this is tried `tries` times. NULL: GetLastError() says why.
 */
static void *map_view_at(struct space *s, HANDLE section, uint64_t from, uint64_t to, int tries)
{
	unsigned char *at = s->base + from;
	SIZE_T n = (SIZE_T)(to - from);
	void *view = NULL;
	int attempt;

	if (has_placeholders()) {
		if (to < s->reserved)
			VirtualFree(at, n, MEM_RELEASE | PLACEHOLDER_PRESERVE);
		return map3(section, NULL, at, from, n, PLACEHOLDER_REPLACE, PAGE_READWRITE, NULL, 0);
	}
	for (attempt = 0; attempt < tries && view == NULL; attempt++) {
		if (attempt > 0)
			wait_before_retry(attempt);
		view = MapViewOfFileEx(section, FILE_MAP_READ | FILE_MAP_WRITE, (DWORD)(from >> 32), (DWORD)from, n,
		                       at);
	}
	return view;
}

/*
 * Without placeholders: reserve the addresses from `from` on again. Other threads may have some of them for a moment.
 * If they keep them, only a part is reserved, possibly none, and s->reserved becomes smaller.
 */
static void reserve_again(struct space *s, uint64_t from)
{
	uint64_t n = s->reserved - from;
	int attempt;

	for (attempt = 0; attempt < TRIES; attempt++) {
		if (reserve_at(s->base + from, n) != NULL)
			return;
		wait_before_retry(attempt);
	}
	do
		n = round_down(n / 2, ob__space_page_size());
	while (n > 0 && reserve_at(s->base + from, n) == NULL);
	s->reserved = from + n;
}

/*
 * A view ends at `from`. Behind it, reserve the rest of the range again, and make the first n bytes usable memory
 * with the content of `saved`. 0 or -ENOMEM.
 */
static int restore_behind_view(struct space *s, uint64_t from, const void *saved, uint64_t n)
{
	if (from < s->reserved && !has_placeholders())
		reserve_again(s, from);
	if (n == 0)
		return 0;
	if (n > s->reserved - from || ob__space_make_usable(s, from, from + n) < 0) {
		/* If nothing could be reserved, the memory at this address belongs to another thread. */
		if (from < s->reserved)
			VirtualFree(s->base + from, 0, MEM_RELEASE);
		return -ENOMEM;
	}
	memcpy(s->base + from, saved, (size_t)n);
	return 0;
}

/*
 * Map [0, to) of the section's file without placeholders, when nothing of the range is usable yet. Nobody has a
 * pointer into it then, so the range may move to other addresses, and a failure changes nothing. 0 or a negative
 * errno.
 */
static int map_elsewhere(struct space *s, HANDLE section, uint64_t to)
{
	struct space other = { .reserved = 0 };
	int attempt, r;

	for (attempt = 0; attempt < TRIES_ELSEWHERE; attempt++) {
		r = ob__space_reserve(&other, s->reserved, s->reserved);
		if (r < 0)
			return r;
		clear_range(&other, 0);
		if (map_view_at(&other, section, 0, to, 1) != NULL) {
			restore_behind_view(&other, to, NULL, 0);
			clear_range(s, 0);
			*s = other;
			return 0;
		}
		r = ob__sys_windows_error();
	}
	return r;
}

int ob__space_map_file(struct space *s, int fd, uint64_t from, uint64_t to)
{
	uint64_t usable = usable_end(s, from), n = usable > to ? usable - to : 0;
	HANDLE section = section_of(fd, to);
	void *saved = NULL;
	int r = 0;

	if (section == NULL)
		return ob__sys_windows_error();
	if (from == 0 && usable == 0 && !has_placeholders()) {
		r = map_elsewhere(s, section, to);
		CloseHandle(section);
		return r;
	}
	if (n > 0 && (saved = malloc((size_t)n)) == NULL) {
		CloseHandle(section);
		return -ENOMEM;
	}
	if (n > 0)
		memcpy(saved, s->base + to, (size_t)n);
	clear_range(s, from);
	if (map_view_at(s, section, from, to, TRIES) == NULL) {
		r = ob__sys_windows_error();
		/* Without placeholders, memory that is at these addresses now belongs to other threads. */
		if (has_placeholders())
			release_from(s, from);
	} else {
		r = restore_behind_view(s, to, saved, n);
		if (r < 0)
			UnmapViewOfFile(s->base + from);
	}
	/* A view keeps its section: the handle is not needed any more. */
	CloseHandle(section);
	free(saved);
	if (r < 0)
		s->reserved = from;
	return r;
}

int ob__space_sync(struct space *s, uint64_t to)
{
	uint64_t at = 0;

	while (at < to) {
		struct region r = region_at(s->base + at);

		if (r.state == MEM_COMMIT && r.type == MEM_MAPPED && !FlushViewOfFile(s->base + at, (SIZE_T)r.n))
			return ob__sys_windows_error();
		at += r.n;
	}
	return 0;
}

/*
 * Write the view back. When a view with stores that were not written back was unmapped, a later access to the file
 * sometimes failed (golang/go#38440). And errors of write-back are reported only here.
 */
int ob__space_prepare_unmap(struct space *s, uint64_t to)
{
	return ob__space_sync(s, to);
}

void ob__space_give_back(struct space *s, uint64_t stored)
{
	(void)stored;
	ob__space_free(s);
}

void ob__space_free(struct space *s)
{
	if (s->base != NULL)
		release_from(s, 0);
	memset(s, 0, sizeof *s);
}
