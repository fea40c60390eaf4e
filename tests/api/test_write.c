/* SPDX-License-Identifier: MIT */
/*
 * What each write puts into the output, in both byte orders; within the mapping, across its end,
 * and in the heap alone: every row runs with the mapping ending before, inside and after
 * the bytes.
 */
#include "config.h"

#include "support/support.h"

#include <errno.h>
#include <string.h>

/* Everything once. Returns the number of bytes, which `want_*` below spell out. */
static void write_everything(struct outbuf_view *v)
{
	void *ref;

	assert_int_equal(outbuf_write8(v, 0x01), 0);
	assert_int_equal(outbuf_write16(v, 0x0203), 0);
	assert_int_equal(outbuf_write32(v, 0x04050607), 0);
	assert_int_equal(outbuf_write64(v, 0x08090a0b0c0d0e0f), 0);
	assert_int_equal(outbuf_write16le(v, 0x1011), 0);
	assert_int_equal(outbuf_write32le(v, 0x12131415), 0);
	assert_int_equal(outbuf_write64le(v, 0x161718191a1b1c1d), 0);
	assert_int_equal(outbuf_write16be(v, 0x2021), 0);
	assert_int_equal(outbuf_write32be(v, 0x22232425), 0);
	assert_int_equal(outbuf_write64be(v, 0x262728292a2b2c2d), 0);
	assert_int_equal(outbuf_write_string(v, "str"), 0);
	assert_int_equal(outbuf_write_stringn(v, "cut", 2), 0);
	assert_int_equal(outbuf_write_stringn(v, "pad", 5), 0);
	assert_int_equal(outbuf_write_stringn(v, "full", 4), 0);
	assert_int_equal(outbuf_write_stringpad(v, "x", 8, "abc", 3), 0);
	assert_int_equal(outbuf_write_stringpad(v, "longer", 3, "", 0), 0);
	assert_int_equal(outbuf_write_stringpad(v, "", 4, "-=", 2), 0);
	assert_int_equal(outbuf_fill(v, 0xee, 3), 0);
	assert_int_equal(outbuf_align(v, 16, 0x90), 0);
	assert_int_equal(outbuf_align(v, 16, 0x91), 0);
	assert_int_equal(outbuf_align(v, 1, 0x92), 0);
	assert_int_equal(outbuf_write_ref(v, "....", 4, &ref), 0);
	memcpy(ref, "done", 4);
	assert_int_equal(outbuf_reserve(v, 4, &ref), 0);
	assert_memory_equal(ref, "\0\0\0\0", 4);
	memcpy((char *)ref + 1, "!", 1);
	assert_int_equal(outbuf_write(v, NULL, 0), 0);
	assert_int_equal(outbuf_fill(v, 1, 0), 0);
	assert_int_equal(outbuf_write_string(v, ""), 0);
}

static const char want_order[2][16] = {
	"\x01\x03\x02\x07\x06\x05\x04\x0f\x0e\x0d\x0c\x0b\x0a\x09\x08",
	"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
};

static const char want_rest[] =
	"\x11\x10\x15\x14\x13\x12\x1d\x1c\x1b\x1a\x19\x18\x17\x16"
	"\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d"
	"str" "cu" "pad\0\0" "full" "xabcabca" "lon" "-=-=" "\xee\xee\xee";

static void test_bytes(void **state)
{
	struct sandbox *s = *state;
	uint64_t start, mapped;
	uint32_t order;

	for (order = OUTBUF_LITTLE_ENDIAN; order <= OUTBUF_BIG_ENDIAN; order++) {
		for (mapped = 4000; mapped < 4200; mapped += mapped > 4090 && mapped < 4102 ? 1 : 7) {
			struct outbuf *ob = open_mapping(s->path, OUTBUF_AUTO, order);
			static unsigned char want[4400];
			size_t n = 0;
			struct outbuf_view v;

			start = 4001;
			assert_int_equal(outbuf_map(ob, mapped), 0);
			assert_int_equal(outbuf_view(ob, &v, start, OUTBUF_UNBOUNDED), 0);
			write_everything(&v);

			memset(want, 0, sizeof want);
			memcpy(want + start, want_order[order], 15);
			n = start + 15;
			memcpy(want + n, want_rest, sizeof want_rest - 1);
			n += sizeof want_rest - 1;
			for (; n % 16 != 0; n++)
				want[n] = 0x90;
			memcpy(want + n, "done\0!\0\0", 8);
			n += 8;
			assert_int_equal(outbuf_tell(&v), n);
			assert_int_equal(outbuf_view_end(&v), 0);
			assert_int_equal(commit(ob), 0);
			outbuf_close(ob);
			assert_file(s->path, want, n > mapped ? n : mapped);
		}
	}
}

/* Single writes of each width at each distance from the end of what is usable. */
static void test_integers_across_the_end(void **state)
{
	struct sandbox *s = *state;
	uint32_t order;
	int width, before;

	for (order = OUTBUF_LITTLE_ENDIAN; order <= OUTBUF_BIG_ENDIAN; order++)
		for (width = 0; width < 4; width++)
			for (before = 0; before <= 8; before++) {
				struct outbuf *ob = open_mapping(s->path, OUTBUF_AUTO, order);
				static unsigned char want[4096 + 16];
				unsigned char *at = want + 4096 - before;
				struct outbuf_view v;
				int i, n = 1 << width;

				memset(want, 0, sizeof want);
				assert_int_equal(outbuf_map(ob, 4096), 0);
				assert_int_equal(outbuf_view(ob, &v, (uint64_t)(4096 - before),
				                             OUTBUF_UNBOUNDED), 0);
				if (n == 1)
					outbuf_write8(&v, 0x01);
				else if (n == 2)
					outbuf_write16(&v, 0x0102);
				else if (n == 4)
					outbuf_write32(&v, 0x01020304);
				else
					outbuf_write64(&v, 0x0102030405060708);
				for (i = 0; i < n; i++)
					at[i] = (unsigned char)(order == OUTBUF_BIG_ENDIAN ? i + 1 : n - i);
				assert_int_equal(outbuf_view_end(&v), 0);
				assert_int_equal(commit(ob), 0);
				outbuf_close(ob);
				assert_file(s->path, want, n > before ? (size_t)(4096 + n - before) : 4096);
			}
}

struct leb {
	uint64_t x;
	const char *bytes;
	size_t n;
};

/* The figures of the DWARF 5 standard's appendix C.2, and the ends of the range. */
static const struct leb unsigned_rows[] = {
	{ 0, "\0", 1 },
	{ 2, "\x02", 1 },
	{ 127, "\x7f", 1 },
	{ 128, "\x80\x01", 2 },
	{ 129, "\x81\x01", 2 },
	{ 12857, "\xb9\x64", 2 },
	{ UINT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10 },
};

static const struct leb signed_rows[] = {
	{ 0, "\0", 1 },
	{ 2, "\x02", 1 },
	{ (uint64_t)-2, "\x7e", 1 },
	{ 63, "\x3f", 1 },
	{ 64, "\xc0\0", 2 },
	{ (uint64_t)-64, "\x40", 1 },
	{ (uint64_t)-65, "\xbf\x7f", 2 },
	{ 127, "\xff\0", 2 },
	{ (uint64_t)-127, "\x81\x7f", 2 },
	{ 128, "\x80\x01", 2 },
	{ (uint64_t)-128, "\x80\x7f", 2 },
	{ 129, "\x81\x01", 2 },
	{ (uint64_t)-129, "\xff\x7e", 2 },
	{ INT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\0", 10 },
	{ (uint64_t)INT64_MIN, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", 10 },
};

static void test_leb128(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	unsigned char want[256];
	struct outbuf_view v;
	size_t i, n = 0;

	assert_int_equal(outbuf_map(ob, 1), 0);
	assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
	for (i = 0; i < sizeof unsigned_rows / sizeof *unsigned_rows; i++) {
		assert_int_equal(outbuf_uleb128(&v, unsigned_rows[i].x), 0);
		memcpy(want + n, unsigned_rows[i].bytes, unsigned_rows[i].n);
		n += unsigned_rows[i].n;
		assert_int_equal(outbuf_tell(&v), n);
	}
	for (i = 0; i < sizeof signed_rows / sizeof *signed_rows; i++) {
		assert_int_equal(outbuf_sleb128(&v, (int64_t)signed_rows[i].x), 0);
		memcpy(want + n, signed_rows[i].bytes, signed_rows[i].n);
		n += signed_rows[i].n;
		assert_int_equal(outbuf_tell(&v), n);
	}
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, want, n);
}

/* A bounded View lets nothing out of its range, whatever the call, and stores no part of it. */
static void test_bounds(void **state)
{
	struct sandbox *s = *state;
	int call;

	for (call = 0; call < 16; call++) {
		struct outbuf *ob = open_with(s->path, NULL);
		struct outbuf_view v;
		unsigned char *base;
		void *ref = s, *data;
		int r = 0;

		assert_int_equal(outbuf_map(ob, 200), 0);
		assert_int_equal(outbuf_data(ob, 0, 200, &data), 0);
		base = data;
		memset(base, 0x77, 200);
		assert_int_equal(outbuf_view(ob, &v, 100, 10), 0);
		/* One byte too few for each of these. */
		switch (call) {
		case 0: outbuf_seek(&v, 110); r = outbuf_write8(&v, 1); break;
		case 1: outbuf_seek(&v, 109); r = outbuf_write16(&v, 1); break;
		case 2: outbuf_seek(&v, 107); r = outbuf_write32(&v, 1); break;
		case 3: outbuf_seek(&v, 103); r = outbuf_write64(&v, 1); break;
		case 4: r = outbuf_write(&v, "0123456789a", 11); break;
		case 5: r = outbuf_write_string(&v, "0123456789a"); break;
		case 6: r = outbuf_write_stringn(&v, "a", 11); break;
		case 7: r = outbuf_write_stringpad(&v, "a", 11, "b", 1); break;
		case 8: r = outbuf_fill(&v, 1, 11); break;
		case 9: r = outbuf_align(&v, 128, 1); break;
		case 10: outbuf_seek(&v, 109); r = outbuf_uleb128(&v, 128); break;
		case 11: outbuf_seek(&v, 109); r = outbuf_sleb128(&v, 128); break;
		case 12: r = outbuf_write_ref(&v, "0123456789a", 11, &ref); break;
		case 13: r = outbuf_reserve(&v, 11, &ref); break;
		case 14: r = outbuf_seek(&v, 111); break;
		case 15: r = outbuf_seek(&v, 99); break;
		}
		assert_int_equal(r, -ERANGE);
		if (call == 12 || call == 13)
			assert_null(ref);
		for (r = 0; r < 200; r++)
			assert_int_equal(base[r], 0x77);
		/* The first error sticks to the View ... */
		outbuf_seek(&v, 100);
		assert_int_equal(outbuf_write8(&v, 1), -ERANGE);
		assert_int_equal(outbuf_align(&v, 3, 0), -ERANGE);
		assert_int_equal(base[100], 0x77);
		assert_int_equal(outbuf_view_end(&v), -ERANGE);
		/* ... and to the output. */
		assert_int_equal(outbuf_error(ob), -ERANGE);
		assert_int_equal(commit(ob), -ERANGE);
		assert_int_equal(commit(ob), -ERANGE);
		assert_int_equal(outbuf_close(ob), 0);
		assert_int_equal(sandbox_entries(s), 0);
	}
}

/* Exactly to the end is no error, and seeking inside works in both directions. */
static void test_seek(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	struct outbuf_view v;

	assert_int_equal(outbuf_map(ob, 10), 0);
	assert_int_equal(outbuf_view(ob, &v, 2, 8), 0);
	assert_int_equal(outbuf_write_string(&v, "abcdefgh"), 0);
	assert_int_equal(outbuf_seek(&v, 10), 0);
	assert_int_equal(outbuf_seek(&v, 4), 0);
	assert_int_equal(outbuf_tell(&v), 4);
	assert_int_equal(outbuf_write8(&v, 'X'), 0);
	assert_int_equal(outbuf_view_end(&v), 0);

	/* Unbounded: seeking far out and back adds nothing, bytes stored there would. */
	assert_int_equal(outbuf_view(ob, &v, 10, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_seek(&v, 5000000), 0);
	assert_int_equal(outbuf_seek(&v, 11), 0);
	assert_int_equal(outbuf_write8(&v, 'Y'), 0);
	assert_int_equal(outbuf_seek(&v, 20), 0);
	assert_int_equal(outbuf_write8(&v, 'Z'), 0);
	assert_int_equal(outbuf_seek(&v, 12), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_size(ob), 21);
	assert_int_equal(commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, "\0\0abXdefgh\0Y\0\0\0\0\0\0\0\0Z", 21);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(test_bytes),
		sandbox_test(test_integers_across_the_end),
		sandbox_test(test_leb128),
		sandbox_test(test_bounds),
		sandbox_test(test_seek),
	};

	return cmocka_run_group_tests_name("write", tests, NULL, NULL);
}
