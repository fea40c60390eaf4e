/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "rigs/guarded.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "output/output.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { ADVICE_IGNORED = 77 };

static char *behind;

/* What the guard does in short: a page that cannot be had is no success, and memory can take its place. */
static void bus_error(int signal)
{
	(void)signal;
	if (madvise(behind, 4096, MADV_POPULATE_WRITE) == 0)
		_exit(ADVICE_IGNORED);
	if (mmap(behind, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != behind)
		_exit(1);
}

/* In a child: a store behind the end of a mapped file. */
static void store_behind(FILE *f)
{
	if (ftruncate(fileno(f), 4096) != 0)
		_exit(2);
	behind = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
	if (behind == MAP_FAILED || ftruncate(fileno(f), 0) != 0)
		_exit(3);
	signal(SIGBUS, bus_error);
	guarded_store(behind, 5);
	_exit(0);
}

/* Only these two answers, ignored advice and none at all, keep the tests from running. */
static int cannot_be_mended(void)
{
	const struct timespec moment = { .tv_nsec = 10000000 };
	FILE *f = tmpfile();
	int status, i;
	pid_t pid;

	assert_non_null(f);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		store_behind(f);
	fclose(f);
	/* 3 s; the answer takes less than one of these. */
	for (i = 0; i < 300; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == ADVICE_IGNORED;
		nanosleep(&moment, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return 1;
}

void skip_unguardable(void)
{
	static int hopeless = -1;

	skip_unmappable();
	if (hopeless < 0)
		hopeless = cannot_be_mended();
	if (hopeless) {
		print_message("MADV_POPULATE_WRITE is answered by 0 and not followed: the guard would wait for ever\n");
		skip();
	}
}

struct outbuf *guarded_open(const char *path, size_t size)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	o.map = OUTBUF_REQUIRE;
	o.stage = OUTBUF_NO;
	o.guard = 1;
	ob = open_with(path, &o);
	assert_int_equal(outbuf_map(ob, size), 0);
	return ob;
}

void guarded_truncate(struct outbuf *ob, off_t size)
{
	assert_int_equal(ftruncate(ob->target.fd, size), 0);
}

void guarded_store(void *p, size_t offset)
{
	__asm__ volatile("" ::: "memory");
	((volatile char *)p)[offset] = 'x';
	__asm__ volatile("" ::: "memory");
}
