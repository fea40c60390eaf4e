/* SPDX-License-Identifier: MIT */
/*
 * What is different on Windows: names, what replaces what, what a killed process leaves. (test_windows_space.c: where
 * bytes are.) Most others run there as everywhere.
 */
#include "config.h"

#include "support/files.h"
#include "support/support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "system/windows/sys_windows.h"

static const char *program; /* this one, to be run again */

static void wide(const char *text, wchar_t *to, int n)
{
	assert_true(MultiByteToWideChar(CP_UTF8, 0, text, -1, to, n) > 0);
}

static DWORD attributes_of(const char *path)
{
	wchar_t to[600];

	wide(path, to, 600);
	return GetFileAttributesW(to);
}

/* The content at a path, by Windows' own functions; 0 if it is these bytes. */
static int differs(const wchar_t *path, const char *want)
{
	HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
	char got[100];
	DWORD n = 0;
	int r;

	if (file == INVALID_HANDLE_VALUE)
		return -1;
	r = !ReadFile(file, got, sizeof got, &n, NULL) || n != strlen(want) || memcmp(got, want, n) != 0;
	CloseHandle(file);
	return r;
}

static int write_output(const char *path, const struct outbuf_options *options, const char *text)
{
	struct outbuf *ob;
	struct outbuf_view v;
	int r = outbuf_open(&ob, path, options);

	if (r < 0)
		return r;
	r = outbuf_map(ob, strlen(text));
	outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
	outbuf_write_string(&v, text);
	outbuf_view_end(&v);
	if (r == 0)
		r = outbuf_commit(ob);
	outbuf_close(ob);
	return r;
}

/* Longer than what the C library can say. */
static void remove_long(const char *path)
{
	wchar_t given[700], to[1200] = L"\\\\?\\";

	wide(path, given, 700);
	assert_true(GetFullPathNameW(given, 1190, to + 4, NULL) > 0);
	assert_true(DeleteFileW(to));
}

/* ---------------------------------------------------------------------- names */

static void test_names(void **state)
{
	static const char *const directories[] = { ".", "..", "new/", "new\\", "sub/..", "sub\\." };
	struct sandbox *s = *state;
	char path[700];
	size_t i;

	assert_int_equal(write_output("", NULL, "x"), -ENOENT);
	assert_int_equal(write_output(s->dir, NULL, "x"), -EISDIR);
	assert_int_equal(write_output("C:", NULL, "x"), -EISDIR);
	for (i = 0; i < sizeof directories / sizeof *directories; i++) {
		snprintf(path, sizeof path, "%s/%s", s->dir, directories[i]);
		assert_int_equal(write_output(path, NULL, "x"), -EISDIR);
	}
	snprintf(path, sizeof path, "%s/missing/out", s->dir);
	assert_int_equal(write_output(path, NULL, "x"), -ENOENT);
	snprintf(path, sizeof path, "%s/\xff\xfe", s->dir);
	assert_int_equal(write_output(path, NULL, "x"), -EILSEQ);
	snprintf(path, sizeof path, "%s/", s->dir);
	memset(path + strlen(path), 'n', 256);
	path[strlen(s->dir) + 1 + 256] = '\0';
	assert_int_equal(write_output(path, NULL, "x"), -ENAMETOOLONG);
	assert_int_equal(sandbox_entries(s), 0);
	path[strlen(path) - 1] = '\0';
	assert_int_equal(write_output(path, NULL, "x"), 0);
	assert_int_equal(sandbox_entries(s), 1);
	remove_long(path);
}

/* What is one name for Windows, and what is none. */
static void test_spellings(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	static const char *const same[] = { "OUT", "Out", "out.", "sub/../oUT" };
	struct outbuf *ob, *other;
	char path[700];
	wchar_t given[400], device[700] = L"\\\\.\\";
	size_t i;

	options.lock = OUTBUF_LOCK_TRY;
	ob = open_with(s->path, &options);
	for (i = 0; i < sizeof same / sizeof *same; i++) {
		snprintf(path, sizeof path, "%s/%s", s->dir, same[i]);
		assert_int_equal(outbuf_open(&other, path, &options), -EBUSY);
	}
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	/* In the way of a directory. */
	for (options.lock = OUTBUF_LOCK_NONE; options.lock <= OUTBUF_LOCK_WAIT; options.lock++) {
		snprintf(path, sizeof path, "%s/below", s->path);
		assert_int_equal(write_output(path, &options, "x"), -ENOTDIR);
	}
	snprintf(path, sizeof path, "%s:stream", s->path);
	assert_int_equal(write_output(path, NULL, "x"), -EINVAL);
	/* By the name of its drive's device it is a file as any other. */
	wide(s->path, given, 400);
	assert_true(GetFullPathNameW(given, 690, device + 4, NULL) > 0);
	assert_true(WideCharToMultiByte(CP_UTF8, 0, device, -1, path, sizeof path, NULL, NULL) > 0);
	assert_int_equal(write_output(path, NULL, "by device"), 0);
	assert_file(s->path, "by device", 9);
	assert_int_equal(sandbox_entries(s), 1);
}

/* UTF-8 in, the very name on the disk, whatever the code page. */
static void test_utf8(void **state)
{
	struct sandbox *s = *state;
	char path[400];
	wchar_t to[400];

	snprintf(path, sizeof path, "%s/gr\xc3\xb6\xc3\x9f" "er-\xe6\x97\xa5-\xf0\x9f\x8e\x89", s->dir);
	assert_int_equal(write_output(path, NULL, "text"), 0);
	wide(s->dir, to, 300);
	wcscat(to, L"/gr\u00f6\u00dfer-\u65e5-\xd83c\xdf89");
	assert_int_equal(differs(to, "text"), 0);
	assert_true(DeleteFileW(to));
}

/* More than the 260 characters of old, in several directories. */
static void test_long_path(void **state)
{
	struct sandbox *s = *state;
	wchar_t base[300], to[1200] = L"\\\\?\\";
	char path[1200];
	int i;

	wide(s->dir, base, 300);
	assert_true(GetFullPathNameW(base, 300, to + 4, NULL) > 0);
	snprintf(path, sizeof path, "%s", s->dir);
	for (i = 0; i < 5; i++) {
		wcscat(to, L"\\");
		strcat(path, "/");
		wmemset(to + wcslen(to), L'd', 100);
		memset(path + strlen(path), 'd', 100);
		assert_true(CreateDirectoryW(to, NULL));
	}
	strcat(path, "/out");
	assert_int_equal(write_output(path, NULL, "long"), 0);
	wcscat(to, L"\\out");
	assert_int_equal(differs(to, "long"), 0);
	assert_int_equal(write_output(path, NULL, "again"), 0);
	assert_int_equal(differs(to, "again"), 0);
	/* From the innermost out, as nobody else here can. */
	assert_true(DeleteFileW(to));
	for (i = 0; i < 5; i++) {
		*wcsrchr(to, L'\\') = L'\0';
		assert_true(RemoveDirectoryW(to));
	}
}

/* It lands where open said. */
static void test_directory_changes(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;
	char before[300];

	assert_non_null(_getcwd(before, sizeof before));
	assert_int_equal(_chdir(s->dir), 0);
	ob = open_with("out", NULL);
	assert_int_equal(_chdir(before), 0);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_filled(s, 10);
}

/* What is no file is written front to back. */
static void test_devices(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with("NUL", NULL);
	char text[100];
	int pipe[2];

	assert_string_equal(stats_of(ob).placement, "descriptor");
	assert_int_equal(fill_some(ob, 'n', 100000), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);

	assert_int_equal(_pipe(pipe, 65536, _O_BINARY), 0);
	assert_int_equal(outbuf_open_fd(&ob, pipe[1], NULL), 0);
	assert_int_equal(fill_some(ob, '\n', 30), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_int_equal(read(pipe[0], text, sizeof text), 30);
	/* Nobody reads any more: an error. */
	close(pipe[0]);
	assert_int_equal(outbuf_open_fd(&ob, pipe[1], NULL), 0);
	assert_int_equal(fill_some(ob, '\n', 30), 0);
	assert_int_equal(outbuf_commit(ob), -EPIPE);
	outbuf_close(ob);
	close(pipe[1]);
	assert_int_equal(outbuf_open_fd(&ob, 1000, NULL), -EBADF);
	assert_int_equal(sandbox_entries(s), 0);
}

/* A descriptor of text, or one that appends: the bytes as they are, behind what is there. */
static void test_descriptors(void **state)
{
	static const int modes[] = { _O_TEXT, _O_BINARY, _O_TEXT | O_APPEND };
	struct sandbox *s = *state;
	size_t i;

	for (i = 0; i < sizeof modes / sizeof *modes; i++) {
		struct outbuf *ob;
		struct outbuf_view v;
		int fd;

		write_file(s->path, "one", 3, 0644);
		fd = open(s->path, O_WRONLY | modes[i], 0);
		assert_true(fd >= 0);
		if (!(modes[i] & O_APPEND))
			assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
		assert_int_equal(outbuf_open_fd(&ob, fd, NULL), 0);
		outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
		outbuf_write_string(&v, "\ntwo\n");
		outbuf_view_end(&v);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		close(fd);
		assert_file(s->path, "one\ntwo\n", 8);
	}
	i = (size_t)open(s->path, O_RDONLY | O_BINARY);
	assert_int_equal(outbuf_open_fd(&(struct outbuf *){ NULL }, (int)i, NULL), -EBADF);
	close((int)i);
}

/* ------------------------------------------------------------------ what replaces what */

/* POSIX semantics: asked of a file that is renamed to its own name. */
static int renames_over_open(const struct sandbox *s)
{
	static struct {
		DWORD flags;
		HANDLE root;
		DWORD length;
		wchar_t name[300];
	} info;
	char path[600];
	wchar_t to[600];
	HANDLE file;
	int r;

	snprintf(path, sizeof path, "%s/renamed", s->dir);
	wide(path, to, 600);
	file = CreateFileW(to, GENERIC_WRITE | DELETE, 0, NULL, CREATE_ALWAYS, FILE_FLAG_DELETE_ON_CLOSE, NULL);
	assert_true(file != INVALID_HANDLE_VALUE);
	info.flags = 3;
	info.length = GetFullPathNameW(to, 300, info.name, NULL) * sizeof(wchar_t);
	r = SetFileInformationByHandle(file, (FILE_INFO_BY_HANDLE_CLASS)22, &info, sizeof info) != 0;
	CloseHandle(file);
	return r;
}

static void test_replaced(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	wchar_t path[300];
	HANDLE reader;

	wide(s->path, path, 300);
	assert_int_equal(write_output(s->path, NULL, "one"), 0);
	assert_int_equal(write_output(s->path, NULL, "two"), 0);
	assert_file(s->path, "two", 3);

	/* Whoever reads, and lets it be replaced, goes on with what it has, where the system can do that. */
	reader = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL, OPEN_EXISTING, 0, NULL);
	assert_true(reader != INVALID_HANDLE_VALUE);
	assert_int_equal(write_output(s->path, NULL, "old"), renames_over_open(s) ? 0 : -EACCES);
	CloseHandle(reader);
	assert_file(s->path, renames_over_open(s) ? "old" : "two", 3);

	/* Whoever does not is not overruled, and nothing is lost. */
	assert_int_equal(write_output(s->path, NULL, "three"), 0);
	reader = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
	assert_true(reader != INVALID_HANDLE_VALUE);
	assert_int_equal(write_output(s->path, NULL, "four"), -EACCES);
	CloseHandle(reader);
	assert_file(s->path, "three", 5);
	assert_int_equal(sandbox_entries(s), 1);

	options.mode = 0444;
	assert_int_equal(write_output(s->path, &options, "five"), 0);
	assert_true(attributes_of(s->path) & FILE_ATTRIBUTE_READONLY);
	assert_true(SetFileAttributesW(path, FILE_ATTRIBUTE_NORMAL));

	/* A directory that came meanwhile. */
	{
		struct outbuf *ob;

		assert_true(DeleteFileW(path));
		ob = open_with(s->path, NULL);
		assert_int_equal(_wmkdir(path), 0);
		assert_int_equal(outbuf_commit(ob), -EISDIR);
		outbuf_close(ob);
		assert_int_equal(_wrmdir(path), 0);
		assert_int_equal(sandbox_entries(s), 0);
	}
}

static void test_in_place(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	options.replace = OUTBUF_REPLACE_IN_PLACE;
	assert_int_equal(write_output(s->path, &options, "long text"), 0);
	assert_int_equal(write_output(s->path, &options, "short"), 0);
	assert_file(s->path, "short", 5);
	/* Nothing was there: nothing is there. */
	assert_int_equal(unlink(s->path), 0);
	ob = open_with(s->path, &options);
	assert_int_equal(outbuf_map(ob, 100), 0);
	outbuf_close(ob);
	assert_int_equal(sandbox_entries(s), 0);
}

static void test_lock(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob, *other;

	options.lock = OUTBUF_LOCK_TRY;
	ob = open_with(s->path, &options);
	assert_int_equal(outbuf_open(&other, s->path, &options), -EBUSY);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	options.lock = OUTBUF_LOCK_WAIT;
	assert_int_equal(write_output(s->path, &options, "next"), 0);
	assert_file(s->path, "next", 4);
	assert_int_equal(sandbox_entries(s), 1);
}

/* -------------------------------------------------------------------- a killed process */

/* What the process does that is to be killed: argv[1] is how far it goes, argv[2] the path. */
static int be_killed(const char *how, const char *path)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;
	struct outbuf_view v;

	options.map = strcmp(how, "mapped") == 0 ? OUTBUF_REQUIRE : OUTBUF_NO;
	options.lock = OUTBUF_LOCK_TRY;
	if (outbuf_open(&ob, path, &options) != 0 || outbuf_map(ob, 1 << 20) != 0)
		return 1;
	outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
	outbuf_fill(&v, 1, 900000);
	TerminateProcess(GetCurrentProcess(), 77);
	return 2;
}

static void test_killed(void **state)
{
	static const char *const ways[] = { "mapped", "staged" };
	struct sandbox *s = *state;
	size_t i;

	write_file(s->path, "old", 3, 0644);
	for (i = 0; i < sizeof ways / sizeof *ways; i++) {
		assert_int_equal(_spawnl(_P_WAIT, program, program, ways[i], s->path, NULL), 77);
		assert_file(s->path, "old", 3);
		assert_int_equal(sandbox_entries(s), 1);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_names),
		sandbox_test(test_spellings),
		sandbox_test(test_utf8),
		sandbox_test(test_long_path),
		sandbox_test(test_directory_changes),
		sandbox_test(test_devices),
		sandbox_test(test_descriptors),
		sandbox_test(test_replaced),
		sandbox_test(test_in_place),
		sandbox_test(test_lock),
		sandbox_test(test_killed),
	};

	program = argv[0];
	if (argc == 3)
		return be_killed(argv[1], argv[2]);
	return cmocka_run_group_tests_name("windows", tests, NULL, NULL);
}
