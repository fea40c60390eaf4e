/* SPDX-License-Identifier: MIT */
/*
 * arena.c - chunks of memory, in huge pages where there are any
 *
 * The first touch of a page is a fault, and of small pages 100 MB are 25,000 of them: on the virtual machine
 * where this was measured they took a fifth of all the time. Chunks are multiples of 2 MiB and say that they
 * would like huge pages (THP, "madvise" or "always"), of which the same are 50.
 *
 * Under AddressSanitizer each array is a chunk of its own, so that it sees where they end.
 */
#include "config.h"

#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#ifdef HAVE_VM
#include <sys/mman.h>
#endif

#include "report/report.h"

enum { HUGE = 2 << 20, ALIGN = 64 };

struct chunk {
	struct chunk *next;
	void *memory;
	size_t size;
};

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#endif

#ifdef WATCHED
#define CHUNK 1
#else
#define CHUNK (4 * HUGE)
#endif

#if defined(HAVE_VM) && !defined(WATCHED)
/* Zero, at a multiple of HUGE; more is mapped, and what is around it given back. */
static void *get_memory(size_t size)
{
	unsigned char *p = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (p == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)p & (HUGE - 1);
	if (before > 0)
		munmap(p, before);
	munmap(p + before + size, HUGE - before);
#ifdef MADV_HUGEPAGE
	madvise(p + before, size, MADV_HUGEPAGE);
#endif
	return p + before;
}

static void give_back(void *memory, size_t size)
{
	munmap(memory, size);
}
#else
static void *get_memory(size_t size)
{
	return calloc(1, size);
}

static void give_back(void *memory, size_t size)
{
	(void)size;
	free(memory);
}
#endif

/* A chunk with room for so much. Under the lock. */
static int add_chunk(struct arena *arena, size_t size)
{
	struct chunk *chunk = malloc(sizeof *chunk);
	size_t whole = CHUNK == 1 ? size : (size + CHUNK - 1) / CHUNK * CHUNK;

	if (!chunk)
		return -1;
	chunk->size = whole;
	chunk->memory = get_memory(whole);
	if (!chunk->memory) {
		free(chunk);
		return -1;
	}
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	/* What is left of the last one is lost. */
	arena->at = chunk->memory;
	arena->left = whole;
	return 0;
}

void *arena_allocate(struct arena *arena, struct error *error, size_t n, size_t size)
{
	unsigned char *p = NULL;
	size_t bytes;

	/* One byte at least, as different arrays are at different places; and no sums that overflow. */
	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 4) {
		fail(error, NULL, "out of memory");
		return NULL;
	}
	bytes = CHUNK == 1 ? bytes + !bytes : (bytes + ALIGN) / ALIGN * ALIGN;
	pthread_mutex_lock(&arena->lock);
	if (bytes <= arena->left || add_chunk(arena, bytes) == 0) {
		p = arena->at;
		arena->at += bytes;
		arena->left -= bytes;
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

		give_back(arena->chunks->memory, arena->chunks->size);
		free(arena->chunks);
		arena->chunks = next;
	}
	pthread_mutex_destroy(&arena->lock);
}
