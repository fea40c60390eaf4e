/* SPDX-License-Identifier: MIT */
/*
 * How long the file is, and how many blocks of the disk are allocated to it.
 *
 * Problem: if the disk is full, a store into a mapped page that has no block raises SIGBUS (golang/go#37310,
 * llvm#167785 and many more). So the blocks of a file must be allocated before it is mapped.
 *
 * Choice: fallocate(2), which costs next to nothing where the file system implements it. Where it is not supported,
 * that is not an error here; write_back.c and mapping.c decide what to do then. ENOSPC, EDQUOT, EFBIG, EIO and every
 * error that is not in the list of ob__target_preallocate() are errors of the output.
 */
#include "config.h"

#include "target/target.h"

#include <errno.h>

#include "system/sys.h"

void ob__target_note_length(struct target *t, uint64_t size)
{
	if (size > t->size)
		t->size = size;
}

/* Can a file be that long? Asked before ftruncate(2) and fallocate(2), which raise SIGXFSZ beyond RLIMIT_FSIZE. */
static int check_size(const struct target *t, uint64_t size)
{
	return size > INT64_MAX || (uint64_t)(off_t)size != size || size > t->request.file_limit ? -EFBIG : 0;
}

/* ftruncate(2) says so where there is none (rclone, other servers of FUSE), or where it makes no file longer. */
static int is_refusal(int error)
{
	return error == -ENOSYS || error == -EOPNOTSUPP || error == -EPERM || error == -EACCES || error == -EINVAL;
}

int ob__target_drop_old_content(struct target *t)
{
	int r = t->old_content ? ob__sys_ftruncate(t->fd, 0) : 0;

	if (is_refusal(r))
		r = ob__target_empty(t, r);
	if (r == 0)
		t->old_content = 0;
	return r;
}

/*
 * If another process has truncated the file, bytes that Views wrote are lost. There need not have been an error or a
 * fault for that, and making the file longer again would hide it. The check takes 0.3 us.
 */
int ob__target_check_length(const struct target *t)
{
	struct stat st;
	int r;

	if (t->fs == NULL || t->old_content)
		return 0;
	r = ob__sys_fstat(t->fd, &st);
	if (r < 0 || (uint64_t)st.st_size >= t->size)
		return r;
	/* NFS 3: its server has no room for what the page cache took. That is a reason which fdatasync(2) tells. */
	r = ob__sys_fdatasync(t->fd);
	return r < 0 ? r : -EIO;
}

/*
 * A file that is mapped cannot be shortened on some systems (Windows). Then zeros are written from `size` to the end
 * of the file, which reads as if the file ended there and were extended again. ob__target_cut_excess() cuts them once
 * nothing is mapped.
 *
 * ob__target_resize() also gets here if the file is to grow within the excess. That is zeros already, so nothing is
 * written. (If `size` is beyond the excess, ftruncate(2) lengthens the file and succeeds, so this function is not
 * called.)
 */
static int zero_excess(struct target *t, uint64_t size)
{
	static const unsigned char zeros[65536];
	uint64_t at = size;
	int r = 0;

	for (; r == 0 && at < t->size; at += sizeof zeros)
		r = ob__sys_pwrite_all(t->fd, zeros,
		                       t->size - at < sizeof zeros ? (size_t)(t->size - at) : sizeof zeros, at);
	t->has_excess = r == 0;
	return r;
}

/* The length by fstat(2), without ftruncate(2): it is right already, or the last byte is written. 0 or `error`. */
static int change_length_by_writing(struct target *t, uint64_t size, int error)
{
	struct stat st;
	int r = ob__sys_fstat(t->fd, &st);

	/* It may be longer than was noted: what is written makes it longer. */
	if (r < 0 || (uint64_t)st.st_size > size)
		return r < 0 ? r : error;
	return (uint64_t)st.st_size == size ? 0 : ob__sys_pwrite_all(t->fd, "", 1, size - 1);
}

int ob__target_prepare_over(struct target *t, uint64_t size)
{
	struct stat old;
	int r = ob__sys_fstat(t->fd, &old);

	if (r < 0)
		return r;
	/* Where blocks cannot be reserved, writing will show if there is room. */
	if ((uint64_t)old.st_size < size && !t->fs->remote)
		r = ob__sys_fallocate(t->fd, 0, size);
	if (r == -ENOSPC || r == -EDQUOT || r == -EFBIG) {
		ob__sys_ftruncate(t->fd, (uint64_t)old.st_size);
		return r;
	}
	t->old_content = 0;
	t->size = (uint64_t)old.st_size > size ? (uint64_t)old.st_size : 0;
	return 0;
}

/* Give the file another length. 0 or a negative errno. */
static int change_length(struct target *t, uint64_t size)
{
	const int too_long = -EOPNOTSUPP;
	int r = t->fs->no_ftruncate ? change_length_by_writing(t, size, too_long) : too_long;

	if (r != too_long)
		return r;
	r = ob__sys_ftruncate(t->fd, size);
	return is_refusal(r) ? change_length_by_writing(t, size, r) : r;
}

int ob__target_resize(struct target *t, uint64_t size)
{
	int r;

	if (t->fs == NULL) {
		t->size = size;
		return 0;
	}
	r = check_size(t, size);
	if (r == 0)
		r = ob__target_drop_old_content(t);
	if (r == 0 && size != t->size) {
		r = ob__target_check_length(t);
		if (r == 0)
			r = change_length(t, size);
		if (r == 0)
			t->has_excess = 0;
		else if (r == -EBUSY && (size < t->size || t->has_excess))
			r = zero_excess(t, size);
	}
	if (r == 0) {
		t->size = size;
		t->preallocated = t->preallocated < size ? t->preallocated : size;
	}
	return r;
}

int ob__target_check_cut(const struct target *t)
{
	/* Nothing changes by it; in place the old content stays, and is not ours to cut. */
	return t->old_content ? 0 : ob__sys_ftruncate(t->fd, t->size);
}

int ob__target_cut_excess(struct target *t)
{
	int r = ob__target_check_length(t);

	if (r == 0 && t->has_excess)
		r = ob__sys_ftruncate(t->fd, t->size);
	if (r == 0)
		t->has_excess = 0;
	return r;
}

/*
 * fallocate(2) in pieces. On tmpfs a call that a signal interrupts gives back all blocks it had, so with the timer of a
 * profiler a call for 1 GB never ended, at 10 ms a signal. So a piece that was interrupted is tried again with half its
 * size. -EINTR if even PIECE_MIN bytes are interrupted each time.
 */
#define PIECE_MAX ((uint64_t)1 << 30)
#define PIECE_MIN ((uint64_t)64 << 10)
#define PIECE_TRIES 16

static int preallocate_in_pieces(int fd, uint64_t from, uint64_t to)
{
	uint64_t piece = PIECE_MAX;
	int interrupted = 0;

	while (from < to && interrupted < PIECE_TRIES) {
		uint64_t n = to - from < piece ? to - from : piece;
		int r = ob__sys_fallocate(fd, from, n);

		if (r < 0 && r != -EINTR)
			return r;
		if (r == 0) {
			from += n;
			interrupted = 0;
		} else if (n > PIECE_MIN) {
			while (piece >= n)
				piece /= 2;
		} else {
			interrupted++;
		}
	}
	return from < to ? -EINTR : 0;
}

int ob__target_preallocate(struct target *t, uint64_t size, int *unsupported)
{
	int r;

	if (t->fs == NULL) {
		*unsupported = -EOPNOTSUPP;
		return ob__target_resize(t, size);
	}
	r = check_size(t, size);
	if (r == 0)
		r = ob__target_drop_old_content(t);
	if (r == 0)
		r = ob__target_check_length(t);
	if (r < 0 || size <= t->preallocated)
		return r;
	*unsupported = 0;
	r = preallocate_in_pieces(t->fd, t->preallocated, size);
	/* A server may not know. Writing will show it, and nothing is mapped until then. */
	if (r < 0 && t->fs->remote) {
		*unsupported = r;
		r = 0;
	}
	switch (r) {
	case -EOPNOTSUPP:
	case -ENOSYS:
	case -EINVAL: /* ZFS on FreeBSD */
	case -EPERM:  /* the answer of sandboxes to every system call that they do not know */
	case -EACCES:
	case -EINTR: /* signals come too fast */
		*unsupported = r;
		r = 0;
		break;
	default:
		break;
	}
	if (r == 0 && size > t->size)
		r = ob__target_resize(t, size);
	if (r == 0 && *unsupported == 0)
		t->preallocated = size;
	/* Free the blocks that were allocated before the error. Else commit must know that the file is longer. */
	if (r < 0 && ob__sys_ftruncate(t->fd, t->size) < 0)
		ob__target_note_length(t, size);
	return r;
}

int ob__target_check_space(const struct target *t, uint64_t size)
{
	uint64_t free_bytes;
	uint32_t magic;
	int tries, r = -ENOSPC;

	if (t->fs == NULL || !t->fs->free_is_exact || size <= t->size)
		return 0;
	for (tries = 0; r < 0 && (tries == 0 || (tries == 1 && ob__sys_wait_for_room(r))); tries++) {
		if (ob__sys_fs(t->fd, &magic, &free_bytes) < 0)
			return 0;
		r = size - t->size > free_bytes ? -ENOSPC : 0;
	}
	return r;
}
