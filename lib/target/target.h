/* SPDX-License-Identifier: MIT */
/*
 * The file of an output, and how it gets to its path. This room knows paths and descriptors; it knows no mapping and
 * no View.
 *
 * target_kind.c, target_size.c and hidden_name.c are the same on every system. The rest is in unix/ and windows/.
 *
 * All functions are called by the owner's thread, except where a comment says otherwise.
 */
#ifndef OUTBUF_LIB_TARGET_H
#define OUTBUF_LIB_TARGET_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "policy/fspolicy.h"

enum target_kind {
	TARGET_TMPFILE,  /* a file without a name (O_TMPFILE), which gets one when it is published */
	TARGET_NAMED,    /* a temporary file, which has a hidden name from the start */
	TARGET_RECYCLED, /* the spare: an earlier output under a hidden name, which is written over */
	TARGET_IN_PLACE, /* the file at the path itself */
	TARGET_SPECIAL,  /* a pipe, a device, or a descriptor that the caller gave; it is written sequentially */
	TARGET_NONE,     /* no file: a sink, or memory */
};

/* What the caller of ob__target_open() asks for. */
struct target_request {
	mode_t mode;         /* permissions, before the umask */
	int in_place;        /* 1: write the file at the path itself */
	int else_in_place;   /* 1: write the file at the path itself if it cannot be replaced */
	int named;           /* 1: the file has a hidden name from the start */
	int recycle;         /* 1: write over the spare if it can be used, and leave one for the next run */
	uint32_t lock;       /* enum outbuf_lock */
	uint32_t durability; /* enum outbuf_durability */
	uint64_t file_limit; /* RLIMIT_FSIZE at open, in bytes: beyond it ftruncate(2) and fallocate(2) raise SIGXFSZ */
};

/* All members are written by the owner's thread alone. Views read `fd`. */
struct target {
	enum target_kind kind;
	struct target_request request; /* `recycle` becomes 0 if recycling turns out to be impossible for good */
	int fd;                        /* the file that is written; -1 once it is closed */
	int borrowed;                  /* 1: the descriptor is the caller's and is not closed (TARGET_SPECIAL) */
	const struct fspolicy *fs;     /* of the file's file system; NULL for TARGET_SPECIAL and TARGET_NONE */
	int dirfd;                     /* the directory of the path, in which `name` and `hidden` are resolved; or -1 */
	struct shared_directory *shared_directory; /* if others may use `dirfd`, too; else NULL */
	int syncs_directory;           /* 1: `dirfd` is open for fsync(2), and is synced when the file is published */
	int journals_data;             /* 1: ext4 with data=journal, and durability is wanted (fspolicy.h) */
	int lockfd;                    /* the locked lock file (options.lock), whose name is `lock_name`; -1: none */
	char *name;                    /* last component of the path; Windows: in lower case */
	char *hidden;                  /* the name that the file has until it is published; NULL: it has none */
	char *lock_name;               /* name of the lock file in `dirfd`; NULL: no lock was asked for */
	struct temporary *noted;       /* `hidden` as a signal handler finds it; NULL: it does not */
	struct temporary *lock_noted;  /* and `lock_name` */
	struct target_paths *paths;    /* Windows: full paths, instead of `dirfd` and `hidden` */
	int has_spare_name;            /* 1: `hidden` is the name under which the next run looks for its spare */
	uint64_t size;                 /* the length of the file as the library set it, in bytes */
	int has_excess;                /* 1: the file is longer than `size`; the excess is zeros and is cut at commit */
	uint64_t preallocated;         /* blocks are allocated for the first bytes, up to here; at most `size` */
	uint64_t old_length;           /* TARGET_RECYCLED: the file's length when it was opened; else 0 */
	const char *recycle_why;       /* why the output is not recycled; NULL: it is, or recycling was not asked for */
	int in_order;                  /* 1: it can only be written from the first byte to the last, and not be read */
	int created;                   /* TARGET_IN_PLACE, 1: this output created the file */
	int written_over;              /* TARGET_IN_PLACE, 1: because it cannot be replaced. The former content stays
	                                * until all bytes are there, in memory */
	int old_content;               /* TARGET_IN_PLACE, 1: the file's former content is still in it */
	uid_t owner;                   /* if `has_owner`: a file of ours gets this owner here, which is not us */
	int has_owner;                 /* 1: the file system shows another owner than the one who creates a file */
	int no_inodes;                 /* 1: inode numbers tell no files apart here (evidence.c) */
	int fixed_directory;           /* 1: what gets a name in `dirfd` keeps it (chattr +a) */
	dev_t closed_dev;              /* the file that was closed before it was published, under `hidden` */
	ino_t closed_ino;
	int path_was_free;             /* 1: nothing was at the path when the output was opened */
	int replace_error;             /* why the file at the path was written over; 0: it was replaced */
	int published;                 /* 1: the file stands at the path, also if something failed after that */
};

/* All members but `kind` and `fd` are empty. */
void ob__target_init(struct target *t, enum target_kind kind, int fd);

/* Close *fd if it is a descriptor, and set it to -1. */
void ob__target_close_fd(int *fd);

/*
 * Check the path and create or open the file. The path "-" means standard output. Errors as outbuf_open(); nothing is
 * held after an error.
 */
int ob__target_open(struct target *t, const char *path, const struct target_request *request);

/* Write to a descriptor of the caller's, which stays open. Errors as outbuf_open_fd(). */
int ob__target_open_descriptor(struct target *t, int fd);

/* There is no file. */
void ob__target_open_none(struct target *t);

/*
 * Has another process truncated the file? 0, or the errno of fstat(2). If it is shorter than the library made it: the
 * errno of fdatasync(2), which may know why, or -EIO.
 */
int ob__target_check_length(const struct target *t);

/*
 * Can the file be cut? What is mapped is whole pages until commit. To be called before it is mapped. 0 or the errno of
 * ftruncate(2).
 */
int ob__target_check_cut(const struct target *t);

/*
 * Cut the excess. To be called when the file is not mapped any more. 0, an error of ob__target_check_length(), or the
 * errno of ftruncate(2).
 */
int ob__target_cut_excess(struct target *t);

/* The former content of a file that is written in place goes, if it is still there. 0 or a negative errno. */
int ob__target_drop_old_content(struct target *t);

/*
 * All `size` bytes are about to be written over the former content (`written_over`), which is not dropped before: room
 * for a longer file is reserved. 0; -ENOSPC, -EDQUOT, -EFBIG: the file is as it was; or the errno of fstat(2).
 */
int ob__target_prepare_over(struct target *t, uint64_t size);

/* As ftruncate(2) to 0, which was refused by `error`: open the file once more, and empty it by that. 0 or `error`. */
int ob__target_empty(struct target *t, int error);

/* Bytes were written up to `size`, so the file is at least that long. */
void ob__target_note_length(struct target *t, uint64_t size);

/*
 * Make the file `size` bytes long; new bytes are zero and have no blocks. The first call empties a file that is
 * written in place. 0, -EFBIG if the file cannot be that long, an error of ob__target_check_length(), or the errno of
 * ftruncate(2) or pwrite(2). After an error `size` is as before.
 */
int ob__target_resize(struct target *t, uint64_t size);

/*
 * Allocate blocks for the first `size` bytes, and make the file that long if it is shorter. Returns 0 or a negative
 * errno (-ENOSPC, -EDQUOT, -EFBIG, -EIO and others).
 *
 * *unsupported becomes 0 if blocks were allocated. It becomes a negative errno if this file system cannot allocate
 * blocks; that is no error of this function. It is left as it was if the file already had these blocks, and if an
 * error came before the attempt: the caller initialises it.
 */
int ob__target_preallocate(struct target *t, uint64_t size, int *unsupported);

/* 0, or -ENOSPC if it is known that a file of `size` bytes does not fit on the disk. Allocates nothing. */
int ob__target_check_space(const struct target *t, uint64_t size);

/*
 * To be called when all bytes are in the file: cut the excess, set those permissions that an unfinished file must not
 * have, and wait for the disk if options.durability asks for it. 0 or a negative errno.
 */
int ob__target_finish(struct target *t);

/*
 * Close the file and move it to its path. 0 or a negative errno. After an error the file is removed, unless
 * `published` is 1. A file that is written in place and existed before stays, with what was written to it.
 */
int ob__target_publish(struct target *t);

/*
 * Remove the file while other threads may still write to its descriptor, which stays open. May be called at any time,
 * also twice.
 *
 * Unix: the descriptor leads to /dev/null from then on. (If it kept the file open, FUSE and NFS would keep the file
 * under another hidden name.) Windows: the file is marked for deletion, and disappears when its last handle is
 * closed.
 */
void ob__target_remove(struct target *t);

/* Remove the file unless it was published, and close everything. May be called at any time, also twice. */
void ob__target_abandon(struct target *t);

/* Remove the temporary files of all targets of this process. Safe in a signal handler. Any thread. */
void ob__target_remove_temporary(void);

/* "nameless", "named", "recycled", "in-place", "descriptor", "none": for outbuf_stats(). */
const char *ob__target_placement(const struct target *t);

/*
 * May the file at the path be replaced? 0, -EISDIR, -ENOTSUP (it is no regular file), -EPERM (it is another user's,
 * in a sticky directory like /tmp), or the errno of stat(2). Fills *st; st_mode is 0 if nothing stands there.
 * (Windows: only 0, -EISDIR, or the error of GetFileAttributesW(); only st_mode of *st is set.)
 */
int ob__target_check_path(const struct target *t, struct stat *st);

#endif
