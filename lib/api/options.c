/* SPDX-License-Identifier: MIT */
/*
 * Options of callers that were built with another version of outbuf.h. The caller says how large its struct is. In a
 * smaller one members are missing, which get their defaults. A larger one may ask for something that this library does
 * not know. Ignoring that silently would be worse than refusing it.
 */
#include "config.h"

#include "api/options.h"

#include <errno.h>
#include <string.h>

static int choice_is_valid(uint32_t choice)
{
	return choice == OUTBUF_AUTO || choice == OUTBUF_NO || choice == OUTBUF_REQUIRE;
}

int ob__options_copy(struct outbuf_options *to, const struct outbuf_options *from)
{
	const unsigned char *bytes = (const unsigned char *)from;
	size_t i;

	*to = (struct outbuf_options)OUTBUF_OPTIONS_INIT;
	if (from != NULL) {
		if (from->size < sizeof from->size)
			return -EINVAL;
		for (i = sizeof *to; i < from->size; i++)
			if (bytes[i] != 0)
				return -E2BIG;
		memcpy(to, from, from->size < sizeof *to ? from->size : sizeof *to);
		to->size = sizeof *to;
	}
	if (to->mode == 0)
		to->mode = 0666;
	if ((to->mode & ~07777u) != 0 ||
	    to->order > OUTBUF_BIG_ENDIAN || to->replace > OUTBUF_REPLACE_ELSE_IN_PLACE ||
	    to->flush > OUTBUF_FLUSH_STREAM || to->durability > OUTBUF_DURABLE_FULL ||
	    to->lock > OUTBUF_LOCK_WAIT || to->placement > OUTBUF_PLACE_NAMED || !choice_is_valid(to->map) ||
	    !choice_is_valid(to->prealloc) || !choice_is_valid(to->stage))
		return -EINVAL;
	return 0;
}
