/* SPDX-License-Identifier: MIT */
/*
 * arena.c - chunks of memory, in huge pages where the system has them
 *
 * The problem: the first access to a page is a fault. 100 MB in small pages are 25,000 faults. On the virtual machine
 * where this was measured, they took a fifth of the whole run time.
 *
 * The choice: chunks are multiples of 2 MiB and are advised to use huge pages (transparent huge pages, if the system's
 * setting is "madvise" or "always"). 100 MB in huge pages are 50 faults.
 *
 * The cost: when a new chunk is added, the unused rest of the previous one is lost.
 *
 * Under AddressSanitizer each array is a chunk of its own, so that accesses past the end of an array are detected.
 */
#include "config.h"

#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#ifdef HAVE_VM
#include <sys/mman.h>
#endif

#include "report/report.h"

enum { HUGE_PAGE = 2 << 20, ALIGN = 64 };

/* One allocation from the system. Constant after add_chunk(). */
struct chunk {
	struct chunk *next;
	void *memory;
	size_t size;
};

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#endif

#ifdef ADDRESS_SANITIZER
#define CHUNK_SIZE 1 /* each array is a chunk of its own */
#else
#define CHUNK_SIZE (4 * HUGE_PAGE)
#endif

#if defined(HAVE_VM) && !defined(ADDRESS_SANITIZER)
/* Zeroed memory at a multiple of HUGE_PAGE. A larger range is mapped, and its excess on both sides is unmapped. */
static void *allocate_chunk_memory(size_t size)
{
	unsigned char *p = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (p == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)p & (HUGE_PAGE - 1);
	if (before > 0)
		munmap(p, before);
	munmap(p + before + size, HUGE_PAGE - before);
#ifdef MADV_HUGEPAGE
	madvise(p + before, size, MADV_HUGEPAGE);
#endif
	return p + before;
}

static void free_chunk_memory(void *memory, size_t size)
{
	munmap(memory, size);
}
#else
static void *allocate_chunk_memory(size_t size)
{
	return calloc(1, size);
}

static void free_chunk_memory(void *memory, size_t size)
{
	(void)size;
	free(memory);
}
#endif

/* Add a chunk for at least `size` bytes. The caller holds the lock. Returns 0, or -1: out of memory. */
static int add_chunk(struct arena *arena, size_t size)
{
	struct chunk *chunk = malloc(sizeof *chunk);
	size_t chunk_size = CHUNK_SIZE == 1 ? size : (size + CHUNK_SIZE - 1) / CHUNK_SIZE * CHUNK_SIZE;

	if (!chunk)
		return -1;
	chunk->size = chunk_size;
	chunk->memory = allocate_chunk_memory(chunk_size);
	if (!chunk->memory) {
		free(chunk);
		return -1;
	}
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	arena->unused = chunk->memory;
	arena->unused_size = chunk_size;
	return 0;
}

void *arena_allocate(struct arena *arena, struct error *error, size_t n, size_t size)
{
	unsigned char *p = NULL;
	size_t bytes;

	/* `bytes` is limited so that the sums below cannot overflow. */
	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 4) {
		fail(error, NULL, "out of memory");
		return NULL;
	}
	/* At least one byte, so that different arrays have different addresses. */
	bytes = CHUNK_SIZE == 1 ? bytes + !bytes : (bytes + ALIGN) / ALIGN * ALIGN;
	pthread_mutex_lock(&arena->lock);
	if (bytes <= arena->unused_size || add_chunk(arena, bytes) == 0) {
		p = arena->unused;
		arena->unused += bytes;
		arena->unused_size -= bytes;
	}
	pthread_mutex_unlock(&arena->lock);
	if (!p)
		fail(error, NULL, "out of memory");
	return p;
}

void arena_free(struct arena *arena)
{
	while (arena->chunks) {
		struct chunk *next = arena->chunks->next;

		free_chunk_memory(arena->chunks->memory, arena->chunks->size);
		free(arena->chunks);
		arena->chunks = next;
	}
	pthread_mutex_destroy(&arena->lock);
}
