/* SPDX-License-Identifier: MIT */
/* Few addresses: by `ulimit -v`, or as the machine has no more. */
#ifndef TESTS_ADDRESSES_H
#define TESTS_ADDRESSES_H

#include "support/support.h"

#include <stdint.h>

/* What a child of with_few_addresses() ends with to say that it could not look. */
#define NO_FEW_ADDRESSES 77

/* In a child: 1 GiB of addresses from now on. 0, or the child's status to end with. */
int addresses_limit(void);

/* fn(s) in a child, which calls addresses_limit() first, must be 0 and leave the sandbox empty. Or skips. */
void with_few_addresses(int (*fn)(void *arg), struct sandbox *s);

/* Are there n bytes of addresses in one piece? A machine of 32 bits has few, and qemu-user may be told to. */
int addresses_for(uint64_t n);

#endif
