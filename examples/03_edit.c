/* SPDX-License-Identifier: MIT */
/*
 * 03_edit.c - change bytes that are already written
 *
 * The program writes a file of numbers. The file begins with a header that holds the count of the numbers, their sum,
 * and the offset of each quarter. These values are known only after the numbers were written. There are three ways to
 * change bytes in the output. None of them seeks, and none reads the file back:
 *
 *   outbuf_write_ref()   copies bytes into the output and returns a pointer to them. The table of quarters is written
 *                        as zeros, and filled through the pointer when the quarters are written.
 *   outbuf_reserve()     returns a pointer to bytes of the output, without a copy. The numbers are computed in place.
 *   outbuf_view_edit()   opens a View over bytes that another View wrote: the count and the sum in the header.
 *
 * The pointers are valid until commit, both in the mapping and past its end. Half of the numbers here lie past it.
 */
#include <outbuf.h>
#include <stdio.h>
#include <string.h>

enum { COUNT = 4000, QUARTERS = 4, HEADER = 16 + 8 * QUARTERS, PLANNED = HEADER + 4 * COUNT / 2 };

/* Stores x in little-endian order on any machine. That is also the default of options.order, for outbuf_write32(). */
static void put32(unsigned char *at, uint32_t x)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(x >> 8 * i);
}

static uint64_t numbers(struct outbuf_view *view, uint32_t first, uint32_t n)
{
	uint64_t sum = 0;
	void *at;

	if (outbuf_reserve(view, 4 * (size_t)n, &at))
		return 0; /* the error is sticky; commit will report it */
	for (uint32_t i = 0; i < n; i++) {
		uint32_t x = (first + i) * (first + i);
		put32((unsigned char *)at + 4 * i, x);
		sum += x;
	}
	return sum;
}

int main(int argc, char **argv)
{
	static const unsigned char zeros[8 * QUARTERS];
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob = NULL;
	char text[400];
	struct outbuf_view view;
	uint64_t sum = 0;
	void *table = NULL;

	if (argc != 2)
		return fprintf(stderr, "usage: %s OUTPUT\n", argv[0]), 2;
	options.check_complete = 1;
	int error = outbuf_open(&ob, argv[1], &options);
	if (!error)
		error = outbuf_map(ob, PLANNED);
	if (!error) {
		/* One View without an end: it runs from the mapping into the heap extension. */
		outbuf_view(ob, &view, 0, OUTBUF_UNBOUNDED);
		outbuf_write_stringn(&view, "NUM", 4);
		outbuf_fill(&view, 0xff, 12); /* the count and the sum are not known yet */
		outbuf_write_ref(&view, zeros, sizeof zeros, &table);
		for (uint32_t q = 0; table && q < QUARTERS; q++) {
			put32((unsigned char *)table + 8 * q, (uint32_t)outbuf_tell(&view));
			sum += numbers(&view, q * (COUNT / QUARTERS), COUNT / QUARTERS);
		}
		error = outbuf_view_end(&view);
	}
	if (!error) {
		outbuf_view_edit(ob, &view, 4, 12);
		outbuf_write32(&view, COUNT);
		outbuf_write64(&view, sum);
		error = outbuf_view_end(&view);
	}
	if (!error)
		error = outbuf_commit(ob);
	if (error) {
		outbuf_error_text(ob, text, sizeof text);
		fprintf(stderr, "%s: %s\n", argv[0], text);
	}
	outbuf_close(ob);
	return error != 0;
}
