/* SPDX-License-Identifier: MIT */
/*
 * 06_own_writer.c - for a linker that has its own writer: raw memory, and a build ID computed from all bytes
 *
 * Such a program wants one buffer for the whole output. Its threads store into the buffer as they like, and the buffer
 * must not move if the output becomes larger than planned. outbuf_data() returns any range of such a buffer.
 *
 * When everything is written, the program computes a build ID. outbuf_walk() calls it for blocks of the output, on
 * all threads. Each call hashes its block, and then frees the block's memory (outbuf_release()), so that commit has
 * little left to unmap. The build ID is the hash of the blocks' hashes. It is stored in the header, where bytes are
 * zero while the hashes are computed.
 *
 * Two limits: the addresses are valid only until commit, and options.check_overlap checks Views, not such a writer.
 */
#include <errno.h>
#include <outbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "workqueue.h"

enum { HEADER = 64, ID_AT = 16, PLANNED = 24 << 20, EXTRA = 3 << 20, BLOCK = 1 << 20 };

/*
 * Stands for a writer that wants memory. Each 64-bit word of the content holds its own offset, little-endian on any
 * machine: options.order has no effect on what a program stores through pointers.
 */
static void write_words(unsigned char *to, uint64_t from, uint64_t end)
{
	for (uint64_t offset = from; offset < end; offset += 8)
		for (int i = 0; i < 8; i++)
			*to++ = (unsigned char)(offset >> 8 * i);
}

static int write_block(void *buffer, size_t i)
{
	uint64_t from = workqueue_block_start(PLANNED - HEADER, i) / 8 * 8 + HEADER;
	uint64_t end = workqueue_block_start(PLANNED - HEADER, i + 1) / 8 * 8 + HEADER;

	write_words((unsigned char *)buffer + from, from, end);
	return 0;
}

struct tree {
	struct outbuf *ob;
	XXH128_canonical_t *leaves; /* one hash per block; each is written by the task of its block alone */
};

static int hash_block(void *arg, uint64_t i, uint64_t offset, const void *data, size_t n)
{
	struct tree *tree = arg;

	XXH128_canonicalFromHash(&tree->leaves[i], XXH3_128bits(data, n));
	return outbuf_release(tree->ob, offset, n);
}

static int write_id(struct outbuf *ob)
{
	size_t n = (size_t)((outbuf_size(ob) + BLOCK - 1) / BLOCK);
	struct tree tree = { ob, calloc(n, sizeof *tree.leaves) };
	XXH128_canonical_t root;
	struct outbuf_view view;
	int error;

	if (!tree.leaves)
		return -ENOMEM;
	error = outbuf_walk(ob, BLOCK, hash_block, &tree);
	XXH128_canonicalFromHash(&root, XXH3_128bits(tree.leaves, n * sizeof *tree.leaves));
	free(tree.leaves);
	if (error)
		return error;
	outbuf_view_edit(ob, &view, ID_AT, sizeof root);
	outbuf_write(&view, root.digest, sizeof root);
	return outbuf_view_end(&view);
}

static int write_output(struct outbuf *ob, struct workqueue *queue)
{
	void *buffer, *more, *again;
	int error = outbuf_map(ob, PLANNED);

	if (!error)
		error = outbuf_data(ob, 0, PLANNED, &buffer);
	if (error)
		return error;
	memcpy(buffer, "OWN WRITER", 10); /* the rest of the header is zero */
	workqueue_run(queue, workqueue_blocks(PLANNED - HEADER), write_block, buffer);

	/* The output is larger than planned. More memory follows behind the buffer, and the buffer does not move. */
	error = outbuf_data(ob, PLANNED, EXTRA, &more);
	if (error)
		return error;
	write_words(more, PLANNED, PLANNED + EXTRA);
	error = outbuf_data(ob, 0, PLANNED + EXTRA, &again);
	if (error)
		return error;
	printf("%d bytes more, the buffer %s\n", EXTRA, again == buffer ? "stays where it is" : "has moved");
	return write_id(ob);
}

int main(int argc, char **argv)
{
	struct workqueue queue = { .threads = 4 };
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob = NULL;
	char text[400];
	int error;

	if (argc != 2)
		return fprintf(stderr, "usage: %s OUTPUT\n", argv[0]), 2;
	options.run = workqueue_pool;
	options.run_arg = &queue;
	options.check_complete = 1;
	options.guard = 1; /* without it, a full disk may raise SIGBUS in this program's own stores */
	error = outbuf_open(&ob, argv[1], &options);
	if (!error)
		error = write_output(ob, &queue);
	if (!error)
		error = outbuf_commit(ob);
	if (error) {
		outbuf_error_text(ob, text, sizeof text);
		fprintf(stderr, "%s: %s\n", argv[0], text);
	}
	outbuf_close(ob);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
