/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what the targets share
 *
 * A target is one function that takes any bytes and returns 0, or does not return. libFuzzer calls
 * it, with bytes that it changes until new code is reached (scripts/fuzz); replay.c does, with files,
 * so that `make check` needs neither clang nor luck.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A directory of this process, below $TMPDIR, /dev/shm or /tmp; removed at exit, not after a finding. */
const char *scratch_dir(void);

/* DIR/NAME; the text is the caller's for good. */
char *scratch_path(const char *name);

/* Say what is wrong, and abort: libFuzzer then keeps the input. */
_Noreturn void finding(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
