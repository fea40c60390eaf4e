/* SPDX-License-Identifier: MIT */
/*
 * The layout of the public structs, checked at compile time.
 *
 * A program that was compiled with a released header looks for members at the offsets of that header. If a number
 * below must change, such programs break. Members may be added at the end of outbuf_options and outbuf_stats alone,
 * whose sizes grow. OUTBUF_PHASES must not change either, as phase_ns has members behind it, nor may the values of
 * enumerators, which most options hold as uint32_t. scripts/abi compares the lines below with the last release's.
 *
 * There are three layouts: pointers of 8 bytes; pointers of 4 bytes, with uint64_t at multiples of 8 (ARM, MIPS,
 * PowerPC); pointers of 4 bytes, with uint64_t at multiples of 4 (i386). Other machines are not checked.
 */
#include "config.h"

#include <stddef.h>
#include <stdint.h>

#include "outbuf.h"

struct probe {
	char before;
	uint64_t x;
};
#define EVERY offsetof(struct probe, x) /* _Alignof(uint64_t) of gcc before 8 is 8 on i386, too */

#define LAYOUT(what, is, lp64, ilp32, i386)                                     \
	_Static_assert(sizeof(void *) == 8 ? (is) == (lp64) :                   \
	               sizeof(void *) == 4 && EVERY == 8 ? (is) == (ilp32) :    \
	               sizeof(void *) == 4 && EVERY == 4 ? (is) == (i386) : 1, what)
#define VALUE(name, n) _Static_assert((name) == (n), #name " has another value than was released")
#define SIZE(type, ...) LAYOUT(#type " is not as large as was released", sizeof(struct type), __VA_ARGS__)
#define AT(type, member, ...) \
	LAYOUT(#type "." #member " is not where it was released", offsetof(struct type, member), __VA_ARGS__)

SIZE(outbuf_options, 112, 96, 88);
AT(outbuf_options, size, 0, 0, 0);
AT(outbuf_options, mode, 8, 4, 4);
AT(outbuf_options, order, 12, 8, 8);
AT(outbuf_options, replace, 16, 12, 12);
AT(outbuf_options, map, 20, 16, 16);
AT(outbuf_options, prealloc, 24, 20, 20);
AT(outbuf_options, check_overlap, 28, 24, 24);
AT(outbuf_options, threads, 32, 28, 28);
AT(outbuf_options, flush, 36, 32, 32);
AT(outbuf_options, max_size, 40, 40, 36);
AT(outbuf_options, run, 48, 48, 44);
AT(outbuf_options, run_arg, 56, 52, 48);
AT(outbuf_options, observe, 64, 56, 52);
AT(outbuf_options, observe_arg, 72, 60, 56);
AT(outbuf_options, stage, 80, 64, 60);
AT(outbuf_options, guard, 84, 68, 64);
AT(outbuf_options, recycle, 88, 72, 68);
AT(outbuf_options, durability, 92, 76, 72);
AT(outbuf_options, lock, 96, 80, 76);
AT(outbuf_options, check_complete, 100, 84, 80);
AT(outbuf_options, placement, 104, 88, 84);

SIZE(outbuf_view, 96, 72, 68);
AT(outbuf_view, cur, 0, 0, 0);
AT(outbuf_view, lim, 8, 4, 4);
AT(outbuf_view, native, 16, 8, 8);
AT(outbuf_view, start, 24, 12, 12);
AT(outbuf_view, mark, 32, 16, 16);
AT(outbuf_view, offset, 40, 24, 20);
AT(outbuf_view, begin, 48, 32, 28);
AT(outbuf_view, end, 56, 40, 36);
AT(outbuf_view, high, 64, 48, 44);
AT(outbuf_view, block, 72, 56, 52);
AT(outbuf_view, ob, 80, 60, 56);
AT(outbuf_view, error, 88, 64, 60);
AT(outbuf_view, swap, 92, 68, 64);
AT(outbuf_view, flags, 93, 69, 65);
AT(outbuf_view, place, 94, 70, 66);

SIZE(outbuf_stats, 192, 168, 160);
AT(outbuf_stats, size, 0, 0, 0);
AT(outbuf_stats, output_size, 8, 8, 4);
AT(outbuf_stats, mapped, 16, 16, 12);
AT(outbuf_stats, heap, 24, 24, 20);
AT(outbuf_stats, reserved, 32, 32, 28);
AT(outbuf_stats, flushed, 40, 40, 36);
AT(outbuf_stats, views, 48, 48, 44);
AT(outbuf_stats, heap_grown, 56, 56, 52);
AT(outbuf_stats, phase_ns, 64, 64, 60);
AT(outbuf_stats, backend, 104, 104, 100);
AT(outbuf_stats, placement, 112, 108, 104);
AT(outbuf_stats, map_error, 120, 112, 108);
AT(outbuf_stats, prealloc_error, 124, 116, 112);
AT(outbuf_stats, flush_error, 128, 120, 116);
AT(outbuf_stats, staged, 132, 124, 120);
AT(outbuf_stats, file_system, 136, 128, 124);
AT(outbuf_stats, map_why, 144, 132, 128);
AT(outbuf_stats, flush_why, 152, 136, 132);
AT(outbuf_stats, recycle_why, 160, 140, 136);
AT(outbuf_stats, zeroed, 168, 144, 140);
AT(outbuf_stats, faults, 176, 152, 148);
AT(outbuf_stats, replace_error, 184, 160, 156);

SIZE(outbuf_overlap, 32, 32, 32);
AT(outbuf_overlap, offset, 0, 0, 0);
AT(outbuf_overlap, length, 8, 8, 8);
AT(outbuf_overlap, other_offset, 16, 16, 16);
AT(outbuf_overlap, other_length, 24, 24, 24);

VALUE(OUTBUF_LITTLE_ENDIAN, 0);
VALUE(OUTBUF_BIG_ENDIAN, 1);
VALUE(OUTBUF_REPLACE_ATOMIC, 0);
VALUE(OUTBUF_REPLACE_IN_PLACE, 1);
VALUE(OUTBUF_REPLACE_ELSE_IN_PLACE, 2);
VALUE(OUTBUF_PLACE_AUTO, 0);
VALUE(OUTBUF_PLACE_NAMED, 1);
VALUE(OUTBUF_AUTO, 0);
VALUE(OUTBUF_NO, 1);
VALUE(OUTBUF_REQUIRE, 2);
VALUE(OUTBUF_FLUSH_AUTO, 0);
VALUE(OUTBUF_FLUSH_PWRITE, 1);
VALUE(OUTBUF_FLUSH_URING, 2);
VALUE(OUTBUF_FLUSH_STREAM, 3);
VALUE(OUTBUF_DURABLE_NONE, 0);
VALUE(OUTBUF_DURABLE_DATA, 1);
VALUE(OUTBUF_DURABLE_FULL, 2);
VALUE(OUTBUF_LOCK_NONE, 0);
VALUE(OUTBUF_LOCK_TRY, 1);
VALUE(OUTBUF_LOCK_WAIT, 2);
VALUE(OUTBUF_PHASE_MAP, 0);
VALUE(OUTBUF_PHASE_FLUSH, 1);
VALUE(OUTBUF_PHASE_UNMAP, 2);
VALUE(OUTBUF_PHASE_SYNC, 3);
VALUE(OUTBUF_PHASE_PUBLISH, 4);
VALUE(OUTBUF_PHASES, 5);
