# SPDX-License-Identifier: MIT
# Manual pages of section 3 from the comments of outbuf.h, so that there is one text and not two.
#
#     awk -v page=outbuf_map -v date="Month D, YYYY" -f man/pages.awk include/outbuf.h
#     awk -v list=1 -f man/pages.awk include/outbuf.h       only which pages there are, and what is in each
#
# A page begins at a line of the header
#
#     /* ------ PAGE: what it is about */
#
# and holds what follows up to the next such line: text, and declarations with the comment above them. The comments'
# markup is what it looks like: paragraphs, "Name:" lists of "-ERRNO  when", examples that are indented by four.

function flush_paragraph() {
	if (text == "")
		return
	words(text)
	text = ""
}

# One line of mdoc for text between macros.
function put(line) {
	if (line == "")
		return
	if (line ~ /^[.']/)
		line = "\\&" line
	print line
}

# The same, in lines that mandoc's style takes: 80 bytes at most.
function fill(line) {
	while (length(line) > 80 && match(substr(line, 1, 81), /.* /)) {
		put(substr(line, 1, RLENGTH - 1))
		line = substr(line, RLENGTH + 1)
	}
	put(line)
}

function escape(s) {
	gsub(/\\/, "\\e", s)
	return s
}

# Names of functions, errors, constants and pages become macros, a line each; punctuation goes with them.
function words(s,   n, w, i, word, open, close_, line) {
	n = split(s, w, /[ \t]+/)
	line = ""
	for (i = 1; i <= n; i++) {
		word = w[i]
		open = close_ = ""
		if (word ~ /^[(]./ && word !~ /^[(][)]/) {
			open = "( "
			word = substr(word, 2)
		}
		while (word ~ /[.,;:?]$/ || (word ~ /[)]$/ && word !~ /[(][0-9]?[)]$/)) {
			close_ = " " substr(word, length(word)) close_
			word = substr(word, 1, length(word) - 1)
		}
		if (word ~ /^outbuf_[a-z0-9_]+[(][)]$/ )
			macro = ".Fn " open substr(word, 1, length(word) - 2) close_
		else if (word ~ /^-E[A-Z0-9]+$/)
			macro = ".Er " open "\\-" substr(word, 2) close_
		else if (word ~ /^[a-z_0-9]+[(][2-8][)]$/)
			macro = ".Xr " open substr(word, 1, length(word) - 3) " " substr(word, length(word) - 1, 1) close_
		else if (word ~ /^(OUTBUF_[A-Z_0-9]+|O_[A-Z]+|RLIMIT_[A-Z]+|SIG[A-Z]+|UINT64_MAX|NULL|E[A-Z]+2?BIG|EPIPE)$/)
			macro = ".Dv " open word close_
		else if (word ~ /^(options[.][a-z_]+|[.][a-z_]+|[*][a-z]+|`.*`)$/) {
			gsub(/`/, "", word)
			macro = ".Va " open (word ~ /^[.]/ ? "\\&" : "") word close_
		} else {
			line = line (line == "" ? "" : " ") escape(w[i])
			# New sentence, new line.
			if (w[i] ~ /[.][)]?$/ && i < n) {
				fill(line)
				line = ""
			}
			continue
		}
		fill(line)
		line = ""
		print macro
	}
	fill(line)
}

function end_list() {
	if (in_list) {
		flush_paragraph()
		print ".El"
		in_list = 0
		paragraph = 1
	}
}

function end_example() {
	if (in_example) {
		print ".Ed"
		in_example = 0
	}
}

# A comment, as lines c[1..n].
function describe(n,   i, line, tag, first) {
	first = 1
	for (i = 1; i <= n; i++) {
		line = c[i]
		if (line ~ /^ *$/) {
			if (in_example && c[i + 1] ~ /^    /) {
				print ""
				continue
			}
			end_example()
			if (in_list && c[i + 1] ~ /^  +-?E?[A-Za-z]/)
				continue
			end_list()
			flush_paragraph()
			paragraph = !first
			continue
		}
		# "  -EINVAL, -EIO   when": an item. More of it is indented further.
		if (line ~ /^  [-a-z][A-Za-z]/) {
			flush_paragraph()
			if (!in_list) {
				end_example()
				print ".Bl -tag -width Er"
				in_list = 1
			}
			tag = substr(line, 3)
			if (match(tag, /   +/)) {
				text = substr(tag, RSTART + RLENGTH)
				tag = substr(tag, 1, RSTART - 1)
			} else
				text = ""
			item(tag)
			first = 0
			continue
		}
		if (in_list && line ~ /^   /) {
			sub(/^ +/, "", line)
			text = text (text == "" ? "" : " ") line
			continue
		}
		end_list()
		if (line ~ /^    /) {
			if (!in_example) {
				flush_paragraph()
				print ".Bd -literal -offset indent"
				in_example = 1
			}
			put(escape(substr(line, 5)))
			continue
		}
		end_example()
		if (paragraph && text == "") {
			print ".Pp"
			paragraph = 0
		}
		text = text (text == "" ? "" : " ") line
		first = 0
	}
	end_example()
	end_list()
	flush_paragraph()
	paragraph = 0
}

# What an item is about: errors, or words.
function item(tag,   n, w, i, line) {
	if (tag !~ /^-E/) {
		gsub(/[(]2[)]/, "(2)", tag)
		print ".It " quote(tag)
		return
	}
	n = split(tag, w, /, */)
	line = ".It"
	for (i = 1; i <= n; i++) {
		if (w[i] ~ /^-E[A-Z0-9]+$/)
			line = line " Er \\-" substr(w[i], 2)
		else
			line = line " No " w[i]
		if (i < n)
			line = line " ,"
	}
	print line
}

function quote(s) {
	gsub(/"/, "", s)
	return "No " s
}

# "OUTBUF_API int f(int a, char *b);" in mdoc.
function prototype(s,   type, name, arguments, n, a, i, depth, ch, part) {
	gsub(/OUTBUF_(API|MUST_CHECK|INLINE|COLD) */, "", s)
	sub(/;.*/, "", s)
	gsub(/[ \t\n]+/, " ", s)
	sub(/^ /, "", s)
	match(s, /outbuf_[a-z0-9_]+ *[(]/)
	type = substr(s, 1, RSTART - 1)
	name = substr(s, RSTART, RLENGTH - 1)
	arguments = substr(s, RSTART + RLENGTH)
	sub(/[)] *$/, "", arguments)
	sub(/ +$/, "", type)
	print ".Ft " type
	print ".Fo " name
	part = ""
	depth = 0
	for (i = 1; i <= length(arguments); i++) {
		ch = substr(arguments, i, 1)
		if (ch == "(")
			depth++
		if (ch == ")")
			depth--
		if (ch == "," && depth == 0) {
			print ".Fa \"" part "\""
			part = ""
			continue
		}
		if (part != "" || ch != " ")
			part = part ch
	}
	print ".Fa \"" part "\""
	print ".Fc"
}

function name_of(s) {
	match(s, /outbuf_[a-z0-9_]+ *[(]/)
	return substr(s, RSTART, RLENGTH - 1)
}

# What a declaration is about, for a heading.
function head_of(s, kind,   w) {
	if (kind == "function" || s ~ /^typedef/)
		return name_of(s)
	split(s, w, /[ ;(\n]+/)
	return w[1] == "#define" ? w[2] : w[1] " " w[2]
}

# --------------------------------------------------------------------- reading

/^\/\* -+ outbuf_[a-z]+: / {
	here = $3
	sub(/:$/, "", here)
	sub(/^\/\* -+ outbuf_[a-z]+: /, "")
	sub(/ *\*\/$/, "")
	about[here] = $0
	order[++pages] = here
	comment = ""
	next
}
/^\/\* -+ / { here = "" }
here == "" { next }

# A comment, whole.
!in_comment && /^\/\*/ { in_comment = 1; comment = "" }
in_comment {
	line = $0
	closed = line ~ /\*\/ *$/
	sub(/ *\*\/ *$/, "", line)
	sub(/^\/\* ?/, "", line)
	sub(/^ \* ?/, "", line)
	if (!(line == "" && (comment == "" || closed)))
		comment = comment line "\n"
	if (closed) {
		in_comment = 0
		keep(comment, "")
	}
	next
}
/^$/ { next }
# Of what is for the preprocessor only constants.
continued { continued = /\\$/; next }
/^#/ && (!/^#define/ || /\\$/) { continued = /\\$/; next }

# A declaration, up to its semicolon; of structs, enums and macros all lines.
{
	declaration = declaration $0 "\n"
	if ($0 ~ /[{]/ && $0 !~ /[}]/)
		in_braces = 1
	if ($0 ~ /^[}]/)
		in_braces = 0
	if (in_braces || ($0 !~ /;( *\/\*.*\*\/)?$/ && $0 !~ /^#/) )
		next
	keep("", declaration)
	declaration = ""
}

function keep(comment, declaration) {
	kinds[here, ++count[here]] = declaration == "" ? "comment" : declaration ~ /outbuf_[a-z0-9_]+ *[(]/ && declaration !~ /^(struct|enum|#|typedef)/ ? "function" : "type"
	pieces[here, count[here]] = comment declaration
}

# --------------------------------------------------------------------- writing

END {
	if (list) {
		for (p = 1; p <= pages; p++) {
			line = order[p]
			for (i = 1; i <= count[order[p]]; i++)
				if (kinds[order[p], i] == "function")
					line = line " " name_of(pieces[order[p], i])
			print line
		}
		exit
	}
	if (!(page in about)) {
		print "pages.awk: no page " page > "/dev/stderr"
		exit 1
	}
	print ".\\\" SPDX-License-Identifier: MIT"
	print ".\\\" Made from outbuf.h by man/pages.awk: change it there."
	print ".Dd " date
	print ".Dt " toupper(page) " 3"
	print ".Os"
	print ".Sh NAME"
	names = 0
	for (i = 1; i <= count[page]; i++)
		if (kinds[page, i] == "function")
			names++
	if (names == 0)
		print ".Nm " page
	for (i = 1; i <= count[page]; i++)
		if (kinds[page, i] == "function")
			print ".Nm " name_of(pieces[page, i]) (--names > 0 ? " ," : "")
	print ".Nd " about[page]
	print ".Sh LIBRARY"
	print "liboutbuf"
	print ".Pq Fl l Ns Cm outbuf"
	print ".Sh SYNOPSIS"
	print ".In outbuf.h"
	for (i = 1; i <= count[page]; i++)
		if (kinds[page, i] == "function")
			prototype(pieces[page, i])
		else if (kinds[page, i] == "type") {
			print ".Bd -literal"
			n = split(pieces[page, i], lines, "\n")
			for (k = 1; k < n; k++)
				put(escape(lines[k]))
			print ".Ed"
		}
	print ".Sh DESCRIPTION"
	begun = 0
	for (i = 1; i <= count[page]; i++) {
		if (kinds[page, i] != "comment")
			continue
		# What follows it, without a comment of its own.
		heads = ""
		for (k = i + 1; k <= count[page] && kinds[page, k] != "comment"; k++)
			heads = heads (heads == "" ? "" : ", ") head_of(pieces[page, k], kinds[page, k])
		if (heads != "")
			print ".Ss " heads
		n = split(pieces[page, i], c, "\n") - 1
		delete c[n + 1]
		describe(n)
	}
	print ".Sh SEE ALSO"
	line = ""
	for (p = 2; p <= pages; p++) # by the alphabet
		for (i = p; i > 1 && order[i - 1] > order[i]; i--) {
			line = order[i]
			order[i] = order[i - 1]
			order[i - 1] = line
		}
	for (p = 1; p <= pages; p++)
		if (order[p] != page)
			print ".Xr " order[p] " 3 ,"
	print ".Xr outbuf 7"
}
