/* SPDX-License-Identifier: MIT */
/* What a target is, as far as no path is needed for it. */
#include "config.h"

#include "target.h"

#include "sys.h"

void target_init(struct target *t, enum target_kind kind, int fd)
{
	*t = (struct target){ .kind = kind, .fd = fd, .dirfd = -1, .syncfd = -1, .lockfd = -1 };
}

void target_close_fd(int *fd)
{
	if (*fd >= 0)
		sys_close(*fd);
	*fd = -1;
}

int target_borrow(struct target *t, int fd)
{
	int r = sys_is_writable(fd);

	target_init(t, TARGET_SPECIAL, r < 0 ? -1 : fd);
	t->borrowed = 1;
	return r;
}

void target_none(struct target *t)
{
	target_init(t, TARGET_NONE, -1);
}

const char *target_placement(const struct target *t)
{
	switch (t->kind) {
	case TARGET_NAMELESS:
		return "nameless";
	case TARGET_NAMED:
		return "named";
	case TARGET_RECYCLED:
		return "recycled";
	case TARGET_IN_PLACE:
		return "in-place";
	case TARGET_SPECIAL:
		return "descriptor";
	case TARGET_NONE:
		return "none";
	}
	return "?";
}
