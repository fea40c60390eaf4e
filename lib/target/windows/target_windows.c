/* SPDX-License-Identifier: MIT */
/*
 * Opening the file of an output on Windows, and moving it to its path.
 *
 * The promise is that of Unix. The file is written in the directory of the path, under a name that no other process
 * uses. Commit moves it to the path in one step. However the process ends, no temporary file is left, except as said
 * below.
 *
 *   The temporary file has a hidden name. As soon as it exists it is marked for deletion (FileDispositionInfo), so the
 *   system removes it when its last handle is closed. Commit removes the mark. Then it renames the file by its handle
 *   over the file at the path. With POSIX semantics (NTFS since Windows 10 1809) the rename also replaces a file that
 *   others have open, or that is read-only. Elsewhere the older rename is used. If the process is killed, or the power
 *   fails, between these two steps, the file stays under its hidden name. The next output of that path removes it.
 *
 *   Windows does not mark a file that is mapped. So the temporary file is marked before it is mapped. A file that was
 *   created in place is marked after it was unmapped. Where no file can be marked (some networks), the name is removed
 *   at the end.
 *
 *   No other process may delete or rename the temporary file (it is opened without FILE_SHARE_DELETE), so its name acts
 *   as a lock. From the rename until our handle is closed, a process that opens the output without sharing it for
 *   writing is refused.
 *
 *   Virus scanners and indexers open new files for a moment, and do not share them. What fails because of them is tried
 *   again for half a second. Other programs have to do that too (Go's robustio: two seconds).
 *
 * Of the permissions only one thing counts: whether anybody may write the file (mode & 0222).
 *
 * Nothing is recycled: we know no way to find out on Windows that no process has a file open (sys_ownership.c).
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

#define RETRY_DELAY_MS 10
#define TRIES_MAX 50

/* FileRenameInfoEx and its flags: Windows 10 1809 has them, the headers of older compilers do not. */
#define RENAME_INFO_EX ((FILE_INFO_BY_HANDLE_CLASS)22)
#define RENAME_REPLACE 0x01
#define RENAME_POSIX 0x02
#define RENAME_READ_ONLY_TOO 0x40

/* The full paths of a target (path_windows.h). Written by the owner's thread. */
struct target_paths {
	wchar_t *path;       /* of the output */
	wchar_t *hidden;     /* of the temporary file; NULL: the file has no other name than `path` */
	int delete_on_close; /* 1: the file is marked for deletion, so nothing else has to be done to remove it */
	int retry_removal;   /* 1: removing the file failed once; ob__target_abandon() tries it once more */
};

/* ------------------------------------------------------------------- the file */

/*
 * Mark the file for deletion, so that the system removes it when its last handle is closed; or remove the mark. 0 or
 * a negative errno.
 */
static int set_delete_on_close(HANDLE handle, int delete_on_close)
{
	FILE_DISPOSITION_INFO info = { .DeleteFile = delete_on_close != 0 };

	return SetFileInformationByHandle(handle, FileDispositionInfo, &info, sizeof info) ? 0
	                                                                                   : ob__sys_windows_error();
}

/* A descriptor, or a negative errno. -EBUSY: another process has the file open, and does not share it. */
static int open_file(const wchar_t *path, DWORD access, DWORD share, DWORD disposition, DWORD flags)
{
	HANDLE handle = CreateFileW(path, access, share, NULL, disposition, flags, NULL);
	int fd;

	if (handle == INVALID_HANDLE_VALUE)
		return ob__sys_windows_error();
	fd = _open_osfhandle((intptr_t)handle, _O_BINARY | _O_NOINHERIT);
	if (fd >= 0)
		return fd;
	if (disposition == CREATE_NEW)
		set_delete_on_close(handle, 1);
	CloseHandle(handle);
	return -EMFILE;
}

/* For the callers of this room -EBUSY means something else: an open View, or the lock. */
static int busy_to_access_denied(int r)
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

/*
 * The system found no directory for the file. -ENOTDIR if a file is in the place of the directory, else -ENOENT, or
 * another negative errno.
 */
static int reason_not_found(const struct target *t)
{
	wchar_t *directory = ob__path_beside(t->paths->path, ".");
	DWORD attributes;

	if (directory == NULL)
		return ob__sys_windows_error();
	/*
	 * Cut the "\\." at its end. With that the system would refuse the name of a file, and the answer would be
	 * the same as if nothing were there.
	 */
	directory[wcslen(directory) - 2] = L'\0';
	attributes = GetFileAttributesW(directory);
	free(directory);
	return attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_DIRECTORY) ? -ENOTDIR : -ENOENT;
}

/* NUL, CON, a pipe: written sequentially. */
static int open_device(struct target *t)
{
	t->kind = TARGET_SPECIAL;
	t->fd = open_file(t->paths->path, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, OPEN_EXISTING, 0);
	return t->fd < 0 ? busy_to_access_denied(t->fd) : 0;
}

static int open_in_place(struct target *t)
{
	const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

	t->fd = open_file(t->paths->path, READ_WRITE | DELETE, share, CREATE_NEW, FILE_ATTRIBUTE_NORMAL);
	t->created = t->fd >= 0;
	t->old_content = !t->created;
	if (t->fd == -EEXIST)
		t->fd = open_file(t->paths->path, READ_WRITE, share, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL);
	return t->fd < 0 ? busy_to_access_denied(t->fd) : 0;
}

/* Create a temporary file with a hidden name, and mark it for deletion. 0 or a negative errno. */
static int open_hidden(struct target *t)
{
	int try, r = -EEXIST;

	t->kind = TARGET_NAMED;
	/*
	 * -EACCES is also the answer for a name whose file is about to be removed. If access is denied for another
	 * reason, it is denied for all names, and the last try returns that error.
	 */
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
		/*
		 * Remove a file that a crash left under a known name, where the system has not removed it. A file that
		 * another process writes cannot be removed.
		 */
		if (try < HIDDEN_KNOWN)
			DeleteFileW(hidden);
		t->fd = open_file(hidden, READ_WRITE | DELETE, FILE_SHARE_READ | FILE_SHARE_WRITE, CREATE_NEW,
		                  FILE_ATTRIBUTE_NORMAL);
		r = t->fd < 0 ? busy_to_access_denied(t->fd) : 0;
		if (r == 0) {
			t->paths->hidden = hidden;
			t->paths->delete_on_close = set_delete_on_close(ob__sys_handle(t->fd), 1) == 0;
		} else {
			free(hidden);
		}
	}
	if (r == -ENOENT)
		r = reason_not_found(t);
	return r;
}

/*
 * options.lock, one writer of a path at a time: a lock file beside the output, which cannot be opened twice, and
 * which the system removes when its handle is closed. Windows cannot wait for such a file, so a waiting writer asks
 * again and again. 0, -EBUSY, or another negative errno.
 */
static int acquire_lock(struct target *t)
{
	wchar_t *path;
	int denials = 0, r;

	if (t->request.lock == OUTBUF_LOCK_NONE)
		return 0;
	r = ob__hidden_lock_name(t->name, &t->lock_name);
	path = r == 0 ? ob__path_beside(t->paths->path, t->lock_name) : NULL;
	if (path == NULL)
		return r == 0 ? ob__sys_windows_error() : r;
	for (;;) {
		r = open_file(path, READ_WRITE | DELETE, 0, OPEN_ALWAYS,
		              FILE_ATTRIBUTE_NORMAL | FILE_FLAG_DELETE_ON_CLOSE);
		/* -EACCES is also the answer while the system removes the previous lock file. That does not last. */
		if (!(r == -EBUSY && t->request.lock == OUTBUF_LOCK_WAIT) && !(r == -EACCES && denials++ < TRIES_MAX))
			break;
		Sleep(RETRY_DELAY_MS);
	}
	free(path);
	if (r >= 0)
		t->lockfd = r;
	return r == -ENOENT ? reason_not_found(t) : r < 0 ? r : 0;
}

/* Open what t->request asks for. 0 or a negative errno. */
static int open_path(struct target *t, const char *path)
{
	const wchar_t *last;
	struct stat at_path;
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
	/* Checked here, because the system's error would be that the name is invalid or that nothing is there. */
	if (wcslen(last) > NAME_LENGTH_MAX)
		return -ENAMETOOLONG;
	/* "file:stream" names a stream of a file. It is not a file that could be replaced. */
	if (wcschr(last, L':') != NULL)
		return -EINVAL;
	t->name = ob__path_name(t->paths->path);
	if (t->name == NULL)
		return ob__sys_windows_error();
	r = ob__target_check_path(t, &at_path);
	if (r == 0)
		r = acquire_lock(t);
	if (r == 0)
		r = t->request.in_place ? open_in_place(t) : open_hidden(t);
	if (r == 0)
		r = ob__fspolicy_of_file(t->fd, &t->fs);
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

/* ------------------------------------------------------------------- finishing, publishing, removing */

int ob__target_finish(struct target *t)
{
	int try, r = -EBUSY;

	/* -EBUSY: another process has mapped the file, for example a virus scanner. */
	for (try = 0; try < TRIES_MAX && r == -EBUSY; try++) {
		if (try > 0)
			Sleep(RETRY_DELAY_MS);
		r = ob__target_cut_excess(t);
	}
	r = busy_to_access_denied(r);
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

/* Rename the file over the one at the path: with POSIX semantics if the system has them, else by the older rename. */
static int rename_over(int fd, const wchar_t *path)
{
	const size_t length = wcslen(path) * sizeof *path;
	FILE_RENAME_INFO *info = calloc(1, sizeof *info + length);
	int r;

	if (info == NULL)
		return -ENOMEM;
	info->FileNameLength = (DWORD)length;
	memcpy(info->FileName, path, length);
	/* FileRenameInfoEx has its flags where FileRenameInfo has its only one, ReplaceIfExists. */
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

/* Move the file from its hidden name to the path. 0 or a negative errno. */
static int move_to_path(struct target *t)
{
	struct stat at_path;
	int try, r = t->paths->delete_on_close ? set_delete_on_close(ob__sys_handle(t->fd), 0) : 0;

	/* If the mark stayed, the system would remove the file at the path when our handle is closed. */
	if (r < 0)
		return busy_to_access_denied(r);
	t->paths->delete_on_close = 0;
	r = -EACCES;
	for (try = 0; try < TRIES_MAX && (r == -EACCES || r == -EBUSY); try++) {
		if (try > 0)
			Sleep(RETRY_DELAY_MS);
		/* A directory at the path also gives -EACCES, and does not go away: the check finds it. */
		r = ob__target_check_path(t, &at_path);
		if (r == 0)
			r = rename_over(t->fd, t->paths->path);
	}
	if (r < 0)
		return busy_to_access_denied(r);
	free(t->paths->hidden);
	t->paths->hidden = NULL;
	return 0;
}

int ob__target_publish(struct target *t)
{
	int is_file = t->kind == TARGET_NAMED || t->kind == TARGET_IN_PLACE;
	int r = t->kind == TARGET_NAMED ? move_to_path(t) : 0;

	if (t->borrowed)
		t->fd = -1;
	/* The file is at the path now, also if one of the next steps fails. */
	if (r == 0) {
		t->created = 0;
		t->published = 1;
	}
	/* This is done last, because Windows refuses to replace a read-only file. */
	if (r == 0 && t->kind == TARGET_NAMED && (t->request.mode & 0222) == 0)
		r = make_read_only(t->fd);
	/* Wait until the new name is on the disk. Windows has no directory to sync. */
	if (r == 0 && is_file && t->request.durability == OUTBUF_DURABLE_FULL)
		r = ob__sys_fsync(t->fd);
	if (t->fd >= 0 && (r == 0 || !is_file)) {
		int close_error = ob__sys_close(t->fd);

		t->fd = -1;
		r = r < 0 ? r : close_error;
	}
	ob__target_abandon(t);
	return r;
}

/* The name to be removed if the file is not published, or NULL. */
static const wchar_t *name_to_remove(const struct target *t)
{
	return t->paths == NULL ? NULL : t->created ? t->paths->path : t->paths->hidden;
}

void ob__target_remove(struct target *t)
{
	/* The file is removed when its last handle is closed. Until then Views may write to it. */
	if (t->fd >= 0 && name_to_remove(t) != NULL && !t->paths->delete_on_close)
		t->paths->delete_on_close = set_delete_on_close(ob__sys_handle(t->fd), 1) == 0;
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
	/*
	 * The file could not be marked. Either it is still mapped, and outbuf_close() calls this function again; or
	 * it is on a network whose files cannot be marked, and is removed by name here.
	 */
	if (name_to_remove(t) != NULL && !t->paths->delete_on_close && !DeleteFileW(name_to_remove(t)) &&
	    !t->paths->retry_removal) {
		t->paths->retry_removal = 1;
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

void ob__target_remove_temporary(void)
{
	/* They are deleted by the system when their last handle is closed. */
}

int ob__target_empty(struct target *t, int error)
{
	(void)t;
	return error;
}
