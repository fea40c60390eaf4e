/* SPDX-License-Identifier: MIT */
/* groups.h - COMDAT: of what several objects have, the first one's is kept */
#ifndef PARWRITE_GROUPS_H
#define PARWRITE_GROUPS_H

struct error;
struct inputs;
struct object;
struct section;
struct workqueue;

/* Decide for each group, and make members of those not kept SECTION_DISCARDED. Returns 0 or -1. */
int groups_resolve(struct inputs *in, struct workqueue *queue, struct error *error);

/*
 * What is kept in a discarded section's stead: the section of the same name and size in the group that was first; or
 * NULL.
 */
const struct section *groups_kept(const struct inputs *in, const struct object *o, const struct section *s);

#endif
