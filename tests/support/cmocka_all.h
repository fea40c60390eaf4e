/* SPDX-License-Identifier: MIT */
/*
 * cmocka with what it wants included before it. Its asserts and mocks are thread-local: in a
 * worker an assert exits the process and mock() finds no value. So workers return
 * results, and the main thread asserts.
 */
#ifndef TESTS_CMOCKA_ALL_H
#define TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>

/* TAP has lines that end in "\n". */
__attribute__((constructor)) static void write_binary(void)
{
	_setmode(1, _O_BINARY);
}
#endif

#endif
