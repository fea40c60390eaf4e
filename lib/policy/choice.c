/* SPDX-License-Identifier: MIT */
/*
 * Options, environment, policy, in this order.
 *
 * An option is the program's and is an order: what cannot be is an error. The environment is the
 * user's, who has met a file system that nobody here knows, and cannot change the program: a wish,
 * passed over where it cannot be, as a program must not fail for it. Both are told in the statistics.
 *
 *     OUTBUF_MAP=yes|no   OUTBUF_STAGE=yes|no   OUTBUF_FLUSH=pwrite|uring|stream
 */
#include "config.h"

#include "policy/choice.h"

#include <errno.h>
#include <string.h>

#include "system/sys.h"

/* yes, no, or AUTO if the variable is unset, empty or something else. */
static uint32_t yes_or_no(const char *name)
{
	const char *text = ob__sys_environment(name);

	if (text != NULL && strcmp(text, "yes") == 0)
		return OUTBUF_REQUIRE;
	return text != NULL && strcmp(text, "no") == 0 ? OUTBUF_NO : OUTBUF_AUTO;
}

static void choose_map(struct choice *c, const struct outbuf_options *options,
                       const struct fspolicy *fs)
{
	uint32_t wish = yes_or_no("OUTBUF_MAP");

	if (fs == NULL && options->map != OUTBUF_REQUIRE) {
		c->map = OUTBUF_NO;
		c->map_why = "not a regular file";
	} else if (options->map != OUTBUF_AUTO) {
		c->map = options->map;
		c->insist = options->map == OUTBUF_REQUIRE;
		c->map_why = "option";
	} else if (c->wanted == OUTBUF_FLUSH_STREAM || c->preferred == OUTBUF_FLUSH_STREAM) {
		c->map = OUTBUF_NO;
		c->map_why = "written front to back";
	} else if (wish != OUTBUF_AUTO) {
		c->map = wish == OUTBUF_NO ? OUTBUF_NO : OUTBUF_AUTO;
		c->insist = wish != OUTBUF_NO;
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
	const char *text = ob__sys_environment("OUTBUF_FLUSH");
	uint32_t i;

	c->flush_why = fs != NULL ? "works everywhere" : "not a regular file";
	if (options->flush != OUTBUF_FLUSH_AUTO) {
		c->wanted = options->flush;
		c->flush_why = "option";
	} else if (text != NULL && *text != '\0') {
		c->refused = -EINVAL;
		c->flush_why = "OUTBUF_FLUSH";
		for (i = 0; i < sizeof names / sizeof *names; i++)
			if (strcmp(text, names[i]) == 0) {
				c->preferred = OUTBUF_FLUSH_PWRITE + i;
				c->refused = 0;
			}
	}
	/* A wish cannot take away what the program must have. */
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
