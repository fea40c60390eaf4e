#!/bin/sh
# SPDX-License-Identifier: MIT
# A writer of power_failure.c that is a program: parwrite, or ld.lld with the shim. Each version is another part of an
# archive, combined into one object. Called in a build folder.
#
#     program-writer.sh parwrite|ld.lld data|full DIR MARK EXPECTED COUNT FIRST
#     program-writer.sh parwrite|ld.lld    prints what it lacks here, if anything, and fails then
set -eu
program=$1
build=$PWD
archive=/usr/lib/$(uname -m)-linux-gnu/liblua5.4.a
if [ $# -eq 1 ]; then
	lacks() {
		echo "no $1"
		exit 1
	}
	[ -f "$archive" ] || lacks "$archive"
	command -v "${CC:-cc}" >/dev/null || lacks "${CC:-cc}"
	[ "$program" = ld.lld ] || exit 0
	[ -f examples/lld/version ] || lacks "shim in this build"
	command -v "ld.lld-$(cat examples/lld/version)" >/dev/null || lacks "ld.lld-$(cat examples/lld/version)"
	exit 0
fi
level=$2 dir=$3 mark=$4 expected=$5 count=$6 first=$7

objects=${expected%/*}/objects
if [ ! -d "$objects" ]; then
	mkdir "$objects"
	(cd "$objects" && ar x "$archive")
fi

# combine OUTPUT OBJECT...
combine() {
	output=$1
	shift
	case $program in
	parwrite) "$build/examples/parwrite/parwrite" -j 2 --durability="$level" -o "$output" "$@" ;;
	ld.lld)
		OUTBUF_DURABILITY=$level LD_PRELOAD=$build/examples/lld/outbuf_lld.so \
			"ld.lld-$(cat "$build/examples/lld/version")" -r -o "$output" "$@"
		;;
	esac
}

version=$first
while [ "$version" -lt $((first + count)) ]; do
	# All objects but those of some numbers.
	set --
	n=0
	for object in "$objects"/*.o; do
		n=$((n + 1))
		[ $(((n * 7 + version) % 5)) -eq 0 ] || set -- "$@" "$object"
	done
	# One that only this version has.
	echo "const int version_$version = $version;" | ${CC:-cc} -x c -c -o "$objects/version" -
	set -- "$objects/version" "$@"
	combine "$expected/$version" "$@"
	[ "$mark" = - ] || echo "b $version" >"$mark"
	combine "$dir/out" "$@"
	[ "$mark" = - ] || echo "a $version" >"$mark"
	version=$((version + 1))
done
