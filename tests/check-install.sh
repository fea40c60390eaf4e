#!/bin/sh
# SPDX-License-Identifier: MIT
# Install into a staging directory and use it as a stranger would: through pkg-config, in C and,
# where there is a compiler, C++; shared and static.
. "$abs_top_srcdir/tests/scripts/tap.sh"

stage=$scratch/stage
hello=$abs_top_srcdir/examples/01_hello.c
PKG_CONFIG_LIBDIR=$stage$libdir/pkgconfig
PKG_CONFIG_SYSROOT_DIR=$stage
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
LD_LIBRARY_PATH=$stage$libdir
export LD_LIBRARY_PATH

install() { (cd "$abs_top_builddir" && MAKEFLAGS='' $MAKE install DESTDIR="$stage"); }

shared() {
	flags=$(pkg-config --cflags --libs outbuf) || return 1
	# The flags are words; the sanitizer's, if any, are in CFLAGS and LDFLAGS.
	$CC -std=c11 -Wall -Wextra -Wpedantic -Werror $CFLAGS "$hello" $flags $LDFLAGS -pthread -o "$scratch/shared"
}

static() {
	flags=$(pkg-config --static --cflags --libs outbuf) || return 1
	# All but -loutbuf, for which the linker would take the shared library.
	flags=$(printf '%s\n' "$flags" | sed 's/-loutbuf//')
	$CC $CFLAGS "$hello" "$stage$libdir/liboutbuf.a" $flags $LDFLAGS -pthread -o "$scratch/static"
}

# The static library may be built without -fPIC, and a sanitizer needs its runtime in the program. Two plug-ins: one is
# linked as pkg-config says, the other by somebody who leaves out what keeps it loaded.
plugin() {
	flags=$(pkg-config --static --cflags --libs outbuf | sed 's/-loutbuf//') || return 1
	for as in told-to by-hand; do
		$CC $CFLAGS -fPIC -shared "$abs_top_srcdir/tests/programs/plugin.c" "$stage$libdir/liboutbuf.a" $flags $LDFLAGS -pthread \
			-o "$scratch/$as.so" || return 1
		flags=$(printf '%s\n' "$flags" | sed 's/-Wl,-z,nodelete//')
	done
	$CC $CFLAGS "$abs_top_srcdir/tests/programs/plugin_host.c" $LDFLAGS -ldl -o "$scratch/plugin_host"
}

# unloaded PLUG-IN [TIMES]: so often of ten; musl unloads nothing.
unloaded() {
	"$scratch/plugin_host" "$scratch/$1.so" "$scratch/large" 10 >"$scratch/message"
	status=$?
	rm -f "$scratch/large"
	cat "$scratch/message"
	test $status -eq 0 && grep -qx "unloaded ${2-.*} times of 10" "$scratch/message"
}
# What else may be called later stays, too: the handler of SIGBUS, if a handler of the program's calls it.
can_keep() {
	echo 'int none;' >"$scratch/none.c"
	$CC $CFLAGS -fPIC -shared "$scratch/none.c" $LDFLAGS -Wl,-z,nodelete -o "$scratch/none.so"
}

runs() {
	"$1" "$scratch/out" && test "$(cat "$scratch/out")" = "Hello, world!"
}

cplusplus() {
	cat >"$scratch/hello.cc" <<-END
	#include <outbuf.h>
	int main(int, char **argv)
	{
		struct outbuf_options options = OUTBUF_OPTIONS_INIT;
		struct outbuf *ob;
		struct outbuf_view v;
		options.map = OUTBUF_NO;
		if (outbuf_open(&ob, argv[1], &options) != 0)
			return 1;
		outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
		outbuf_write_string(&v, "Hello, ");
		outbuf_write32le(&v, 0x6c726f77);
		outbuf_write8(&v, 'd');
		outbuf_write(&v, "!\n", 2);
		outbuf_view_end(&v);
		int r = outbuf_commit(ob);
		outbuf_close(ob);
		return r != 0;
	}
	END
	$1 -std=c++17 -Wall -Wextra -Wpedantic -Werror $CFLAGS "$scratch/hello.cc" \
		$(pkg-config --cflags --libs outbuf) $LDFLAGS -o "$scratch/cplusplus"
}

# gnu89's "inline" means the opposite: the header must not define its functions twice.
gnu89() {
	printf '#include <outbuf.h>\nint f(struct outbuf_view *v) { return outbuf_write8(v, 1); }\n' >"$scratch/a.c"
	printf '#include <outbuf.h>\nint f(struct outbuf_view *v);\nint main(void) { struct outbuf_view v = { 0 }; return outbuf_write8(&v, 2) == f(&v); }\n' >"$scratch/b.c"
	$CC -std=gnu89 $CFLAGS -O0 "$scratch/a.c" "$scratch/b.c" $(pkg-config --cflags --libs outbuf) $LDFLAGS -o "$scratch/gnu89"
}

try "make install into a staging directory" install
try "README's program compiles with pkg-config's flags" shared
try "... and runs" runs "$scratch/shared"
# Configured with --disable-static there is nothing to be tried.
if [ -e "$stage$libdir/liboutbuf.a" ]; then
	try "the same with the static library" static
	try "... and runs" runs "$scratch/static"
	if plugin >"$scratch/plugin.log" 2>&1; then
		if can_keep 2>"$scratch/plugin.log"; then
			try "a plug-in with the static library stays loaded" unloaded told-to 0
		else
			skip "a plug-in with the static library stays loaded" "the linker knows no -z nodelete"
		fi
		try "... one linked otherwise is unloaded while it frees an old output" unloaded by-hand
	else
		skip "a plug-in with the static library" "$(tail -n 1 "$scratch/plugin.log")"
	fi
fi
try "gnu89, no optimisation: two files share the functions" gnu89

# outbuf.hpp: compiler, its flags.
cxx_api() {
	rm -f "$scratch/out"
	"$@" -Wall -Wextra -Wpedantic -Wshadow -Werror $CFLAGS "$abs_top_srcdir/tests/programs/cxx_api.cc" $(pkg-config --cflags --libs outbuf) \
		$LDFLAGS -pthread -o "$scratch/cxx_api" && "$scratch/cxx_api" "$scratch/out" "$scratch/missing/out" || return 1
	want=010102fffffffe01020304050607080403040300000000000000000009cccccc
	want=${want}746578747261776f6b2e2e2eac027f7832333468680000000000000000000021
	test "$(od -An -v -tx1 -N 64 "$scratch/out" | tr -d ' \n')" = $want && test "$(wc -c <"$scratch/out")" -eq 4105 &&
		test "$(tail -c 5 "$scratch/out")" = 01234 && test "$(od -An -c -j 2100 -N 1 "$scratch/out" | tr -d ' ')" = c
}

# One program of both languages: each has its own types.
cxx_mixed() {
	printf '#include <outbuf.hpp>\nstd::size_t FUNCTION(liboutbuf::bytes b) { return b.size(); }\n' >"$scratch/part.cc"
	printf '%s\n' '#include <outbuf.hpp>' 'std::size_t as_17(liboutbuf::bytes);' 'int main() { return (int)as_17({}); }' >"$scratch/main.cc"
	for part in 17 20; do
		"$1" -std=c++$part $CFLAGS $(pkg-config --cflags outbuf) -DFUNCTION=as_$part -c "$scratch/part.cc" -o "$scratch/as_$part.o" || return 1
	done
	"$1" -std=c++17 $CFLAGS $(pkg-config --cflags outbuf) "$scratch/main.cc" "$scratch/as_17.o" "$scratch/as_20.o" -o "$scratch/mixed" &&
		"$scratch/mixed" || return 1
	"$1" -std=c++20 $CFLAGS $(pkg-config --cflags outbuf) -c "$scratch/main.cc" -o "$scratch/main.o" || return 1
	! "$1" $CFLAGS "$scratch/main.o" "$scratch/as_17.o" -o "$scratch/mixed" 2>"$scratch/message" && grep -q 'undefined reference' "$scratch/message"
}

found=
for cxx in "${CXX:-}" g++ clang++; do
	[ -n "$cxx" ] && command -v "$cxx" >/dev/null || continue
	case " $found " in *" $cxx "*) continue ;; esac
	# A sanitizer's runtime is the compiler's own.
	case $CFLAGS in
	*-fsanitize*)
		case $CC/$cxx in
		*clang*/*clang*) ;;
		*clang*/* | */*clang*) continue ;;
		esac
		;;
	esac
	case $cxx in */c++ | c++) continue ;; esac
	found="$found $cxx"
done
for cxx in $found; do
	try "the header in C++ ($cxx)" cplusplus "$cxx"
	try "... and runs" runs "$scratch/cplusplus"
	try "outbuf.hpp, C++17 ($cxx)" cxx_api "$cxx" -std=c++17
	all_of_it || break
	try "outbuf.hpp, C++20 ($cxx)" cxx_api "$cxx" -std=c++20
	try "outbuf.hpp, both in one program ($cxx)" cxx_mixed "$cxx"
	try "outbuf.hpp without exceptions and type information ($cxx)" cxx_api "$cxx" -std=c++17 -fno-exceptions -fno-rtti
done
[ -n "$found" ] || skip "the headers in C++" "no C++ compiler that goes with $CC"
tap_end
