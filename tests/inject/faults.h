/* SPDX-License-Identifier: MIT */
/*
 * Calls that fail on command. A test puts functions of its own into the library's tables of
 * calls (sys.h, sys_vm.h), which ask call_fails(). They run on the flush's threads too.
 */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include <stdint.h>
#include <sys/types.h>

/*
 * From now on call number `from` (counted from 1) and all later ones fail with this errno, or only
 * that one if `once`; error 0: none does.
 */
void arm(int from, int error, int once);

/* Count a call. 1, and errno is set, if it is to fail. */
int call_fails(void);

/* Calls since arm(). */
int calls_made(void);

/* As a file system without nameless files answers (ob__sys_table.openat). */
int no_nameless(int dirfd, const char *path, int flags, mode_t mode);
#ifdef __linux__
/* From now on every file is on a file system of this type, a number of fstatfs(2). */
void pretend_file_system(uint32_t magic);
#endif
/* Each third call is interrupted, the others do a third of the work. They count. */
ssize_t short_pwrite(int fd, const void *data, size_t n, off_t offset);
ssize_t short_pread(int fd, void *data, size_t n, off_t offset);
/* No work at all. */
ssize_t zero_pwrite(int fd, const void *data, size_t n, off_t offset);

/* cmocka's setup and teardown around a sandbox: the real tables are put back, nothing armed. */
int faults_begin(void **state);
int faults_end(void **state);

#define fault_test(f) cmocka_unit_test_setup_teardown(f, faults_begin, faults_end)

#endif
