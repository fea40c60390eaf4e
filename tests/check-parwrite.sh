#!/bin/sh
# SPDX-License-Identifier: MIT
# parwrite on real archives: the combined object links and its program says what the one
# linked from the archive says; the bytes depend on nothing but the input; errors are one line
# that names the file, status 1, and leave the output as it was.
#
# The checksums in parwrite.sums, beside this test's log, let scripts/check compare builds.
. "$abs_top_srcdir/tests/scripts/tap.sh"

programs=$abs_top_srcdir/tests/programs
sums=$abs_top_builddir/tests/parwrite.sums
: >"$sums"

the_program_itself parwrite

parwrite() { ${VALGRIND:+$VALGRIND -q --error-exitcode=9 --leak-check=full} "$real" "$@"; }

# The compiler without the sanitizer of the build: what is linked here is not ours.
cc() { $CC "$@"; }

find_archive() {
	for found in $(cc -print-file-name="$1") "/usr/lib/$1" "/usr/local/lib/$1"; do
		[ -f "$found" ] && { echo "$found"; return; }
	done
	return 1
}

# ------------------------------------------------------------------ real archives

combine() { parwrite -j "$1" -o "$scratch/$2.o" "$3"; }
link_with() { cc $cflags "$programs/$1_main.c" "$2" $libs -o "$3"; }
says_the_same() {
	"$scratch/$1.archive" $arguments >"$scratch/want" 2>&1 || return 1
	"$scratch/$1.combined" $arguments >"$scratch/got" 2>&1 || return 1
	cat "$scratch/got"
	diff "$scratch/want" "$scratch/got"
}
clean() { ! readelf -aW "$1" 2>&1 >/dev/null | grep .; }
no_new_complaints() {
	ld -r --whole-archive "$2" -o "$scratch/ld.o" || return 1
	eu-elflint --gnu-ld "$scratch/ld.o" | sed 's/[0-9][0-9]*//g; s/0x[0-9a-f]*//g' | sort -u >"$scratch/ld.lint"
	eu-elflint --gnu-ld "$1" | sed 's/[0-9][0-9]*//g; s/0x[0-9a-f]*//g' | sort -u >"$scratch/our.lint"
	test -z "$(comm -13 "$scratch/ld.lint" "$scratch/our.lint" | grep -v 'No errors' | tee /dev/stderr)"
}

archive_tests() {
	name=$1 archive=$2 cflags=$3 libs=$4 arguments=$5
	try "$name: combined by 2 threads" combine 2 "$name" "$archive"
	for j in 1 16; do
		combine $j "$name.$j" "$archive" >/dev/null 2>&1
		try "$name: -j $j gives the same bytes" cmp "$scratch/$name.o" "$scratch/$name.$j.o"
	done
	parwrite --no-map -j 3 -o "$scratch/$name.heap.o" "$archive" >/dev/null 2>&1
	try "$name: not mapped, the same bytes" cmp "$scratch/$name.o" "$scratch/$name.heap.o"
	try "$name: no two threads write the same bytes" parwrite -j 4 --check-overlap -o "$scratch/$name.check.o" "$archive"
	try "$name: linked" link_with "$name" "$scratch/$name.o" "$scratch/$name.combined"
	link_with "$name" "$archive" "$scratch/$name.archive" >/dev/null 2>&1
	try "$name: its program says the same" says_the_same "$name"
	try "$name: readelf has nothing to complain about" clean "$scratch/$name.o"
	if command -v eu-elflint >/dev/null; then
		try "$name: eu-elflint complains about no more than in ld -r's" no_new_complaints "$scratch/$name.o" "$archive"
	else
		skip "$name: eu-elflint" "not installed"
	fi
	# A second run over its own output: nothing that a program could tell.
	parwrite -o "$scratch/$name.twice.o" "$scratch/$name.o" >/dev/null 2>&1
	link_with "$name" "$scratch/$name.twice.o" "$scratch/$name.combined" >/dev/null 2>&1
	try "$name: combined again, it says the same" says_the_same "$name"
	(cd "$scratch" && sha256sum "$name.o") >>"$sums"
}

if archive=$(find_archive liblua5.4.a); then
	archive_tests lua "$archive" "$(pkg-config --cflags lua5.4)" "-lm -ldl" "$programs/script.lua"
else
	skip "lua" "no liblua5.4.a"
fi
if archive=$(find_archive libz.a); then
	archive_tests z "$archive" "" "" ""
else
	skip "z" "no libz.a"
fi
if ! all_of_it; then
	:
elif archive=$(find_archive libbz2.a); then
	archive_tests bz2 "$archive" "" "" ""
else
	skip "bz2" "no libbz2.a"
fi

if ! all_of_it; then
	:
elif archive=$(find_archive libsqlite3.a); then
	archive_tests sqlite "$archive" "" "-lm -lpthread -ldl -lz" ""
else
	skip "sqlite" "no libsqlite3.a"
fi

# -------------------------------------------------------------- symbols and sections

compile() { # compile NAME [FLAG...] < source
	unit=$1
	shift
	cat >"$scratch/$unit.c"
	cc -O1 "$@" -c "$scratch/$unit.c" -o "$scratch/$unit.o"
}

compile strong <<'END'
int f(void) { return 1; }
int shared = 7;
static int hidden(int x) { return x + 1; }
int (*table[])(int) = { hidden };
END
compile weak <<'END'
__attribute__((weak)) int f(void) { return 2; }
__attribute__((weak)) int only_weak = 5;
static int hidden(int x) { return x + 2; }
int (*table2[])(int) = { hidden };
END
compile tentative -fcommon <<'END'
int shared;
int zeroed[100];
extern int f(void);
int call(void) { return f(); }
END
compile aligned -fcommon <<'END'
int zeroed[3] __attribute__((aligned(64)));
END
compile again <<'END'
int g(void) { return 3; }
int f(void) { return 4; }
END
compile main -g <<'END'
#include <stdint.h>
#include <stdio.h>
extern int f(void), call(void), shared, only_weak, zeroed[];
extern int (*table[])(int), (*table2[])(int);
static _Thread_local int local = 3;
static int begun;
__attribute__((constructor)) static void begin(void) { begun = 1; }
int main(void)
{
	printf("%d %d %d %d %d %d %d %d %d\n", f(), call(), shared, only_weak, zeroed[99], table[0](1),
	       table2[0](1), local, begun);
	return (uintptr_t)zeroed % 64 != 0;
}
END
objects="$scratch/weak.o $scratch/strong.o $scratch/tentative.o $scratch/aligned.o $scratch/main.o"

resolves() {
	parwrite -o "$scratch/all.o" $objects && cc "$scratch/all.o" -o "$scratch/all" &&
		test "$("$scratch/all")" = "1 1 7 5 0 2 3 3 1"
}
common_size() { readelf -sW "$scratch/all.o" | awk '$8 == "zeroed" { print $3, $2 + 0, $7 }' | grep -q '^400 .*COM'; }
like_ld() { # the same symbols with the same binding, type, visibility and size
	ld -r -o "$scratch/ld.o" $objects || return 1
	for o in all ld; do
		readelf -sW "$scratch/$o.o" | awk '$8 != "" && $4 != "SECTION" && $4 != "FILE" { print $3, $4, $5, $6, $8 }' | sort >"$scratch/$o.symbols"
	done
	test -s "$scratch/all.symbols" && diff "$scratch/ld.symbols" "$scratch/all.symbols"
}
response_file() {
	printf '%s\n' "-j 2" "-o '$scratch/response.o'" >"$scratch/response"
	for o in $objects; do printf '"%s" ' "$o"; done >>"$scratch/response"
	parwrite "@$scratch/response" && cmp "$scratch/response.o" "$scratch/all.o"
}
stack_note() { readelf -SW "$scratch/all.o" | grep -q 'note.GNU-stack'; }
in_place_of_input() {
	cp "$scratch/all.o" "$scratch/self.o" && parwrite -o "$scratch/self.o" "$scratch/self.o" &&
		cc "$scratch/self.o" -o "$scratch/self" && "$scratch/self" >/dev/null
}
function_sections() {
	for u in weak strong tentative aligned main; do
		cc -O2 -g -ffunction-sections -fdata-sections -fcommon -c "$scratch/$u.c" -o "$scratch/fs-$u.o" || return 1
	done
	parwrite -o "$scratch/fs.o" "$scratch"/fs-*.o && cc -Wl,--gc-sections "$scratch/fs.o" -o "$scratch/fs" &&
		test "$("$scratch/fs")" = "1 1 7 5 0 2 3 3 1"
}
statistics() {
	parwrite --stats -o "$scratch/stats.o" $objects >"$scratch/stats" &&
		for what in mapped heap threads 'time emit' 'library flush'; do
			grep -q "^$what: " "$scratch/stats" || return 1
		done
}
no_bar() { parwrite -o "$scratch/bar.o" $objects 2>"$scratch/bar" && ! test -s "$scratch/bar"; }

durability() {
	parwrite -o "$scratch/usual.o" "$scratch/strong.o" && for level in none data full; do
		parwrite --stats --durability=$level -o "$scratch/durable.o" "$scratch/strong.o" >"$scratch/durable.stats" &&
			cmp "$scratch/usual.o" "$scratch/durable.o" || return 1
		# Without it, no time is spent in the phase that waits.
		waited=$(sed -n 's/^library sync: \([0-9.]*\) ms$/\1/p' "$scratch/durable.stats")
		echo "$level: library sync: $waited"
		case $level:$waited in
		none: | none:0.000 | data:*[1-9]* | full:*[1-9]*) ;;
		*) return 1 ;;
		esac
	done
}

try "defined beats weak, common and undefined" resolves
try "a common symbol has the largest size" common_size
try "symbols are those of ld -r" like_ld
try "arguments from a file" response_file
try "a stack note if all have one" stack_note
try "the output may be an input" in_place_of_input
try "-ffunction-sections -fdata-sections -g" function_sections
try "--durability: the same bytes, and it waits for the disk" durability
try "--stats" statistics
try "no progress bar where there is no terminal" no_bar

# -------------------------------------------------------------------------- errors

# refuses STATUS PATTERN ARGUMENT...: one line that matches; the output stays.
refuses() {
	status=$1 pattern=$2
	shift 2
	printf 'precious' >"$scratch/precious.o"
	parwrite "$@" >"$scratch/message" 2>&1
	got=$?
	cat "$scratch/message"
	[ "$got" -eq "$status" ] || { echo "status $got"; return 1; }
	[ "$status" -eq 2 ] || [ "$(wc -l <"$scratch/message")" -eq 1 ] || return 1
	grep -q -e "$pattern" "$scratch/message" || return 1
	test "$(cat "$scratch/precious.o")" = precious || return 1
	set -- "$scratch"/.*.outbuf-*
	test ! -e "$1"
}
out=$scratch/precious.o

mkdir "$scratch/directory"
: >"$scratch/empty"
head -c 100 "$scratch/strong.o" >"$scratch/truncated.o"
head -c 3000 "$(find_archive libz.a || echo "$scratch/strong.o")" >"$scratch/truncated.a"
printf 'This is no object.\n' >"$scratch/text"
cc "$scratch/all.o" -o "$scratch/executable"
printf '#!/bin/sh\n' | cat - "$scratch/strong.o" >"$scratch/shifted.o"
cp "$scratch/strong.o" "$scratch/foreign.o"
printf '\267' | dd of="$scratch/foreign.o" bs=1 seek=18 conv=notrunc 2>/dev/null

try "no arguments: usage" refuses 2 'no output'
try "no -o: usage" refuses 2 '' "$scratch/strong.o"
try "no input: usage" refuses 2 '' -o "$out"
try "unknown option: usage" refuses 2 'frobnicate' --frobnicate -o "$out" "$scratch/strong.o"
try "--durability=most: usage" refuses 2 'takes none, data or full, not most' --durability=most -o "$out" "$scratch/strong.o"
try "-j 0: usage" refuses 2 '' -j 0 -o "$out" "$scratch/strong.o"
try "a strong symbol twice: both files are named" refuses 1 'strong.o.*again.o\|again.o.*strong.o' -o "$out" "$scratch/strong.o" "$scratch/again.o"
try "a missing file" refuses 1 'missing.o: No such file' -o "$out" "$scratch/missing.o"
try "a directory" refuses 1 'directory: ' -o "$out" "$scratch/directory"
try "an empty file" refuses 1 'empty: ' -o "$out" "$scratch/empty"
try "text" refuses 1 'text: ' -o "$out" "$scratch/text"
try "a truncated object" refuses 1 'truncated.o: ' -o "$out" "$scratch/truncated.o"
try "a truncated archive" refuses 1 'truncated.a' -o "$out" "$scratch/truncated.a"
try "an executable" refuses 1 'executable: ' -o "$out" "$scratch/executable"
try "another machine: both files are named" refuses 1 'foreign.o: .*AArch64.*weak.o.*x86-64' -o "$out" "$scratch/weak.o" "$scratch/foreign.o"
try "an output directory that is missing" refuses 1 'missing/out.o: No such file' -o "$scratch/missing/out.o" "$scratch/strong.o"
try "an output that is a directory" refuses 1 'directory: Is a directory' -o "$scratch/directory" "$scratch/strong.o"
try "one good and one bad" refuses 1 'text: ' -j 2 -o "$out" "$scratch/strong.o" "$scratch/text"

try "an option without its value is named" refuses 2 'value: -Map ' -o "$out" "$scratch/strong.o" -Map
try "an unknown option with one dash is named" refuses 2 'option: -Wl,foo ' -Wl,foo -o "$out" "$scratch/strong.o"
try "an unknown letter among others is named" refuses 2 'option: -Z ' -rZx -o "$out" "$scratch/strong.o"

# What is written beside the output: never over an input, by whatever name, and not both in one file.
beside() { # pattern, arguments; $scratch/in.o must stay what it is
	cp "$scratch/strong.o" "$scratch/in.o"
	ln -f "$scratch/in.o" "$scratch/link.o"
	refuses 1 "$@" && cmp "$scratch/strong.o" "$scratch/in.o" && test ! -e "$scratch/new"
}
for option in -Map --trace; do
	try "$option over an input" beside "in.o: is an input, and $option" -o "$out" $option "$scratch/in.o" "$scratch/weak.o" "$scratch/in.o"
	try "$option over an input by another name" beside 'link.o: is an input' -o "$out" "$scratch/in.o" $option "$scratch/link.o"
	try "$option over the output" beside "precious.o: is for both the output and $option" -o "$out" "$scratch/in.o" $option "$scratch/../${scratch##*/}/precious.o"
	try "$option over the output that is not there yet" beside "new: is for both the output and $option" -o "$scratch/new" "$scratch/in.o" $option "$scratch/./new"
	try "$option in a missing folder" beside 'missing/x: No such file' -o "$out" "$scratch/in.o" $option "$scratch/missing/x"
	try "$option is kept if the run fails" beside 'text: ' -o "$out" $option "$scratch/in.o" "$scratch/text"
done
try "-Map and --trace in one file" beside 'new: is for both -Map and --trace' -o "$out" -Map "$scratch/new" --trace "$scratch/new" "$scratch/in.o"
map_to_standard_output() { parwrite -Map - -o "$scratch/all.o" "$scratch/strong.o" | grep -q ' \.text$'; }
try "-Map - is standard output" map_to_standard_output

# A section that is the whole file: its header says offset 0 and the file's size.
bytes() { printf "$(printf '\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) 0 0 0 0 0)"; }
whole_file() {
	headers=$(readelf -hW "$scratch/strong.o" | awk '/Start of section headers/{ print $5 }')
	data=$(readelf -SW "$scratch/strong.o" | sed -n 's/^ *\[ *\([0-9]*\)\] \.data .*/\1/p')
	cp "$scratch/strong.o" "$scratch/whole.o"
	{ bytes 0; bytes "$(wc -c <"$scratch/strong.o")"; } |
		dd of="$scratch/whole.o" bs=1 seek=$((headers + data * 64 + 24)) conv=notrunc 2>/dev/null
	refuses 1 'whole.o: .*overlap' -o "$out" "$scratch/whole.o"
}
try "sections that overlap in the file" whole_file

# valgrind takes a second per run.
step=${OUTBUF_TEST_EVERY:-1} near=1
[ -z "${VALGRIND-}" ] || step=$((step * 3)) near=9

size=$(wc -c <"$scratch/main.o")
headers=$(readelf -hW "$scratch/main.o" | awk '/Start of section headers/{ print $5 }')
damage() {
	$abs_top_builddir/tests/scripts/damage "$1" "$scratch/main.o" "$scratch/damaged.o" "$out" \
		${VALGRIND:+$VALGRIND -q --error-exitcode=9} "$real" -j 2 -o "$out"
}
# Cut at every length near a limit, and every 97 bytes: no crash, no output.
truncations() { { seq 0 $near 71; seq 72 $((97 * step)) $((size - 1)); } | damage cut; }
# Every byte of the ELF header and of the section headers set to 255: an error or a result, no crash.
damages() {
	{ seq 16 $step 63; seq "$headers" $step $((size - 1)); } | damage set
}
try "cut short anywhere" truncations
try "damaged headers" damages
tap_end
