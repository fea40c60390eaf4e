/* SPDX-License-Identifier: MIT */
/*
 * 06_own_writer.c - for a linker that has a writer of its own: raw memory, and an identity of all bytes
 *
 * Such a program wants one buffer for the whole output, into which its threads store as they like, and which stays
 * where it is when the output turns out larger than planned: outbuf_data() gives any range of it. When all is written
 * it is hashed for a build id, in blocks, on all threads (outbuf_walk), each of which gives its memory back
 * once it is hashed (outbuf_release), so that there is little left to unmap at commit. The hash of the blocks'
 * hashes is the identity, which has its place in the header: zeros while it is computed, stored after.
 *
 * What it must not count on: addresses end with commit, and a checker of overlaps sees only Views.
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
 * Content: each 64-bit word holds its own offset, little-endian on any machine. Any writer that wants memory could stand
 * here, but the order of its bytes is then its own business.
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
	XXH128_canonical_t *leaves; /* one for each block; its own task's */
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

	/* It is larger than planned. What follows lies behind, and what is there stays where it is. */
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
	int error;

	if (argc != 2)
		return fprintf(stderr, "usage: %s OUTPUT\n", argv[0]), 2;
	options.run = workqueue_pool;
	options.run_arg = &queue;
	options.guard = 1; /* a writer of its own would meet a full disk as SIGBUS */
	error = outbuf_open(&ob, argv[1], &options);
	if (!error)
		error = write_output(ob, &queue);
	if (!error)
		error = outbuf_commit(ob);
	outbuf_close(ob);
	if (error)
		fprintf(stderr, "%s: %s: %s\n", argv[0], argv[1], strerror(-error));
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
