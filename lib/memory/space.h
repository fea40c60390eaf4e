/* SPDX-License-Identifier: MIT */
/*
 * One range of addresses in which an output lives: where are bytes while they are being
 * written? Knows memory only: no View, no size of the output, no path. Members are written by
 * the functions below, which the caller keeps apart (the heap's mutex, or no View open).
 *
 * Three implementations, one of which is built: space_vm.c where there is <sys/mman.h>, space_windows.c, and
 * space_malloc.c where there is nothing. space_trial.c, which stands on them, is the same everywhere.
 */
#ifndef OUTBUF_LIB_SPACE_H
#define OUTBUF_LIB_SPACE_H

#include <stdint.h>

struct space {
	unsigned char *base;  /* offset 0; NULL: nothing reserved */
	uint64_t reserved;    /* bytes from base */
	void *whole;          /* what the system gave, for ob__space_free(); Windows tells it by itself */
	uint64_t whole_size;
};

/* Address space to reserve when nobody says how much will be needed. */
uint64_t ob__space_default_size(void);

/* Offsets that ob__space_map_file() and ob__space_make_usable() work on are multiples of this. */
uint64_t ob__space_page_size(void);

/*
 * Reserve `want` bytes of addresses, or less if the system has not as much, but at least
 * `need` (both are rounded up to pages). Spends no memory where the system can avoid it.
 * 0, -ENOMEM; -EFBIG if `need` is more than an address can say.
 */
int ob__space_reserve(struct space *s, uint64_t want, uint64_t need);

/*
 * Can the file be mapped? 0, -ENOSYS where there is no mmap, else the kernel's errno. Touches
 * neither the file nor any range.
 */
int ob__space_probe(int fd);

/*
 * Do bytes stored into a mapping of the file's first page reach the file, and does a mapping show what
 * is written to it? For file systems that nobody knows. The page must be in the file, and is as before
 * afterwards; *damaged says that it is not, and cannot be mended. 0; -EIO if they do not; or an errno.
 */
int ob__space_trial(int fd, int *damaged);

/* The file's first page mapped somewhere, for the two above: begin, carry to the file, end. 0 or an errno. */
int ob__space_map_page(int fd, void **page);
int ob__space_sync_page(void *page);
void ob__space_unmap_page(void *page);

/*
 * Map the file's [from, to) over the range, shared, readable and writable. What was in that
 * part of the range is gone. Ask ob__space_probe() before. 0, or the kernel's errno: nothing has
 * changed then, unless `reserved` is `from` now: then all from there on is lost.
 */
int ob__space_map_file(struct space *s, int fd, uint64_t from, uint64_t to);

/* Make [from, to), never usable before, memory that holds zeros. 0 or -ENOMEM. */
int ob__space_make_usable(struct space *s, uint64_t from, uint64_t to);

/* Make [from, to), usable and not mapped from a file, zero; gives memory back where it can. */
void ob__space_zero(struct space *s, uint64_t from, uint64_t to);

/*
 * [from, to), whole pages, is not needed in memory. What is mapped from a file stays the same, other memory is zero
 * afterwards, or what it was. Any thread, if nobody else uses those pages.
 */
void ob__space_drop_pages(struct space *s, uint64_t from, uint64_t to);

/* [from, to), usable and not mapped from a file, is about to be stored to, all of it. Only advice. Any thread. */
void ob__space_advise_store(struct space *s, uint64_t from, uint64_t to);

/* Wait until [0, to), mapped from a file, is on the disk. 0 or the kernel's errno. */
int ob__space_sync(struct space *s, uint64_t to);

/*
 * [0, to), mapped from a file that is to be kept, is about to be unmapped. 0, or what could not be written of it: where
 * the system tells that here, and not later or by a signal (Windows).
 */
int ob__space_prepare_unmap(struct space *s, uint64_t to);

/* Give everything back; base is NULL afterwards. Allowed when nothing is reserved. */
void ob__space_free(struct space *s);

#endif
