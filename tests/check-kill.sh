#!/bin/sh
# SPDX-License-Identifier: MIT
# kill -9 at any moment: parwrite writes one of two contents over the other, again and again, and is
# killed after a random part of the time that it takes, or a little later. Whatever was reached, the path has one of the two, whole,
# and there is at most one hidden file beside it, which the next run clears away or writes over.
#
#     OUTBUF_TEST_KILLS=N   how often (500, or as often as 5 s allow, or one in $OUTBUF_TEST_EVERY)
#     OUTBUF_TEST_SEED=N    which moments
. "$abs_top_srcdir/tests/scripts/tap.sh"

directory=${OUTBUF_TEST_DIR:-$scratch}/kill
out=$directory/out
seed=${OUTBUF_TEST_SEED:-$$}

the_program_itself parwrite

make_inputs() {
	rm -rf "$directory" && mkdir -p "$directory" || return 1
	# Two that differ in length, and in every page.
	for which in a b; do
		size=3000000
		[ $which = b ] && size=2500000
		{
			echo ".data; .globl $which; $which:"
			echo ".rept $((size / 8)); .quad $which; .endr"
		} >"$scratch/$which.s"
		$CC -c "$scratch/$which.s" -o "$scratch/$which.o" 2>"$scratch/words" ||
			{ cat "$scratch/words"; return 1; }
		"$real" -o "$scratch/want.$which" "$scratch/$which.o" || return 1
	done
	! cmp -s "$scratch/want.a" "$scratch/want.b"
}

now() { date +%s%N; }

# Nanoseconds of one run, killed never.
measure() {
	began=$(now)
	for which in a b a b; do
		"$real" $1 -j 2 -o "$out" "$scratch/$which.o" || return 1
	done
	took=$((($(now) - began) / 4))
}

is_whole() { cmp -s "$out" "$scratch/want.a" || cmp -s "$out" "$scratch/want.b"; }

# $hidden and $others: names beside the output. No process for it, as it is done often.
look() {
	hidden=0 others=0
	for name in "$directory"/* "$directory"/.[!.]*; do
		case $name in
		"$directory/.out.outbuf-"*) hidden=$((hidden + 1)) ;;
		"$out" | "$directory/.[!.]*" | "$directory/*") ;;
		*) others=$((others + 1)) ;;
		esac
	done
}

# kills OPTIONS N NAME
kills() {
	killed=0 finished=0 left=0 i=0
	measure "$1" || return 1
	echo "seed $seed, $2 times, a run takes $((took / 1000)) us"
	awk -v n="$2" -v took="$took" -v seed="$seed" \
		'BEGIN { srand(seed); for (i = 0; i < n; i++) printf "%.6f\n", 1.3 * rand() * took / 1e9 + 1e-6 }' \
		>"$scratch/delays"
	while read -r delay; do
		i=$((i + 1))
		which=a
		[ $((i % 2)) -eq 0 ] && which=b
		# The shell would say "Killed" each time.
		timeout -s KILL "$delay" "$real" $1 -j 2 -o "$out" "$scratch/$which.o" 2>/dev/null
		case $? in
		0)
			finished=$((finished + 1))
			cmp "$out" "$scratch/want.$which" || return 1
			;;
		137) killed=$((killed + 1)) ;;
		*)
			echo "run $i: status neither 0 nor killed"
			return 1
			;;
		esac
		if ! is_whole; then
			echo "run $i, killed after $delay s: neither the one nor the other"
			return 1
		fi
		look
		left=$((left + hidden))
		if [ $hidden -gt 1 ] || [ $others -gt 0 ]; then
			echo "run $i, killed after $delay s:"
			ls -la "$directory"
			return 1
		fi
	done <"$scratch/delays"
	echo "# killed $killed, finished $finished, hidden files seen $left" | tee "$scratch/said.$3"
	[ "$killed" -ge $(($2 / 10)) ]
}

# One that is let live finds nothing in its way.
goes_on() {
	for which in a b a; do
		"$real" $1 -o "$out" "$scratch/$which.o" && cmp "$out" "$scratch/want.$which" || return 1
		look
		[ $hidden -le $2 ] || { ls -la "$directory"; return 1; }
	done
}

recycles() {
	rm -f "$directory"/.out* "$out"
	for which in a b a; do
		"$real" --recycle --stats -o "$out" "$scratch/$which.o" >"$scratch/stats" || return 1
	done
	cat "$scratch/stats"
	grep -q '^placement: recycled$' "$scratch/stats" || grep -q '^not recycled: .' "$scratch/stats"
}

try "two objects, two contents" make_inputs
measure '' || took=1000000000
allowed=$((5000000000 / (took / 2 + 15000000)))
[ "$allowed" -gt 500 ] && allowed=500
allowed=$((allowed / ${OUTBUF_TEST_EVERY:-1}))
[ "$allowed" -lt 20 ] && allowed=20
times=${OUTBUF_TEST_KILLS:-$allowed}

try "killed: one of the two, whole" kills '' $((times / 2)) new
try "the next run clears away what is left" goes_on '' 0
try "--recycle: --stats says so, or why not" recycles
try "killed with --recycle: one of the two, whole" kills --recycle $((times - times / 2)) recycled
try "the next run goes on" goes_on --recycle 1
# Interrupted where files have hidden names: while it waits for the reader of its map file, all is written.
interrupted() { # SIGNAL STATUS
	rm -f "$directory"/.out* "$scratch/map"
	cp "$scratch/want.a" "$out" && mkfifo "$scratch/map" || return 1
	# What runs in the background of a shell ignores SIGINT.
	env --default-signal OUTBUF_PLACEMENT=named "$real" -Map "$scratch/map" -o "$out" "$scratch/b.o" &
	pid=$!
	tries=0
	look
	while [ $hidden -eq 0 ] && [ $tries -lt 500 ]; do
		sleep 0.02
		tries=$((tries + 1))
		look
	done
	was_hidden=$hidden
	kill -"$1" $pid
	wait $pid
	status=$?
	look
	echo "$was_hidden hidden file while it runs, then $hidden; status $status"
	[ $was_hidden -eq 1 ] && [ $hidden -eq 0 ] && [ $status -eq "$2" ] && cmp "$out" "$scratch/want.a"
}
if env --default-signal true 2>/dev/null; then
	try "SIGTERM removes the hidden file" interrupted TERM 143
	try "SIGINT" interrupted INT 130
	try "SIGHUP" interrupted HUP 129
else
	skip "SIGTERM removes the hidden file" "env has no --default-signal"
fi
cat "$scratch"/said.* 2>/dev/null
rm -rf "$directory"
tap_end
