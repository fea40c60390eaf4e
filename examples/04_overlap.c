/* SPDX-License-Identifier: MIT */
/*
 * 04_overlap.c - find two writers that were given the same bytes
 *
 * Views need no lock because their ranges are disjoint. If a mistake in the layout makes ranges overlap, the output
 * is wrong in a way that changes from run to run. With options.check_overlap the library remembers every range. It
 * refuses the second View on the same bytes, reports both ranges, and leaves the path alone.
 *
 * This program first makes the mistake: it counts a record one byte too short. It prints the ranges that the library
 * reports, and then writes the file correctly.
 */
#include <outbuf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const records[] = { "alpha\n", "beta\n", "gamma\n" };

static int write_records(const char *path, unsigned miscount)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf_overlap overlap;
	struct outbuf *ob;
	char text[400];
	uint64_t offset = 0;

	options.check_overlap = 1;
	options.check_complete = 1;
	int error = outbuf_open(&ob, path, &options);
	if (!error)
		error = outbuf_map(ob, 17);
	for (size_t i = 0; !error && i < sizeof records / sizeof *records; i++) {
		struct outbuf_view view;
		uint64_t length = strlen(records[i]);
		error = outbuf_view(ob, &view, offset, length);
		if (!error) {
			outbuf_write_string(&view, records[i]);
			error = outbuf_view_end(&view);
		}
		offset += length - (i == 1 ? miscount : 0);
	}
	if (error == -EEXIST && outbuf_overlap(ob, &overlap))
		printf("%" PRIu64 " bytes at %" PRIu64 " overlap %" PRIu64 " bytes at %" PRIu64
		       "\n", overlap.length, overlap.offset, overlap.other_length,
		       overlap.other_offset);
	if (!error)
		error = outbuf_commit(ob);
	if (error && error != -EEXIST) {
		outbuf_error_text(ob, text, sizeof text);
		fprintf(stderr, "%s\n", text);
	}
	outbuf_close(ob); /* this discards an output that was not committed */
	return error;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return fprintf(stderr, "usage: %s OUTPUT\n", argv[0]), 2;
	int error = write_records(argv[1], 1);
	if (error == -EEXIST)
		error = write_records(argv[1], 0);
	else if (!error)
		error = -EPROTO, fprintf(stderr, "%s: the library did not find the mistake\n", argv[0]);
	return error != 0;
}
