/* SPDX-License-Identifier: MIT */
/* The targets that need no path, and the names of all kinds. */
#include "config.h"

#include "target/target.h"

#include "system/sys.h"

void ob__target_init(struct target *t, enum target_kind kind, int fd)
{
	*t = (struct target){ .kind = kind, .fd = fd, .dirfd = -1, .lockfd = -1 };
}

void ob__target_close_fd(int *fd)
{
	if (*fd >= 0)
		ob__sys_close(*fd);
	*fd = -1;
}

int ob__target_open_descriptor(struct target *t, int fd)
{
	int r = ob__sys_is_writable(fd);

	ob__target_init(t, TARGET_SPECIAL, r < 0 ? -1 : fd);
	t->borrowed = 1;
	return r;
}

void ob__target_open_none(struct target *t)
{
	ob__target_init(t, TARGET_NONE, -1);
}

const char *ob__target_placement(const struct target *t)
{
	switch (t->kind) {
	case TARGET_TMPFILE:
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
