# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# TAP for shell tests: source this, call `try NAME COMMAND...` for each, end with `tap_end`.
# What a failing command printed follows its line. $scratch is a fresh directory.
set -u

tap_count=0
tap_name=$(basename "$0" .sh)
scratch=$PWD/$tap_name.dir
chmod -R u+rwx "$scratch" 2>/dev/null
rm -rf "$scratch"
mkdir "$scratch" || exit 99

try() {
	tap_count=$((tap_count + 1))
	tap_what=$1
	shift
	if "$@" >"$scratch/tap.output" 2>&1; then
		echo "ok $tap_count - $tap_what"
	else
		echo "not ok $tap_count - $tap_what"
		sed 's/^/# /' "$scratch/tap.output"
	fi
}

# The plain build does all; others, and valgrind, one of each kind: how objects and compilers differ they cannot tell.
all_of_it() { [ "${OUTBUF_TEST_EVERY:-1}" -eq 1 ]; }

skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# $real: the example itself, not the shell script that libtool may have put in its place. That one
# takes ten times as long, and is what a signal would meet. (Nor by libtool at once: it looks into all
# arguments that are files, and waits for itself in stdout.)
the_program_itself() {
	tap_libtool=$abs_top_builddir/libtool
	real=$("$tap_libtool" --quiet --mode=execute echo "$abs_top_builddir/examples/$1/$1")
	LD_LIBRARY_PATH=$("$tap_libtool" --quiet --mode=execute -dlopen "$abs_top_builddir/liboutbuf.la" \
		sh -c 'echo "${LD_LIBRARY_PATH-}"')
	export LD_LIBRARY_PATH
}

tap_end() {
	echo "1..$tap_count"
	rm -rf "$scratch"
}
