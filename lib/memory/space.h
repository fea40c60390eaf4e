/* SPDX-License-Identifier: MIT */
/*
 * The range of addresses in which an output lies while it is written. Offset x of the output is at base + x. These
 * functions know memory only: no View, no size of the output, no path.
 *
 * Where no threads are stated, the caller serialises the calls for one space: it holds the heap's mutex, or is the
 * owner while no View is open.
 *
 * There are three implementations, one of which is built: space_vm.c where there is <sys/mman.h>, space_windows.c on
 * Windows, and space_malloc.c elsewhere. space_trial.c uses them and is the same everywhere.
 */
#ifndef OUTBUF_LIB_SPACE_H
#define OUTBUF_LIB_SPACE_H

#include <stdint.h>

/*
 * All members are written by ob__space_reserve(), ob__space_reserve_growing(), ob__space_extend(),
 * ob__space_map_file(), ob__space_cut() and ob__space_free() alone.
 */
struct space {
	unsigned char *base;      /* the address of offset 0; NULL: nothing is reserved */
	uint64_t reserved;        /* bytes reserved from base on */
	void *allocation;         /* what the system returned, for ob__space_free(). NULL on Windows */
	uint64_t allocation_size; /* its length in bytes; set by space_vm.c only */
	int slot;                 /* 1 + the number of its slot (slots.h); 0: it cannot be extended */
};

/*
 * How many bytes of addresses an output gets whose caller does not state how many it needs (heap.c). A range that can
 * be extended may grow to `largest`. Others are reserved as a whole and share `total` bytes of the process: the first
 * gets `most`, each further one the same share of what is left, but at least `least`. Any thread.
 */
struct space_budget {
	uint64_t largest;
	uint64_t total, most, least;
};

struct space_budget ob__space_budget(void);

/*
 * The offsets that ob__space_map_file() and ob__space_make_usable() are given are multiples of this, in bytes. (On
 * Windows it is more than a page.) Any thread.
 */
uint64_t ob__space_page_size(void);

/*
 * Reserve `want` bytes of addresses, or fewer if the system does not have so many, but at least `need`; `need` is
 * rounded up to whole pages. Uses no memory where the system can avoid it. 0; -ENOMEM; -EFBIG if `need` is more than
 * an address can express.
 */
int ob__space_reserve(struct space *s, uint64_t want, uint64_t need);

/*
 * Reserve `need` bytes and a little more where there is room behind them, so that ob__space_extend() will probably
 * work. *usable: the first bytes that are usable memory already, as after ob__space_make_usable(), if it is little. 0,
 * or a negative errno: there is no such place, -ENOSYS where there never is.
 */
int ob__space_reserve_growing(struct space *s, uint64_t need, uint64_t *usable);

/*
 * Extend the range in place to `want` bytes, or fewer if the addresses behind it are not free, but at least to `need`,
 * which is more than is reserved; `need` is rounded up to whole pages. 0; -ENOMEM: nothing has changed. -ENOSYS where
 * it is never possible.
 */
int ob__space_extend(struct space *s, uint64_t want, uint64_t need);

/*
 * Can the file be mapped? Changes neither the file nor any range. Any thread. 0, -ENOSYS where there is no mmap, else
 * a negative errno of the system.
 */
int ob__space_probe(int fd);

/*
 * Try a mapping of the file's first page: do bytes that are stored into it reach the file, and does it show bytes
 * that are written to the file? For file systems about which nothing is known. The page must be in the file. The file
 * has its former content afterwards, unless *damaged is 1: then the page was changed and could not be restored.
 * Owner, while nobody else uses the file. 0; -EIO if the answer is no; or a negative errno of the system.
 */
int ob__space_trial(int fd, int *damaged);

/*
 * For the two functions above: map the file's first page at any address, write its stores back to the file, unmap it.
 * Any thread. 0 or a negative errno of the system.
 */
int ob__space_map_page(int fd, void **page);
int ob__space_sync_page(void *page);
void ob__space_unmap_page(void *page);

/*
 * Map the file's [from, to) over the same offsets of the range, shared, readable and writable. What was in that part
 * of the range is gone afterwards. Call ob__space_probe() first. 0 or a negative errno of the system. A failure
 * changes nothing, except if `reserved` is `from` afterwards: then everything from `from` on is lost.
 */
int ob__space_map_file(struct space *s, int fd, uint64_t from, uint64_t to);

/* Make [from, to), of which nothing is usable yet, usable memory that holds zeros. 0 or -ENOMEM. */
int ob__space_make_usable(struct space *s, uint64_t from, uint64_t to);

/*
 * Take [from, to), whole pages, out of use, without touching a page of it: a mapping of a file that is there ends, and
 * memory is freed. Its addresses stay reserved, and ob__space_make_usable() or ob__space_map_file() can use them again.
 * Everything from `to` on is unused already. Returns 0; `reserved` may be `from` afterwards, if the system took the
 * addresses away as well. A negative errno: nothing has changed. -ENOSYS where the system cannot do it.
 */
int ob__space_cut(struct space *s, uint64_t from, uint64_t to);

/* Set [from, to), which is usable and not mapped from a file, to zero. Frees memory where it can. */
void ob__space_zero(struct space *s, uint64_t from, uint64_t to);

/*
 * Tell the system that [from, to), whole pages, is not needed in memory. A mapping of a file keeps its content. Other
 * memory holds zeros afterwards, or what it held before. Any thread, if nobody else uses those pages.
 */
void ob__space_drop_pages(struct space *s, uint64_t from, uint64_t to);

/* A hint: all of [from, to), which is usable and not mapped from a file, is about to be stored to. Any thread. */
void ob__space_advise_store(struct space *s, uint64_t from, uint64_t to);

/*
 * Write back [0, to), which is mapped from a file, and wait for the disk. Owner. 0 or a negative errno of the system.
 */
int ob__space_sync(struct space *s, uint64_t to);

/*
 * Call before [0, to), a mapping of a file that will be kept, is unmapped. Owner. On Windows it writes the mapping
 * back, because errors of that are reported only here: 0 or a negative errno. Elsewhere it does nothing and returns
 * 0, because errors are reported later, or by a signal.
 */
int ob__space_prepare_unmap(struct space *s, uint64_t to);

/*
 * As ob__space_free(). Of the range only the first `stored` bytes were stored to, all of it is usable memory, and
 * nobody has a pointer into it: so it may be kept for another output of this process.
 */
void ob__space_give_back(struct space *s, uint64_t stored);

/* Free all memory and addresses; base is NULL afterwards. Allowed when nothing is reserved. */
void ob__space_free(struct space *s);

#endif
