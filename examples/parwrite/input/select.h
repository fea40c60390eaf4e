/* SPDX-License-Identifier: MIT */
/* select.h - which members of archives are linked, and which local symbols must be kept */
#ifndef PARWRITE_SELECT_H
#define PARWRITE_SELECT_H

struct error;
struct inputs;
struct workqueue;

/*
 * --no-whole-archive: of the lazy objects, select those that define a name to which a selected object refers. Free
 * the others, and remove them from in->objects. One thread; part of the work is done on the queue's threads. Returns
 * 0, or -1 with a message: no object is selected, an object's names are longer than 4 GiB, or memory is exhausted.
 */
int select_members(struct inputs *in, struct workqueue *queue, struct error *error);

/*
 * -x, -X: mark in object.needed the symbols that must be kept, because relocations or groups refer to them. One thread;
 * the work is done on the queue's threads. Returns 0, or -1 with a message: out of memory.
 */
int select_needed(struct inputs *in, struct workqueue *queue, struct error *error);

#endif
