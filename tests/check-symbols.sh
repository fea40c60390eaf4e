#!/bin/sh
# SPDX-License-Identifier: MIT
# The headers, the version script and the library name the same functions, and the library
# defines no name but those.
. "$abs_top_srcdir/tests/tap.sh"

headers=$abs_top_srcdir/include
map=$abs_top_srcdir/lib/liboutbuf.map
library=$abs_top_builddir/.libs/liboutbuf.so

# Prototypes: what is marked OUTBUF_API or OUTBUF_INLINE, up to its parenthesis, on whatever lines.
cat "$headers"/*.h | tr '\n' ' ' | grep -oE 'OUTBUF_(API|INLINE) [^;{}()]*\(' |
	grep -oE 'outbuf_[a-z0-9_]+\($' | tr -d '(' | sort -u >"$scratch/header"
sed -n 's/^[[:space:]]*\(outbuf_[a-z0-9_]*\);$/\1/p' "$map" | sort >"$scratch/map"

same() { test -s "$1" && diff "$1" "$2"; }

try "the headers and the version script name the same functions" same "$scratch/header" "$scratch/map"
if [ -e "$library" ]; then
	$NM -D --defined-only "$library" | awk '{ print $3 }' | sed 's/@.*//' | sort -u >"$scratch/all"
	grep -vxF outbuf_0.1 "$scratch/all" >"$scratch/library"
	try "the library exports exactly these" same "$scratch/library" "$scratch/map"
	# A thread that frees an old output, and the guard's handler, may be in its code.
	try "dlclose leaves it where it is" sh -c "readelf -dW '$library' | grep NODELETE"
	try "every exported name begins with outbuf_" sh -c "! grep -v '^outbuf_' '$scratch/all'"
else
	skip "the library exports exactly these" "no shared library was built"
fi
tap_end
