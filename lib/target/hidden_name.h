/* SPDX-License-Identifier: MIT */
/* Hidden names beside an output: ".NAME.outbuf-XXXXXXXXXXXXX". */
#ifndef OUTBUF_LIB_HIDDEN_NAME_H
#define OUTBUF_LIB_HIDDEN_NAME_H

/* Tries with random names before EEXIST is believed; one in 2^64 fails. */
#define HIDDEN_TRIES 16

/*
 * *hidden, to be freed: the name that belongs to `name` for try 0, else one that nobody can guess.
 * 0, -ENOMEM, or what ob__sys_random() returns.
 */
int ob__hidden_name(const char *name, int try, char **hidden);

/* The name of the file that two writers of `name` lock. */
int ob__hidden_lock_name(const char *name, char **hidden);

#endif
