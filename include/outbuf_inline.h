/* SPDX-License-Identifier: MIT */
/*
 * outbuf_inline.h - the small writes of outbuf.h, which includes this; not a manual
 *
 * A write of a few bytes is a comparison and a store, in the caller's code. Bytes that do not fit
 * below the View's lim go to a function of the library.
 */
#ifndef OUTBUF_INLINE_H
#define OUTBUF_INLINE_H

#ifndef OUTBUF_H
#error "include <outbuf.h>"
#endif

#if defined(__GNUC__)
#define OUTBUF_COLD __attribute__((cold, noinline))
#define OUTBUF_RARELY(x) __builtin_expect(!!(x), 0)
/* A branch, not a bswap at each call and a conditional move: 1 cycle of 2. */
#define OUTBUF_BRANCH(x) __asm__("" : "+r"(x))
#else
#define OUTBUF_COLD
#define OUTBUF_RARELY(x) (x)
#define OUTBUF_BRANCH(x) ((void)0)
#endif

/*
 * Where the inline functions go when bytes do not fit below lim; nobody else calls them. The
 * second takes `size` bytes of x by value: an address would make the compiler keep x
 * on the stack for the fast path too (3 of 16 instructions).
 */
OUTBUF_API OUTBUF_COLD int outbuf_write_slow(struct outbuf_view *v, const void *data, size_t n);
OUTBUF_API OUTBUF_COLD int outbuf_write_int_slow(struct outbuf_view *v, uint64_t x, size_t size);

/*
 * They get a copy of the View, so that the address of the caller's does not get out and a local
 * View can stay in registers. It costs 24 (gcc) to 107 (clang) cold bytes per call.
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
 * memcpy of a constant size is one store, at any alignment. Addresses are compared as integers, as
 * the sum may point past the object; it cannot wrap, no system maps its last page.
 */
#define OUTBUF_NO_ROOM(to, x, limit) \
	OUTBUF_RARELY((uintptr_t)(to) + sizeof(x) > (uintptr_t)(limit))

#define OUTBUF_STORE(v, to, x)                \
	do {                                  \
		memcpy(to, &(x), sizeof(x));  \
		(v)->cur = (to) + sizeof(x);  \
		return 0;                     \
	} while (0)

/*
 * In the output's order. One comparison asks for room and for the order, as `native` has no room for
 * anything where bytes must be turned round. With a branch for each, a loop on a local View took up
 * to twice as long: three branches, of the two that an AMD EPYC takes per cycle.
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
