/* SPDX-License-Identifier: MIT */
/* A disk that remembers every write and flush, and can be made what a power failure leaves of it. */
#ifndef TESTS_POWER_FAILURE_DISK_H
#define TESTS_POWER_FAILURE_DISK_H

#include <stddef.h>
#include <stdint.h>

enum record_kind {
	RECORD_WRITE,
	RECORD_FLUSH,       /* the disk said that all writes before it are safe */
	RECORD_BEGIN,       /* the writer is about to commit `version` */
	RECORD_ACKNOWLEDGE, /* commit of `version` has returned */
};

struct record {
	enum record_kind kind;
	uint32_t length;     /* of a write, in bytes */
	uint64_t offset;     /* of a write, on the disk */
	uint64_t version;    /* of the writer's words */
	unsigned char *data; /* of a write; NULL: zeros */
};

/*
 * The disk has the bytes of the file `image` at first, which may be removed then. It appears as the file DIR/disk, and
 * DIR/mark is a file to which the writer's words are written: "b 7" begins version 7, "a 7" acknowledges it. 0, or -1 and
 * a line on stderr. One disk per process, until it ends.
 */
int disk_open(const char *image, const char *dir);

/* From now on records are kept, or not. What is on the disk now is safe. */
void disk_record(int on);

/* The records, in the order in which they came. Valid until the next one. */
const struct record *disk_records(size_t *n);

/* How much of what the disk did not flush survives: of each of its units by chance. */
struct survival {
	uint32_t unit;    /* bytes; 0: a whole write */
	unsigned percent; /* the chance of a unit */
	uint64_t *seed;
};

/*
 * Make the disk what it would be if the power failed after the first `n` records: what was flushed, and of the rest a
 * part. `n` must not become less from call to call. Nothing may be mounted. Recording must be off. Returns the number of
 * units that might have survived, and in *kept that of those which did.
 */
size_t disk_fail(size_t n, struct survival survival, size_t *kept);

/* A random number below n. */
uint64_t disk_random(uint64_t *seed, uint64_t n);

#endif
