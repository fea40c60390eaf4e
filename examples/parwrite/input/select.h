/* SPDX-License-Identifier: MIT */
/* select.h - which members of an archive are wanted, and which symbols may be left out */
#ifndef PARWRITE_SELECT_H
#define PARWRITE_SELECT_H

struct error;
struct inputs;
struct workqueue;

/*
 * --no-whole-archive: of lazy objects keep those that define what another one that is kept refers to, and
 * free the others. Returns 0 or -1.
 */
int select_members(struct inputs *in, struct workqueue *queue, struct error *error);

/* -x, -X: note which local symbols must stay, as relocations or groups name them. Returns 0 or -1. */
int select_needed(struct inputs *in, struct workqueue *queue, struct error *error);

#endif
