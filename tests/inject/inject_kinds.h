/* SPDX-License-Identifier: MIT */
/*
 * How each call of the library can fail: what its man page says, and what the library may make of it.
 *
 *     KIND(name, function, HARD(...), SOFT(...), partial)
 *
 * HARD errnos must be reported, and exactly as they are. SOFT ones may be passed over, if the output
 * is then complete, or reported as they are: nothing third. EINTR is soft everywhere, as it is no
 * failure; it is never repeated for ever, since a call that is interrupted each time is to be repeated
 * each time. `partial`: the call may do a part of its work and say so, or be interrupted then.
 *
 * One function may be several kinds, by what it is called for: a directory that cannot be opened is an
 * error, a nameless file that cannot be had is not. To fail "from then on" is to fail all later calls of
 * the same function, whatever their kind, if the errno is one of that kind's.
 *
 * Left out are errnos that only a bug of ours could raise (EFAULT, EBADF of a descriptor that is open),
 * and those that the arguments decide (ENAMETOOLONG, ELOOP).
 */
#define FULL ENOSPC, EDQUOT
#define NO_DESCRIPTOR EMFILE, ENFILE

#define INJECT_KINDS(KIND, HARD, SOFT) \
	/* The directory of the path. */ \
	KIND(open_dir, openat, HARD(EACCES, ENOENT, ENOTDIR, EIO, ENOMEM, NO_DESCRIPTOR), SOFT(EINTR), 0) \
	/* There is the hidden name instead, or the same error again from there. */ \
	KIND(open_nameless, openat, HARD(0), \
	     SOFT(EOPNOTSUPP, EISDIR, ENOENT, EINVAL, EACCES, EPERM, EROFS, FULL, EIO, ENOMEM, EINTR, \
	          NO_DESCRIPTOR), 0) \
	/* With a hidden name, or in place. EEXIST: another name; or it was there before. */ \
	KIND(open_new, openat, \
	     HARD(EACCES, EPERM, EROFS, FULL, EIO, ENOENT, ENOMEM, NO_DESCRIPTOR), SOFT(EINTR, EEXIST), 0) \
	/* In place, what was there. EACCES: it may be allowed to be written and not read. */ \
	KIND(open_old, openat, HARD(EPERM, EROFS, EIO, ETXTBSY, ENOMEM, NO_DESCRIPTOR), \
	     SOFT(EINTR, EACCES), 0) \
	/* Made by whoever comes first; who may not write to it may still lock it. */ \
	KIND(open_lock, openat, HARD(EPERM, EROFS, FULL, EIO, ENOMEM, NO_DESCRIPTOR), SOFT(EINTR, EACCES), 0) \
	/* To be recycled, or cleaned away: else it is not; /dev/null: else the file lives a little longer. */ \
	KIND(open_other, openat, HARD(0), SOFT(EACCES, ENOENT, EIO, ETXTBSY, ENOMEM, EINTR, NO_DESCRIPTOR), 0) \
	/* The first close of what was written through reports what could not be written. It closes. */ \
	KIND(close_written, close, HARD(EIO, FULL), SOFT(EINTR), 0) \
	KIND(close_other, close, HARD(0), SOFT(EIO, EINTR, FULL), 0) \
	KIND(dup, dup, HARD(EMFILE), SOFT(0), 0) \
	KIND(dup_over, dup_over, HARD(0), SOFT(EBUSY, EMFILE, EINTR), 0) \
	/* F_GETFL cannot fail, F_SETLEASE is only asked if it can be had. */ \
	KIND(fcntl_ask, fcntl, HARD(0), SOFT(0), 0) \
	KIND(fcntl_claim, fcntl, HARD(0), SOFT(EAGAIN, EACCES, EPERM, EINVAL, ENOLCK, ESRCH), 0) \
	KIND(fstat_dir, fstat, HARD(EIO, ENOMEM, EOVERFLOW), SOFT(0), 0) \
	/* Is /proc mounted? Is it a regular file? */ \
	KIND(fstat_file, fstat, HARD(0), SOFT(EIO, ENOMEM, EOVERFLOW), 0) \
	/* What stands at the path, if anything. */ \
	KIND(stat_path, stat_name, HARD(EACCES, EIO, ENOMEM, EOVERFLOW), SOFT(ENOENT), 0) \
	KIND(stat_dir, stat_name, HARD(EIO, ENOMEM, EOVERFLOW), SOFT(0), 0) \
	KIND(fstatat_other, fstatat, HARD(0), SOFT(EACCES, ENOENT, EIO, ENOMEM), 0) \
	/* EPERM, if there is no such call: the last byte is written. */ \
	KIND(ftruncate, ftruncate, HARD(EFBIG, EIO, FULL), SOFT(EINTR, EPERM), 0) \
	/* An unknown file system then. */ \
	KIND(fstatfs, fstatfs, HARD(0), SOFT(EACCES, EINTR, EIO, ENOMEM, ENOSYS, EOVERFLOW), 0) \
	KIND(fallocate, fallocate, HARD(FULL, EFBIG, EIO), \
	     SOFT(EOPNOTSUPP, ENOSYS, EINVAL, EPERM, EACCES, EINTR), 1) \
	KIND(pwrite, pwrite, HARD(FULL, EFBIG, EIO, EPERM), SOFT(EINTR), 1) \
	KIND(pread, pread, HARD(EIO), SOFT(EINTR), 1) \
	KIND(write, write, HARD(FULL, EFBIG, EIO, EPIPE, EPERM), SOFT(EINTR), 1) \
	KIND(poll, poll, HARD(0), SOFT(EINTR, ENOMEM), 0) \
	KIND(fdatasync, fdatasync, HARD(EIO, FULL), SOFT(EINTR, EROFS, EINVAL), 0) \
	KIND(fsync, fsync, HARD(EIO, FULL), SOFT(EINTR, EROFS, EINVAL), 0) \
	/* Of the directory: the new file is at the path already. */ \
	KIND(fsync_dir, fsync, HARD(EIO, FULL), SOFT(EINTR, EROFS, EINVAL), 0) \
	/* The spare is not recycled; what must be locked is not opened. */ \
	KIND(fchmod, fchmod, HARD(0), SOFT(EPERM, EIO, EROFS, EOPNOTSUPP), 0) \
	KIND(flock, flock, HARD(0), SOFT(EWOULDBLOCK, EINTR, ENOLCK, EINVAL, EOPNOTSUPP), 0) \
	KIND(cachestat, cachestat, HARD(0), SOFT(ENOSYS, EOPNOTSUPP, EINVAL, EPERM), 0) \
	KIND(flistxattr, flistxattr, HARD(0), SOFT(EOPNOTSUPP, ENOSYS, ERANGE, E2BIG, EIO), 0) \
	KIND(fgetxattr, fgetxattr, HARD(0), SOFT(ENODATA, EOPNOTSUPP, ERANGE, E2BIG, EIO), 0) \
	/* Not a name of a descriptor then. */ \
	KIND(readlinkat, readlinkat, HARD(0), SOFT(EACCES, EINVAL, EIO, ENOENT, ENOMEM), 0) \
	/* The name is taken: another is tried. ENOENT: other ways over /proc. Forbidden: the file is copied. */ \
	KIND(linkat, linkat, HARD(FULL, EIO, EMLINK, ENOMEM, EROFS, EXDEV), SOFT(EEXIST, ENOENT, EACCES, EPERM), 0) \
	KIND(copy_range, copy_range, HARD(0), \
	     SOFT(EXDEV, EINVAL, ENOSYS, EOPNOTSUPP, EPERM, EINTR, EIO, ENOMEM, FULL), 0) \
	/* Where a server is asked, the file is closed, and once more renamed. */ \
	KIND(renameat, renameat, \
	     HARD(FULL, EIO, EISDIR, EMLINK, ENOENT, ENOMEM, EROFS, EXDEV), SOFT(EACCES, EBUSY, EPERM), 0) \
	KIND(exchange, exchange, HARD(0), \
	     SOFT(ENOSYS, EINVAL, EACCES, EBUSY, EIO, ENOENT, ENOMEM, EPERM, EROFS, EXDEV, FULL), 0) \
	/* The file stays: see `litter` in ways.h. */ \
	KIND(unlinkat, unlinkat, HARD(0), SOFT(EACCES, EBUSY, EIO, ENOENT, ENOMEM, EPERM, EROFS), 0) \
	KIND(getrandom, getrandom, HARD(ENOSYS), SOFT(EINTR), 0) \
	KIND(sigaction, sigaction, HARD(0), SOFT(EINVAL), 0) \
	/* Addresses: half as many are asked for. Whatever the kernel says, ENOMEM is what we say. */ \
	KIND(mmap_room, mmap, HARD(0), SOFT(ENOMEM), 0) \
	/* The heap takes over, unless a mapping was required. */ \
	KIND(mmap_file, mmap, HARD(0), \
	     SOFT(EACCES, EAGAIN, EINVAL, ENFILE, ENODEV, ENOMEM, EOVERFLOW, EPERM), 0) \
	/* Nothing is unmapped; nobody can do anything about it. (ENOMEM: a mapping would become two.) */ \
	KIND(munmap, munmap, HARD(0), SOFT(ENOMEM), 0) \
	KIND(mprotect, mprotect, HARD(0), SOFT(ENOMEM), 0) \
	KIND(msync, msync, HARD(EIO, ENOMEM), SOFT(0), 0) \
	/* Of one page: is an unknown file system's mapping to be believed? */ \
	KIND(msync_trial, msync, HARD(0), SOFT(EIO, ENOMEM), 0) \
	/* "Nothing is there": only asked once mmap has failed. */ \
	KIND(posix_madvise, posix_madvise, HARD(0), SOFT(ENOMEM), 0) \
	KIND(populate, advise, HARD(0), SOFT(EAGAIN, EINVAL, ENOMEM, ENOSYS), 0) \
	KIND(dont_need, advise, HARD(0), SOFT(EAGAIN, EINVAL, ENOMEM), 0) \
	KIND(huge, advise, HARD(0), SOFT(EAGAIN, EINVAL, ENOMEM, ENOSYS), 0) \
	KIND(mincore, mincore, HARD(0), SOFT(EAGAIN, ENOMEM), 0) \
	/* Asked for by name. */ \
	KIND(queue_init, queue_init, HARD(EINVAL, ENOMEM, ENOSYS, EPERM, NO_DESCRIPTOR), SOFT(0), 0) \
	KIND(register_probe, register_probe, HARD(EINVAL, ENOMEM, EPERM), SOFT(0), 0) \
	KIND(submit, submit, HARD(EBADF, EINVAL, ENOMEM, ENXIO), SOFT(EINTR, EAGAIN, EBUSY), 0) \
	KIND(wait_cqe, wait_cqe, HARD(EBADF, EINVAL, ENOMEM), SOFT(EINTR, EAGAIN, EBUSY), 0) \
	KIND(peek_cqe, peek_cqe, HARD(0), SOFT(EAGAIN), 0) \
	/* No call: what a completion says of the write that it ends. */ \
	KIND(completion, completion, HARD(FULL, EFBIG, EIO, EPERM), SOFT(EINTR, EAGAIN, ECANCELED), 1)
