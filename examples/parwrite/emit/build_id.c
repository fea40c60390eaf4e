/* SPDX-License-Identifier: MIT */
/*
 * build_id.c - --build-id: a note that identifies the output, in most kinds by a hash of its bytes
 *
 * The same bytes must have the same build ID, on any number of threads. So the output is hashed in blocks of 1 MiB.
 * Each block is a task. The build ID is a hash of the sequence of these hashes. The bytes of the build ID itself count
 * as zeros.
 *
 * The hash is XXH3 with 128 bits (libxxhash), which is as fast as memory can be read. The kinds "md5" and "sha1" only
 * say how long the build ID is, not how it is made; ld.lld does so, too, since version 15. This hash can be forged. If
 * you need protection against that, sign the file.
 *
 * outbuf_walk() reads the blocks where they are, in memory or in the file, on the threads of the work queue.
 */
#include "config.h"

#include "emit/build_id.h"

#include <outbuf.h>
#include <string.h>
#include <sys/random.h>
#ifdef HAVE_XXHASH
#define XXH_INLINE_ALL
#include <xxhash.h>
#endif

#include "layout/layout.h"
#include "report/report.h"

/* The header of a note is three words of 32 bits and the name, "GNU" with its NUL. */
enum { NOTE_HEADER_BYTES = 16, TYPE_BUILD_ID = 3, BLOCK_BYTES = 1 << 20 };

/* The value of a hexadecimal digit, or -1. */
static int hex_digit(char c)
{
	const char *digits = "0123456789abcdefABCDEF", *found = c ? strchr(digits, c) : NULL;

	return !found ? -1 : found - digits < 16 ? (int)(found - digits) : (int)(found - digits) - 6;
}

/* Read pairs of hexadecimal digits. NULL, or a message that the text is to be appended to. */
static const char *parse_bytes(const char *text, struct build_id *id)
{
	for (id->size = 0; *text; text += 2) {
		if (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0)
			return "--build-id=0x takes pairs of hexadecimal digits, not";
		if (id->size == BUILD_ID_MAX)
			return "--build-id=0x takes 64 bytes at most, not";
		id->bytes[id->size++] = (unsigned char)(hex_digit(text[0]) * 16 + hex_digit(text[1]));
	}
	return id->size > 0 ? NULL : "--build-id=0x takes pairs of hexadecimal digits, not";
}

const char *build_id_parse(const char *text, struct build_id *id)
{
	static const struct {
		const char *name;
		size_t size;
	} hashes[] = { { "fast", 8 }, { "md5", 16 }, { "sha1", 20 }, { "tree", 20 } };

	if (!strcmp(text, "none")) {
		id->kind = BUILD_ID_NONE;
		return NULL;
	}
	id->kind = BUILD_ID_GIVEN;
	if (!strncmp(text, "0x", 2) || !strncmp(text, "0X", 2))
		return parse_bytes(text + 2, id);
	if (!strcmp(text, "uuid")) {
		id->size = 16;
		if (getrandom(id->bytes, 16, 0) != 16)
			return "no random numbers to be had for --build-id=";
		id->bytes[6] = (unsigned char)((id->bytes[6] & 0x0f) | 0x40); /* RFC 4122: version 4, random */
		id->bytes[8] = (unsigned char)((id->bytes[8] & 0x3f) | 0x80); /* the variant that RFC 4122 describes */
		return NULL;
	}
	id->kind = BUILD_ID_HASH;
	for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
		id->size = hashes[i].size;
		if (strcmp(text, hashes[i].name) != 0)
			continue;
#ifdef HAVE_XXHASH
		return NULL;
#else
		return "built without libxxhash, which is needed for --build-id=";
#endif
	}
	return "--build-id takes fast, md5, sha1, tree, uuid, none, or 0x and digits, not";
}

int build_id_section(const struct build_id *id, struct inputs *in, struct section *section, struct error *error)
{
	unsigned char *p = arena_allocate(&in->arena, error, 1, NOTE_HEADER_BYTES + BUILD_ID_MAX);

	if (!p)
		return -1;
	put32(&in->format, p, 4);
	put32(&in->format, p + 4, (uint32_t)id->size);
	put32(&in->format, p + 8, TYPE_BUILD_ID);
	memcpy(p + 12, "GNU", 4);
	*section = (struct section){
		.name = ".note.gnu.build-id", .name_length = (uint32_t)strlen(".note.gnu.build-id"), .data = p,
		.size = NOTE_HEADER_BYTES + ((id->size + 3) & ~(size_t)3), .align_log2 = 2, .flags = SHF_ALLOC,
		.type = SHT_NOTE, .kind = SECTION_CONTENT,
	};
	return 0;
}

#ifdef HAVE_XXHASH
/* The task of a block, see outbuf_walk(). */
static int hash_block(void *arg, uint64_t i, uint64_t offset, const void *data, size_t n)
{
	XXH128_canonical_t *blocks = arg;

	(void)offset;
	XXH128_canonicalFromHash(&blocks[i], XXH3_128bits(data, n));
	return 0;
}

/*
 * Store a hash of the whole output in 32 bytes at `bytes`: two hashes of 128 bits, with different seeds. A build ID
 * takes as many of these bytes as it has. Returns 0, or -1 with a message.
 */
static int hash_output(struct emission *e, unsigned char *bytes)
{
	size_t n = (size_t)((e->tables.end + BLOCK_BYTES - 1) / BLOCK_BYTES);
	XXH128_canonical_t *blocks = arena_allocate(e->arena, e->error, n, sizeof *blocks), whole;

	if (!blocks || emit_result(e, outbuf_walk(e->ob, BLOCK_BYTES, hash_block, blocks)))
		return -1;
	for (unsigned half = 0; half < 2; half++) {
		XXH128_canonicalFromHash(&whole, XXH3_128bits_withSeed(blocks, n * sizeof *blocks, half));
		memcpy(bytes + half * sizeof whole, &whole, sizeof whole);
	}
	return 0;
}
#else
static int hash_output(struct emission *e, unsigned char *bytes)
{
	(void)bytes;
	return fail(e->error, NULL, "built without libxxhash");
}
#endif

int build_id_write(struct emission *e, const struct build_id *id, const struct section *section)
{
	unsigned char bytes[BUILD_ID_MAX] = { 0 };
	struct outbuf_view view;

	memcpy(bytes, id->bytes, sizeof bytes);
	if (id->kind == BUILD_ID_HASH && hash_output(e, bytes))
		return -1;
	outbuf_view_edit(e->ob, &view, section->out->file_offset + section->offset + NOTE_HEADER_BYTES, id->size);
	outbuf_write(&view, bytes, id->size);
	return emit_result(e, outbuf_view_end(&view));
}
