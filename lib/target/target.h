/* SPDX-License-Identifier: MIT */
/*
 * The file of an output, and how it comes to stand at its path. This room knows paths and descriptors; it knows no
 * mapping and no View.
 *
 * target_kind.c and target_size.c are the same on every system. The rest is in unix/ and windows/.
 */
#ifndef OUTBUF_LIB_TARGET_H
#define OUTBUF_LIB_TARGET_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "policy/fspolicy.h"

enum target_kind {
	TARGET_TMPFILE,  /* a file without a name (O_TMPFILE), which gets one when it is published */
	TARGET_NAMED,    /* a file that has a hidden name from the start */
	TARGET_RECYCLED, /* an earlier output under a hidden name (the spare), which is written over */
	TARGET_IN_PLACE, /* the file at the path itself */
	TARGET_SPECIAL,  /* a descriptor that is written to: a pipe, a device, whatever the caller gave */
	TARGET_NONE,     /* no file: a sink, or memory */
};

/* What the caller of ob__target_open() asks for. */
struct target_request {
	mode_t mode;         /* permissions, before the umask */
	int in_place;        /* 1: write the file at the path itself */
	int recycle;         /* 1: write over the spare if there is a good one, and leave one for the next run */
	uint32_t lock;       /* enum outbuf_lock */
	uint32_t durability; /* enum outbuf_durability */
};

/* All members are written by the owner's thread alone. Views read `fd`. */
struct target {
	enum target_kind kind;
	struct target_request request; /* `recycle` becomes 0 if recycling turns out to be impossible for good */
	int fd;                        /* the file that is written; -1 once it is closed */
	int borrowed;                  /* 1: the descriptor is the caller's and is not closed (TARGET_SPECIAL) */
	const struct fspolicy *fs;     /* of the file's file system; NULL for TARGET_SPECIAL and TARGET_NONE */
	int dirfd;                     /* the directory of the path, in which `name` and `hidden` are resolved; or -1 */
	int syncfd;                    /* the same directory, to be synced; -1: it need not be */
	int lockfd;                    /* the locked lock file (options.lock), whose name is `lock_name`; -1: none */
	char *name;                    /* last component of the path */
	char *hidden;                  /* the name that the file has until it is published; NULL: it has none */
	char *lock_name;
	struct target_paths *paths; /* Windows: full paths, instead of `dirfd` and `hidden` */
	int has_spare_name;         /* 1: `hidden` is the name under which the next run looks for its spare */
	uint64_t size;              /* the length of the file as the library set it, in bytes */
	int has_excess;             /* 1: the file is longer than `size`; the excess is zeros and is cut at commit */
	uint64_t preallocated;      /* blocks are allocated for the first bytes, up to here; at most `size` */
	uint64_t old_length;        /* TARGET_RECYCLED: the file's length when it was opened; else 0 */
	const char *recycle_why;    /* why the output is not recycled; NULL: it is, or nobody asked */
	int created;                /* TARGET_IN_PLACE, 1: the file did not exist before */
	int old_content;            /* TARGET_IN_PLACE, 1: the file's former content is still in it */
	int published;              /* 1: the file stands at the path, whatever failed after that */
};

/* All members but `kind` and `fd` are empty. */
void ob__target_init(struct target *t, enum target_kind kind, int fd);

/* Close *fd if it is a descriptor, and set it to -1. */
void ob__target_close_fd(int *fd);

/* Check the path and create or open the file. Errors as outbuf_open(); nothing is held then. */
int ob__target_open(struct target *t, const char *path, const struct target_request *request);

/* Write to a descriptor of the caller's. Errors as outbuf_open_fd(). */
int ob__target_open_descriptor(struct target *t, int fd);

/* There is no file. */
void ob__target_open_none(struct target *t);

/* 0, or -EIO if the file is shorter than the library made it: somebody else has truncated it. */
int ob__target_check_length(const struct target *t);

/* Cut the excess, once nothing is mapped any more. 0, -EIO as above, or the errno of ftruncate(2). */
int ob__target_cut_excess(struct target *t);

/* Bytes were written up to `size`, so the file is at least that long. */
void ob__target_note_length(struct target *t, uint64_t size);

/*
 * Make the file `size` bytes long; new bytes are zero and have no blocks. The first call empties a file that is written
 * in place. 0 or a negative errno: then the length is as before.
 */
int ob__target_resize(struct target *t, uint64_t size);

/*
 * Allocate blocks for the first `size` bytes, and make the file that long if it is shorter. *unsupported is 0 if blocks
 * were allocated, else why this file system cannot do that, which is no error.
 */
int ob__target_preallocate(struct target *t, uint64_t size, int *unsupported);

/* 0, or -ENOSPC if it is known that a file of `size` bytes does not fit on the disk. Allocates nothing. */
int ob__target_check_space(const struct target *t, uint64_t size);

/* All bytes are in the file: set permissions that it must not have before, and wait for the disk if that is asked for. */
int ob__target_finish(struct target *t);

/*
 * Close the file and put it at its path. 0 or a negative errno. After an error the file is removed, unless `published`;
 * one that is written in place stays, with what was written to it.
 */
int ob__target_publish(struct target *t);

/*
 * Remove the file while other threads may still write to its descriptor, which stays open and leads to /dev/null. (If
 * the descriptor kept the file open, FUSE and NFS would keep it under another hidden name.) May be called at any time,
 * also twice.
 */
void ob__target_remove(struct target *t);

/* Remove the file and close everything. May be called at any time, also twice. */
void ob__target_abandon(struct target *t);

/* "nameless", "named", "recycled", "in-place", "descriptor", "none": for outbuf_stats(). */
const char *ob__target_placement(const struct target *t);

/*
 * May what stands at the path be replaced? -EISDIR, -ENOTSUP (it is no regular file), -EPERM (it is another user's, in a
 * sticky directory like /tmp), or the errno of stat(2). Fills *st; st_mode is 0 if nothing stands there.
 */
int ob__target_check_path(const struct target *t, struct stat *st);

#endif
