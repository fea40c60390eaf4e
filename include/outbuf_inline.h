/* SPDX-License-Identifier: MIT */
/*
 * outbuf_inline.h - the small writes of outbuf.h
 *
 * outbuf.h includes this file, and describes the functions. This file is their code.
 *
 * A write of a few bytes is a comparison and a store, in the caller's code. If the bytes do not fit below the View's
 * `lim`, a function of the library writes them.
 */
#ifndef OUTBUF_INLINE_H
#define OUTBUF_INLINE_H

#ifndef OUTBUF_H
#error "include <outbuf.h>"
#endif

#if defined(__GNUC__)
#define OUTBUF_COLD __attribute__((cold, noinline))
#define OUTBUF_RARELY(x) __builtin_expect(!!(x), 0)
/*
 * Makes the compiler branch around the byte swap of x. Otherwise it swaps x in each call, and selects one of the two
 * values by a conditional move. The branch saves 1 cycle of 2.
 */
#define OUTBUF_BRANCH(x) __asm__("" : "+r"(x))
#else
#define OUTBUF_COLD
#define OUTBUF_RARELY(x) (x)
#define OUTBUF_BRANCH(x) ((void)0)
#endif

/*
 * Write bytes that do not fit below `lim`. Only the inline functions call these two. Arguments and errors are those
 * of the inline functions. The second function gets the `size` low bytes of x by value: if it got an address, the
 * compiler would keep x on the stack on the fast path as well (3 of 16 instructions).
 */
OUTBUF_API OUTBUF_COLD int outbuf_write_slow(struct outbuf_view *v, const void *data, size_t n);
OUTBUF_API OUTBUF_COLD int outbuf_write_int_slow(struct outbuf_view *v, uint64_t x, size_t size);

/*
 * Call one of these functions with a copy of the View, copy the View back, and return what the function returned. So
 * the address of the caller's View does not escape, and the members of a local View can stay in registers. This costs
 * 24 (gcc) to 107 (clang) bytes of cold code per call.
 */
#define OUTBUF_RETURN_SLOW(v, function, ...)              \
	do {                                              \
		struct outbuf_view moved = *(v);          \
		int result = function(&moved, __VA_ARGS__); \
		*(v) = moved;                             \
		return result;                            \
	} while (0)

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define OUTBUF_HOST_BIG 1
#else
#define OUTBUF_HOST_BIG 0
#endif

#if defined(__GNUC__)
#define OUTBUF_BSWAP16(x) __builtin_bswap16(x)
#define OUTBUF_BSWAP32(x) __builtin_bswap32(x)
#define OUTBUF_BSWAP64(x) __builtin_bswap64(x)
#else
#define OUTBUF_BSWAP16(x) ((uint16_t)((uint16_t)(x) << 8 | (uint16_t)(x) >> 8))
#define OUTBUF_BSWAP32(x) \
	((uint32_t)OUTBUF_BSWAP16((uint16_t)(x)) << 16 | OUTBUF_BSWAP16((uint16_t)((x) >> 16)))
#define OUTBUF_BSWAP64(x) \
	((uint64_t)OUTBUF_BSWAP32((uint32_t)(x)) << 32 | OUTBUF_BSWAP32((uint32_t)((x) >> 32)))
#endif

OUTBUF_INLINE uint64_t outbuf_tell(const struct outbuf_view *v)
{
	return v->offset + (uint64_t)(v->cur - v->start);
}

OUTBUF_INLINE int outbuf_write(struct outbuf_view *v, const void *data, size_t n)
{
	if (OUTBUF_RARELY((size_t)(v->lim - v->cur) < n || n == 0))
		OUTBUF_RETURN_SLOW(v, outbuf_write_slow, data, n);
	memcpy(v->cur, data, n);
	v->cur += n;
	return 0;
}

OUTBUF_INLINE int outbuf_write8(struct outbuf_view *v, uint8_t x)
{
	unsigned char *to = v->cur;
	if (OUTBUF_RARELY(to == v->lim))
		OUTBUF_RETURN_SLOW(v, outbuf_write_int_slow, x, 1);
	*to = x;
	v->cur = to + 1;
	return 0;
}

/*
 * Do the bytes of x, stored at `to`, not fit below `limit`? Addresses are compared as integers, because the sum may
 * point past the object. The sum cannot wrap, because no system maps its last page.
 */
#define OUTBUF_NO_ROOM(to, x, limit) \
	OUTBUF_RARELY((uintptr_t)(to) + sizeof(x) > (uintptr_t)(limit))

/* Store x at `to`, move the View on, and return. memcpy of a constant size is one store, at any alignment. */
#define OUTBUF_STORE(v, to, x)                \
	do {                                  \
		memcpy(to, &(x), sizeof(x));  \
		(v)->cur = (to) + sizeof(x);  \
		return 0;                     \
	} while (0)

/*
 * Integers in the output's byte order. One comparison checks both the room and the byte order: where integers must be
 * byte-swapped, `native` is NULL, so there never is room below it. With a branch for each of the two checks, a loop on
 * a local View took up to twice as long: it had three branches, and an AMD EPYC executes two per cycle.
 */
#define OUTBUF_DEFINE_WRITE(bits)                                                            \
	OUTBUF_INLINE int outbuf_write##bits(struct outbuf_view *v, uint##bits##_t x)        \
	{                                                                                    \
		unsigned char *to = v->cur;                                                  \
		if (OUTBUF_NO_ROOM(to, x, v->native)) {                                      \
			if (v->swap) {                                                       \
				x = OUTBUF_BSWAP##bits(x);                                   \
				OUTBUF_BRANCH(x);                                            \
			}                                                                    \
			if (OUTBUF_NO_ROOM(to, x, v->lim))                                   \
				OUTBUF_RETURN_SLOW(v, outbuf_write_int_slow, x, sizeof x);   \
		}                                                                            \
		OUTBUF_STORE(v, to, x);                                                      \
	}

/* Integers in a fixed byte order; `swap` is 1 if that is not the machine's. */
#define OUTBUF_DEFINE_WRITE_FIXED(bits, order, swap)                                         \
	OUTBUF_INLINE int outbuf_write##bits##order(struct outbuf_view *v, uint##bits##_t x) \
	{                                                                                    \
		unsigned char *to = v->cur;                                                  \
		if (swap)                                                                    \
			x = OUTBUF_BSWAP##bits(x);                                           \
		if (OUTBUF_NO_ROOM(to, x, v->lim))                                           \
			OUTBUF_RETURN_SLOW(v, outbuf_write_int_slow, x, sizeof x);           \
		OUTBUF_STORE(v, to, x);                                                      \
	}

OUTBUF_DEFINE_WRITE(16)
OUTBUF_DEFINE_WRITE(32)
OUTBUF_DEFINE_WRITE(64)
OUTBUF_DEFINE_WRITE_FIXED(16, le, OUTBUF_HOST_BIG)
OUTBUF_DEFINE_WRITE_FIXED(32, le, OUTBUF_HOST_BIG)
OUTBUF_DEFINE_WRITE_FIXED(64, le, OUTBUF_HOST_BIG)
OUTBUF_DEFINE_WRITE_FIXED(16, be, !OUTBUF_HOST_BIG)
OUTBUF_DEFINE_WRITE_FIXED(32, be, !OUTBUF_HOST_BIG)
OUTBUF_DEFINE_WRITE_FIXED(64, be, !OUTBUF_HOST_BIG)

#endif /* OUTBUF_INLINE_H */
