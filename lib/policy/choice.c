/* SPDX-License-Identifier: MIT */
/*
 * How an output is written. Three sources are asked, in this order: options, environment, the table of file systems.
 *
 * An option comes from the program and must be obeyed: if it cannot be, the output cannot be opened or mapped. The
 * environment comes from the user, who may have a file system that the table does not know, and who cannot change the
 * program. It is a hint, which is ignored where it cannot be honoured, because a program must not fail because of it.
 * The statistics say which of the sources decided. OUTBUF_STAGE=yes has no effect, because Views are staged wherever
 * it is possible anyway.
 *
 *     OUTBUF_MAP=yes|no   OUTBUF_STAGE=yes|no   OUTBUF_FLUSH=pwrite|uring|stream
 */
#include "config.h"

#include "policy/choice.h"

#include <errno.h>
#include <string.h>

#include "system/sys.h"

/* REQUIRE if the variable is "yes", NO if it is "no", AUTO if it is unset, empty or anything else. */
static uint32_t yes_or_no(const char *name)
{
	const char *value = ob__sys_environment(name);

	if (value != NULL && strcmp(value, "yes") == 0)
		return OUTBUF_REQUIRE;
	return value != NULL && strcmp(value, "no") == 0 ? OUTBUF_NO : OUTBUF_AUTO;
}

static void choose_map(struct choice *c, const struct outbuf_options *options,
                       const struct fspolicy *fs)
{
	uint32_t from_environment = yes_or_no("OUTBUF_MAP");

	if (fs == NULL && options->map != OUTBUF_REQUIRE) {
		c->map = OUTBUF_NO;
		c->map_why = "not a regular file";
	} else if (options->map != OUTBUF_AUTO) {
		c->map = options->map;
		c->map_requested = options->map == OUTBUF_REQUIRE;
		c->map_why = "option";
	} else if (c->wanted == OUTBUF_FLUSH_STREAM || c->preferred == OUTBUF_FLUSH_STREAM) {
		c->map = OUTBUF_NO;
		c->map_why = "written front to back";
	} else if (from_environment != OUTBUF_AUTO) {
		c->map = from_environment == OUTBUF_NO ? OUTBUF_NO : OUTBUF_AUTO;
		c->map_requested = from_environment != OUTBUF_NO;
		c->map_why = "OUTBUF_MAP";
	} else {
		c->map = fs->map ? OUTBUF_AUTO : OUTBUF_NO;
		c->map_why = fs->why;
	}
}

static void choose_flush(struct choice *c, const struct outbuf_options *options,
                         const struct fspolicy *fs)
{
	static const char *const names[] = { "pwrite", "uring", "stream" };
	const char *value = ob__sys_environment("OUTBUF_FLUSH");
	uint32_t i;

	c->flush_why = fs != NULL ? "works everywhere" : "not a regular file";
	if (options->flush != OUTBUF_FLUSH_AUTO) {
		c->wanted = options->flush;
		c->flush_why = "option";
	} else if (value != NULL && *value != '\0') {
		c->refused = -EINVAL;
		c->flush_why = "OUTBUF_FLUSH";
		for (i = 0; i < sizeof names / sizeof *names; i++)
			if (strcmp(value, names[i]) == 0) {
				c->preferred = OUTBUF_FLUSH_PWRITE + i;
				c->refused = 0;
			}
	}
	/* The environment cannot override an option: a sequential backend neither maps nor stages. */
	if (c->preferred == OUTBUF_FLUSH_STREAM &&
	    (options->map == OUTBUF_REQUIRE || options->stage == OUTBUF_REQUIRE)) {
		c->preferred = OUTBUF_FLUSH_AUTO;
		c->refused = -ENOTSUP;
	}
}

struct choice ob__choice_make(const struct outbuf_options *options, const struct fspolicy *fs)
{
	struct choice c = { .stage = options->stage };

	choose_flush(&c, options, fs);
	choose_map(&c, options, fs);
	if (c.stage == OUTBUF_AUTO && yes_or_no("OUTBUF_STAGE") == OUTBUF_NO)
		c.stage = OUTBUF_NO;
	return c;
}
