#!/bin/sh
# SPDX-License-Identifier: MIT
# What a machine can see of style: scripts and man pages without complaints, every file with its
# licence, no white space at the end of a line.
. "$abs_top_srcdir/tests/tap.sh"

cd "$abs_top_srcdir" || exit 99

sources() {
	find include lib examples tests bench m4 man scripts -type f ! -name '*.m4' ! -path '*.dir/*' ! -name '.*' \
		! -name '*.o' ! -name '*.lo' ! -name '*.log' ! -name '*.trs' ! -path '*/.libs/*' ! -path '*/.deps/*'
	find m4 -name 'outbuf-*.m4'
}
scripts() { echo autogen.sh scripts/* bench/run bench/combine bench/file-systems bench/lld bench/plot bench/llvm-buffer examples/lld/build examples/lld/versions tests/*.sh tests/tap-driver tests/fuzz/make-corpus; }

shells() { shellcheck -x -S warning -e SC1090,SC1091,SC2034,SC2086,SC2154,SC2046 $(scripts); }
pages() {
	for page in man/*.[1-9] "$abs_top_builddir"/man/*.3; do
		# It misses neighbours in the machine's own index, which says nothing about the page.
		mandoc -T lint -W warning "$page" | grep -v 'outdated mandoc.db' && return 1
	done
	return 0
}
trailing() { ! grep -nE '[[:space:]]$' README.md doc/*.md $(sources | grep -vE '/examples/README$'); }
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
try "no white space at the end of a line" trailing
try "every file names its licence" licences
tap_end
