#!/bin/sh
# SPDX-License-Identifier: MIT
# Only in builds with ThreadSanitizer: it reports a race inside the mapping and in the heap.
. "$abs_top_srcdir/tests/scripts/tap.sh"

# 66 is the sanitizer's own status.
races() {
	"$abs_top_builddir/tests/scripts/race" "$scratch/out" "$1" 2>"$scratch/report"
	status=$?
	cat "$scratch/report"
	[ $status -eq 66 ] && grep -q 'data race' "$scratch/report"
}

try "a race in the mapping is seen" races 0
try "a race in the heap is seen" races 1000000
tap_end
