/* SPDX-License-Identifier: MIT */
/*
 * Opening an output: its file or other destination, its backend, and the choice of both (policy/choice.h).
 *
 * Everything that can be refused is refused here and not at commit: a path that cannot be written, a backend that the
 * destination or the kernel does not support, a mapping that is required of a pipe. What was acquired before a
 * refusal is released in the opposite order.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/error_text.h"
#include "api/options.h"
#include "output/state.h"
#include "output/window.h"
#include "system/sys.h"

/* Where an output goes. outbuf_open(), _open_fd(), _open_sink() and _open_memory() differ in nothing else. */
struct destination {
	const char *path; /* or NULL */
	int fd;           /* or -1 */
	int (*sink)(void *sink_arg, uint64_t offset, const void *data, size_t n);
	void *sink_arg;
};

static int open_target(struct outbuf *ob, const struct destination *to)
{
	const struct target_request request = {
		.mode = (mode_t)ob->options.mode,
		.in_place = ob->options.replace == OUTBUF_REPLACE_IN_PLACE,
		.else_in_place = ob->options.replace == OUTBUF_REPLACE_ELSE_IN_PLACE,
		.named = ob->options.placement == OUTBUF_PLACE_NAMED,
		.recycle = ob->options.recycle != 0,
		.lock = ob->options.lock,
		.durability = ob->options.durability,
		.file_limit = ob->file_limit,
	};

	if (to->path != NULL)
		return ob__target_open(&ob->target, to->path, &request);
	if (to->fd >= 0)
		return ob__target_open_descriptor(&ob->target, to->fd);
	ob__target_open_none(&ob->target);
	return 0;
}

/* Choose how the bytes get there. */
static int open_flush(struct outbuf *ob, const struct destination *to)
{
	struct choice *c = &ob->choice;
	int r;

	*c = ob__choice_make(&ob->options, ob->target.fs);
	if (ob->target.fs == NULL && ob->options.map == OUTBUF_REQUIRE)
		return -ENOTSUP;
	ob->parallel = (struct parallel){
		.threads = ob->options.threads,
		.run = ob->options.run,
		.run_arg = ob->options.run_arg,
	};
	if (ob->parallel.threads == 0 && ob->target.fs != NULL)
		ob->parallel.threads = ob->target.fs->threads;
	ob->flush = (struct flush){
		.fd = ob->target.fd,
		.sequential_only = ob->target.kind == TARGET_SPECIAL || ob->target.in_order,
		.parallel = &ob->parallel,
		.sink = to->sink,
		.sink_arg = to->sink_arg,
	};
	/* Set also where nothing is staged: it costs nothing. */
	ob->blocks.size = ob->target.fs != NULL && ob->target.fs->remote ? BLOCKS_REMOTE : BLOCKS_LOCAL;
	r = ob__flush_open(&ob->flush, c->wanted, c->preferred, &ob->flush_refused);
	if (r < 0)
		return r;
	if (ob->flush_refused == 0)
		ob->flush_refused = c->refused;
	ob->sequential = ob->flush.backend->put == NULL;
	/* For a descriptor of the caller's the target does not sync: ob__write_back_sequential() does. */
	ob->sync_wanted = ob->target.fs == NULL && ob->options.durability != OUTBUF_DURABLE_NONE;
	ob->dirty.tracks_ranges = !ob->sequential && c->stage != OUTBUF_NO;
	if (ob->sequential && (c->stage == OUTBUF_REQUIRE || c->map == OUTBUF_REQUIRE))
		return -ENOTSUP;
	if (ob->sequential && c->map != OUTBUF_NO) {
		c->map = OUTBUF_NO;
		c->map_why = "written front to back";
	}
	ob__window_decide_staging(ob);
	return 0;
}

static int open_parts(struct outbuf *ob, const struct destination *to)
{
	int r = ob__heap_init(&ob->heap, ob->options.max_size);

	if (r < 0)
		return r;
	r = ob__open_views_init(&ob->views);
	if (r < 0)
		goto no_views;
	r = ob__coverage_init(&ob->coverage);
	if (r < 0)
		goto no_coverage;
	r = ob__blocks_init(&ob->blocks);
	if (r < 0)
		goto no_blocks;
	r = ob__dirty_init(&ob->dirty);
	if (r < 0)
		goto no_dirty;
	r = open_target(ob, to);
	if (r < 0)
		goto no_target;
	r = open_flush(ob, to);
	/* What was asked for is impossible only because the file cannot be replaced: that is the reason. */
	if (r == -ENOTSUP && ob->target.written_over)
		r = ob->target.replace_error;
	/* A sequential backend overwrites every byte, so none stays stale. */
	if (r == 0 && !ob->sequential)
		r = ob__unwritten_init(&ob->stale, ob->target.old_length, 0);
	if (r == 0 && ob->options.check_complete)
		r = ob__unwritten_init(&ob->gaps, 0, 1);
	if (r == 0)
		return 0;
	ob__unwritten_destroy(&ob->stale);
	ob__flush_close(&ob->flush);
	ob__target_abandon(&ob->target);
no_target:
	ob__dirty_destroy(&ob->dirty);
no_dirty:
	ob__blocks_destroy(&ob->blocks);
no_blocks:
	ob__coverage_destroy(&ob->coverage);
no_coverage:
	ob__open_views_destroy(&ob->views);
no_views:
	ob__heap_destroy(&ob->heap);
	return r;
}

static int open_to(struct outbuf **result, const struct destination *to,
                   const struct outbuf_options *options)
{
	struct outbuf_options checked;
	struct outbuf *ob;
	int r = ob__options_copy(&checked, options);

	if (r < 0)
		return ob__error_text_note_open(to->path, r);
	ob = calloc(1, sizeof *ob);
	if (ob == NULL)
		return ob__error_text_note_open(to->path, -ENOMEM);
	atomic_flag_clear(&ob->noting);
	ob->options = checked;
	ob->swap = (checked.order == OUTBUF_BIG_ENDIAN) != OUTBUF_HOST_BIG;
	ob->file_limit = ob__sys_file_limit();
	r = open_parts(ob, to);
	if (r < 0) {
		free(ob);
		return ob__error_text_note_open(to->path, r);
	}
	/* For messages alone: an output without it is as good. */
	ob->path = to->path != NULL ? strdup(to->path) : NULL;
	*result = ob;
	return 0;
}

int outbuf_open(struct outbuf **result, const char *path, const struct outbuf_options *options)
{
	const struct destination to = { .path = path, .fd = -1 };

	if (result == NULL)
		return -EINVAL;
	*result = NULL;
	return path == NULL ? ob__error_text_note_open(NULL, -EINVAL) : open_to(result, &to, options);
}

int outbuf_open_fd(struct outbuf **result, int fd, const struct outbuf_options *options)
{
	const struct destination to = { .fd = fd };

	if (result == NULL)
		return -EINVAL;
	*result = NULL;
	return fd < 0 ? ob__error_text_note_open(NULL, -EBADF) : open_to(result, &to, options);
}

int outbuf_open_sink(struct outbuf **result,
                     int (*sink)(void *sink_arg, uint64_t offset, const void *data, size_t n),
                     void *sink_arg, const struct outbuf_options *options)
{
	const struct destination to = { .fd = -1, .sink = sink, .sink_arg = sink_arg };

	if (result == NULL)
		return -EINVAL;
	*result = NULL;
	return sink == NULL ? ob__error_text_note_open(NULL, -EINVAL) : open_to(result, &to, options);
}

int outbuf_open_memory(struct outbuf **result, const struct outbuf_options *options)
{
	const struct destination to = { .fd = -1 };

	if (result == NULL)
		return -EINVAL;
	*result = NULL;
	return open_to(result, &to, options);
}
