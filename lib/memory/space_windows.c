/* SPDX-License-Identifier: MIT */
/*
 * The address range of an output, on Windows.
 *
 * As elsewhere (space_vm.c) addresses are reserved for more than anyone will need, the file is mapped over their
 * start, and memory is made usable behind it. But here a view of a file does not replace what is at its
 * addresses. Two ways:
 *
 *   Placeholders (Windows 10 1803: VirtualAlloc2, MapViewOfFile3) are reservations that can be split and
 *   replaced by memory or a view, so nobody else gets those addresses. Looked for when the program runs.
 *
 *   Without them the reservation is released, the view asked for at its address, and the rest reserved again.
 *   Another thread may get the addresses in between. The first mapping of an output, before anybody has a
 *   pointer, is then tried at other addresses. A larger one has to be where it is: that is tried again, for
 *   up to 0.1 s, and if the addresses stay taken it is as space.h says: all from there on is lost, and the
 *   output is given up by -ENOMEM. wine 8 is such a system: beside two threads that did nothing but reserve and
 *   release memory it came in none of 6,000 larger mappings (tests/test_windows_space.c).
 *
 * Either way what was in memory over the view's place is in the file by then (mapping.c). What is usable behind
 * it is kept: a step of the heap that reaches over the end is copied aside for that moment, and nearly always
 * it holds nothing yet.
 *
 * A view's place and its offset in the file are multiples of 64 KiB, so this is the page here: a mapped file is
 * up to 64 KiB longer until commit.
 *
 * No list of views is kept: the system knows what is at which address (VirtualQuery).
 */
#include "config.h"

#include "memory/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory/round.h"
#include "memory/space_windows.h"
#include "system/windows/sys_windows.h"

/* Younger than these headers. */
#define PLACEHOLDER_RESERVE 0x00040000
#define PLACEHOLDER_REPLACE 0x00004000
#define PLACEHOLDER_COALESCE 0x00000001
#define PLACEHOLDER_PRESERVE 0x00000002

/* For a moment another thread has the addresses; a longer one, if it lost its processor in that. */
#define TRIES_AT_ONCE 1000
#define TRIES 1100
#define TRIES_ELSEWHERE 100

static void wait_for_others(int try)
{
	if (try < TRIES_AT_ONCE)
		ob__sys_pause();
	else
		Sleep(1);
}

typedef void *WINAPI virtual_alloc2(HANDLE process, void *at, SIZE_T n, ULONG how, ULONG protection,
                                    void *parameters, ULONG count);
typedef void *WINAPI map_view_of_file3(HANDLE section, HANDLE process, void *at, ULONG64 offset, SIZE_T n, ULONG how,
                                       ULONG protection, void *parameters, ULONG count);

/* Constant once looked for. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
int ob__space_without_placeholders;
static virtual_alloc2 *alloc2;
static map_view_of_file3 *map3;

static void look(void)
{
	HMODULE base = GetModuleHandleW(L"kernelbase.dll");
	void *got;

	if (base == NULL)
		return;
	/* By way of a common type: a function's pointer is not cast to another's. */
	alloc2 = (virtual_alloc2 *)(void (*)(void))GetProcAddress(base, "VirtualAlloc2");
	map3 = (map_view_of_file3 *)(void (*)(void))GetProcAddress(base, "MapViewOfFile3");
	got = alloc2 == NULL || map3 == NULL ? NULL
	                                     : alloc2(NULL, NULL, ob__space_page_size(), MEM_RESERVE | PLACEHOLDER_RESERVE,
	                                              PAGE_NOACCESS, NULL, 0);
	if (got == NULL)
		alloc2 = NULL;
	else
		VirtualFree(got, 0, MEM_RELEASE);
}

int ob__space_has_placeholders(void)
{
	pthread_once(&once, look);
	return alloc2 != NULL;
}

static int has_placeholders(void)
{
	return !ob__space_without_placeholders && ob__space_has_placeholders();
}

uint64_t ob__space_default_size(void)
{
	return sizeof(void *) < 8 ? (uint64_t)512 << 20 : (uint64_t)64 << 30;
}

uint64_t ob__space_page_size(void)
{
	SYSTEM_INFO info;

	GetSystemInfo(&info);
	return info.dwAllocationGranularity;
}

static uint64_t whole_pages(uint64_t n)
{
	return round_up(n, ob__space_page_size());
}

static void *reserve_at(void *at, uint64_t n)
{
	if (has_placeholders())
		return alloc2(NULL, at, (SIZE_T)n, MEM_RESERVE | PLACEHOLDER_RESERVE, PAGE_NOACCESS, NULL, 0);
	return VirtualAlloc(at, (SIZE_T)n, MEM_RESERVE, PAGE_NOACCESS);
}

int ob__space_reserve(struct space *s, uint64_t want, uint64_t need)
{
	uint64_t try;

	if (need > SIZE_MAX / 2 - ob__space_page_size())
		return -EFBIG;
	need = whole_pages(need);
	want = want > SIZE_MAX / 2 - ob__space_page_size() ? SIZE_MAX / 2 : want;
	want = whole_pages(want < need ? need : want);
	for (try = want;; try = try / 2 > need ? whole_pages(try / 2) : need) {
		void *got = reserve_at(NULL, try);

		if (got != NULL) {
			*s = (struct space){ .base = got, .reserved = try };
			return 0;
		}
		if (try == need)
			return -ENOMEM;
	}
}

/* ------------------------------------------------------------ what is at an address */

struct region {
	uint64_t n;
	DWORD state; /* MEM_FREE, MEM_RESERVE, MEM_COMMIT */
	DWORD type;  /* MEM_MAPPED, MEM_PRIVATE */
	void *allocation;
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
 * All of what was allocated at once: usable at first, then not. It goes as a whole, and what others get there in that
 * moment must not be looked at for more of ours.
 */
static struct region allocation_at(unsigned char *at)
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

/* How far from `from` on memory is usable and no file's. */
static uint64_t usable_from(const struct space *s, uint64_t from)
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

/* Let go of all from there on, which is ours. */
static void release_from(struct space *s, uint64_t from)
{
	unsigned char *at = s->base + from, *end = s->base + s->reserved;

	while (at < end) {
		struct region r = allocation_at(at);

		if (r.state != MEM_FREE && r.type == MEM_MAPPED)
			UnmapViewOfFile(r.allocation);
		else if (r.state != MEM_FREE)
			VirtualFree(r.allocation, 0, MEM_RELEASE);
		at += r.n;
	}
	s->reserved = from;
}

/* ------------------------------------------------------------------ memory behind */

/* One placeholder or reservation from `from` on, of which nothing is usable: have its first bytes so. */
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
	/* In one piece again, for the next try. */
	if (to < s->reserved)
		VirtualFree(at, (SIZE_T)(s->reserved - from), MEM_RELEASE | PLACEHOLDER_COALESCE);
	return -ENOMEM;
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

		/* It may go, and need not be kept elsewhere: what is read then is what it was, or zeros. */
		if (r.type == MEM_PRIVATE)
			VirtualAlloc(s->base + from, n, MEM_RESET, PAGE_READWRITE);
		/* Of what is not locked, it takes away what is in memory. */
		VirtualUnlock(s->base + from, n);
		from += n;
	}
}

void ob__space_advise_store(struct space *s, uint64_t from, uint64_t to)
{
	/* Large pages are a privilege here. */
	(void)s, (void)from, (void)to;
}

/* --------------------------------------------------------------------- the file */

static HANDLE section_of(int fd, uint64_t size)
{
	return CreateFileMappingW(ob__sys_handle(fd), NULL, PAGE_READWRITE, (DWORD)(size >> 32), (DWORD)size, NULL);
}

/* An empty file has no page, and a section of one would make it longer: there is nothing to be seen, NULL. */
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

/* The range from `from` on becomes one free piece, with a placeholder in it or without. */
static void make_free(struct space *s, uint64_t from)
{
	unsigned char *at = s->base + from, *end = s->base + s->reserved;

	while (at < end) {
		struct region r = allocation_at(at);

		if (!has_placeholders() && r.state != MEM_FREE)
			VirtualFree(r.allocation, 0, MEM_RELEASE);
		else if (r.state == MEM_COMMIT)
			VirtualFree(at, (SIZE_T)r.n, MEM_RELEASE | PLACEHOLDER_PRESERVE);
		at += r.n;
	}
	if (has_placeholders())
		VirtualFree(s->base + from, (SIZE_T)(s->reserved - from), MEM_RELEASE | PLACEHOLDER_COALESCE);
}

static void *map_there(struct space *s, HANDLE section, uint64_t from, uint64_t to, int tries)
{
	unsigned char *at = s->base + from;
	SIZE_T n = (SIZE_T)(to - from);
	void *got = NULL;
	int try;

	if (has_placeholders()) {
		if (to < s->reserved)
			VirtualFree(at, n, MEM_RELEASE | PLACEHOLDER_PRESERVE);
		return map3(section, NULL, at, from, n, PLACEHOLDER_REPLACE, PAGE_READWRITE, NULL, 0);
	}
	for (try = 0; try < tries && got == NULL; try++) {
		if (try > 0)
			wait_for_others(try);
		got = MapViewOfFileEx(section, FILE_MAP_READ | FILE_MAP_WRITE, (DWORD)(from >> 32), (DWORD)from, n, at);
	}
	return got;
}

/* Others may be in it for a moment, or for good: then up to there, which may be nothing. */
static void reserve_again(struct space *s, uint64_t from)
{
	uint64_t n = s->reserved - from;
	int try;

	for (try = 0; try < TRIES; try++) {
		if (reserve_at(s->base + from, n) != NULL)
			return;
		wait_for_others(try);
	}
	do
		n = round_down(n / 2, ob__space_page_size());
	while (n > 0 && reserve_at(s->base + from, n) == NULL);
	s->reserved = from + n;
}

/* Behind the view it is reserved, and again what it was. */
static int restore(struct space *s, uint64_t from, const void *kept, uint64_t n)
{
	if (from < s->reserved && !has_placeholders())
		reserve_again(s, from);
	if (n == 0)
		return 0;
	if (n > s->reserved - from || ob__space_make_usable(s, from, from + n) < 0) {
		/* What is there if nothing was reserved is somebody else's. */
		if (from < s->reserved)
			VirtualFree(s->base + from, 0, MEM_RELEASE);
		return -ENOMEM;
	}
	memcpy(s->base + from, kept, (size_t)n);
	return 0;
}

/*
 * Without placeholders, when nothing is usable yet, so that nobody has a pointer: the range may as well be
 * elsewhere, and what fails costs nothing. Else as ob__space_map_file().
 */
static int map_elsewhere(struct space *s, HANDLE section, uint64_t to)
{
	struct space other = { .reserved = 0 };
	int try, r;

	for (try = 0; try < TRIES_ELSEWHERE; try++) {
		r = ob__space_reserve(&other, s->reserved, s->reserved);
		if (r < 0)
			return r;
		make_free(&other, 0);
		if (map_there(&other, section, 0, to, 1) != NULL) {
			restore(&other, to, NULL, 0);
			make_free(s, 0);
			*s = other;
			return 0;
		}
		r = ob__sys_windows_error();
	}
	return r;
}

int ob__space_map_file(struct space *s, int fd, uint64_t from, uint64_t to)
{
	uint64_t usable = usable_from(s, from), n = usable > to ? usable - to : 0;
	HANDLE section = section_of(fd, to);
	void *kept = NULL;
	int r = 0;

	if (section == NULL)
		return ob__sys_windows_error();
	if (from == 0 && usable == 0 && !has_placeholders()) {
		r = map_elsewhere(s, section, to);
		CloseHandle(section);
		return r;
	}
	if (n > 0 && (kept = malloc((size_t)n)) == NULL) {
		CloseHandle(section);
		return -ENOMEM;
	}
	if (n > 0)
		memcpy(kept, s->base + to, (size_t)n);
	make_free(s, from);
	if (map_there(s, section, from, to, TRIES) == NULL) {
		r = ob__sys_windows_error();
		/* Without them, whatever is there now is somebody else's. */
		if (has_placeholders())
			release_from(s, from);
	} else {
		r = restore(s, to, kept, n);
		if (r < 0)
			UnmapViewOfFile(s->base + from);
	}
	/* A view needs its section no more. */
	CloseHandle(section);
	free(kept);
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

/* What is unmapped with stores in it made a later access fail at times (golang/go#38440); and this tells of errors. */
int ob__space_prepare_unmap(struct space *s, uint64_t to)
{
	return ob__space_sync(s, to);
}

void ob__space_free(struct space *s)
{
	if (s->base != NULL)
		release_from(s, 0);
	memset(s, 0, sizeof *s);
}
