/* SPDX-License-Identifier: MIT */
/*
 * rig.h - outputs that are no file of the library's, with somebody at their other end: pipes, sockets,
 * FIFOs, terminals, by descriptor and by name; functions; memory.
 *
 *     rig_begin, an output by kind->open, rig_emit, commit, rig_end
 */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "rigs/reader.h"
#include "support/support.h"

/* What rig_emit() writes: planned by outbuf_map(), and behind it. */
enum { RIG_SIZE = 8 * 200003, RIG_PLANNED = RIG_SIZE + 77, RIG_TAIL = 300 };
extern unsigned char *rig_want; /* RIG_PLANNED + RIG_TAIL bytes */

/* For a group's setup and teardown. */
int rig_make_want(void **state);
int rig_free_want(void **state);

/* All of it, by 8 threads; 0 or an error. */
int rig_emit(struct outbuf *ob);

struct rig {
	const struct kind *kind;
	struct sandbox *s;
	int fd;     /* the caller's descriptor that is written to; or -1 */
	struct reader reader;
	/* sink */
	unsigned char *data;
	uint64_t n;
	size_t largest;
	int calls, answer, gaps;
};

struct kind {
	const char *name, *backend, *placement;
	/* Make both ends; 1: there is no such thing here. */
	int (*make)(struct rig *rig);
	int (*open)(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options);
};

/* The last has no name. */
extern const struct kind rig_kinds[];
const struct kind *rig_kind(const char *name);

/* By number, and by names of it. */
int rig_open_fd(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options);
int rig_open_proc(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options);
int rig_open_dev_fd(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options);

/* A sink's function; its argument is a rig. */
int rig_sink(void *arg, uint64_t offset, const void *data, size_t n);

/* 1: skipped. The reader goes away after so many bytes, if that is not 0. */
int rig_begin_short(struct rig *rig, const struct kind *kind, struct sandbox *s, size_t at_most);
int rig_begin(struct rig *rig, const struct kind *kind, struct sandbox *s);
/* Bytes that arrived, whatever took them. */
size_t rig_end(struct rig *rig);

#endif
