#!/bin/sh
# SPDX-License-Identifier: MIT
# The fuzz targets as ordinary programs, on seeds that are made here: what libFuzzer starts from
# (scripts/fuzz) is right in every build, with every sanitizer.
. "$abs_top_srcdir/tests/scripts/tap.sh"

corpus=$scratch/corpus
targets=$abs_top_builddir/tests/fuzz
TMPDIR=$scratch
export TMPDIR

replay() { "$targets/replay_$1" "$corpus/$1"; }

try "seeds are made" "$abs_top_srcdir/tests/fuzz/make-corpus" "$corpus"
try "sequences of calls" replay ops
if [ -x "$targets/replay_parwrite" ]; then
	try "objects and archives" replay parwrite
else
	skip "objects and archives" "no libelf"
fi
tap_end
