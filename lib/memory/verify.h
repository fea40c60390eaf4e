/* SPDX-License-Identifier: MIT */
/* Does the file have what was written through a mapping? */
#ifndef OUTBUF_LIB_VERIFY_H
#define OUTBUF_LIB_VERIFY_H

#include <stddef.h>
#include <stdint.h>

/* Some bytes of a mapping, to be looked for in the file when it is unmapped. */
struct sample {
	uint64_t offset;
	size_t length;
	unsigned char bytes[4096];
};

struct samples {
	struct sample first, last;
};

/* Remember the first and the last of the n bytes at base, which are the file's from offset 0. */
void ob__samples_record(struct samples *s, const unsigned char *base, uint64_t n);

/* 0; -EIO if the file has something else; or the errno of reading it. */
int ob__samples_check(const struct samples *s, int fd);

#endif
