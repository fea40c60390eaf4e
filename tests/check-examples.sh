#!/bin/sh
# SPDX-License-Identifier: MIT
# Each numbered example does what its first lines say, and reports an error as a program should.
. "$abs_top_srcdir/tests/scripts/tap.sh"

examples=$abs_top_builddir/examples

run() { ${VALGRIND:+libtool_execute} "$@"; }

# Through libtool's wrapper, or valgrind would look at a shell.
libtool_execute() {
	"$abs_top_builddir/libtool" --quiet --mode=execute $VALGRIND -q --error-exitcode=9 --leak-check=full "$@"
}

works() {
	rm -f "$scratch/out"
	run "$examples/$1" "$scratch/out" && test -s "$scratch/out"
}

usage() {
	run "$examples/$1"
	test $? -eq 2
}

# One line: program, file, cause; and status 1.
fails() {
	run "$examples/$1" "$scratch/missing/out" 2>"$scratch/message"
	test $? -eq 1 && cat "$scratch/message" && test "$(wc -l <"$scratch/message")" -eq 1 &&
		grep -q "$scratch/missing/out: No such file or directory" "$scratch/message"
}

for source in "$abs_top_srcdir"/examples/0*.c; do
	name=$(basename "$source" .c)
	[ -x "$examples/$name" ] || { skip "$name" "not built: no libxxhash"; continue; }
	try "$name writes its output" works "$name"
	try "$name without arguments: usage, status 2" usage "$name"
	try "$name into a missing directory: one line, status 1" fails "$name"
done

overlap() {
	run "$examples/04_overlap" "$scratch/overlap" >"$scratch/said" 2>&1
	cat "$scratch/said"
	grep -q '6 bytes at 10 overlap 5 bytes at 6' "$scratch/said" &&
		test "$(cat "$scratch/overlap")" = "$(printf 'alpha\nbeta\ngamma')"
}
hello() { works 01_hello && test "$(cat "$scratch/out")" = "Hello, world!"; }
# 40,000 lines of 32 bytes, each from its own thread.
growth() {
	works 02_growth && test "$(wc -c <"$scratch/out")" -eq 1280000 &&
		test "$(sed -n 313p "$scratch/out" | cut -c1-20)" = "line 312 by thread 0"
}

# 27 MiB of words that hold their offsets; an identity at 16, the same each time, and of these bytes.
own_writer() {
	works 06_own_writer >"$scratch/said" && grep -q 'stays where it is' "$scratch/said" &&
		mv "$scratch/out" "$scratch/first" && works 06_own_writer && cmp "$scratch/first" "$scratch/out" &&
		test "$(wc -c <"$scratch/out")" -eq 28311552 && test "$(od --endian=little -An -tu8 -j 28311544 "$scratch/out" | tr -d ' ')" = 28311544 &&
		test "$(od --endian=little -An -tu8 -j 64 -N 8 "$scratch/out" | tr -d ' ')" = 64 &&
		test "$(od -An -tx1 -j 16 -N 16 "$scratch/out" | tr -d ' 0\n')" != ''
}

try "01_hello: the bytes" hello
[ ! -x "$examples/06_own_writer" ] || try "06_own_writer: the bytes" own_writer
try "02_growth: the bytes" growth
try "04_overlap: names the overlap" overlap
tap_end
