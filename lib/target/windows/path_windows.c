/* SPDX-License-Identifier: MIT */
/*
 * Paths are UTF-8, whatever the program's code page, and may be longer than the 260 characters of old. They are made
 * absolute at once, so that the working directory may change, which also takes away what Windows does not see in a
 * name ("out.", "out "); and get the prefix \\?\, which lifts the limit and ends all interpretation.
 */
#include "config.h"

#include "target/windows/path_windows.h"

#include <stdlib.h>
#include <string.h>

#include "system/windows/sys_windows.h"

static const wchar_t long_path[] = L"\\\\?\\", long_share[] = L"\\\\?\\UNC", device[] = L"\\\\.\\", share[] = L"\\\\";

static int begins(const wchar_t *path, const wchar_t *with)
{
	return wcsncmp(path, with, wcslen(with)) == 0;
}

static wchar_t *no_memory(void)
{
	SetLastError(ERROR_NOT_ENOUGH_MEMORY);
	return NULL;
}

static wchar_t *wide(const char *text)
{
	int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
	wchar_t *to = length <= 0 ? NULL : malloc((size_t)length * sizeof *to);

	if (length <= 0)
		return NULL;
	if (to == NULL)
		return no_memory();
	MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, to, length);
	return to;
}

static wchar_t *joined(const wchar_t *a, size_t n, const wchar_t *b)
{
	wchar_t *to = malloc((n + wcslen(b) + 1) * sizeof *to);

	if (to == NULL)
		return no_memory();
	memcpy(to, a, n * sizeof *to);
	wcscpy(to + n, b);
	return to;
}

static wchar_t *absolute(const wchar_t *path)
{
	DWORD length = GetFullPathNameW(path, 0, NULL, NULL), got;
	wchar_t *to;

	/* The working directory may become a longer one meanwhile. */
	for (;;) {
		to = length == 0 ? NULL : malloc(length * sizeof *to);
		if (length == 0)
			return NULL;
		if (to == NULL)
			return no_memory();
		got = GetFullPathNameW(path, length, to, NULL);
		if (got > 0 && got < length)
			return to;
		free(to);
		length = got;
	}
}

wchar_t *ob__path_full(const char *path)
{
	wchar_t *given = wide(path), *whole, *to, *slash;

	if (given == NULL)
		return NULL;
	while ((slash = wcschr(given, L'/')) != NULL)
		*slash = L'\\';
	if (begins(given, long_path))
		return given;
	whole = absolute(given);
	free(given);
	if (whole == NULL)
		return NULL;
	if (begins(whole, device)) {
		/* But \\.\C:\dir\out is a file. */
		if (whole[4] != L'\0' && whole[5] == L':')
			whole[2] = L'?';
		return whole;
	}
	if (begins(whole, share))
		to = joined(long_share, wcslen(long_share), whole + 1);
	else
		to = joined(long_path, wcslen(long_path), whole);
	free(whole);
	return to;
}

const wchar_t *ob__path_last(const wchar_t *path)
{
	const wchar_t *slash = wcsrchr(path, L'\\');

	return slash == NULL ? path : slash + 1;
}

wchar_t *ob__path_beside(const wchar_t *path, const char *name)
{
	wchar_t *other = wide(name), *to;

	if (other == NULL)
		return NULL;
	to = joined(path, (size_t)(ob__path_last(path) - path), other);
	free(other);
	return to;
}

char *ob__path_name(const wchar_t *path)
{
	const wchar_t *last = ob__path_last(path);
	int n = (int)wcslen(last) + 1, length;
	wchar_t *lower = malloc((size_t)n * sizeof *lower);
	char *to;

	if (lower == NULL) {
		no_memory();
		return NULL;
	}
	/* The invariant locale's, as that of a file system does not change with the user's. */
	if (LCMapStringEx(LOCALE_NAME_INVARIANT, LCMAP_LOWERCASE, last, n, lower, n, NULL, NULL, 0) <= 0)
		wcscpy(lower, last);
	length = WideCharToMultiByte(CP_UTF8, 0, lower, -1, NULL, 0, NULL, NULL);
	to = length <= 0 ? NULL : malloc((size_t)length);
	if (to != NULL)
		WideCharToMultiByte(CP_UTF8, 0, lower, -1, to, length, NULL, NULL);
	else if (length > 0)
		no_memory();
	free(lower);
	return to;
}

int ob__path_is_directory(const char *path)
{
	const char *name = path, *at;

	for (at = path; *at != '\0'; at++)
		if (*at == '/' || *at == '\\' || (*at == ':' && at == path + 1))
			name = at + 1;
	return *name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int ob__path_is_device(const wchar_t *path)
{
	return begins(path, device) || begins(path, L"\\\\?\\pipe\\");
}
