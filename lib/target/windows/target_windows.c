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
 *   For a moment after the rename whoever opens the output and does not share it for writing is refused: until
 *   our handle is closed.
 *
 *   Scanners of viruses and indexers open what is new for a moment, and do not share. What they make fail is
 *   tried again for half a second, as others have to (Go's robustio: two seconds).
 *
 * A permission is only whether the file may be written: mode & 0222.
 *
 * Nothing is recycled: no way is known here to learn that nobody looks at a file (sys_ownership.c).
 */
#include "config.h"

#include "target/target.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>

#include "system/windows/sys_windows.h"
#include "target/hidden_name.h"
#include "target/windows/path_windows.h"
#include "outbuf.h"

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

/* Where it is, and where it is to be. */
struct target_paths {
	wchar_t *path;
	wchar_t *hidden; /* NULL: it has no other name than `path` */
	int marked;      /* for deletion: nothing more is to be done for that */
	int again;       /* it could not be removed, and is to be tried once more */
};

/* ------------------------------------------------------------------- the file */

/* The system removes the file when its last handle goes: or it does not. */
static int mark(HANDLE handle, int marked)
{
	FILE_DISPOSITION_INFO info = { .DeleteFile = marked != 0 };

	return SetFileInformationByHandle(handle, FileDispositionInfo, &info, sizeof info) ? 0 : ob__sys_windows_error();
}

/* A descriptor, or an errno; -EBUSY: somebody has it open, and does not share it. */
static int open_file(const wchar_t *path, DWORD access, DWORD share, DWORD how, DWORD flags)
{
	HANDLE handle = CreateFileW(path, access, share, NULL, how, flags, NULL);
	int fd;

	if (handle == INVALID_HANDLE_VALUE)
		return ob__sys_windows_error();
	fd = _open_osfhandle((intptr_t)handle, _O_BINARY | _O_NOINHERIT);
	if (fd >= 0)
		return fd;
	if (how == CREATE_NEW)
		mark(handle, 1);
	CloseHandle(handle);
	return -EMFILE;
}

/* What -EBUSY means to callers is something else: an open View, the lock. */
static int as_denied(int r)
{
	return r == -EBUSY ? -EACCES : r;
}

int ob__target_check_path(const struct target *t, struct stat *st)
{
	DWORD attributes = GetFileAttributesW(t->paths->path);

	*st = (struct stat){ 0 };
	if (attributes == INVALID_FILE_ATTRIBUTES) {
		int r = ob__sys_windows_error();

		return r == -ENOENT ? 0 : r;
	}
	st->st_mode = S_IFREG;
	return attributes & FILE_ATTRIBUTE_DIRECTORY ? -EISDIR : 0;
}

/* Nothing can be there: is it because a file stands in the way? */
static int missing(const struct target *t)
{
	wchar_t *directory = ob__path_beside(t->paths->path, ".");
	DWORD attributes;

	if (directory == NULL)
		return ob__sys_windows_error();
	/* Without "\\.", as that alone would say it is no directory. */
	directory[wcslen(directory) - 2] = L'\0';
	attributes = GetFileAttributesW(directory);
	free(directory);
	return attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_DIRECTORY) ? -ENOTDIR : -ENOENT;
}

/* NUL, CON, a pipe: written front to back. */
static int open_device(struct target *t)
{
	t->kind = TARGET_SPECIAL;
	t->fd = open_file(t->paths->path, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, OPEN_EXISTING, 0);
	return t->fd < 0 ? as_denied(t->fd) : 0;
}

static int open_in_place(struct target *t)
{
	const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

	t->fd = open_file(t->paths->path, READ_WRITE | DELETE, share, CREATE_NEW, FILE_ATTRIBUTE_NORMAL);
	t->created = t->fd >= 0;
	t->old_content = !t->created;
	if (t->fd == -EEXIST)
		t->fd = open_file(t->paths->path, READ_WRITE, share, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL);
	return t->fd < 0 ? as_denied(t->fd) : 0;
}

static int open_hidden(struct target *t)
{
	int try, r = -EEXIST;

	t->kind = TARGET_NAMED;
	/* Access is denied to what is about to be removed; and if it is for good, to all of them. */
	for (try = 0; try < HIDDEN_TRIES && (r == -EEXIST || r == -EACCES); try++) {
		wchar_t *hidden;

		r = ob__hidden_name(t->name, try, &t->hidden);
		hidden = r == 0 ? ob__path_beside(t->paths->path, t->hidden) : NULL;
		if (r == 0 && hidden == NULL)
			r = ob__sys_windows_error();
		free(t->hidden);
		t->hidden = NULL;
		if (r < 0)
			return r;
		/* What a crash left there can be removed; what somebody is writing cannot. */
		if (try == 0)
			DeleteFileW(hidden);
		t->fd = open_file(hidden, READ_WRITE | DELETE, FILE_SHARE_READ | FILE_SHARE_WRITE, CREATE_NEW,
		                  FILE_ATTRIBUTE_NORMAL);
		r = t->fd < 0 ? as_denied(t->fd) : 0;
		if (r == 0) {
			t->paths->hidden = hidden;
			t->paths->marked = mark(ob__sys_handle(t->fd), 1) == 0;
		} else {
			free(hidden);
		}
	}
	if (r == -ENOENT)
		r = missing(t);
	return r;
}

/*
 * One writer of a path at a time: a file beside it that cannot be opened twice, and goes with its handle. No
 * way to wait for that but to ask again.
 */
static int take_lock(struct target *t)
{
	wchar_t *path;
	int denied = 0, r;

	if (t->request.lock == OUTBUF_LOCK_NONE)
		return 0;
	r = ob__hidden_lock_name(t->name, &t->lock_name);
	path = r == 0 ? ob__path_beside(t->paths->path, t->lock_name) : NULL;
	if (path == NULL)
		return r == 0 ? ob__sys_windows_error() : r;
	for (;;) {
		r = open_file(path, READ_WRITE | DELETE, 0, OPEN_ALWAYS,
		              FILE_ATTRIBUTE_NORMAL | FILE_FLAG_DELETE_ON_CLOSE);
		/* Denied is what is being removed, too: that does not last. */
		if (!(r == -EBUSY && t->request.lock == OUTBUF_LOCK_WAIT) && !(r == -EACCES && denied++ < TRIES))
			break;
		Sleep(TRY_AGAIN);
	}
	free(path);
	if (r >= 0)
		t->lockfd = r;
	return r == -ENOENT ? missing(t) : r < 0 ? r : 0;
}

static int open_path(struct target *t, const char *path)
{
	const wchar_t *last;
	struct stat there;
	int r;

	if (*path == '\0')
		return -ENOENT;
	if (ob__path_is_directory(path))
		return -EISDIR;
	t->paths = calloc(1, sizeof *t->paths);
	if (t->paths == NULL)
		return -ENOMEM;
	t->paths->path = ob__path_full(path);
	if (t->paths->path == NULL)
		return ob__sys_windows_error();
	if (ob__path_is_device(t->paths->path))
		return open_device(t);
	last = ob__path_last(t->paths->path);
	/* The system's word for it is that the name is invalid, or nothing is there. */
	if (wcslen(last) > NAME_LENGTH_MAX)
		return -ENAMETOOLONG;
	/* A stream of a file is not a file that could be replaced. */
	if (wcschr(last, L':') != NULL)
		return -EINVAL;
	t->name = ob__path_name(t->paths->path);
	if (t->name == NULL)
		return ob__sys_windows_error();
	r = ob__target_check_path(t, &there);
	if (r == 0)
		r = take_lock(t);
	if (r == 0)
		r = t->request.in_place ? open_in_place(t) : open_hidden(t);
	if (r == 0)
		t->fs = ob__fspolicy_of_file(t->fd);
	return r;
}

int ob__target_open(struct target *t, const char *path, const struct target_request *request)
{
	int r;

	if (strcmp(path, "-") == 0)
		return ob__target_open_descriptor(t, 1);
	ob__target_init(t, request->in_place ? TARGET_IN_PLACE : TARGET_NAMED, -1);
	t->request = *request;
	if (request->recycle)
		t->recycle_why = "not on this system";
	r = open_path(t, path);
	if (r < 0)
		ob__target_abandon(t);
	return r;
}

/* ------------------------------------------------------------------- its end */

int ob__target_finish(struct target *t)
{
	int try, r = -EBUSY;

	/* Somebody has mapped it, to look for viruses. */
	for (try = 0; try < TRIES && r == -EBUSY; try++) {
		if (try > 0)
			Sleep(TRY_AGAIN);
		r = ob__target_cut_excess(t);
	}
	r = as_denied(r);
	if (r == 0 && t->fs != NULL && t->request.durability != OUTBUF_DURABLE_NONE)
		r = ob__sys_fsync(t->fd);
	return r;
}

static int make_read_only(int fd)
{
	FILE_BASIC_INFO info;
	HANDLE handle = ob__sys_handle(fd);

	if (!GetFileInformationByHandleEx(handle, FileBasicInfo, &info, sizeof info))
		return ob__sys_windows_error();
	info.FileAttributes |= FILE_ATTRIBUTE_READONLY;
	return SetFileInformationByHandle(handle, FileBasicInfo, &info, sizeof info) ? 0 : ob__sys_windows_error();
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
	if (!SetFileInformationByHandle(ob__sys_handle(fd), RENAME_INFO_EX, info, (DWORD)(sizeof *info + length))) {
		*(DWORD *)info = 0;
		info->ReplaceIfExists = TRUE;
		if (!SetFileInformationByHandle(ob__sys_handle(fd), FileRenameInfo, info,
		                                (DWORD)(sizeof *info + length)))
			r = ob__sys_windows_error();
	}
	free(info);
	return r;
}

static int take_place(struct target *t)
{
	struct stat there;
	int try, r = t->paths->marked ? mark(ob__sys_handle(t->fd), 0) : 0;

	/* Or what stands at the path would be gone with our handle. */
	if (r < 0)
		return as_denied(r);
	t->paths->marked = 0;
	r = -EACCES;
	for (try = 0; try < TRIES && (r == -EACCES || r == -EBUSY); try++) {
		if (try > 0)
			Sleep(TRY_AGAIN);
		/* A directory denies as well, and will not go away. */
		r = ob__target_check_path(t, &there);
		if (r == 0)
			r = rename_over(t->fd, t->paths->path);
	}
	if (r < 0)
		return as_denied(r);
	free(t->paths->hidden);
	t->paths->hidden = NULL;
	return 0;
}

int ob__target_publish(struct target *t)
{
	int file = t->kind == TARGET_NAMED || t->kind == TARGET_IN_PLACE;
	int r = t->kind == TARGET_NAMED ? take_place(t) : 0;

	if (t->borrowed)
		t->fd = -1;
	/* From here on it stands there, whatever fails. */
	if (r == 0) {
		t->created = 0;
		t->published = 1;
	}
	/* Last, as nobody may replace what is read-only. */
	if (r == 0 && t->kind == TARGET_NAMED && (t->request.mode & 0222) == 0)
		r = make_read_only(t->fd);
	/* That it has its name: there is no directory to be synced here. */
	if (r == 0 && file && t->request.durability == OUTBUF_DURABLE_FULL)
		r = ob__sys_fsync(t->fd);
	if (t->fd >= 0 && (r == 0 || !file)) {
		int closed = ob__sys_close(t->fd);

		t->fd = -1;
		r = r < 0 ? r : closed;
	}
	ob__target_abandon(t);
	return r;
}

/* The name that has to go if it is not published, or NULL. */
static const wchar_t *ours(const struct target *t)
{
	return t->paths == NULL ? NULL : t->created ? t->paths->path : t->paths->hidden;
}

void ob__target_remove(struct target *t)
{
	/* It goes with its handle, which Views still write to. */
	if (t->fd >= 0 && ours(t) != NULL && !t->paths->marked)
		t->paths->marked = mark(ob__sys_handle(t->fd), 1) == 0;
}

void ob__target_abandon(struct target *t)
{
	if (t->borrowed)
		t->fd = -1;
	ob__target_remove(t);
	ob__target_close_fd(&t->fd);
	ob__target_close_fd(&t->lockfd);
	free(t->lock_name);
	t->lock_name = NULL;
	free(t->name);
	t->name = NULL;
	/* What could not be marked: it is mapped still, and outbuf_close() asks again; or no network's file can be. */
	if (ours(t) != NULL && !t->paths->marked && !DeleteFileW(ours(t)) && !t->paths->again) {
		t->paths->again = 1;
		return;
	}
	if (t->paths != NULL) {
		free(t->paths->hidden);
		free(t->paths->path);
	}
	free(t->paths);
	t->paths = NULL;
	t->created = 0;
}
