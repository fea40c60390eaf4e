#!/bin/sh
# SPDX-License-Identifier: MIT
# The rooms of doc/design.md: a file includes, and calls, only what its room may use, and no files use each other in a
# circle. Which room may use which says the table in doc/design.md, and nothing else does.
. "$abs_top_srcdir/tests/scripts/tap.sh"

# ROOM USED..., a line each: "lib/api lib/output lib/memory ...". A room's folders (unix/, windows/) belong to it.
rooms() {
	sed -n 's/^| `\([a-z/]*\)` | \([^|]*\) |.*/\1 \2/p' "$1" | tr -d '`,'
}

# FILE INCLUDED of all includes in quotes below a source tree. Both are paths without their endings, so that a header and
# its .c are one file. What is found in no folder of headers stays as it is written.
includes() {
	(cd "$1" && find lib examples/parwrite -name '*.[ch]' | sort | while read -r file; do
		case $file in
		lib/*) base=lib/ ;;
		*) base=examples/parwrite/ ;;
		esac
		sed -n 's/^# *include "\(.*\)\.h"$/\1/p' "$file" | while read -r header; do
			[ ! -e "$base$header.h" ] || header=$base$header
			echo "${file%.[ch]} $header"
		done
	done)
}

# CALLER CALLED of all object files below a build tree, by the symbols that they define and lack.
calls() {
	(cd "$1" && find lib examples/parwrite -name '*_la-*.o' | sort | while read -r object; do
		# A shared and a static object of each.
		name=$(echo "$object" | sed 's|/\.libs/|/|; s|lib[a-z_]*_la-||; s|\.o$||')
		case $object in
		*/.libs/*) ;;
		*) [ ! -e "${object%/*}/.libs/${object##*/}" ] || continue ;;
		esac
		$NM -g "$object" | sed "s|^|$name |"
	done) | awk '
		NF == 3 && $2 == "U" { calls[++n] = $1 " " $3 }
		NF == 4 { in_file[$4] = $1 }
		END {
			for (i = 1; i <= n; i++) {
				split(calls[i], call)
				if (!(call[2] in in_file) || in_file[call[2]] == call[1])
					continue
				# What is public, programs may call.
				if (call[1] !~ /^examples/ || in_file[call[2]] !~ /^lib\/api\//)
					print call[1], in_file[call[2]]
			}
		}' | sort -u
}

# downward ROOMS USES: every use is allowed; prints those that are not. Public headers and config.h belong to no room.
downward() {
	awk '
		function room(path) {
			while (path != "" && !(path in known))
				path = path ~ "/" ? substr(path, 1, match(path, "/[^/]*$") - 1) : ""
			return path
		}
		NR == FNR { known[$1] = 1; for (i = 2; i <= NF; i++) may[$1, $i] = 1; next }
		$2 == "config" || $2 == "outbuf" || $2 == "workqueue" { next }
		{
			from = room($1)
			to = room($2)
			if (from == "" || to == "" || (from != to && !((from, to) in may))) {
				print $1 " uses " $2 (from == "" ? ": " $1 " is in no room" : to == "" ? ": that is in no room" : "")
				bad = 1
			}
		}
		END { exit bad + 0 }' "$1" "$2"
}

# No circle: tsort(1) names the files of one that it finds.
no_circle() { awk '$1 != $2' "$1" | tsort 2>&1 >/dev/null | sed 's/^tsort: -: *//' | awk '{ print } END { exit NR > 0 }'; }

fails() { ! "$@"; }

rooms "$abs_top_srcdir/doc/design.md" >"$scratch/rooms"
includes "$abs_top_srcdir" >"$scratch/includes"
calls "$abs_top_builddir" >"$scratch/calls"

# Each folder of lib/ is a room, and nothing is outside.
folders() {
	(cd "$abs_top_srcdir" && find lib examples/parwrite -name '*.[ch]' | sed 's|/[^/]*$||; s|/unix$||; s|/windows$||') | sort -u >"$scratch/folders"
	awk '{ print $1 }' "$scratch/rooms" | sort | diff - "$scratch/folders"
}
try "doc/design.md has a room for each folder, and no other" folders
try "includes are found" test "$(wc -l <"$scratch/includes")" -gt 100
try "files include downward only" downward "$scratch/rooms" "$scratch/includes"
try "no files include each other in a circle" no_circle "$scratch/includes"
try "calls are found" test "$(grep -c '^lib/' "$scratch/calls")" -gt 50
try "files call downward only" downward "$scratch/rooms" "$scratch/calls"
try "no files call each other in a circle" no_circle "$scratch/calls"

# And these can fail: a tree with one file that includes upward, one sideways, one in no room, and a circle.
mkdir -p "$scratch/bad/lib/system" "$scratch/bad/lib/api" "$scratch/bad/lib/memory" "$scratch/bad/lib/bytes" "$scratch/bad/examples/parwrite"
: >"$scratch/bad/lib/api/open.h"
: >"$scratch/bad/lib/bytes/ranges.h"
echo '#include "api/open.h"' >"$scratch/bad/lib/system/sys.h"
echo '#include "bytes/ranges.h"' >"$scratch/bad/lib/memory/heap.c"
echo '#include "system/sys.h"' >"$scratch/bad/lib/outside.c"
includes "$scratch/bad" >"$scratch/bad.includes"
downward "$scratch/rooms" "$scratch/bad.includes" >"$scratch/bad.found"
try "an include upward, one sideways, and a file in no room are found" test "$(cut -d ' ' -f 1 "$scratch/bad.found" | sort | paste -sd ' ' -)" = \
	"lib/memory/heap lib/outside lib/system/sys"
printf 'a b\nb c\nc a\n' >"$scratch/circle"
try "a circle is found" fails no_circle "$scratch/circle"
tap_end
