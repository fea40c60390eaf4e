/* SPDX-License-Identifier: MIT */
/*
 * Where a range can be extended in place.
 *
 * The kernel places a mapping directly below the one before it, from the top of the address space down. So above a
 * range that was placed by the kernel there is nothing free, and it cannot grow. Programs and their heaps lie at the
 * bottom and at two thirds, AddressSanitizer's shadow memory in the lowest eighth and 2 GiB above it. What is between
 * one eighth and five eighths is empty in almost any program, and the kernel goes there last. So ranges are placed
 * there, at addresses that are asked for: 64 TiB on a machine of 47 bits.
 *
 * There are 16,384 slots in these 64 TiB, 4 GiB apart. Their numbers are such that those which are taken first are far
 * from each other: slot 1 halves the room, 2 and 3 quarter it. Each output takes the lowest free number. So while
 * there are up to 64 outputs each has 1 TiB before it meets a neighbour, while there are 1,024 each has 64 GiB. A
 * counter would do without the bits that say which are taken, but after 16,384 outputs have come and gone it places
 * the next one 4 GiB below one that is still open.
 *
 * Nothing reserves the room behind a range. Other code that maps there by an address of its own stops the growth.
 */
#include "config.h"

#include "memory/slots.h"

#include <errno.h>
#include <stdatomic.h>

#define SLOT_BITS 14
#define SLOTS (1 << SLOT_BITS)
#define WORD_BITS 64

#define LEAST_SPACE ((uint64_t)1 << 38)
#define MOST_SPACE ((uint64_t)1 << 47)

uint64_t ob__slots_pretended_space;

/* Bits of the slots that are taken: set and cleared by any thread. They guard no memory, so no order is needed. */
static _Atomic uint64_t taken[SLOTS / WORD_BITS];

/*
 * Stacks and mappings begin at the top. errno is in a mapping where the stack may be elsewhere, as that of a coroutine
 * is: the largest of the two addresses tells the size. 47 bits are what x86-64 has and what other machines give to
 * programs that do not ask for more; riscv64 has 38 at least.
 */
uint64_t ob__slots_space(void)
{
	uint64_t space = LEAST_SPACE;
	uintptr_t stack = (uintptr_t)&space, mapped = (uintptr_t)&errno;
	uintptr_t highest = stack > mapped ? stack : mapped;

	if (ob__slots_pretended_space != 0)
		return ob__slots_pretended_space;
	while (space < MOST_SPACE && space <= highest)
		space *= 2;
	return space;
}

int ob__slots_take(int from)
{
	int slot;

	for (slot = from; slot < SLOTS; slot++) {
		_Atomic uint64_t *word = &taken[slot / WORD_BITS];
		uint64_t bit = (uint64_t)1 << slot % WORD_BITS;

		if (!(atomic_load_explicit(word, memory_order_relaxed) & bit) &&
		    !(atomic_fetch_or_explicit(word, bit, memory_order_relaxed) & bit))
			return slot;
	}
	return -1;
}

void ob__slots_release(int slot)
{
	atomic_fetch_and_explicit(&taken[slot / WORD_BITS], ~((uint64_t)1 << slot % WORD_BITS),
	                          memory_order_relaxed);
}

/* The number's bits, last first, are the fraction of the room at which the slot lies: 0, 1/2, 1/4, 3/4, 1/8... */
void *ob__slots_address(int slot)
{
	uint64_t space = ob__slots_space(), place = 0;
	int bit;

	for (bit = 0; bit < SLOT_BITS; bit++)
		place = place * 2 + ((unsigned)slot >> bit & 1);
	return (void *)(uintptr_t)(space / 8 + place * (space / 2 / SLOTS));
}
