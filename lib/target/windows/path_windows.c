/* SPDX-License-Identifier: MIT */
/*
 * Paths on Windows.
 *
 * A path is UTF-8, whatever the program's code page is, and may be longer than the old limit of 260 characters. It is
 * made absolute at once, so that the working directory may change. This also removes what Windows ignores at the end
 * of a name ("out.", "out "). Then it gets the prefix \\?\, which lifts the limit and turns off all further
 * interpretation.
 */
#include "config.h"

#include "target/windows/path_windows.h"

#include <stdlib.h>
#include <string.h>

#include "system/windows/sys_windows.h"

static const wchar_t long_path_prefix[] = L"\\\\?\\", long_share_prefix[] = L"\\\\?\\UNC";
static const wchar_t device_prefix[] = L"\\\\.\\", share_prefix[] = L"\\\\";

static int has_prefix(const wchar_t *path, const wchar_t *prefix)
{
	return wcsncmp(path, prefix, wcslen(prefix)) == 0;
}

static wchar_t *fail_no_memory(void)
{
	SetLastError(ERROR_NOT_ENOUGH_MEMORY);
	return NULL;
}

static wchar_t *to_utf16(const char *text)
{
	int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
	wchar_t *to = length <= 0 ? NULL : malloc((size_t)length * sizeof *to);

	if (length <= 0)
		return NULL;
	if (to == NULL)
		return fail_no_memory();
	MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, to, length);
	return to;
}

/* The first n characters of a, then b. */
static wchar_t *concatenate(const wchar_t *a, size_t n, const wchar_t *b)
{
	wchar_t *to = malloc((n + wcslen(b) + 1) * sizeof *to);

	if (to == NULL)
		return fail_no_memory();
	memcpy(to, a, n * sizeof *to);
	wcscpy(to + n, b);
	return to;
}

static wchar_t *make_absolute(const wchar_t *path)
{
	DWORD length = GetFullPathNameW(path, 0, NULL, NULL), written;
	wchar_t *to;

	/* Another thread may change the working directory to a longer one between the two calls. */
	for (;;) {
		to = length == 0 ? NULL : malloc(length * sizeof *to);
		if (length == 0)
			return NULL;
		if (to == NULL)
			return fail_no_memory();
		written = GetFullPathNameW(path, length, to, NULL);
		if (written > 0 && written < length)
			return to;
		free(to);
		length = written;
	}
}

wchar_t *ob__path_full(const char *path)
{
	wchar_t *given = to_utf16(path), *full, *to, *slash;

	if (given == NULL)
		return NULL;
	while ((slash = wcschr(given, L'/')) != NULL)
		*slash = L'\\';
	if (has_prefix(given, long_path_prefix))
		return given;
	full = make_absolute(given);
	free(given);
	if (full == NULL)
		return NULL;
	if (has_prefix(full, device_prefix)) {
		/* \\.\C:\dir\out is a file nevertheless. */
		if (full[4] != L'\0' && full[5] == L':')
			full[2] = L'?';
		return full;
	}
	if (has_prefix(full, share_prefix))
		to = concatenate(long_share_prefix, wcslen(long_share_prefix), full + 1);
	else
		to = concatenate(long_path_prefix, wcslen(long_path_prefix), full);
	free(full);
	return to;
}

const wchar_t *ob__path_last(const wchar_t *path)
{
	const wchar_t *slash = wcsrchr(path, L'\\');

	return slash == NULL ? path : slash + 1;
}

wchar_t *ob__path_beside(const wchar_t *path, const char *name)
{
	wchar_t *other = to_utf16(name), *to;

	if (other == NULL)
		return NULL;
	to = concatenate(path, (size_t)(ob__path_last(path) - path), other);
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
		fail_no_memory();
		return NULL;
	}
	/* The invariant locale: a file system's rules for lower case do not change with the user's locale either. */
	if (LCMapStringEx(LOCALE_NAME_INVARIANT, LCMAP_LOWERCASE, last, n, lower, n, NULL, NULL, 0) <= 0)
		wcscpy(lower, last);
	length = WideCharToMultiByte(CP_UTF8, 0, lower, -1, NULL, 0, NULL, NULL);
	to = length <= 0 ? NULL : malloc((size_t)length);
	if (to != NULL)
		WideCharToMultiByte(CP_UTF8, 0, lower, -1, to, length, NULL, NULL);
	else if (length > 0)
		fail_no_memory();
	free(lower);
	return to;
}

int ob__path_is_directory(const char *path)
{
	const char *name = path, *p;

	for (p = path; *p != '\0'; p++)
		if (*p == '/' || *p == '\\' || (*p == ':' && p == path + 1))
			name = p + 1;
	return *name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int ob__path_is_device(const wchar_t *path)
{
	return has_prefix(path, device_prefix) || has_prefix(path, L"\\\\?\\pipe\\");
}
