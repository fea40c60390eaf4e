#!/bin/sh
# SPDX-License-Identifier: MIT
# parwrite on objects of every kind that compilers and linkers make: the combined object links, by every
# linker there is, and its program says what the one linked from the parts says.
. "$abs_top_srcdir/tests/scripts/tap.sh"

programs=$abs_top_srcdir/tests/programs
the_program_itself parwrite

parwrite() { ${VALGRIND:+$VALGRIND -q --error-exitcode=9 --leak-check=full} "$real" "$@"; }
there_is() { command -v "$1" >/dev/null 2>&1; }
cc() { $CC "$@"; }

linkers='bfd gold lld mold'
all_of_it || linkers=lld
all_linkers=$linkers

out=$scratch/precious.o
refused() { # WORDS INPUT...
	words=$1
	shift
	printf precious >"$out"
	parwrite -o "$out" "$@" 2>"$scratch/message"
	[ $? -eq 1 ] && [ "$(wc -l <"$scratch/message")" -eq 1 ] && grep -F "$words" "$scratch/message" &&
		[ "$(cat "$out")" = precious ]
}
# ------------------------------------------------------------------------ a program

# combines NAME FLAGS OBJECT...: in parts and as one, by each linker, the same words and status.
combine_all() { parwrite -j 3 --check-overlap -o "$scratch/$name.all.o" "$@"; }
links_with() {
	rm -f "$scratch/$name.$1"
	$driver -fuse-ld="$1" "$scratch/$name.all.o" $flags -o "$scratch/$name.$1" || return 1
	"$scratch/$name.$1" >"$scratch/got" 2>&1
	[ $? -eq "$want_status" ] && diff "$scratch/want" "$scratch/got"
}
again() {
	parwrite -o "$scratch/$name.again.o" "$scratch/$name.all.o" && mv "$scratch/$name.again.o" "$scratch/$name.all.o" &&
		links_with bfd
}
threads() {
	for j in 1 2 7; do
		parwrite -j $j -o "$scratch/$name.j.o" "$@" && cmp "$scratch/$name.all.o" "$scratch/$name.j.o" || return 1
	done
	parwrite --no-map -o "$scratch/$name.j.o" "$@" && cmp "$scratch/$name.all.o" "$scratch/$name.j.o" || return 1
	for way in OUTBUF_STAGE=no OUTBUF_FLUSH=uring OUTBUF_FLUSH=stream; do
		(export "${way?}" && parwrite -o "$scratch/$name.j.o" "$@") && cmp "$scratch/$name.all.o" "$scratch/$name.j.o" || return 1
	done
}
no_new_complaints() {
	ld -r "$@" -o "$scratch/ld.o" || return 1
	readelf -aW "$scratch/$name.all.o" 2>&1 >/dev/null | grep . && return 1
	there_is eu-elflint || return 0
	for o in ld "$name.all"; do
		eu-elflint --gnu-ld "$scratch/$o.o" | grep -v 'No errors' |
			sed "s/'[^']*'//g; s/section \[ *[0-9]*\]//; s/[0-9][0-9]*//g" | sort -u >"$scratch/$o.lint"
	done
	comm -13 "$scratch/ld.lint" "$scratch/$name.all.lint" >"$scratch/new.lint"
	cat "$scratch/new.lint"
	test ! -s "$scratch/new.lint"
}
combines() {
	name=$1 driver=$2 flags=$3
	shift 3
	$driver "$@" $flags -o "$scratch/$name.parts" 2>"$scratch/error" || {
		try "$name: linked from the parts" cat "$scratch/error" /nonexistent
		return
	}
	"$scratch/$name.parts" >"$scratch/want" 2>&1
	want_status=$?
	try "$name: combined" combine_all "$@"
	for linker in $linkers; do
		if there_is ld.$linker || there_is $linker; then
			try "$name: linked by $linker, it says the same" links_with $linker
		fi
	done
	try "$name: the same bytes from any number of threads, by any backend" threads "$@"
	try "$name: readelf and eu-elflint have nothing new to say" no_new_complaints "$@"
	try "$name: combined again" again
}

# ----------------------------------------------------------------------- compilers

cxx() { # compiler, then flags in one word each
	driver=$1
	there_is "$driver" || { skip "$driver" "not installed"; return; }
	for cxx_flags in "-O1 -g -fPIC -fdebug-types-section" "-O0" "-O2 -g -ffunction-sections -fdata-sections" "-O2 -g3 -gz"; do
		for unit in shapes main; do
			# shellcheck disable=SC2086 # words
			"$driver" $cxx_flags -std=c++17 -c "$programs/cxx_$unit.cc" -o "$scratch/cxx_$unit.o" || exit 99
		done
		combines "$driver $cxx_flags" "$driver" "-pthread" "$scratch/cxx_main.o" "$scratch/cxx_shapes.o"
		all_of_it || break
		linkers=lld # for the others: which linker it is does not depend on flags
	done
	linkers=$all_linkers
}
cxx g++
! all_of_it || cxx clang++

fortran() {
	driver=$1
	there_is "$driver" || { skip "$driver" "not installed"; return; }
	for unit in sums main; do
		"$driver" -O2 -g -c "$programs/fortran_$unit.f90" -J "$scratch" -o "$scratch/fortran_$unit.o" || exit 99
	done
	combines "$driver" "$driver" "" "$scratch/fortran_main.o" "$scratch/fortran_sums.o"
}
! all_of_it || fortran gfortran

# A static library, which has all of Rust's standard library in it.
rust() {
	there_is rustc || { skip rustc "not installed"; return; }
	rustc --edition 2021 -O -g --crate-type=staticlib "$programs/rust.rs" -o "$scratch/librust.a" &&
		cc -c "$programs/rust_main.c" -o "$scratch/rust_main.o" || exit 99
	combines rustc "$CC" "-pthread -ldl -lm" "$scratch/rust_main.o" "$scratch/librust.a"
}
! all_of_it || rust

ada() {
	there_is gnatmake && there_is gnatls || { skip gnat "not installed"; return; }
	mkdir -p "$scratch/ada"
	(cd "$scratch/ada" && gnatmake -q -c -O1 -g -aI"$programs" ada_main && gnatbind -aI"$programs" ada_main &&
		gnatmake -q -c b~ada_main.adb) || exit 99
	combines gnat "$CC" "-L$(gnatls -v | sed -n 's/^ *\(.*adalib\)$/\1/p') -lgnarl -lgnat -pthread -ldl -lm" "$scratch/ada/b~ada_main.o" \
		"$scratch/ada/ada_main.o" "$scratch/ada/ada_shapes.o"
}
! all_of_it || ada

# A version is a part of a name until a final link: the same dynamic symbols by each linker.
dynamic_symbols() { # LINKER OBJECT...
	linker=$1
	shift
	rm -f "$scratch/versions.so"
	cc -shared -fuse-ld="$linker" -Wl,--version-script="$scratch/versions.map" "$@" -o "$scratch/versions.so" &&
		nm -D "$scratch/versions.so" | cut -c 18- | grep 'foo\|use' | sort
}
symbol_versions() {
	parwrite -j 2 -o "$scratch/versions.o" "$scratch/version_uses.o" "$scratch/version_has.o" &&
		dynamic_symbols "$1" "$scratch/version_uses.o" "$scratch/version_has.o" >"$scratch/want" &&
		dynamic_symbols "$1" "$scratch/versions.o" >"$scratch/got" && diff "$scratch/want" "$scratch/got" &&
		grep 'foo@@V1' "$scratch/got" && grep 'foo@V0' "$scratch/got"
}
cc -fPIC -c "$programs/version_has.c" -o "$scratch/version_has.o" && cc -fPIC -c "$programs/version_uses.c" -o "$scratch/version_uses.o" || exit 99
echo 'V0 { global: foo; local: *; }; V1 { global: foo; use*; } V0;' >"$scratch/versions.map"
for linker in $linkers; do
	if there_is ld.$linker || there_is $linker; then
		try "symbol versions: $linker makes the same of them" symbol_versions $linker
	fi
done

# All of the C library, linked statically.
file_of() { cc -print-file-name="$1"; }
static_program() { # the start files are in it, too: else libc.a's own would come in for their symbols
	parwrite -o "$scratch/hello.o" --no-whole-archive "$(file_of crt1.o)" "$(file_of crti.o)" "$(file_of crtbeginT.o)" \
		"$scratch/hello_main.o" "$1" "$(file_of libgcc.a)" "$(file_of libgcc_eh.a)" "$(file_of crtend.o)" "$(file_of crtn.o)" &&
		cc -static -nostdlib "$scratch/hello.o" -o "$scratch/hello" && test "$("$scratch/hello")" = "hello 3.50"
}
whole_libc() { parwrite -j 2 --check-overlap -o "$scratch/libc.o" "$1" && ! readelf -aW "$scratch/libc.o" 2>&1 >/dev/null | grep .; }
libc=$(cc -print-file-name=libc.a)
if [ -f "$libc" ]; then
	printf '#include <stdio.h>\nint main(void) { printf("%%s %%.2f\\n", "hello", 3.5); return 0; }\n' | cc -c -x c - -o "$scratch/hello_main.o"
	try "libc.a: a static program" static_program "$libc"
	try "libc.a: all of it" whole_libc "$libc"
else
	skip "libc.a" "not installed"
fi

# -------------------------------------------------------------------- other machines

# cross COMPILER EMULATOR FLAG...: linked by that machine's linker and run.
cross() {
	driver=$1 emulator=$2
	shift 2
	there_is "$driver" && there_is "$emulator" || { skip "$driver $*" "not installed, or no $emulator"; return; }
	for unit in main there; do
		"$driver" "$@" -c "$programs/cross_$unit.c" -o "$scratch/cross_$unit.o" || exit 99
	done
	"$driver" "$@" -static "$scratch/cross_main.o" "$scratch/cross_there.o" -o "$scratch/cross.parts" || exit 99
	"$emulator" "$scratch/cross.parts" >"$scratch/want"
	want_status=$?
	name=cross
	try "$driver $*: combined" combine_all "$scratch/cross_main.o" "$scratch/cross_there.o"
	try "$driver $*: linked and run, it says the same" cross_says "$driver" "$emulator" "$@"
	try "$driver $*: the same bytes from any number of threads, by any backend" threads "$scratch/cross_main.o" "$scratch/cross_there.o"
	try "$driver $*: combined again" cross_again "$driver" "$emulator" "$@"
}
cross_again() {
	parwrite -o "$scratch/cross.again.o" "$scratch/cross.all.o" && mv "$scratch/cross.again.o" "$scratch/cross.all.o" &&
		cross_says "$@"
}
cross_says() {
	driver=$1 emulator=$2
	shift 2
	rm -f "$scratch/cross.run"
	readelf -aW "$scratch/cross.all.o" 2>&1 >/dev/null | grep . && return 1
	"$driver" "$@" -static "$scratch/cross.all.o" -o "$scratch/cross.run" || return 1
	"$emulator" "$scratch/cross.run" >"$scratch/got"
	[ $? -eq "$want_status" ] && diff "$scratch/want" "$scratch/got"
}
for flags in "-O2 -g" "-O1 -ffunction-sections -fdata-sections -fPIC"; do
	# shellcheck disable=SC2086 # words
	{
		cross s390x-linux-gnu-gcc qemu-s390x $flags
		cross i686-linux-gnu-gcc qemu-i386 $flags
		all_of_it || break
		cross aarch64-linux-gnu-gcc qemu-aarch64 $flags
		cross mips64el-linux-gnuabi64-gcc qemu-mips64el $flags
		cross arm-linux-gnueabihf-gcc qemu-arm $flags
	}
done

# ------------------------------------------------------------------ kinds of archives

for unit in one two main; do
	cc -O1 -g -c "$programs/parts_$unit.c" -o "$scratch/a-rather-long-name-of-parts_$unit.o" || exit 99
done
parts="$scratch/a-rather-long-name-of-parts_one.o $scratch/a-rather-long-name-of-parts_two.o $scratch/a-rather-long-name-of-parts_main.o"
combined_is_the_same() { # MADE-BY: the bytes from the objects are those from the archive
	parwrite -o "$scratch/plain.o" $parts && parwrite -o "$scratch/archived.o" "$1" &&
		cmp "$scratch/plain.o" "$scratch/archived.o"
}
gnu_archive() { rm -f "$scratch/$1.a"; (cd "$scratch" && ar "$2" "$1.a" $(for p in $parts; do basename "$p"; done)) && combined_is_the_same "$scratch/$1.a"; }
bsd_archive() { rm -f "$scratch/bsd.a"; llvm-ar --format=bsd rcs "$scratch/bsd.a" $parts && combined_is_the_same "$scratch/bsd.a"; }
nested_archive() { # of one archive in a thin one
	(cd "$scratch" && mkdir -p deeper && rm -f deeper/inner.a nested.a &&
		ar rc deeper/inner.a $(for p in $parts; do basename "$p"; done) && ar rcT nested.a deeper/inner.a) &&
		head -c 8 "$scratch/nested.a" | grep -q thin && (cd / && combined_is_the_same "$scratch/nested.a")
}
try "an archive" gnu_archive plain rcs
try "an archive without an index" gnu_archive bare rcS
try "a thin archive" gnu_archive thin rcsT
try "a thin archive of an archive" nested_archive
if there_is llvm-ar; then
	try "a BSD archive" bsd_archive
else
	skip "a BSD archive" "no llvm-ar"
fi

# ----------------------------------------------------------------------- selection

library() {
	ar rcs "$scratch/libparts.a" $parts
	parwrite -o "$scratch/lazy.o" --no-whole-archive "$scratch/a-rather-long-name-of-parts_main.o" -L "$scratch" -lparts &&
		nm "$scratch/lazy.o" >"$scratch/lazy.nm" && grep ' T one' "$scratch/lazy.nm" && ! grep two_only "$scratch/lazy.nm"
}
by_file_name() {
	parwrite -o "$scratch/named.o" -L/nonexistent -L"$scratch" --no-whole-archive "$scratch/a-rather-long-name-of-parts_main.o" -l:libparts.a &&
		cmp "$scratch/named.o" "$scratch/lazy.o"
}
whole_again() {
	parwrite -o "$scratch/whole.o" --no-whole-archive --whole-archive "$scratch/libparts.a" && nm "$scratch/whole.o" | grep two_only
}
no_such_library() { ! parwrite -o "$scratch/none.o" -L "$scratch" -lnone 2>"$scratch/message" && grep 'no libnone.a' "$scratch/message"; }
try "--no-whole-archive: what is referred to, and not the rest" library
try "-l :FILE" by_file_name
try "--whole-archive again" whole_again
try "-l of what is not there" no_such_library

# -------------------------------------------------------------------------- stripping

symbols_of() { readelf -sW "$1" | awk '$4 != "SECTION" && $8 != "" { print $4, $5, $8 }' | sort; }
like_ld() { # OPTION: the symbols of ld -r with the same option
	parwrite "$1" -o "$scratch/ours.o" $parts && ld -r "$1" -o "$scratch/ld.o" $parts &&
		symbols_of "$scratch/ours.o" >"$scratch/ours.symbols" && symbols_of "$scratch/ld.o" >"$scratch/ld.symbols" &&
		diff "$scratch/ld.symbols" "$scratch/ours.symbols" && cc "$scratch/ours.o" -o "$scratch/stripped" && "$scratch/stripped"
}
no_debug() { like_ld -S && ! readelf -SW "$scratch/ours.o" | grep debug; }
try "-S" no_debug
try "-X" like_ld -X
try "-x" like_ld -x

# ------------------------------------------------------------------- many sections

many() { # FILE FIRST N: an object with that many sections
	awk -v first="$2" -v n="$3" 'BEGIN {
		for (i = first; i < first + n; i++)
			printf "\t.section .data.s%d,\"aw\"\n\t.globl s%d\ns%d:\t.long %d\n", i, i, i, i
	}' | cc -c -x assembler - -o "$1"
}
count_sections() { readelf -hW "$1" | sed -n 's/.*Number of section headers: *[0-9]* *(\([0-9]*\)).*/\1/p'; }
sums() { # OBJECT N: a program that adds up what the sections hold
	awk -v n="$2" 'BEGIN {
		print "#include <stdio.h>"
		for (i = 0; i < n; i += 1000) printf "extern int s%d;\n", i
		print "int main(void) { int sum = 0;"
		for (i = 0; i < n; i += 1000) printf "sum += s%d;\n", i
		print "printf(\"%d\\n\", sum); return 0; }"
	}' >"$scratch/sums.c"
	cc "$scratch/sums.c" "$1" -o "$scratch/sums" &&
		test "$("$scratch/sums")" = "$(awk -v n="$2" 'BEGIN { for (i = 0; i < n; i += 1000) s += i; print s }')"
}
many_out() {
	many "$scratch/many1.o" 0 33000 && many "$scratch/many2.o" 33000 33000 &&
		parwrite -j 2 --check-overlap -o "$scratch/many.o" "$scratch/many1.o" "$scratch/many2.o" &&
		test "$(count_sections "$scratch/many.o")" -gt 66000 && sums "$scratch/many.o" 66000
}
many_in() {
	parwrite -j 2 -o "$scratch/many-again.o" "$scratch/many.o" && sums "$scratch/many-again.o" 66000 &&
		! readelf -aW "$scratch/many-again.o" 2>&1 >/dev/null | grep .
}
try "66,000 sections in the output" many_out
try "66,000 sections in an input" many_in

# -------------------------------------------------------------------- sections by rules

assemble() { cc -c -x assembler - -o "$scratch/$1.o"; }
property() { # NAME MARKS: .note.gnu.property with GNU_PROPERTY_X86_FEATURE_1_AND
	printf '\t.section .note.gnu.property,"a"\n\t.p2align 3\n\t.long 4,16,5\n\t.asciz "GNU"\n\t.long 0xc0000002,4,%s,0\n\t.section .note.GNU-stack,"",@progbits\n' "$2" | assemble "$1"
}
properties() {
	property both 3 && property ibt 1 && property shstk 2 && printf '\t.text\n' | assemble bare &&
		parwrite -o "$scratch/p.o" "$scratch/both.o" "$scratch/ibt.o" && readelf -nW "$scratch/p.o" | grep 'x86 feature: IBT$' &&
		parwrite -o "$scratch/p.o" "$scratch/both.o" "$scratch/both.o" && readelf -nW "$scratch/p.o" | grep 'IBT, SHSTK$' &&
		parwrite -o "$scratch/p.o" "$scratch/shstk.o" "$scratch/ibt.o" && ! readelf -SW "$scratch/p.o" | grep gnu.property &&
		parwrite -o "$scratch/p.o" "$scratch/both.o" "$scratch/bare.o" && ! readelf -SW "$scratch/p.o" | grep gnu.property
}
stack_is() { readelf -SW "$scratch/p.o" | grep 'note.GNU-stack' | grep -q "$1"; }
stack_notes() {
	printf '\t.section .note.GNU-stack,"x",@progbits\n' | assemble executable &&
		parwrite -o "$scratch/p.o" "$scratch/both.o" "$scratch/executable.o" && stack_is ' X ' &&
		parwrite -o "$scratch/p.o" "$scratch/both.o" "$scratch/bare.o" && stack_is ' X ' &&
		parwrite -o "$scratch/p.o" "$scratch/both.o" "$scratch/both.o" && ! stack_is ' X ' && stack_is ' 0 '
}
# Tables that are ordered by functions, and come in another order than these: so must end as the functions do.
ordered() {
	for n in 1 2; do
		cat <<-END | assemble "ordered$n" || return 1
			.section .text.f,"ax"
			.globl a$n
			a$n: .byte 0x31, 0xc0, 0xc3, $n
			.section .text.f,"ax",@progbits,unique,1
			b$n: .byte 0x31, 0xc0, 0xc3, $n
			.section table,"awo",@progbits,b$n
			.quad b$n
			.section table,"awo",@progbits,a$n
			.quad a$n
			.section .note.GNU-stack,"",@progbits
		END
	done
	cat <<-'END' | cc -c -x c - -o "$scratch/ordered_main.o"
		extern char *__start_table[], *__stop_table[];
		int main(void)
		{
			int i, n = (int)(__stop_table - __start_table);
			for (i = 1; i < n; i++)
				if (__start_table[i - 1] >= __start_table[i])
					return 1;
			return n == 4 ? 0 : 2;
		}
	END
	parwrite -o "$scratch/p.o" "$scratch/ordered_main.o" "$scratch/ordered1.o" "$scratch/ordered2.o" &&
		test "$(readelf -SW "$scratch/p.o" | grep -c ' table .* WAL ')" = 1 &&
		cc "$scratch/p.o" -o "$scratch/ordered" && "$scratch/ordered"
}
# .init is one function in pieces: what is between them is run.
init_padding() {
	printf '\t.section .init,"ax"\n\tnop\n\t.section .note.GNU-stack,"",@progbits\n' | assemble init1
	printf '\t.section .init,"ax"\n\t.p2align 4\n\tnop\n\t.section .note.GNU-stack,"",@progbits\n' | assemble init2
	echo 'int main(void) { return 0; }' | cc -c -x c - -o "$scratch/init_main.o"
	parwrite -o "$scratch/p.o" "$scratch/init1.o" "$scratch/init2.o" "$scratch/init_main.o" &&
		cc "$scratch/p.o" -o "$scratch/init" && "$scratch/init"
}
# The address lists of debug information: of a discarded function's section they tell of the kept one's.
kept_in_debug() {
	for n in 1 2; do
		printf 'inline int shared(int x) { return x * 3; }\nint use%s(int x) { return shared(x); }\nint more%s() { return %s; }\n' $n $n $n |
			g++ -O0 -gdwarf-4 -ffunction-sections -x c++ -c - -o "$scratch/ranges$n.o" || return 1
	done
	parwrite -o "$scratch/p.o" "$scratch/ranges1.o" "$scratch/ranges2.o" && ld -r -o "$scratch/ld.o" "$scratch/ranges1.o" "$scratch/ranges2.o" &&
		for o in p ld; do
			readelf -rW "$scratch/$o.o" | awk '/^Relocation section/ { want = /debug_ranges/ } want && /R_X86/ { print $3, $5 }' >"$scratch/$o.ranges"
		done && test -s "$scratch/ld.ranges" && diff "$scratch/ld.ranges" "$scratch/p.ranges"
}
twice_identified() { # the last one counts
	parwrite --build-id -o "$scratch/id1.o" $parts && parwrite --build-id -o "$scratch/id2.o" "$scratch/id1.o" &&
		test "$(readelf -SW "$scratch/id2.o" | grep -c build-id)" = 1 && parwrite -o "$scratch/id3.o" "$scratch/id2.o" &&
		! readelf -SW "$scratch/id3.o" | grep build-id
}
# 32 bits hold no 5 GB.
too_large() {
	for n in 1 2; do
		printf '\t.section .bss,"aw",@nobits\n\t.globl h%s\nh%s:\t.zero 0xb0000004\n' $n $n | i686-linux-gnu-gcc -c -x assembler - -o "$scratch/large$n.o" || return 1
	done
	refused 'section .bss: too large' "$scratch/large1.o" "$scratch/large2.o"
}
of_ld() { # an object made by another linker's -r
	ld -r -o "$scratch/ld.o" $parts && parwrite -o "$scratch/p.o" "$scratch/ld.o" && cc "$scratch/p.o" -o "$scratch/of_ld" && "$scratch/of_ld"
}
try "an object of ld -r" of_ld
case $(uname -m) in
x86_64)
	try ".note.gnu.property: what holds for all, holds for the output" properties
	try ".note.GNU-stack: executable if any says so, or says nothing" stack_notes
	try "SHF_LINK_ORDER" ordered
	try "padding in .init" init_padding
	if there_is g++; then
		try "debug information of what was discarded" kept_in_debug
	else
		skip "debug information of what was discarded" "no g++"
	fi
	if there_is i686-linux-gnu-gcc; then
		try "a section too large for 32 bits" too_large
	else
		skip "a section too large for 32 bits" "no i686-linux-gnu-gcc"
	fi
	;;
esac

# ------------------------------------------------------------------------- bad input
#
# What check-parwrite.sh does to the headers of an object, here to all bytes of one that has everything.

step=${OUTBUF_TEST_EVERY:-1}
[ -z "${VALGRIND-}" ] || step=$((step * 3))
cat <<'END' | cc -O1 -x c++ -std=c++17 -c - -o "$scratch/rich.o"
template <class T> struct S { static T n; virtual T f() { return g(); } T g(); };
template <class T> T S<T>::n = 1;
int use() { S<int> s; return s.f() + S<int>::n; }
END
damage() { # MODE FILE STEP [FIRST LAST]
	mode=$1 file=$2
	seq "${4:-0}" $(($3 * step)) "${5:-$(($(wc -c <"$file") - 1))}" |
		"$abs_top_builddir/tests/scripts/damage" "$mode" "$file" "$scratch/damaged" "$out" \
			${VALGRIND:+$VALGRIND -q --error-exitcode=9} "$real" -j 2 -o "$out"
}
try "every byte of an object set" damage set "$scratch/rich.o" 3
try "... and cleared" damage clear "$scratch/rich.o" 10
try "... and eight of them at once" damage words "$scratch/rich.o" 13
try "an object cut short" damage cut "$scratch/rich.o" 61
# To the end of the first member's header, and around the second one's; of all kinds.
rm -f "$scratch"/rich.a "$scratch"/thin.a "$scratch"/bsd.a
(cd "$scratch" && second=$(basename "${parts%% *}") && ar rcS rich.a "$second" rich.o && ar rcST thin.a "$second" rich.o &&
	{ ! there_is llvm-ar || llvm-ar --format=bsd rcS bsd.a "$second" rich.o; })
archive_damage() { # MODE NAME STEP
	size=$(wc -c <"$scratch/$2.a") first=$(wc -c <"$scratch/a-rather-long-name-of-parts_one.o")
	damage "$1" "$scratch/$2.a" "$3" 8 $((size < 260 ? size - 1 : 260)) || return 1
	[ "$size" -lt 1000 ] || damage "$1" "$scratch/$2.a" "$3" $((first + 128)) $((first + 340))
}
for kind in rich thin bsd; do
	[ -f "$scratch/$kind.a" ] || continue
	try "an archive's headers ($kind), bytes set" archive_damage set $kind 2
	try "... bytes cleared" archive_damage clear $kind 5
	try "... words set" archive_damage words $kind 7
done
# A nested member that would begin where the file nearly ends.
nested_end() {
	head -c 4096 /dev/zero | tr '\0' x >"$scratch/end.bin"
	for at in 4036 4037 4090 4096 9999; do
		{
			echo '!<thin>'
			printf '%-48s%-10s`\nend.bin/\n\n' // 10
			printf '%-48s%-10s`\n' "/0:$at" 60
		} >"$scratch/end.a"
		refused "end.bin has no member at offset $at" "$scratch/end.a" || return 1
	done
}
try "a member at the end of what has none" nested_end

ten_thousand() { # and no more descriptors than a few
	echo 'static int quiet; static int *g(void) { return &quiet; } static int *(*volatile p)(void) = g;' |
		cc -c -x c - -o "$scratch/one.o"
	awk -v o="$scratch/one.o" 'BEGIN { for (i = 0; i < 10000; i++) print o }' >"$scratch/list"
	# shellcheck disable=SC3045 # dash and bash have it
	(ulimit -n 64 && parwrite --stats -o "$scratch/p.o" "@$scratch/list") >"$scratch/stats" && grep -x 'objects: 10000' "$scratch/stats"
}
try "10,000 inputs" ten_thousand

# ------------------------------------------------------------------------ other output

map_file() {
	parwrite -Map "$scratch/map" -o "$scratch/p.o" $parts && grep -q ' \.text$' "$scratch/map" &&
		test "$(grep -c 'parts_one.o$' "$scratch/map")" -gt 2
}
# Each section's bytes were written by somebody, once, within a task of his, within a step of the main thread.
trace_file() {
	parwrite --trace "$scratch/trace" -j 2 -o "$scratch/p.o" $parts && readelf -SW "$scratch/p.o" >"$scratch/sections" || return 1
	python3 - "$scratch/trace" "$scratch/sections" <<'END'
import json, re, sys
events = json.load(open(sys.argv[1]))["traceEvents"]
def kind(key): return [e for e in events if (key in e.get("args", {})) == (key != "") and (key or "args" not in e)]
spans, tasks, steps = kind("size"), kind("task"), kind("")
def lies_in(e, others, same):
    return any(o["ts"] <= e["ts"] and e["ts"] + e["dur"] <= o["ts"] + o["dur"] + 0.001 and (not same or o["tid"] == e["tid"]) for o in others)
assert steps and all(lies_in(t, steps, False) for t in tasks) and all(lies_in(s, tasks, True) for s in spans)
sections = 0
for line in open(sys.argv[2]):
    m = re.match(r" *\[ *\d+\] (\S+) +(\S+) +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)", line)
    if not m or m[2] in ("NOBITS", "SYMTAB", "STRTAB") or int(m[4], 16) == 0:
        continue
    at, end = int(m[3], 16), int(m[3], 16) + int(m[4], 16)
    mine = sorted((s["args"]["offset"], s["args"]["size"]) for s in spans if s["name"] == m[1] and at <= s["args"]["offset"] < end)
    for offset, size in mine:
        assert at <= offset, (m[1], "twice")
        at = offset + size
    # What is behind the last piece is nothing, between them is padding.
    assert mine and at == end, m[1]
    sections += 1
assert sections > 10, sections
END
}
json_statistics() {
	parwrite --stats=json -o "$scratch/p.o" $parts >"$scratch/stats" && python3 -m json.tool "$scratch/stats" >"$scratch/json" &&
		grep -q '"objects": 3' "$scratch/json"
}
build_id_of() { readelf -nW "$1" | sed -n 's/.*Build ID: //p'; }
build_id() { # by the bytes, whoever writes them
	parwrite --build-id -j 1 -o "$scratch/id1.o" $parts && parwrite --build-id=sha1 -j 3 --no-map -o "$scratch/id2.o" $parts &&
		cmp "$scratch/id1.o" "$scratch/id2.o" && test "$(build_id_of "$scratch/id1.o" | wc -c)" = 41 &&
		parwrite --build-id -S -o "$scratch/id3.o" $parts && test "$(build_id_of "$scratch/id1.o")" != "$(build_id_of "$scratch/id3.o")" &&
		parwrite --build-id=0xDEADbeef01 -o "$scratch/id4.o" $parts && test "$(build_id_of "$scratch/id4.o")" = deadbeef01 &&
		parwrite --build-id=none -o "$scratch/id5.o" $parts && test -z "$(build_id_of "$scratch/id5.o")" &&
		parwrite --build-id=uuid -o "$scratch/id6.o" $parts && test "$(build_id_of "$scratch/id6.o" | wc -c)" = 33 &&
		! parwrite --build-id=0x1 -o "$scratch/id7.o" $parts
}
case $(parwrite --build-id=fast -o "$scratch/p.o" $parts 2>&1) in
*'built without libxxhash'*) skip "--build-id" "built without libxxhash" ;;
*)
	try "--build-id" build_id
	try "--build-id of what has one" twice_identified
	;;
esac
try "-Map" map_file
if there_is python3; then
	try "--trace" trace_file
	try "--stats=json" json_statistics
else
	skip "--trace and --stats=json" "no python3 to read it"
fi
tap_end
