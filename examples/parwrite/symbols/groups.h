/* SPDX-License-Identifier: MIT */
/* groups.h - COMDAT groups: if several objects have the same one, only the first is kept */
#ifndef PARWRITE_GROUPS_H
#define PARWRITE_GROUPS_H

struct error;
struct inputs;
struct object;
struct section;
struct workqueue;

/*
 * Decide for each group whether it is kept. The sections of those that are not become SECTION_DISCARDED. One thread
 * calls this; the work is done by tasks on `queue`. Returns 0, or -1 with a message: no memory.
 */
int groups_resolve(struct inputs *in, struct workqueue *queue, struct error *error);

/*
 * Which section replaces section `s` of object `o`, which was discarded? It is the section of the same name and size in
 * the group that was kept. NULL: there is none. Any thread, after groups_resolve().
 */
const struct section *groups_kept(const struct inputs *in, const struct object *o, const struct section *s);

#endif
