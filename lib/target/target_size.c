/* SPDX-License-Identifier: MIT */
/*
 * How long the file is, and how much of the disk is its own.
 *
 * A file that is mapped must have its blocks before, or a store is SIGBUS when the disk is full
 * (golang/go#37310, llvm#167785 and many more). fallocate(2) gives them at next to no cost where it is
 * real; where it is not supported that is no failure, and write_back.c decides what follows. Hard errors
 * are ENOSPC, EDQUOT, EFBIG, EIO and whatever nobody thought of.
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

/* Whatever is to come, can the file be that long? Says it without the SIGXFSZ that asking costs. */
static int check_size(uint64_t size)
{
	if (size > INT64_MAX || (uint64_t)(off_t)size != size || size > ob__sys_file_limit())
		return -EFBIG;
	return 0;
}

static int empty_once(struct target *t)
{
	int r = t->old_content ? ob__sys_ftruncate(t->fd, 0) : 0;

	if (r == 0)
		t->old_content = 0;
	return r;
}

/*
 * Has somebody else truncated it? What Views wrote is gone then, no error or fault need have told, and to make
 * it longer again would hide it. The question takes 0.3 us.
 */
int ob__target_check_length(const struct target *t)
{
	struct stat st;
	int r;

	if (t->fs == NULL || t->old_content)
		return 0;
	r = ob__sys_fstat(t->fd, &st);
	return r < 0 ? r : (uint64_t)st.st_size < t->size ? -EIO : 0;
}

/* Zeros up to the end are as good as its end, until nothing is mapped any more: ob__target_cut_excess(). */
static int cut_by_zeros(struct target *t, uint64_t size)
{
	static const unsigned char zeros[65536];
	uint64_t at = size;
	int r = 0;

	for (; r == 0 && at < t->size; at += sizeof zeros)
		r = ob__sys_pwrite_all(t->fd, zeros, t->size - at < sizeof zeros ? (size_t)(t->size - at) : sizeof zeros, at);
	t->has_excess = r == 0;
	return r;
}

int ob__target_resize(struct target *t, uint64_t size)
{
	int r;

	if (t->fs == NULL) {
		t->size = size;
		return 0;
	}
	r = check_size(size);
	if (r == 0)
		r = empty_once(t);
	if (r == 0 && size != t->size) {
		r = ob__target_check_length(t);
		if (r == 0)
			r = ob__sys_ftruncate(t->fd, size);
		if (r == 0)
			t->has_excess = 0;
		else if (r == -EBUSY && (size < t->size || t->has_excess)) /* also to grow, but not beyond what it has */
			r = cut_by_zeros(t, size);
	}
	if (r == 0) {
		t->size = size;
		t->preallocated = t->preallocated < size ? t->preallocated : size;
	}
	return r;
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

/* Reserve [from, to) in steps that a signal may interrupt without starting all over (tmpfs). */
static int preallocate(int fd, uint64_t from, uint64_t to)
{
	const uint64_t step = (uint64_t)1 << 30;
	int r = 0;

	for (; r == 0 && from < to; from += step)
		r = ob__sys_fallocate(fd, from, to - from < step ? to - from : step);
	return r;
}

int ob__target_preallocate(struct target *t, uint64_t size, int *unsupported)
{
	int r;

	if (t->fs == NULL) {
		*unsupported = -EOPNOTSUPP;
		return ob__target_resize(t, size);
	}
	r = check_size(size);
	if (r == 0)
		r = empty_once(t);
	if (r == 0)
		r = ob__target_check_length(t);
	if (r < 0 || size <= t->preallocated)
		return r;
	*unsupported = 0;
	r = preallocate(t->fd, t->preallocated, size);
	switch (r) {
	case -EOPNOTSUPP:
	case -ENOSYS:
	case -EINVAL: /* ZFS on FreeBSD */
	case -EPERM:  /* sandboxes answer it to everything they do not know */
	case -EACCES:
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
	if (r < 0)
		/* Give back the blocks of a reservation that stopped half way. */
		ob__sys_ftruncate(t->fd, t->size);
	return r;
}

int ob__target_check_space(const struct target *t, uint64_t size)
{
	uint64_t room;
	uint32_t magic;

	if (t->fs == NULL || !t->fs->free_is_exact || size <= t->size || ob__sys_fs(t->fd, &magic, &room) < 0)
		return 0;
	return size - t->size > room ? -ENOSPC : 0;
}
