#!/bin/sh
# SPDX-License-Identifier: MIT
# The headers, the version script, the manual pages and the library name the same functions. The shared library exports
# no name but those, and the static one defines none besides but those of the internal prefix. Errors are the same in the header and in the pages; the version is the same everywhere.
. "$abs_top_srcdir/tests/scripts/tap.sh"

headers=$abs_top_srcdir/include
map=$abs_top_srcdir/lib/liboutbuf.map
library=$abs_top_builddir/.libs/liboutbuf.so
archive=$abs_top_builddir/.libs/liboutbuf.a

# Prototypes: what is marked OUTBUF_API or OUTBUF_INLINE, up to its parenthesis, on whatever lines.
cat "$headers"/*.h | tr '\n' ' ' | grep -oE 'OUTBUF_(API|INLINE) [^;{}()]*\(' |
	grep -oE 'outbuf_[a-z0-9_]+\($' | tr -d '(' | sort -u >"$scratch/header"
sed -n 's/^[[:space:]]*\(outbuf_[a-z0-9_]*\);$/\1/p' "$map" | sort >"$scratch/map"

same() { test -s "$1" && diff -U 0 -L "$(basename "$1")" -L "$(basename "$2")" "$1" "$2"; }

try "the headers and the version script name the same functions" same "$scratch/header" "$scratch/map"

# What a page is said to be about, and what its synopsis declares; not those that only inline functions call.
pages=$(ls "$abs_top_builddir"/man/*.3)
grep -v '_slow$' "$scratch/header" >"$scratch/public"
for page in $pages; do sed -n '/^[.]Sh NAME/,/^[.]Nd/s/^[.]Nm \(outbuf_[a-z0-9_]*\).*/\1/p' "$page"; done | grep -vx outbuf_options | sort >"$scratch/named"
{ cat "$scratch/public" && echo "$pages" | sed 's|.*/||; s/[.]3$//'; } >"$scratch/page-names"
cat $pages | sed -n 's/^[.]Fo //p' | sort >"$scratch/declared"
try "the manual pages are about the same functions" same "$scratch/public" "$scratch/named"
try "they declare them" same "$scratch/public" "$scratch/declared"
# An error that a function's comment has is in its page, and no other.
errors() { grep -oE -- '-E[A-Z0-9]+' | sort | uniq -c; }
sed -n '/^\/\* -* outbuf_options:/,/^\/\* -* inline/p' "$headers/outbuf.h" | errors >"$scratch/errors"
sed 's/\\-/-/g' $pages | errors >"$scratch/page-errors"
try "they have the errors that the header has" same "$scratch/errors" "$scratch/page-errors"
try "outbuf(7) names the file systems that are known" sh -c 'for fs in $(sed -n "s/^	ROW([^\"]*\"\([a-z0-9]*\)\".*/\1/p" "$1"); do sed -n "/^.Sh FILE SYSTEMS/,/^.Sh ENV/p" "$2" | grep -qw "$fs" || { echo "$fs"; exit 1; }; done' sh "$abs_top_srcdir/lib/policy/fspolicy.c" "$abs_top_srcdir/man/outbuf.7"
try "outbuf(7) leads to each of them" sh -c 'for page; do grep -q "^.Xr $(basename "$page" .3) 3" "$0" || { echo "$page"; exit 1; }; done' "$abs_top_srcdir/man/outbuf.7" $pages

try "the pages lead to no page that there is not" sh -c '! sed -n "s/^[.]Xr \(outbuf_[a-z0-9_]*\) .*/\1/p" "$@" | sort -u | grep -vxFf "$0"' "$scratch/page-names" $pages "$abs_top_srcdir"/man/*.[17]

# The header has it, configure and liboutbuf.so's outbuf_version() take it from there. What people write is compared.
version=$(sed -n 's/^#define OUTBUF_VERSION_[A-Z]* //p' "$headers/outbuf.h" | paste -sd. -)
try "NEWS begins with version $version" test "$(sed -n 's/^Version //p' "$abs_top_srcdir/NEWS" | head -n 1)" = "$version"
info=$(sed -n 's/^liboutbuf_la_LDFLAGS.*-version-info \([0-9:]*\).*/\1/p' "$abs_top_srcdir/lib/include.am")
try "the table of -version-info ends with it and $info" sh -c 'sed -n "s/^#   \([0-9.]*[0-9]\)  *\([0-9:]*\)  .*/\1 \2/p" "$0" | tail -n 1 | grep -Fx "$1"' "$abs_top_srcdir/lib/include.am" "$version $info"
# Not in the tarball.
if [ -e "$abs_top_srcdir/debian/changelog" ]; then
	try "debian/changelog begins with it" sh -c 'head -n 1 "$0" | grep -F "liboutbuf ($1-"' "$abs_top_srcdir/debian/changelog" "$version"
fi

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

# own_names NAME: a program with globals of its own that have short names, linked with the static library.
own_names() {
	$CC $CFLAGS -I"$headers" -c "$abs_top_srcdir/tests/programs/own_names.c" -o "$scratch/own_names.o" &&
		"$abs_top_builddir/libtool" --quiet --tag=CC --mode=link $CC $CFLAGS $LDFLAGS -static -o "$scratch/own_names" \
			"$scratch/own_names.o" "$abs_top_builddir/liboutbuf.la" &&
		test "$("$scratch/own_names" "$scratch/out")" = "own names" && test "$(cat "$scratch/out")" = 0123456789
}
if [ -e "$archive" ]; then
	# AddressSanitizer adds symbols of its own for globals.
	$NM -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' | grep -v '^__odr_asan' | sort -u >"$scratch/static"
	try "the static library defines all public names" sh -c '! comm -13 "$0" "$1" | grep .' "$scratch/static" "$scratch/map"
	try "its other names begin with ob__" sh -c '! comm -23 "$0" "$1" | grep -v "^ob__" && grep -q "^ob__" "$0"' "$scratch/static" "$scratch/map"
	try "a program with globals of the same short names works with it" own_names
else
	skip "the static library defines no other names" "no static library was built"
fi
tap_end
