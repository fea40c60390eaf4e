/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "flush.h"

#include <errno.h>

static int uring_open(struct flush *f)
{
	(void)f;
	return -ENOTSUP;
}

const struct flush_backend flush_uring = {
	.name = "uring",
	.open = uring_open,
};
