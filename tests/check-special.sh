#!/bin/sh
# SPDX-License-Identifier: MIT
# parwrite to what is no file: pipes, devices, standard output. The same bytes as in a file, in one
# piece behind what is there already; one line and status 1 if they cannot be taken; and whatever
# stands at the path stays what it is.
. "$abs_top_srcdir/tests/scripts/tap.sh"

the_program_itself parwrite

# Whoever started us may ignore SIGPIPE: parwrite must live where it kills.
mortal=
env --default-signal=PIPE true 2>/dev/null && mortal="env --default-signal=PIPE"

parwrite() { $mortal ${VALGRIND:+$VALGRIND -q --error-exitcode=9 --leak-check=full} "$real" "$@"; }

# More than a pipe holds: a writer has to wait for its reader.
printf 'int large[500000] = { 1 }; int end(void) { return large[7]; }\n' >"$scratch/large.c"
printf 'extern int end(void); int begin(void) { return end(); }\n' >"$scratch/small.c"
for unit in large small; do
	$CC -O1 -c "$scratch/$unit.c" -o "$scratch/$unit.o" || exit 99
done
objects="$scratch/small.o $scratch/large.o"
all=$scratch/all.o
parwrite -o "$all" $objects || exit 99

# ------------------------------------------------------------------ standard output

# As root, a parwrite that took /dev/stdout for a file would replace the machine's: a link as that goes
# first, and if it does not survive that is all.
standard=$(readlink /dev/stdout)
safe() {
	ln -s /proc/self/fd/1 "$scratch/stdout" &&
		parwrite -o "$scratch/stdout" $objects >"$scratch/got" && cmp "$scratch/got" "$all" &&
		test -L "$scratch/stdout"
}
if ! safe >"$scratch/message" 2>&1; then
	cat "$scratch/message"
	echo "Bail out! A link to /proc/self/fd/1 is not standard output"
	exit 1
fi

pipe() { parwrite "$@" $objects | cmp - "$all"; }
behind() { # behind NAME >FILE: between two other outputs
	echo before
	parwrite -o "$1" $objects || return 1
	echo after
}
{ echo before; cat "$all"; echo after; } >"$scratch/between"
file() { behind "$1" >"$scratch/got" && cmp "$scratch/got" "$scratch/between"; }
appended() {
	printf 'old\n' | tee "$scratch/got" >"$scratch/want"
	cat "$scratch/between" >>"$scratch/want"
	behind "$1" >>"$scratch/got" && cmp "$scratch/got" "$scratch/want"
}
other_descriptor() { parwrite -o /dev/fd/5 $objects 5>"$scratch/got" && cmp "$scratch/got" "$all"; }
named_minus() { (cd "$scratch" && parwrite -o ./- $objects && cmp ./- "$all" && rm ./-); }

try "-o - into a pipe" pipe -o -
try "-o -, one thread, not mapped" pipe -j 1 --no-map -o -
try "-o /dev/stdout into a pipe" pipe -o /dev/stdout
try "-o - into a file, between other outputs" file -
try "-o /dev/stdout likewise" file /dev/stdout
try "-o /dev/fd/1 likewise" file /dev/fd/1
try "-o - behind what the file has" appended -
try "-o /dev/stdout likewise" appended /dev/stdout
try "-o /dev/fd/5" other_descriptor
try "-o ./- is a file of that name" named_minus
try "/dev/stdout is what it was" test "$(readlink /dev/stdout)" = "$standard"

statistics() { # the object is not disturbed by what is said about it
	parwrite --stats --progress -o "$1" $objects >"$scratch/got" 2>"$scratch/stats" &&
		cmp "$scratch/got" "$all" && grep '^backend: stream$' "$scratch/stats"
}
try "--stats --progress -o -: on standard error" statistics -
try "--stats --progress -o /dev/stdout: likewise" statistics /dev/stdout

# -------------------------------------------------------------------- what goes wrong

# says PATTERN: status 1 in $scratch/status, and one line that matches
says() {
	cat "$scratch/message" "$scratch/status"
	[ "$(cat "$scratch/status")" = 1 ] && [ "$(wc -l <"$scratch/message")" -eq 1 ] &&
		grep -q "^parwrite: $1\$" "$scratch/message"
}
run() { # run ARGUMENT...: whatever becomes of it
	parwrite "$@" $objects 2>"$scratch/message"
	echo $? >"$scratch/status"
}

full() { run -o /dev/full && says '/dev/full: writing: No space left on device' && test -c /dev/full; }
standard_full() { run -o - >/dev/full && says 'standard output: writing: No space left on device'; }
closed() { run -o - >&- && says 'standard output: Bad file descriptor'; }
gone() { run -o - | head -c 100 >"$scratch/part" && says 'standard output: writing: Broken pipe'; }
gone_fifo() {
	head -c 100 <"$scratch/fifo" >"$scratch/part" &
	run -o "$scratch/fifo"
	wait $! && says "$scratch/fifo: writing: Broken pipe" && test -p "$scratch/fifo"
}
bad_input() {
	echo 'no object' >"$scratch/text"
	parwrite -o - "$scratch/text" >"$scratch/got" 2>"$scratch/message"
	echo $? >"$scratch/status"
	says ".*/text: .*" && ! test -s "$scratch/got"
}
slow_fifo() {
	{
		sleep 0.2
		head -c 100000
		sleep 0.2
		cat
	} <"$scratch/fifo" >"$scratch/got" &
	parwrite -o "$scratch/fifo" $objects && wait $! && cmp "$scratch/got" "$all" &&
		test -p "$scratch/fifo"
}

mkfifo "$scratch/fifo"
if [ -c /dev/full ]; then
	try "-o /dev/full" full
	try "-o - >/dev/full" standard_full
else
	skip "-o /dev/full" "there is none"
fi
try "-o - with standard output closed" closed
try "-o - with a reader that goes away" gone
try "-o FIFO with a reader that goes away" gone_fifo
try "-o FIFO with a slow reader" slow_fifo
try "-o - with an input that is no object: nothing is written" bad_input

# ------------------------------------------------------------------------ closed descriptors

# closed REDIRECTIONS OPTION...: parwrite starts with these descriptors closed. What it prints there is not in the output.
# Where it cannot print what it was asked for the status is 1.
closed() {
	redirections=$1
	shift
	rm -f "$scratch/got"
	expected=0 status=0
	case "$redirections $*" in *1*--stats* | *1*-Map*) expected=1 ;; esac
	eval "parwrite \"\$@\" -o \"$scratch/got\" $objects $redirections" || status=$?
	[ $status -eq $expected ] || return 1
	# Without its map file the run has failed, and there is no output.
	case "$redirections $*" in *1*-Map*) test ! -e "$scratch/got" ;; *) cmp "$scratch/got" "$all" ;; esac
}
for which in '0<&-' '1>&-' '2>&-' '0<&- 1>&-' '0<&- 2>&-' '1>&- 2>&-' '0<&- 1>&- 2>&-'; do
	case $which in *2*)
		# It prints its own words there.
		[ -z "${VALGRIND-}" ] || { skip "started with $which" "valgrind needs standard error"; continue; }
		;;
	esac
	try "started with $which" closed "$which"
	try "started with $which, --progress" closed "$which" --progress
	try "started with $which, --stats" closed "$which" --stats
	try "started with $which, -Map -" closed "$which" -Map -
done
to_closed() { ! parwrite -o - $objects >&- 2>"$scratch/message" && one_line "$scratch/message"; }
one_line() { test "$(wc -l <"$1")" -eq 1; }
try "-o - to a closed standard output" to_closed

# ------------------------------------------------------------------------ what stays

link_to_device() {
	ln -s /dev/null "$scratch/link" && parwrite -o "$scratch/link" $objects &&
		test -L "$scratch/link" && test -c /dev/null
}
link_to_file() { # the link is replaced, what it led to is not touched
	echo precious >"$scratch/target"
	ln -sf target "$scratch/link" && parwrite -o "$scratch/link" $objects &&
		! test -L "$scratch/link" && cmp "$scratch/link" "$all" &&
		test "$(cat "$scratch/target")" = precious
}
null() { parwrite -o /dev/null $objects && test -c /dev/null; }

try "-o LINK to /dev/null" link_to_device
try "-o /dev/null" null
try "-o LINK to a file" link_to_file
tap_end
