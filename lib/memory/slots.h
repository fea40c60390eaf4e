/* SPDX-License-Identifier: MIT */
/* Places in the middle of the address space, with room to grow behind each. Part of space_vm.c. */
#ifndef OUTBUF_LIB_SLOTS_H
#define OUTBUF_LIB_SLOTS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Not 0: take the address space to be of this size, a power of two of 256 GiB or more. Written by tests while there is
 * no output, read by any thread.
 */
extern uint64_t ob__slots_pretended_space;

/* The size of the address space in bytes, a power of two from 256 GiB to 128 TiB. For 64 bits only. Any thread. */
uint64_t ob__slots_space(void);

/* Take the first free slot from number `from` on. Any thread. Its number, or -1: none is free. */
int ob__slots_take(int from);

/* Any thread; the slot's range is unmapped already, or will not be used again. */
void ob__slots_release(int slot);

/* Where a slot begins. Any thread. */
void *ob__slots_address(int slot);

#endif
