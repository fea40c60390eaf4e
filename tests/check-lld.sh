#!/bin/sh
# SPDX-License-Identifier: MIT
# The unmodified ld.lld, and other tools of LLVM's, with the shim of examples/lld make the same bytes as without, and keep the old output
# if they fail or are killed. Outputs are in $OUTBUF_TEST_DIR, if it is set. Of full disks: each-way.sh.
. "$abs_top_srcdir/tests/scripts/tap.sh"

shim=$abs_top_builddir/examples/lld/outbuf_lld.so
if [ ! -e "$shim" ]; then
	skip "ld.lld with the shim" "not built: no C++ compiler, or no headers of LLVM (Debian: llvm-14-dev)"
	tap_end
	exit
fi
# The tools of the LLVM that it was built for.
version=$(cat "$abs_top_builddir/examples/lld/version")
tool() { command -v "$1-$version"; }
lld=$(tool ld.lld)
if [ -z "$lld" ] || ! ldd "$lld" | grep -q libLLVM; then
	skip "ld.lld with the shim" "no ld.lld-$version, or it is linked statically"
	tap_end
	exit
fi

outputs=$scratch/outputs
[ -z "${OUTBUF_TEST_DIR-}" ] || outputs=$(mktemp -d "$OUTBUF_TEST_DIR/lld-XXXXXX")
mkdir -p "$outputs" "$scratch/stock" "$scratch/ours" "$scratch/told"
with() { # run something with the shim
	env LD_PRELOAD="$shim" OUTBUF_GUARD="${guard-1}" "$@"
}
# By gcc's name for it, so that gcc finds one or the other.
printf '#!/bin/sh\nexec %s "$@"\n' "$lld" >"$scratch/stock/ld.lld"
printf '#!/bin/sh\nLD_PRELOAD=%s OUTBUF_GUARD=1 exec %s "$@"\n' "$shim" "$lld" >"$scratch/ours/ld.lld"
# The same, and what the shim tells goes to a file: that it was there.
cat >"$scratch/told/ld.lld" <<END
#!/bin/sh
OUTBUF_STATS=1 "$scratch/ours/ld.lld" "\$@" 2>"$scratch/stderr"
status=\$?
grep '^outbuf: ' "$scratch/stderr" >"$scratch/told.by"
grep -v '^outbuf: ' "$scratch/stderr" >&2
exit \$status
END
chmod +x "$scratch"/*/ld.lld
# Was it written by the shim, and mapped, if that was asked for and can be?
told() {
	cat "$scratch/told.by"
	case ${OUTBUF_MAP-}/${OUTBUF_FS-} in
	yes/bindfs | yes/vfat) grep -q '^outbuf: .*/out: ' "$scratch/told.by" ;;
	yes/*) grep -q '^outbuf: .*/out: .* [1-9][0-9]* mapped' "$scratch/told.by" ;;
	*) grep -q '^outbuf: .*/out: .* 0 mapped' "$scratch/told.by" ;;
	esac
}

cat >"$scratch/hello.c" <<'END'
#include <stdio.h>
int counted = 3;
int main(void) { for (int i = 0; i < counted; i++) printf("hello %d\n", i); return 0; }
END
cat >"$scratch/hello.cc" <<'END'
#include <iostream>
#include <map>
#include <stdexcept>
int main()
{
	std::map<int, std::string> words{ { 2, "world" }, { 1, "hello" } };
	try {
		for (auto &w : words)
			std::cout << w.second << '\n';
		throw std::runtime_error("caught");
	} catch (const std::exception &e) {
		std::cout << e.what() << '\n';
	}
}
END
printf 'int twice(int x) { return x * 2; }\n' >"$scratch/part.c"
printf '#include <string>\nstd::string twice(const std::string &s) { return s + s; }\n' >"$scratch/part.cc"
printf 'SECTIONS { . = 0x400000 + SIZEOF_HEADERS; .all : { *(.text .text.*) *(.rodata .rodata.*) *(.data .data.*) } }\n' >"$scratch/script.ld"
gcc -g -ggnu-pubnames -O1 -c "$scratch/hello.c" -o "$scratch/hello.o" && gcc -O1 -fPIC -c "$scratch/part.c" -o "$scratch/part.o" &&
	g++ -g -O1 -c "$scratch/hello.cc" -o "$scratch/hello_cc.o" && g++ -O1 -fPIC -c "$scratch/part.cc" -o "$scratch/part_cc.o" || exit 99

# same NAME RUNS COMMAND...: the words after "OUT" are two files, by one and the other; the same bytes and mode; RUNS: yes, or no.
same() {
	runs=$1
	shift
	for who in stock told; do
		rm -f "$outputs/out"
		# shellcheck disable=SC2086 # a word
		sh -c '"$@"' sh "$@" -fuse-ld=lld -B"$scratch/$who" -o "$outputs/out" || return 1
		cp -p "$outputs/out" "$scratch/out.$who"
		[ "$runs" = no ] || "$outputs/out" >"$scratch/words.$who" || return 1
	done
	told && cmp "$scratch/out.stock" "$scratch/out.told" &&
		test "$(stat -c %a "$scratch/out.stock")" = "$(stat -c %a "$scratch/out.told")" || return 1
	[ "$runs" = no ] || diff "$scratch/words.stock" "$scratch/words.told"
}
# The same for lld itself.
same_ld() {
	rm -f "$scratch"/out.*
	for who in stock told; do
		rm -f "$outputs/out"
		"$scratch/$who/ld.lld" "$@" -o "$outputs/out" && cp -p "$outputs/out" "$scratch/out.$who" || return 1
	done
	told && cmp "$scratch/out.stock" "$scratch/out.told" && test "$(stat -c %a "$scratch/out.stock")" = "$(stat -c %a "$scratch/out.told")"
}

try "a program in C" same yes gcc "$scratch/hello.o"
try "... static" same yes gcc -static "$scratch/hello.o"
try "... not PIE" same yes gcc -no-pie "$scratch/hello.o"
try "a program in C++" same yes g++ "$scratch/hello_cc.o"
try "... static" same yes g++ -static "$scratch/hello_cc.o"
try "a shared library" same no gcc -shared "$scratch/part.o"
try "a shared library in C++" same no g++ -shared "$scratch/part_cc.o"
try "--compress-debug-sections=zlib" same yes gcc -Wl,--compress-debug-sections=zlib "$scratch/hello.o"
try "--gdb-index" same yes gcc -Wl,--gdb-index "$scratch/hello.o"
try "--build-id=sha1" same yes gcc -Wl,--build-id=sha1 "$scratch/hello.o"
try "--threads=1" same yes gcc -Wl,--threads=1 "$scratch/hello.o"
try "--no-mmap-output-file" same yes gcc -Wl,--no-mmap-output-file "$scratch/hello.o"
# Small as these are, the shim would not.
mapped() { (export OUTBUF_MAP=yes && "$@"); }
try "a program in C, mapped" mapped same yes gcc "$scratch/hello.o"
try "-r" same_ld -r "$scratch/hello.o" "$scratch/part.o"
try "a linker script" same_ld -T "$scratch/script.ld" -e 0 "$scratch/part.o"
try "--oformat binary" same_ld --oformat binary -e 0 "$scratch/part.o"
# All of LLVM itself, more than 100 MB.
archives=$("llvm-config-$version" --libdir 2>/dev/null)
if ls "$archives"/libLLVM*.a >/dev/null 2>&1; then
	find "$archives" -maxdepth 1 -name '*.a' ! -name '*Polly*' | sort >"$scratch/archives"
	try "LLVM's $(wc -l <"$scratch/archives") archives, whole" same_ld --whole-archive --unresolved-symbols=ignore-all -e 0 "@$scratch/archives"
	all_of_it && try "... mapped" mapped same_ld --whole-archive --unresolved-symbols=ignore-all -e 0 "@$scratch/archives"
	rm -f "$scratch"/out.* "$outputs/out"
else
	skip "LLVM's archives, whole" "not installed"
fi
# What else writes by FileOutputBuffer. same_tool COMMAND...: "OUT" is its output.
same_tool() {
	for who in stock ours; do
		rm -f "$outputs/OUT"
		case $who in
		stock) (cd "$outputs" && "$@") || return 1 ;;
		ours) (cd "$outputs" && OUTBUF_STATS=1 with "$@") 2>"$scratch/message" || return 1 ;;
		esac
		mv "$outputs/OUT" "$scratch/out.$who" || return 1
	done
	cat "$scratch/message"
	grep -q '^outbuf: .*OUT: ' "$scratch/message" && test -s "$scratch/out.ours" && cmp "$scratch/out.stock" "$scratch/out.ours"
}
# Which of its tools do has changed: 14's llvm-objcopy writes sections so; no llvm-strip or dsymutil writes anything so.
writes_so() { program=$(tool "$1") && readelf -W --dyn-syms "$program" 2>/dev/null | grep -q 'UND.*FileOutputBuffer'; }
gcc -g "$scratch/hello.o" -o "$scratch/program" || exit 99
if writes_so llvm-objcopy; then
	try "llvm-objcopy --dump-section" same_tool "$program" --dump-section .text=OUT "$scratch/program" "$scratch/copy"
fi
# Not written so, but by a program that has the shim loaded: loaded TOOL, and what its output's path stands behind.
loaded() {
	program=$(tool "$1")
	shift
	"$program" "$scratch/program" "$@" "$outputs/stock" && with "$program" "$scratch/program" "$@" "$outputs/ours" && cmp "$outputs/stock" "$outputs/ours"
}
[ -z "$(tool llvm-strip)" ] || try "llvm-strip" loaded llvm-strip -o
[ -z "$(tool llvm-objcopy)" ] || try "llvm-objcopy" loaded llvm-objcopy
if writes_so llvm-windres; then
	printf '1 RCDATA { 1, 2, 3 }\n' >"$scratch/resource.rc"
	try "llvm-windres" same_tool "$program" -O coff "$scratch/resource.rc" OUT
fi
# lld for other systems: any clang can compile for them.
foreign() { # NAME TARGET ARGUMENT...
	what=$1 target=$2
	shift 2
	if writes_so "$what" && clang --target="$target" -O1 -c "$scratch/foreign.c" -o "$scratch/$what.o" 2>/dev/null; then
		try "$what" same_tool "$program" "$scratch/$what.o" "$@"
	else
		skip "$what" "not installed, or no clang for $target"
	fi
}
printf 'int start(void) { return 42; }\n' >"$scratch/foreign.c"
foreign wasm-ld wasm32 --no-entry --export=start -o OUT
foreign lld-link x86_64-windows-msvc /entry:start /subsystem:console /nodefaultlib /Brepro /out:OUT
foreign ld64.lld x86_64-apple-macos11 -arch x86_64 -platform_version macos 11 11 -dylib -undefined dynamic_lookup -o OUT

to_standard_output() {
	"$scratch/stock/ld.lld" -r "$scratch/part.o" -o - >"$scratch/out.stock" && "$scratch/ours/ld.lld" -r "$scratch/part.o" -o - >"$scratch/out.ours" &&
		test -s "$scratch/out.ours" && cmp "$scratch/out.stock" "$scratch/out.ours"
}
to_a_device() { "$scratch/ours/ld.lld" -r "$scratch/part.o" -o /dev/null && test -c /dev/null; }
to_a_pipe() {
	mkfifo "$scratch/pipe" && { timeout 20 cat "$scratch/pipe" >"$scratch/out.ours" & } && "$scratch/ours/ld.lld" -r "$scratch/part.o" -o "$scratch/pipe" && wait &&
		"$scratch/stock/ld.lld" -r "$scratch/part.o" -o "$scratch/out.stock" && test -p "$scratch/pipe" && cmp "$scratch/out.stock" "$scratch/out.ours"
}
to_a_directory() {
	mkdir "$outputs/directory" || return 1
	"$scratch/ours/ld.lld" -r "$scratch/part.o" -o "$outputs/directory" 2>"$scratch/message"
	test $? -eq 1 && cat "$scratch/message" && grep -qi "directory: is a directory" "$scratch/message"
}
try "standard output" to_standard_output
try "a device is written to, not replaced" to_a_device
try "so is a pipe" to_a_pipe
try "a directory is an error" to_a_directory

# ------------------------------------------------------------- the old output

nothing_left() {
	set -- "$outputs"/.*outbuf* "$outputs"/*.tmp*
	for name; do
		[ ! -e "$name" ] || { echo "left: $name"; return 1; }
	done
}
# A second name for the old one; a copy where there are no links.
linked() { ln -f "$outputs/old" "$outputs/linked" || cp "$outputs/old" "$outputs/linked"; }
# A relocation that does not fit is met while the output is being written.
printf '.globl _start\n_start: .long far\n.globl far\nfar = 0x123456789\n' | gcc -c -x assembler - -o "$scratch/far.o" || exit 99
error_while_writing() {
	echo old >"$outputs/old" && linked
	"$scratch/ours/ld.lld" "$scratch/far.o" -o "$outputs/old" 2>"$scratch/message"
	test $? -eq 1 && cat "$scratch/message" && grep -q 'out of range' "$scratch/message" && test "$(cat "$outputs/old" "$outputs/linked")" = "$(printf 'old\nold')" && nothing_left
}
replaced() {
	echo old >"$outputs/old" && linked
	"$scratch/ours/ld.lld" -r "$scratch/part.o" -o "$outputs/old" && test "$(cat "$outputs/linked")" = old && cmp "$outputs/old" "$scratch/out.stock" && nothing_left
}
try "an error while it is written: the old output stays" error_while_writing
try "the new one replaces it, hard links keep the old" replaced

# Interrupted or killed at any time there is the old output or the new one.
big() { "$scratch/$1/ld.lld" -r --whole-archive "$archive" -o "$outputs/big"; }
archive=$(gcc -print-file-name=libstdc++.a)
killed() {
	big stock && mv "$outputs/big" "$scratch/new" && echo old >"$outputs/big" || return 1
	met=0
	for i in $(seq "${OUTBUF_TEST_KILLS:-30}"); do
		[ $((i % 3)) -eq 0 ] && map=yes || map=no
		OUTBUF_MAP=$map setsid "$scratch/ours/ld.lld" -r --whole-archive "$archive" -o "$outputs/big" 2>/dev/null &
		sleep "0.0$(((i * 37) % 90 + 10))"
		[ $((i % 2)) -eq 0 ] && signal=TERM || signal=KILL
		kill -$signal "$!" 2>/dev/null && met=$((met + 1))
		wait "$!" 2>/dev/null
		if [ "$(cat "$outputs/big")" = old ] 2>/dev/null; then
			continue
		fi
		cmp "$outputs/big" "$scratch/new" || return 1
		echo old >"$outputs/big"
	done
	echo "$met of them met it running"
	# What the last one may have left the next one removes.
	big ours && cmp "$outputs/big" "$scratch/new" && nothing_left && test "$met" -gt 0
}
two_at_once() {
	for _ in 1 2 3 4 5; do
		echo old >"$outputs/big"
		big ours &
		first=$!
		big ours || return 1
		wait $first || return 1
		cmp "$outputs/big" "$scratch/new" && nothing_left || return 1
	done
}
try "interrupted or killed, there is the old output or the new one" killed
try "two links at once to one output" two_at_once
again() {
	export OUTBUF_RECYCLE=1 OUTBUF_STATS=1
	for _ in 1 2 3; do
		big ours 2>"$scratch/message" && cmp "$outputs/big" "$scratch/new" || return 1
	done
	unset OUTBUF_RECYCLE OUTBUF_STATS
	cat "$scratch/message"
	# Where it cannot be, it says why.
	grep -q ', recycled, \|not recycled: ' "$scratch/message" && ! grep -q 'no spare' "$scratch/message"
}
try "again and again, recycling" again
try "... mapped" mapped again
statistics() { OUTBUF_STATS=1 big ours 2>"$scratch/message" && cat "$scratch/message" && grep -q "^outbuf: .*big: $(stat -c %s "$scratch/new") bytes" "$scratch/message"; }
try "OUTBUF_STATS=1 tells what was done" statistics

# Interrupted where files have hidden names: none is left, the old output stays, and the process ends as without the shim.
gcc -shared -fPIC "$abs_top_srcdir/tests/programs/interrupt_rename.c" -o "$scratch/interrupt_rename.so" || exit 99
interrupted() { # SIGNAL STATUS
	echo old >"$outputs/old"
	# What runs in the background of a shell ignores SIGINT.
	env --default-signal LD_PRELOAD="$shim $scratch/interrupt_rename.so" OUTBUF_PLACEMENT=named INTERRUPT="$1" timeout 60 "$lld" -r --whole-archive "$archive" \
		-o "$outputs/old" 2>"$scratch/message"
	status=$?
	echo "status $status"
	cat "$scratch/message"
	test $status -eq "$2" && test "$(cat "$outputs/old")" = old && nothing_left
}
try "SIGTERM: temporary files are removed" interrupted 15 143
try "SIGINT" interrupted 2 130
try "SIGHUP" interrupted 1 129
try "exit" interrupted 0 5

# --------------------------------------------------------- around a whole build

# Programs without libLLVM, whose symbols may all be looked up when they start.
around() { # COMMAND...: the same words, and no others, with the shim
	"$@" >"$scratch/words.stock" 2>&1 || return 1
	for now in "" 1; do
		env ${now:+LD_BIND_NOW=1} LD_PRELOAD="$shim" "$@" >"$scratch/words.ours" 2>&1
		status=$?
		diff "$scratch/words.stock" "$scratch/words.ours" && test $status -eq 0 || return 1
	done
}
try "a program without libLLVM" around /bin/true
try "a shell and what it starts" around sh -c 'echo a b | cat; exec ls /dev/null'
try "make" around make -f /dev/null --version
printf 'all:\n\t@gcc %s -o %s && %s\n' "$scratch/hello.c" "$scratch/made" "$scratch/made" >"$scratch/makefile"
try "a build" around env MAKEFLAGS= make -s -f "$scratch/makefile"
for other in clang rustc mold python3; do
	# Its own wrapper may not start here, which says nothing about the shim.
	! "$other" --version >/dev/null 2>&1 || try "$other" around "$other" --version
done
if command -v rustc >/dev/null && printf 'fn main() { println!("hello"); }\n' >"$scratch/hello.rs" &&
	rustc "$scratch/hello.rs" -o "$scratch/hello_rs" 2>/dev/null; then
	try "a program in Rust, whose compiler has its own libLLVM" around rustc "$scratch/hello.rs" -o "$scratch/hello_rs"
fi

# A libLLVM that only a plug-in of the program's knows: its functions are found where they are.
headers=$("llvm-config-$version" --includedir) libraries=$("llvm-config-$version" --libdir)
if g++ -std=c++17 -fPIC -shared -fno-exceptions -fno-rtti -DLLVM_DISABLE_ABI_BREAKING_CHECKS_ENFORCING=1 -isystem "$headers" \
	"$abs_top_srcdir/tests/programs/llvm_plugin.cc" -L"$libraries" -lLLVM-"$version" -o "$scratch/llvm_plugin.so" 2>"$scratch/plugin.log" &&
	gcc "$abs_top_srcdir/tests/programs/llvm_plugin_host.c" -ldl -o "$scratch/llvm_plugin_host"; then
	try "a plug-in with libLLVM" around "$scratch/llvm_plugin_host" "$scratch/llvm_plugin.so" "$outputs/plugged"
else
	skip "a plug-in with libLLVM" "$(tail -n 1 "$scratch/plugin.log")"
fi

# With libLLVM from the beginning, it is the shim's.
host_writes() {
	gcc "$abs_top_srcdir/tests/programs/llvm_plugin_host.c" -ldl -Wl,--no-as-needed -L"$libraries" -lLLVM-"$version" -o "$scratch/llvm_host" &&
		LD_PRELOAD="$shim" OUTBUF_STATS=1 "$scratch/llvm_host" "$scratch/llvm_plugin.so" "$outputs/plugged" >"$scratch/message" 2>&1
	status=$?
	cat "$scratch/message"
	test $status -eq 0 && grep -q '^outbuf: .*plugged: 6 bytes' "$scratch/message"
}
[ ! -e "$scratch/llvm_plugin_host" ] || try "a program with libLLVM, whose plug-in writes" host_writes

# Another version's symbols are not replaced.
other_version() {
	echo 'LLVM_OTHER { global: *; };' >"$scratch/other.map"
	gcc -DLIBRARY -fPIC -shared "$abs_top_srcdir/tests/programs/llvm_other.c" -Wl,--version-script="$scratch/other.map" -o "$scratch/libother.so" &&
		gcc "$abs_top_srcdir/tests/programs/llvm_other.c" "$scratch/libother.so" -Wl,-rpath,"$scratch" -o "$scratch/llvm_other" &&
		around "$scratch/llvm_other"
}
if readelf -W --dyn-syms "$lld" | grep -q 'FileOutputBuffer6create.*@LLVM'; then
	try "a program that uses another version of LLVM" other_version
else
	skip "a program that uses another version of LLVM" "the symbols of libLLVM-$version have no version"
fi

# ------------------------------------------------------------ limits of memory

# A control group of its own: too little memory for the output twice, so it is mapped. (check-lld-memory.sh has all
# places where the limit can be.)
limited() {
	(echo 0 >"$group/cgroup.procs" && OUTBUF_STATS=1 exec "$scratch/ours/ld.lld" -r --whole-archive "$archive" -o "$outputs/big") 2>"$scratch/message"
	status=$?
	cat "$scratch/message"
	test $status -eq 0 && grep -q '^outbuf: .*big: .* [1-9][0-9]* mapped' "$scratch/message"
}
group=
while read -r _ _ _ _ point _ rest; do
	case $rest in
	*"- cgroup "*memory*) limit=memory.limit_in_bytes ;;
	*"- cgroup2 "*) limit=memory.max ;;
	*) continue ;;
	esac
	group=$point/outbuf-lld.$$
	mkdir "$group" 2>/dev/null || { group= && continue; }
	echo 64M >"$group/$limit" 2>/dev/null && break
	rmdir "$group"
	group=
done </proc/self/mountinfo
case $group/${OUTBUF_FS-} in
/*/bindfs | /*/vfat | /*/btrfs) skip "little memory in a control group" "outputs are not mapped here" ;;
/*/*) try "little memory in a control group: the output is mapped" limited ;;
*) skip "little memory in a control group" "no control group can be made here" ;;
esac
[ -z "$group" ] || rmdir "$group"

rm -rf "$outputs"
tap_end
