/* SPDX-License-Identifier: MIT */
/*
 * The system interface on Windows.
 *
 * Descriptors are those of the C library, because outbuf_open_fd() is given one, and all rooms above pass descriptors
 * on. The calls below get the handle of the descriptor. That costs a lookup, and avoids a second type for everything.
 * (A program that uses another C library than this one cannot pass its descriptors.)
 *
 * WriteFile() with an offset does what pwrite(2) does, but it also moves the file's position; nothing here relies on
 * that position. Threads that write by one handle wait for each other, as they wait for the inode's lock on other
 * systems (fspolicy.c).
 *
 * On NTFS, extending a file allocates its clusters, unless it is sparse or compressed. So a full disk shows then, and
 * not at a store into a mapping. ob__sys_fallocate() asks for the allocation explicitly. Where a system does not
 * support that (wine 8: STATUS_NOT_IMPLEMENTED), a full disk may show late, and the library maps the file only if it
 * is asked to.
 */
#include "config.h"

#define _CRT_RAND_S
#include <stdlib.h>

#include "system/windows/sys_windows.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <string.h>

/* A call takes a length of 32 bits, and some networks do not take that much. */
#define BYTES_PER_CALL ((size_t)64 << 20)
/* For a pipe or console: more bytes in one call are not faster, and a console takes 64 KiB at most. */
#define STREAM_BYTES_PER_CALL ((size_t)32 << 10)

#ifdef _UCRT
static void ignore_error(const wchar_t *expression, const wchar_t *function, const wchar_t *file, unsigned line,
                         uintptr_t reserved)
{
	(void)expression, (void)function, (void)file, (void)line, (void)reserved;
}
#endif

HANDLE ob__sys_handle(int fd)
{
	HANDLE handle;

	if (fd < 0)
		return INVALID_HANDLE_VALUE;
#ifdef _UCRT
	/* Without this handler the C library ends the program if the descriptor is not open. */
	_invalid_parameter_handler before = _set_thread_local_invalid_parameter_handler(ignore_error);
#endif
	handle = (HANDLE)_get_osfhandle(fd);
#ifdef _UCRT
	_set_thread_local_invalid_parameter_handler(before);
#endif
	return handle;
}

int ob__sys_windows_error(void)
{
	static const struct {
		DWORD windows;
		int error;
	} table[] = {
		{ ERROR_FILE_NOT_FOUND, ENOENT },
		{ ERROR_PATH_NOT_FOUND, ENOENT },
		{ ERROR_INVALID_NAME, ENOENT }, /* characters that no name can have */
		{ ERROR_BAD_PATHNAME, ENOENT },
		{ ERROR_BAD_NETPATH, ENOENT },
		{ ERROR_BAD_NET_NAME, ENOENT },
		{ ERROR_DIRECTORY, ENOTDIR },
		{ ERROR_ACCESS_DENIED, EACCES },
		{ ERROR_SHARING_VIOLATION, EBUSY }, /* another process has the file open, and does not share it */
		{ ERROR_LOCK_VIOLATION, EACCES },
		{ 225, EACCES }, /* ERROR_VIRUS_INFECTED */
		{ ERROR_DELETE_PENDING, EACCES },
		{ ERROR_CANNOT_MAKE, EACCES },
		{ ERROR_USER_MAPPED_FILE, EBUSY },
		{ ERROR_PRIVILEGE_NOT_HELD, EPERM },
		{ ERROR_WRITE_PROTECT, EROFS },
		{ ERROR_FILE_EXISTS, EEXIST },
		{ ERROR_ALREADY_EXISTS, EEXIST },
		{ ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG },
		{ ERROR_BUFFER_OVERFLOW, ENAMETOOLONG },
		{ ERROR_NO_UNICODE_TRANSLATION, EILSEQ },
		{ ERROR_TOO_MANY_OPEN_FILES, EMFILE },
		{ ERROR_NOT_ENOUGH_MEMORY, ENOMEM },
		{ ERROR_OUTOFMEMORY, ENOMEM },
		{ ERROR_COMMITMENT_LIMIT, ENOMEM },
		{ ERROR_NO_SYSTEM_RESOURCES, ENOMEM },
		{ ERROR_WORKING_SET_QUOTA, ENOMEM },
		{ ERROR_NOT_ENOUGH_QUOTA, ENOMEM },
		{ ERROR_INVALID_ADDRESS, ENOMEM }, /* the addresses are in use */
		{ ERROR_DISK_FULL, ENOSPC },
		{ ERROR_HANDLE_DISK_FULL, ENOSPC },
		{ 1295, ENOSPC }, /* ERROR_DISK_QUOTA_EXCEEDED; this C library has no EDQUOT */
		{ ERROR_FILE_TOO_LARGE, EFBIG },
		{ 665, EFBIG }, /* ERROR_FILE_SYSTEM_LIMITATION */
		{ 1921, ELOOP }, /* ERROR_CANT_RESOLVE_FILENAME */
		{ ERROR_BROKEN_PIPE, EPIPE },
		{ ERROR_NO_DATA, EPIPE },
		{ ERROR_PIPE_NOT_CONNECTED, EPIPE },
		{ ERROR_INVALID_HANDLE, EBADF },
		{ ERROR_INVALID_PARAMETER, EINVAL },
		{ ERROR_NOT_SUPPORTED, EOPNOTSUPP },
		{ ERROR_CALL_NOT_IMPLEMENTED, ENOSYS },
		{ ERROR_INVALID_FUNCTION, ENOSYS },
	};
	DWORD last = GetLastError();
	size_t i;

	for (i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].windows == last)
			return -table[i].error;
	return -EIO;
}

static int as_errno(BOOL succeeded)
{
	return succeeded ? 0 : ob__sys_windows_error();
}

int ob__sys_close(int fd)
{
	return _close(fd) < 0 ? -errno : 0;
}

int ob__sys_is_writable(int fd)
{
	HANDLE handle = ob__sys_handle(fd);
	DWORD did;

	if (handle == INVALID_HANDLE_VALUE || GetFileType(handle) == FILE_TYPE_UNKNOWN)
		return -EBADF;
	/* A write of 0 bytes to a pipe would be a message without bytes, so a pipe is not tried. */
	if (GetFileType(handle) != FILE_TYPE_DISK)
		return 0;
	return WriteFile(handle, "", 0, &did, NULL) ? 0 : -EBADF;
}

static int is_seekable(int fd)
{
	HANDLE handle = ob__sys_handle(fd);

	if (fd < 0) /* there is no file */
		return 0;
	return handle == INVALID_HANDLE_VALUE ? -EBADF : GetFileType(handle) == FILE_TYPE_DISK;
}

int ob__sys_diskless_fs(int fd, char name[SYS_FS_NAME])
{
	(void)fd;
	(void)name;
	return 0;
}

int ob__sys_fs(int fd, uint32_t *magic, uint64_t *room)
{
	/* Windows has names of file systems, and no numbers. The numbers are those of fspolicy.c. */
	static const struct {
		const wchar_t *name;
		uint32_t magic;
	} table[] = {
		{ L"NTFS", 0x5346544e },
		{ L"FAT", 0x4d44 },
		{ L"FAT32", 0x4d44 },
		{ L"exFAT", 0x2011bab0 },
	};
	HANDLE handle = ob__sys_handle(fd);
	FILE_REMOTE_PROTOCOL_INFO remote;
	wchar_t name[MAX_PATH + 1];
	size_t i;

	*magic = 0;
	*room = UINT64_MAX;
	/* On a network, whatever file system the server has: the number of "cifs". */
	if (GetFileInformationByHandleEx(handle, FileRemoteProtocolInfo, &remote, sizeof remote)) {
		*magic = 0xff534d42;
		return 0;
	}
	if (!GetVolumeInformationByHandleW(handle, NULL, 0, NULL, NULL, NULL, name, MAX_PATH + 1))
		return ob__sys_windows_error();
	for (i = 0; i < sizeof table / sizeof *table; i++)
		if (wcscmp(table[i].name, name) == 0)
			*magic = table[i].magic;
	return 0;
}

int ob__sys_fstat(int fd, struct stat *st)
{
	LARGE_INTEGER size;
	int r = as_errno(GetFileSizeEx(ob__sys_handle(fd), &size));

	*st = (struct stat){ .st_mode = S_IFREG };
	if (r == 0)
		st->st_size = size.QuadPart;
	return r;
}

int ob__sys_ftruncate(int fd, uint64_t size)
{
	FILE_END_OF_FILE_INFO end;

	end.EndOfFile.QuadPart = (LONGLONG)size;
	return as_errno(SetFileInformationByHandle(ob__sys_handle(fd), FileEndOfFileInfo, &end, sizeof end));
}

int ob__sys_fallocate(int fd, uint64_t offset, uint64_t length)
{
	FILE_ALLOCATION_INFO blocks;
	struct stat st;
	int r = ob__sys_fstat(fd, &st);

	if (r < 0)
		return r;
	/* An allocation that is smaller than the file's length would shorten the file. */
	if (offset + length < (uint64_t)st.st_size)
		blocks.AllocationSize.QuadPart = st.st_size;
	else
		blocks.AllocationSize.QuadPart = (LONGLONG)(offset + length);
	r = as_errno(SetFileInformationByHandle(ob__sys_handle(fd), FileAllocationInfo, &blocks, sizeof blocks));
	return r == -ENOSYS ? -EOPNOTSUPP : r;
}

int ob__sys_pwrite_all(int fd, const void *data, size_t n, uint64_t offset)
{
	const unsigned char *from = data;

	while (n > 0) {
		OVERLAPPED at = { .Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32) };
		DWORD written;

		if (!WriteFile(ob__sys_handle(fd), from, (DWORD)(n < BYTES_PER_CALL ? n : BYTES_PER_CALL), &written,
		               &at))
			return ob__sys_windows_error();
		if (written == 0)
			return -EIO;
		from += written;
		offset += written;
		n -= written;
	}
	return 0;
}

int ob__sys_pread_all(int fd, void *data, size_t n, uint64_t offset)
{
	unsigned char *to = data;

	while (n > 0) {
		OVERLAPPED at = { .Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32) };
		DWORD got = 0;

		if (!ReadFile(ob__sys_handle(fd), to, (DWORD)(n < BYTES_PER_CALL ? n : BYTES_PER_CALL), &got, &at) &&
		    GetLastError() != ERROR_HANDLE_EOF)
			return ob__sys_windows_error();
		if (got == 0) {
			memset(to, 0, n);
			break;
		}
		to += got;
		offset += got;
		n -= got;
	}
	return 0;
}

/*
 * Written by the C library, because only that knows whether the descriptor appends. Its translation of line ends is
 * turned off meanwhile, as an output consists of bytes.
 */
int ob__sys_write_all(int fd, const void *data, size_t n)
{
	const unsigned char *from = data;
	int mode, r = 0;

	if (ob__sys_handle(fd) == INVALID_HANDLE_VALUE)
		return -EBADF;
	mode = _setmode(fd, _O_BINARY);
	while (r == 0 && n > 0) {
		int written;

		SetLastError(ERROR_SUCCESS);
		written = _write(fd, from, (unsigned)(n < STREAM_BYTES_PER_CALL ? n : STREAM_BYTES_PER_CALL));
		if (written <= 0) {
			r = written < 0 && GetLastError() != ERROR_SUCCESS ? ob__sys_windows_error()
			    : written < 0                                  ? -errno
			                                                   : -EIO;
		} else {
			from += written;
			n -= (size_t)written;
		}
	}
	_setmode(fd, mode);
	return r;
}

int ob__sys_fdatasync(int fd)
{
	/* For a pipe, FlushFileBuffers() would wait until everything has been read. */
	if (is_seekable(fd) <= 0)
		return -EINVAL;
	return as_errno(FlushFileBuffers(ob__sys_handle(fd)));
}

int ob__sys_fsync(int fd)
{
	return ob__sys_fdatasync(fd);
}

int ob__sys_random(uint64_t *bits)
{
	unsigned low, high;

	if (rand_s(&low) != 0 || rand_s(&high) != 0)
		return -EIO;
	*bits = (uint64_t)high << 32 | low;
	return 0;
}

uint64_t ob__sys_file_limit(void)
{
	return UINT64_MAX;
}

void ob__sys_pause(void)
{
	/* Not Sleep(1): that may take up to 16 ms. */
	if (!SwitchToThread())
		Sleep(0);
}

const char *ob__sys_environment(const char *name)
{
	return getenv(name);
}

unsigned ob__sys_cpus(void)
{
	DWORD_PTR process, machine;
	unsigned n = 0;

	/* The CPUs that `start /affinity` or a job leaves us, not all that the machine has. */
	if (GetProcessAffinityMask(GetCurrentProcess(), &process, &machine))
		for (; process != 0; process &= process - 1)
			n++;
	/* The mask is 0 if the process runs on more than one group of 64 CPUs. */
	if (n == 0)
		n = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
	return n > 0 ? n : 1;
}

uint64_t ob__sys_now(void)
{
	LARGE_INTEGER ticks, frequency;
	uint64_t t, f;

	QueryPerformanceCounter(&ticks);
	QueryPerformanceFrequency(&frequency);
	t = (uint64_t)ticks.QuadPart;
	f = (uint64_t)frequency.QuadPart;
	return t / f * 1000000000u + t % f * 1000000000u / f;
}

int ob__sys_start_thread(pthread_t *thread, void *(*work)(void *arg), void *arg)
{
	return -pthread_create(thread, NULL, work, arg);
}

/* Nothing is freed in the background here. */
int ob__sys_wait_for_room(int error)
{
	(void)error;
	return 0;
}
