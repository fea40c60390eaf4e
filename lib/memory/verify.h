/* SPDX-License-Identifier: MIT */
/* Does the file contain what was stored into a mapping of it? Checked by two samples. Owner, exclusively. */
#ifndef OUTBUF_LIB_VERIFY_H
#define OUTBUF_LIB_VERIFY_H

#include <stddef.h>
#include <stdint.h>

/* A copy of some bytes of a mapping, to be compared with the file when it is unmapped. Written once, by the owner. */
struct sample {
	uint64_t offset; /* of the first byte in the file */
	size_t length;   /* bytes copied; 0 for an empty mapping */
	unsigned char bytes[4096];
};

struct samples {
	struct sample first, last;
};

/* Copy the first and the last 4 KiB of the n bytes at `base`, which is where the file is mapped from offset 0 on. */
void ob__verify_record(struct samples *s, const unsigned char *base, uint64_t n);

/* Compare the samples with the file. 0; -EIO if it has other bytes; or a negative errno of pread(2). */
int ob__verify_check(const struct samples *s, int fd);

#endif
