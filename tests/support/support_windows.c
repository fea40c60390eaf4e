/* SPDX-License-Identifier: MIT */
/* What support.h asks of the system, on Windows. */
#include "config.h"

#include "support/addresses.h"
#include "support/support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "system/windows/sys_windows.h"

unsigned count_fds(void)
{
	unsigned fd, n = 0;

	/* Those of the C library, which ends the program if it is asked for more. */
	for (fd = 0; fd < 2048; fd++)
		n += GetFileType((HANDLE)_get_osfhandle((int)fd)) != FILE_TYPE_UNKNOWN;
	return n;
}

uint64_t allocated(const char *path)
{
	DWORD high, low = GetCompressedFileSizeA(path, &high);

	return (uint64_t)high << 32 | low;
}

int required_blocks(void)
{
	char path[300];
	int fd, r;

	probe_path(path, sizeof path);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	r = ob__sys_fallocate(fd, 0, 4096);
	close(fd);
	unlink(path);
	return r;
}

int required_mapping(void)
{
	return 0;
}

int addresses_for(uint64_t n)
{
	void *got = n > SIZE_MAX ? NULL : VirtualAlloc(NULL, (SIZE_T)n, MEM_RESERVE, PAGE_NOACCESS);

	return got != NULL && VirtualFree(got, 0, MEM_RELEASE);
}

int in_child(int drop, int (*fn)(void *arg), void *arg)
{
	(void)drop, (void)fn, (void)arg;
	fail_msg("there is no fork() here");
	return -1;
}

char *mkdtemp(char *template)
{
	static unsigned n;
	size_t length = strlen(template);

	for (; n < 1000000; n++) {
		snprintf(template + length - 6, 7, "%06u", (unsigned)(GetCurrentProcessId() * 1000 + n) % 1000000);
		if (_mkdir(template) == 0)
			return template;
		if (errno != EEXIST)
			break;
	}
	return NULL;
}
