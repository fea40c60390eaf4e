/* SPDX-License-Identifier: MIT */
/* groups.h - COMDAT: of what several objects have, the first one's is kept */
#ifndef PARWRITE_GROUPS_H
#define PARWRITE_GROUPS_H

struct error;
struct inputs;
struct workqueue;

/* Decide for each group, and make members of those not kept SECTION_DISCARDED. Returns 0 or -1. */
int groups_resolve(struct inputs *in, struct workqueue *queue, struct error *error);

#endif
