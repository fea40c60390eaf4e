/* SPDX-License-Identifier: MIT */
/*
 * How the file comes to stand at its path, on Windows.
 *
 * The promise is the same: written where nobody sees it, in the same directory, then in the path's place in one
 * step, and whatever kills the process, nothing is left. How:
 *
 *   The file has a hidden name and is marked for deletion as soon as it exists (FileDispositionInfo), so the
 *   system removes it when its last handle goes. Commit takes the mark away and renames the file by its handle,
 *   over what is there: with POSIX semantics where there are such (NTFS since Windows 10 1809), which replace
 *   what others have open or what is read-only, else in the old way. Between the two a kill leaves the file under
 *   its hidden name, and a power failure does; the next output of that path removes it.
 *
 *   A mark is refused for what is mapped: it comes before that, and to a file that was created in place when it
 *   is not mapped any more. Where nothing can be marked (some networks) the name is removed at the end.
 *
 *   Nobody else may delete or rename the hidden file (no FILE_SHARE_DELETE), so its name is a lock by itself.
 *
 *   Scanners of viruses and indexers open what is new for a moment, and do not share. What they make fail is
 *   tried again for half a second, as others have to (Go's robustio: two seconds).
 *
 * Paths are UTF-8, made absolute at open, so that the working directory may change, and passed with the prefix
 * that lifts the limit of 260 characters. A permission is only whether the file may be written: mode & 0222.
 *
 * Nothing is recycled: no way is known here to learn that nobody looks at a file (sys_claim.c).
 */
#include "config.h"

#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>

#include "hidden.h"
#include "outbuf.h"
#include "sys_windows.h"

#define READ_WRITE (GENERIC_READ | GENERIC_WRITE)
#define NAME_LENGTH_MAX 255

/* Milliseconds between tries, and how many. */
#define TRY_AGAIN 10
#define TRIES 50

/* Since Windows 10 1809; younger than these headers. */
#define RENAME_INFO_EX ((FILE_INFO_BY_HANDLE_CLASS)22)
#define RENAME_REPLACE 0x01
#define RENAME_POSIX 0x02
#define RENAME_READ_ONLY_TOO 0x40

/* ---------------------------------------------------------------------- names */

static int is_separator(char c)
{
	return c == '/' || c == '\\';
}

/* The last component, behind a separator or a drive. */
static const char *last_part(const char *path)
{
	const char *name = path, *at;

	for (at = path; *at != '\0'; at++)
		if (is_separator(*at) || (*at == ':' && at == path + 1))
			name = at + 1;
	return name;
}

/* UTF-16 of `n` bytes, to be freed; NULL, and sys_windows_error() says why. */
static wchar_t *wide(const char *text, size_t n)
{
	int length = n == 0 ? 0 : MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, (int)n, NULL, 0);
	wchar_t *to;

	if (n > 0 && length <= 0)
		return NULL;
	to = malloc(((size_t)length + 1) * sizeof *to);
	if (to == NULL) {
		SetLastError(ERROR_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, (int)n, to, length);
	to[length] = L'\0';
	return to;
}

static wchar_t *joined(const wchar_t *a, size_t n, const wchar_t *b)
{
	wchar_t *to = malloc((n + wcslen(b) + 1) * sizeof *to);

	if (to == NULL) {
		SetLastError(ERROR_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	memcpy(to, a, n * sizeof *to);
	wcscpy(to + n, b);
	return to;
}

static wchar_t *absolute(const wchar_t *path)
{
	DWORD length = GetFullPathNameW(path, 0, NULL, NULL);
	wchar_t *to = length == 0 ? NULL : malloc(length * sizeof *to);

	if (to != NULL)
		GetFullPathNameW(path, length, to, NULL);
	else if (length > 0)
		SetLastError(ERROR_NOT_ENOUGH_MEMORY);
	return to;
}

static int begins(const wchar_t *path, const wchar_t *with)
{
	return wcsncmp(path, with, wcslen(with)) == 0;
}

/*
 * With the prefix that lets it be long: \\?\C:\dir\name, \\?\UNC\server\share\name. A device is \\.\NUL. To be
 * freed.
 */
static wchar_t *full_path(const char *path)
{
	static const wchar_t long_path[] = L"\\\\?\\", long_share[] = L"\\\\?\\UNC", device[] = L"\\\\.\\";
	wchar_t *given = wide(path, strlen(path)), *whole, *to;

	if (given == NULL || begins(given, long_path))
		return given;
	whole = absolute(given);
	free(given);
	if (whole == NULL || begins(whole, device))
		return whole;
	if (begins(whole, L"\\\\"))
		to = joined(long_share, wcslen(long_share), whole + 1);
	else
		to = joined(long_path, wcslen(long_path), whole);
	free(whole);
	return to;
}

/* Where it is, and where it is to be. */
struct target_paths {
	wchar_t *path;
	wchar_t *hidden; /* NULL: it has no other name than `path` */
	int waits;       /* it could not be removed, and is still open */
};

/* Beside the output, under a name of hidden_name.c. */
static int beside(const struct target *t, const char *name, wchar_t **result)
{
	const wchar_t *path = t->paths->path;
	size_t directory = wcslen(path);
	wchar_t *other = wide(name, strlen(name));

	while (directory > 0 && path[directory - 1] != L'\\')
		directory--;
	*result = other == NULL ? NULL : joined(path, directory, other);
	free(other);
	return *result == NULL ? sys_windows_error() : 0;
}

/* ------------------------------------------------------------------- the file */

/* A descriptor, or an errno. */
static int open_file(const wchar_t *path, DWORD access, DWORD share, DWORD how, DWORD flags)
{
	HANDLE handle = CreateFileW(path, access, share, NULL, how, flags, NULL);
	int fd;

	if (handle == INVALID_HANDLE_VALUE)
		return sys_windows_error();
	fd = _open_osfhandle((intptr_t)handle, _O_BINARY);
	if (fd >= 0)
		return fd;
	CloseHandle(handle);
	return -EMFILE;
}

/* The system removes the file when nobody has it open any more: or it does not. */
static int mark_for_deletion(int fd, int marked)
{
	FILE_DISPOSITION_INFO mark = { .DeleteFile = marked != 0 };

	return SetFileInformationByHandle(sys_handle(fd), FileDispositionInfo, &mark, sizeof mark)
	               ? 0
	               : sys_windows_error();
}

int target_check(const struct target *t, struct stat *st)
{
	DWORD attributes = GetFileAttributesW(t->paths->path);

	*st = (struct stat){ 0 };
	if (attributes == INVALID_FILE_ATTRIBUTES) {
		int r = sys_windows_error();

		return r == -ENOENT ? 0 : r;
	}
	st->st_mode = S_IFREG;
	return attributes & FILE_ATTRIBUTE_DIRECTORY ? -EISDIR : 0;
}

/* NUL, CON, a pipe: written front to back. */
static int open_device(struct target *t)
{
	t->kind = TARGET_SPECIAL;
	t->fd = open_file(t->paths->path, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, OPEN_EXISTING, 0);
	return t->fd < 0 ? t->fd : 0;
}

static int open_in_place(struct target *t)
{
	const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

	t->fd = open_file(t->paths->path, READ_WRITE | DELETE, share, CREATE_NEW, FILE_ATTRIBUTE_NORMAL);
	t->created = t->fd >= 0;
	t->old_content = !t->created;
	if (t->fd == -EEXIST)
		t->fd = open_file(t->paths->path, READ_WRITE, share, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL);
	return t->fd < 0 ? t->fd : 0;
}

static int open_hidden(struct target *t)
{
	int try, r = -EEXIST;

	t->kind = TARGET_NAMED;
	/* Access is denied to what is about to be removed; and if it is for good, to all of them. */
	for (try = 0; try < HIDDEN_TRIES && (r == -EEXIST || r == -EACCES); try++) {
		wchar_t *hidden;

		r = hidden_name(t->name, try, &t->hidden);
		if (r == 0)
			r = beside(t, t->hidden, &hidden);
		free(t->hidden);
		t->hidden = NULL;
		if (r < 0)
			return r;
		/* What a crash left there can be removed; what somebody is writing cannot. */
		if (try == 0)
			DeleteFileW(hidden);
		t->fd = open_file(hidden, READ_WRITE | DELETE, FILE_SHARE_READ | FILE_SHARE_WRITE, CREATE_NEW,
		                  FILE_ATTRIBUTE_NORMAL);
		r = t->fd < 0 ? t->fd : 0;
		if (r == 0) {
			t->paths->hidden = hidden;
			mark_for_deletion(t->fd, 1);
		} else {
			free(hidden);
		}
	}
	return r;
}

/*
 * One writer of a path at a time: a file beside it that cannot be opened twice, and goes with its handle. No
 * way to wait for that but to ask again.
 */
static int take_lock(struct target *t)
{
	wchar_t *path;
	int r;

	if (t->wish.lock == OUTBUF_LOCK_NONE)
		return 0;
	r = hidden_lock_name(t->name, &t->lock_name);
	if (r == 0)
		r = beside(t, t->lock_name, &path);
	if (r < 0)
		return r;
	for (;;) {
		t->lockfd = open_file(path, READ_WRITE | DELETE, 0, OPEN_ALWAYS,
		                      FILE_ATTRIBUTE_NORMAL | FILE_FLAG_DELETE_ON_CLOSE);
		if (t->lockfd != -EACCES || t->wish.lock != OUTBUF_LOCK_WAIT)
			break;
		Sleep(TRY_AGAIN);
	}
	free(path);
	if (t->lockfd >= 0)
		return 0;
	r = t->lockfd == -EACCES ? -EBUSY : t->lockfd;
	t->lockfd = -1;
	return r;
}

static int is_device(const wchar_t *path)
{
	return begins(path, L"\\\\.\\") || begins(path, L"\\\\?\\pipe\\");
}

static int open_path(struct target *t, const char *path)
{
	const char *name = last_part(path);
	struct stat there;
	int r;

	if (*path == '\0')
		return -ENOENT;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EISDIR;
	t->name = strdup(name);
	t->paths = calloc(1, sizeof *t->paths);
	if (t->name == NULL || t->paths == NULL)
		return -ENOMEM;
	t->paths->path = full_path(path);
	if (t->paths->path == NULL)
		return sys_windows_error();
	if (is_device(t->paths->path))
		return open_device(t);
	/* The system's word for it is that the name is invalid, or nothing is there. */
	if (wcslen(wcsrchr(t->paths->path, L'\\') + 1) > NAME_LENGTH_MAX)
		return -ENAMETOOLONG;
	r = target_check(t, &there);
	if (r == 0)
		r = take_lock(t);
	if (r == 0)
		r = t->wish.in_place ? open_in_place(t) : open_hidden(t);
	if (r == 0)
		t->fs = fspolicy_of(t->fd);
	return r;
}

int target_open(struct target *t, const char *path, const struct target_wish *wish)
{
	int r;

	if (strcmp(path, "-") == 0)
		return target_borrow(t, 1);
	target_init(t, wish->in_place ? TARGET_IN_PLACE : TARGET_NAMED, -1);
	t->wish = *wish;
	if (wish->recycle)
		t->recycle_why = "not on this system";
	r = open_path(t, path);
	if (r < 0)
		target_abandon(t);
	return r;
}

/* ------------------------------------------------------------------- its end */

int target_finish(struct target *t)
{
	int r = target_exact(t);

	if (r == 0 && t->fs != NULL && t->wish.durability != OUTBUF_DURABLE_NONE)
		r = sys_fsync(t->fd);
	return r;
}

static int make_read_only(int fd)
{
	FILE_BASIC_INFO info;
	HANDLE handle = sys_handle(fd);

	if (!GetFileInformationByHandleEx(handle, FileBasicInfo, &info, sizeof info))
		return sys_windows_error();
	info.FileAttributes |= FILE_ATTRIBUTE_READONLY;
	return SetFileInformationByHandle(handle, FileBasicInfo, &info, sizeof info) ? 0 : sys_windows_error();
}

/* Over what is there, by whatever of the two ways the system knows. */
static int rename_over(int fd, const wchar_t *path)
{
	const size_t length = wcslen(path) * sizeof *path;
	FILE_RENAME_INFO *info = calloc(1, sizeof *info + length);
	int r;

	if (info == NULL)
		return -ENOMEM;
	info->FileNameLength = (DWORD)length;
	memcpy(info->FileName, path, length);
	/* The flags lie where the old way has its only one. */
	*(DWORD *)info = RENAME_REPLACE | RENAME_POSIX | RENAME_READ_ONLY_TOO;
	r = 0;
	if (!SetFileInformationByHandle(sys_handle(fd), RENAME_INFO_EX, info, (DWORD)(sizeof *info + length))) {
		*(DWORD *)info = 0;
		info->ReplaceIfExists = TRUE;
		if (!SetFileInformationByHandle(sys_handle(fd), FileRenameInfo, info,
		                                (DWORD)(sizeof *info + length)))
			r = sys_windows_error();
	}
	free(info);
	return r;
}

static int take_place(struct target *t)
{
	struct stat there;
	int try, r;

	mark_for_deletion(t->fd, 0);
	r = -EACCES;
	for (try = 0; try < TRIES && r == -EACCES; try++) {
		if (try > 0)
			Sleep(TRY_AGAIN);
		/* A directory denies as well, and will not go away. */
		r = target_check(t, &there);
		if (r == 0)
			r = rename_over(t->fd, t->paths->path);
	}
	if (r < 0)
		return r;
	free(t->paths->hidden);
	t->paths->hidden = NULL;
	/* Last, as nobody may replace what is read-only. */
	return (t->wish.mode & 0222) == 0 ? make_read_only(t->fd) : 0;
}

int target_publish(struct target *t)
{
	int file = t->kind == TARGET_NAMED || t->kind == TARGET_IN_PLACE;
	int r = t->kind == TARGET_NAMED ? take_place(t) : 0;

	/* That it has its name: there is no directory to be synced here. */
	if (r == 0 && file && t->wish.durability == OUTBUF_DURABLE_FULL)
		r = sys_fsync(t->fd);
	if (t->borrowed)
		t->fd = -1;
	if (t->fd >= 0 && (r == 0 || !file)) {
		int closed = sys_close(t->fd);

		t->fd = -1;
		r = r < 0 ? r : closed;
	}
	if (r == 0) {
		t->created = 0;
		t->published = 1;
	}
	target_abandon(t);
	return r;
}

/* Has it to be removed if it is not published? */
static int is_ours(const struct target *t)
{
	return t->fd >= 0 && (t->created || (t->paths != NULL && t->paths->hidden != NULL));
}

void target_remove(struct target *t)
{
	/* It goes with its handle, which Views still write to. */
	if (is_ours(t))
		mark_for_deletion(t->fd, 1);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		sys_close(*fd);
	*fd = -1;
}

void target_abandon(struct target *t)
{
	if (t->borrowed)
		t->fd = -1;
	/* Not while it is mapped: outbuf_close() asks again when it is not. */
	if (is_ours(t) && mark_for_deletion(t->fd, 1) < 0 && !t->paths->waits) {
		t->paths->waits = 1;
		return;
	}
	close_fd(&t->fd);
	if (t->paths != NULL) {
		/* Where nothing can be marked. */
		if (t->paths->hidden != NULL)
			DeleteFileW(t->paths->hidden);
		free(t->paths->hidden);
		free(t->paths->path);
	}
	free(t->paths);
	t->paths = NULL;
	t->created = 0;
	close_fd(&t->lockfd);
	free(t->lock_name);
	t->lock_name = NULL;
	free(t->name);
	t->name = NULL;
}
