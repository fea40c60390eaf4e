#!/bin/sh
# SPDX-License-Identifier: MIT
# What README says can be run is what is there.
. "$abs_top_srcdir/tests/scripts/tap.sh"

readme=$abs_top_srcdir/README.md
sed -n '/^```c$/,/^```$/p' "$readme" | sed '1d;$d' >"$scratch/01_hello.c"

try "README's program is examples/01_hello.c" diff "$scratch/01_hello.c" "$abs_top_srcdir/examples/01_hello.c"
for script in scripts/demo scripts/check; do
	try "README names $script" grep -q "$script" "$readme"
	try "$script can be run" test -x "$abs_top_srcdir/$script"
done
tap_end
