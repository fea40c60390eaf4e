/* SPDX-License-Identifier: MIT */
/*
 * How does the file come to stand at its path? Knows paths and descriptors; knows no mapping.
 *
 * target_kind.c and target_size.c are the same everywhere. The rest is target.c, publish.c, hidden.c, lock.c,
 * recycle.c and later.c, or target_windows.c.
 */
#ifndef OUTBUF_LIB_TARGET_H
#define OUTBUF_LIB_TARGET_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "fspolicy.h"

enum target_kind {
	TARGET_NAMELESS, /* O_TMPFILE, named at publication */
	TARGET_NAMED,    /* a hidden name from the start */
	TARGET_RECYCLED, /* an earlier output with a hidden name, written over */
	TARGET_IN_PLACE, /* the file at the path itself */
	TARGET_SPECIAL,  /* a descriptor that is written to: a pipe, a device, whatever was given */
	TARGET_NONE,     /* no file at all */
};

/* What the caller of target_open() wants. */
struct target_wish {
	mode_t mode;
	int in_place;
	int recycle;         /* write over the spare if there is a good one, and leave one */
	uint32_t lock;       /* enum outbuf_lock */
	uint32_t durability; /* enum outbuf_durability */
};

/* All members belong to the owner's thread; Views read `fd`. */
struct target {
	enum target_kind kind;
	struct target_wish wish;
	int fd;         /* the file that is written; -1 once closed */
	int borrowed;   /* TARGET_SPECIAL: the descriptor is not ours to close */
	const struct fspolicy *fs; /* of its file system; NULL for TARGET_SPECIAL and TARGET_NONE */
	int dirfd;      /* the directory of the path, to resolve `name` and `hidden` */
	int syncfd;     /* the same, to be synced; -1 where that is not wanted */
	int lockfd;     /* the locked file of an exclusive output, named `lock_name`; -1: none */
	char *name;     /* last component of the path */
	char *hidden;   /* the file's name in the directory until it is published; or NULL */
	char *lock_name;
	struct target_paths *paths; /* target_windows.c alone has them, instead of `dirfd` and `hidden` */
	int usual;      /* `hidden` is the name where the next run looks for its spare */
	uint64_t size;  /* the file's length as we set it */
	int uncut;      /* but it is longer, with zeros, as it could not be cut while it was mapped */
	uint64_t reserved; /* blocks are reserved up to here */
	uint64_t stale; /* TARGET_RECYCLED: at open, bytes below this were an earlier output's */
	const char *recycle_why; /* why it is not recycled; NULL: it is, or nobody asked */
	int created;    /* TARGET_IN_PLACE: the file did not exist before */
	int old_content; /* TARGET_IN_PLACE: what was there before still is; else 0 */
	int published;  /* it stands at the path, whatever failed after that */
};

/* All members but these are 0. */
void target_init(struct target *t, enum target_kind kind, int fd);

/* Close it if it is one; -1 afterwards. */
void target_close_fd(int *fd);

/* Check the path and create the file. Errors as outbuf_open(). */
int target_open(struct target *t, const char *path, const struct target_wish *wish);

/* Write to a descriptor of the caller's. Errors as outbuf_open_fd(). */
int target_borrow(struct target *t, int fd);

/* No file. */
void target_none(struct target *t);

/* 0, or -EIO if the file is shorter than we made it. */
int target_whole(const struct target *t);

/* All are written, and nothing is mapped: the file is as long as it is to be. 0, or an errno. */
int target_exact(struct target *t);

/* Bytes were written up to `size` by others: the file is at least that long. */
void target_grown(struct target *t, uint64_t size);

/*
 * Make the file `size` bytes long, new bytes zero and without blocks. The first call empties a
 * file that is written in place. Returns 0 or an errno, then the length is as before.
 */
int target_resize(struct target *t, uint64_t size);

/*
 * Have blocks for the first `size` bytes, and make the file that long if it is shorter. *unsupported
 * is 0 if that worked, else why this file system cannot, which is not a failure.
 */
int target_reserve(struct target *t, uint64_t size, int *unsupported);

/* 0, or -ENOSPC if it is known that `size` bytes will not fit. Asks, and reserves nothing. */
int target_room(const struct target *t, uint64_t size);

/*
 * All bytes are in the file: give it the permissions that it must not have before, and have it on
 * the disk if that is wanted.
 */
int target_finish(struct target *t);

/*
 * Close the file and put it at its path. Returns 0, or an error: then nothing of it is left
 * (in place: what was written stays), unless `published`.
 */
int target_publish(struct target *t);

/*
 * Remove the file while others still write to its descriptor: that stays open, and leads nowhere.
 * (With the file itself open, FUSE and NFS would keep it under another hidden name.)
 */
void target_remove(struct target *t);

/* The same, and close it. Both are allowed at any time, also twice. */
void target_abandon(struct target *t);

/* "nameless", "named", "recycled", "in-place", "descriptor", "none" */
const char *target_placement(const struct target *t);

/*
 * -EISDIR, -ENOTSUP (special), -EPERM (somebody else's, in a directory like /tmp): what stands at the path
 * must not be replaced. Fills *st, with st_mode 0 if nothing stands there.
 */
int target_check(const struct target *t, struct stat *st);

#endif
