#!/bin/sh
# SPDX-License-Identifier: MIT
# What a machine can see of style: scripts and man pages without complaints, words that there are, every file with
# its licence, no white space at the end of a line.
. "$abs_top_srcdir/tests/scripts/tap.sh"

cd "$abs_top_srcdir" || exit 99

sources() {
	find include lib examples tests bench m4 man scripts -type f ! -name '*.m4' ! -path '*.dir/*' ! -name '.*' \
		! -name '*.o' ! -name '*.lo' ! -name '*.log' ! -name '*.trs' ! -path '*/.libs/*' ! -path '*/.deps/*'
	find m4 -name 'outbuf-*.m4'
}
scripts() { echo autogen.sh $(find scripts -type f) bench/run bench/combine bench/file-systems bench/lld bench/outputs bench/plot bench/llvm-buffer examples/lld/build examples/lld/versions tests/*.sh tests/scripts/*.sh tests/power-failure/*.sh tests/scripts/tap-driver tests/fuzz/make-corpus; }

shells() { shellcheck -x -S warning -e SC1090,SC1091,SC2034,SC2086,SC2154,SC2046 $(scripts); }
pages() {
	for page in man/*.[1-9] "$abs_top_builddir"/man/*.3; do
		# Which other pages this machine has says nothing about this one (tests/check-symbols.sh knows ours).
		mandoc -T lint -W all "$page" 2>&1 | grep -vE 'outdated mandoc.db|referenced manual not found' && return 1
	done
	return 0
}
# What is written to be read, less what is quoted from code: literally, or by its look.
prose() {
	back=$(printf '\b')
	for page in man/*.[1-9] "$abs_top_builddir"/man/*.3; do
		mandoc -T ascii "$page" | sed "s/.$back//g"
	done
	for page in README.md doc/*.md NEWS CONTRIBUTING.md SECURITY.md; do
		sed '/^```/,/^```/d; /^    /d; s/`[^`]*`//g; s/^|.*|//' "$page"
	done
}
words() {
	prose | sed "s/'s\\([^A-Za-z]\\)/\\1/g; s/'s\$//" |
		sed 's/[^ ]*[]_()/=<>0-9|.*[][^ ]*[]A-Za-z_()/=<>0-9|*[]//g' |
		aspell list --lang=en_GB --encoding=utf-8 --ignore=2 |
		grep -vxE '[A-Z0-9]+' | grep -vixFf man/words | sort -u >"$scratch/unknown"
	cat "$scratch/unknown"
	[ ! -s "$scratch/unknown" ]
}
trailing() { ! grep -nE '[[:space:]]$' README.md doc/*.md $(sources | grep -vE '/examples/README$'); }
columns() {
	! for file in $(sources | grep -E '^(lib|include|examples|bench)/.*[.](c|h|cc|hpp)$'); do
		expand -t 8 "$file" | grep -nE '^.{121}' | sed "s|^|$file: |"
	done | grep .
}
licences() {
	without=$(grep -L 'SPDX-License-Identifier: MIT' $(sources | grep -E '\.(cc?|h|am|sh|m4|awk|[1-9])$'))
	echo "$without"
	[ -z "$without" ]
}

if command -v shellcheck >/dev/null; then
	try "shellcheck" shells
else
	skip "shellcheck" "not installed"
fi
if command -v mandoc >/dev/null; then
	try "mandoc -T lint" pages
else
	skip "mandoc -T lint" "not installed"
fi
if ! command -v mandoc >/dev/null || ! aspell dicts 2>/dev/null | grep -qx en_GB; then
	skip "only words that aspell or man/words has" "no mandoc, or no aspell with en_GB"
else
	try "only words that aspell or man/words has" words
fi
try "no white space at the end of a line" trailing
try "every file names its licence" licences
try "no line of C or C++ is longer than 120 columns" columns
tap_end
