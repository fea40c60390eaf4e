/* SPDX-License-Identifier: MIT */
/* Hidden names in the directory of an output: ".NAME.outbuf-XXXXXXXXXXXXX". hidden.c says what they are for. */
#ifndef OUTBUF_LIB_HIDDEN_NAME_H
#define OUTBUF_LIB_HIDDEN_NAME_H

/*
 * How many names of a path can be told: so many writers of one path at a time leave nothing that the next run does not
 * find (hidden.c).
 */
#define HIDDEN_KNOWN 8
/* How many names are tried before EEXIST is returned. Those that cannot be told are random: one in 2^64 exists. */
#define HIDDEN_TRIES 16

/* The longest hidden name, in bytes: 64 bytes of NAME, and what is around them. */
#define HIDDEN_NAME_MAX 86

/*
 * Make a hidden name for the file `name`. For a try below HIDDEN_KNOWN it depends on `name` and the try alone; for any
 * other try it is random, and nobody can guess it. The caller frees *hidden. Any thread. 0, -ENOMEM, or an error of
 * ob__sys_random().
 */
int ob__hidden_name(const char *name, int try, char **hidden);

/* The name of the lock file of `name` (options.lock). The caller frees *hidden. Any thread. 0 or -ENOMEM. */
int ob__hidden_lock_name(const char *name, char **hidden);

#endif
