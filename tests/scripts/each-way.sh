#!/bin/sh
# SPDX-License-Identifier: MIT
# The suite in every way an output can be written, and on every file system that can be mounted, as
# far as its tests can meet the difference. Called by scripts/check in a build folder:
#
#     each-way.sh backends|threads|uring|refused|file-systems|full|machine|lld|full-lld|guest|guest-quota
#
# threads: the backends, as far as more than one thread writes.
# refused: system calls that a sandbox may refuse, one by one, by seccomp(2).
# full: on file systems that are too small for what is written.
# machine: what changes the machine while it runs. So it runs alone, and puts back what it changed.
# lld, full-lld: of file-systems and full, what is done with ld.lld.
# guest, guest-quota: in a guest of scripts/uml, on its file system.
# $UNDER is put before each program: a valgrind, say.
#
# Prints lines as automake's summaries have them, so they can be counted. A test that is not for a way (a
# mapping's, where there is none) is left out there, not skipped: the plain suite runs it.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)

# Those that take longest first.
by_path="bytes/test_stale_random model/test_model output/test_stage_random output/test_stage output/test_stage_faults output/test_location api/test_write api/test_threads api/test_pool api/test_complete api/test_raw bytes/test_overlap target/test_special target/test_rights \
	target/test_forbidden target/test_servers target/test_commit api/test_errors api/test_limits inject/test_faults memory/test_memory target/test_recycle target/test_spare \
	target/test_durable target/test_lock target/test_metadata target/test_planted"
# Those in which several threads write, or the library has one of its own.
by_threads="bytes/test_stale_random model/test_model output/test_stage_random output/test_stage output/test_stage_faults api/test_threads api/test_raw bytes/test_overlap \
	target/test_recycle target/test_lock"
# Those that go by what an output holds, and not by how its file comes to the path.
by_content="model/test_model output/test_location api/test_write api/test_threads api/test_raw bytes/test_overlap"

archive=/usr/lib/$(uname -m)-linux-gnu/liblua5.4.a
passed=0 failed=0 left_out=0
: "${OUTBUF_TEST_DIR:=.}"
export OUTBUF_TEST_DIR

# One more test: verdict STATUS WORDS, which say what failed.
verdict() {
	if [ "$1" -eq 0 ]; then
		passed=$((passed + 1))
	else
		echo "FAIL: $way: $2"
		failed=$((failed + 1))
	fi
}

# A real output, made in this way, is the same bytes as made in the usual one.
same_bytes() {
	if ! [ -x examples/parwrite/parwrite ] || ! [ -f "$archive" ]; then
		echo "SKIP: $way: no parwrite, or no $archive"
		echo "# SKIP: 1"
		return
	fi
	usual=tests/way-usual.o
	[ -f $usual ] || examples/parwrite/parwrite -j 2 -o $usual "$archive"
	for to in "$OUTBUF_TEST_DIR/way.o" -; do
		echo "$way: parwrite -o $to"
		env "$@" examples/parwrite/parwrite -j 2 -o "$to" "$archive" >tests/way-out.o &&
			{ [ "$to" = - ] || mv "$to" tests/way-out.o; } && cmp tests/way-out.o $usual
		verdict $? "parwrite -o $to"
	done
}

# New, and twice over the old one: the same bytes as without a sandbox, and nothing beside them.
parwrite_refused() {
	if ! [ -x examples/parwrite/parwrite ] || ! [ -f "$archive" ]; then
		echo "SKIP: $way: no parwrite, or no $archive"
		echo "# SKIP: 1"
		return
	fi
	usual=tests/way-usual.o dir=$OUTBUF_TEST_DIR/refused
	[ -f $usual ] || examples/parwrite/parwrite -j 2 -o $usual "$archive"
	rm -rf "$dir" && mkdir "$dir"
	for _ in 1 2 3; do
		# shellcheck disable=SC2086 # words
		$refuse examples/parwrite/parwrite -j 2 -o "$dir/out.o" "$archive" && cmp "$dir/out.o" $usual &&
			[ "$(ls -A "$dir")" = out.o ]
		verdict $? "parwrite"
	done
	rm -rf "$dir"
}

# The way is really gone: backend_is NAME VARIABLE=VALUE...
backend_is() {
	want=$1
	shift
	got=$(env "$@" examples/parwrite/parwrite --stats -o tests/way-out.o "$archive" | sed -n 's/^backend: //p')
	[ "$got" = "$want" ]
	verdict $? "the backend is ${got:-unknown}, not $want"
}

# suite NAME PROGRAMS VARIABLE=VALUE...
suite() {
	way=$1 programs=$2
	shift 2
	case $way in
	memory | refused-* | *-full | *-quota) ;;
	*) same_bytes "$@" ;;
	esac
	case $way in
	*uring*) backend_is uring "$@" ;;
	stream) backend_is stream "$@" ;;
	esac
	# As many at once as there are processors.
	rm -f "tests/way-$way-"*.log
	for program in $programs; do
		[ ! -x "tests/$program" ] || echo "$program"
	done | env "$@" xargs -P "$(nproc)" -I PROGRAM sh "$0" one-program "$way" PROGRAM
	for program in $programs; do
		[ -x "tests/$program" ] || continue
		log="tests/way-$way-${program#*/}.log"
		status=$(sed -n '$s/^# status //p' "$log")
		p=$(grep -c '^ok' "$log")
		s=$(grep -c '^not ok.*# SKIP' "$log")
		f=$(($(grep -c '^not ok' "$log") - s))
		# Died on the way, or said nothing: as many as planned must have spoken. Or a tool has something
		# to report (ThreadSanitizer's status is 66, valgrind's 99) though every test is content.
		planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$log")
		if [ "$f" -eq 0 ] && { [ "$((p + s))" -ne "${planned:-0}" ] || [ "$((p + s))" -eq 0 ] || [ "${status:-255}" -ne 0 ]; }; then
			f=1
		fi
		if [ "$f" -gt 0 ]; then
			echo "FAIL: $way: $program (status $status)"
			grep -A 8 '^not ok' "$log" | grep -v '# SKIP'
			# What a tool had to say, or how far it came.
			grep -v '^ok' "$log" | tail -n 60
		fi
		passed=$((passed + p)) failed=$((failed + f)) left_out=$((left_out + s))
	done
}

# To the last block: ends by "No space left on device".
fill_disk() {
	dd if=/dev/zero of="$OUTBUF_TEST_DIR/ballast" bs=64k 2>/dev/null
	sync -f "$OUTBUF_TEST_DIR"
	dd if=/dev/zero of="$OUTBUF_TEST_DIR/more" bs=4k 2>/dev/null
}

empty_disk() {
	rm -f "$OUTBUF_TEST_DIR/ballast" "$OUTBUF_TEST_DIR/more" "$out"*
	sync -f "$OUTBUF_TEST_DIR"
}

# A full disk is one line and status 1, in every way; and the old output is still there.
full_parwrite() {
	out=$OUTBUF_TEST_DIR/out.o
	way="$OUTBUF_FS-full"
	if ! [ -x examples/parwrite/parwrite ] || ! [ -f "$archive" ]; then
		echo "SKIP: $way: no parwrite, or no $archive"
		echo "# SKIP: 1"
		return
	fi
	echo old >"$out"
	fill_disk
	for ways in OUTBUF_MAP=yes OUTBUF_MAP=no OUTBUF_FLUSH=uring OUTBUF_FLUSH=stream OUTBUF_STAGE=no; do
		words=$(env "$ways" examples/parwrite/parwrite -j 2 -o "$out" "$archive" 2>&1)
		status=$?
		# One line that names the file and the cause; in between is what was being done.
		case $words in
		*"
"*) status=lines ;;
		"parwrite: $out: "*"No space left on device") ;;
		*) status=words ;;
		esac
		[ $status = 1 ] && [ "$(cat "$out")" = old ]
		verdict $? "parwrite, $ways: status $status, $words"
	done
	empty_disk
}

# tests/check-lld.sh with outputs on this file system, if the shim is there.
lld() {
	way="$OUTBUF_FS-lld"
	if ! [ -e examples/lld/outbuf_lld.so ]; then
		echo "SKIP: $way: no examples/lld/outbuf_lld.so"
		echo "# SKIP: 1"
		return
	fi
	log=$PWD/tests/way-$way.log
	(mkdir -p "tests/$way" && cd "tests/$way" && OUTBUF_TEST_KILLS=5 abs_top_srcdir=$top abs_top_builddir=${PWD%/tests/*} sh "$top/tests/check-lld.sh") >"$log" 2>&1
	status=$?
	p=$(grep '^ok' "$log" | grep -vc '# SKIP')
	s=$(grep -c '^ok.*# SKIP' "$log")
	f=$(grep -c '^not ok' "$log")
	if [ "$f" -eq 0 ] && { [ $status -ne 0 ] || ! grep -qx "1..$((p + s))" "$log"; }; then
		f=1
	fi
	if [ "$f" -gt 0 ]; then
		echo "FAIL: $way (status $status)"
		grep -A 8 '^not ok' "$log"
	fi
	sed -n "s/^ok [0-9]* - \\(.*\\) # SKIP /SKIP: $way: \\1: /p" "$log"
	echo "# SKIP: $s"
	passed=$((passed + p)) failed=$((failed + f))
}

# ld.lld alone dies of a full disk, or tells of it too late; with the shim it says so, and keeps the old output.
full_lld() {
	way="$OUTBUF_FS-full"
	lld=$(command -v "ld.lld-$(cat examples/lld/version 2>/dev/null)")
	if ! [ -e examples/lld/outbuf_lld.so ] || [ -z "$lld" ]; then
		echo "SKIP: $way: no ld.lld, or no shim for it"
		echo "# SKIP: 1"
		return
	fi
	out=$OUTBUF_TEST_DIR/out.o
	full_lld_once 'failed to open ' OUTBUF_MAP=no
	full_lld_once 'failed to open ' OUTBUF_MAP=yes
	# Where blocks cannot be reserved it shows at a store: the guard's.
	printf '#include <errno.h>\nint fallocate(int fd, int mode, long at, long n) { (void)fd, (void)mode, (void)at, (void)n; errno = EOPNOTSUPP; return -1; }\n' |
		gcc -w -shared -fPIC -x c - -o tests/no-fallocate.so
	full_lld_once 'failed to write ' OUTBUF_MAP=yes "$PWD/tests/no-fallocate.so"
	# Alone it dies of SIGBUS.
	# shellcheck disable=SC3045 # dash and bash have it
	(ulimit -c 0 && "$lld" -r --whole-archive "$archive" -o "$out") >tests/way-lld-words.log 2>&1
	status=$?
	echo "$way: ld.lld without the shim: status $status, the old output $([ -e "$out" ] && echo there || echo gone)"
	[ $status = 135 ]
	verdict $? "ld.lld without the shim: status $status"
	empty_disk
}

# full_lld_once WORDS VARIABLE=VALUE [PRELOAD]
full_lld_once() {
	empty_disk
	echo old >"$out"
	# Room for the byte by which lld tries whether it can write, and not for the output, which is 500 KB.
	dd if=/dev/zero of="$OUTBUF_TEST_DIR/room" bs=64k count=4 2>/dev/null
	fill_disk
	rm "$OUTBUF_TEST_DIR/room"
	sync -f "$out"
	words=$(env "$2" OUTBUF_GUARD=1 LD_PRELOAD="${3-} $PWD/examples/lld/outbuf_lld.so" "$lld" -r --whole-archive "$archive" -o "$out" 2>&1)
	status=$?
	case $words in
	*"$1"*"$out"*"No space left on device") ;;
	*) status=wrong ;;
	esac
	echo "$way: ld.lld with the shim, $2: $words"
	[ $status = 1 ] && [ "$(cat "$out")" = old ]
	verdict $? "ld.lld with the shim, $2: status $status, $words"
}

# As an administrator switches it off: kernel.io_uring_disabled, which is one for the whole machine.
without_uring() {
	switch=/proc/sys/kernel/io_uring_disabled way=switched-off
	before=$(cat $switch 2>/dev/null)
	if [ -z "$before" ] || ! (echo "$before" >$switch) 2>/dev/null; then
		echo "SKIP: $way: $switch cannot be changed"
		echo "# SKIP: 1"
		return
	fi
	trap 'echo "$before" >$switch' EXIT
	trap 'exit 1' HUP INT QUIT TERM
	echo 2 >$switch
	suite $way flush/test_uring_refused OUTBUF_TEST_SWITCHED_OFF=1
	[ ! -f "$archive" ] || backend_is pwrite OUTBUF_FLUSH=uring
	echo "$before" >$switch
	trap - EXIT HUP INT QUIT TERM
	[ "$(cat $switch)" = "$before" ]
	verdict $? "$switch is put back"
}

total() {
	echo "# PASS: $passed"
	echo "# FAIL: $failed"
	echo "# left out: $left_out"
	[ "$failed" -eq 0 ]
}

# on_each NAME MODE ARGUMENT...: this script again on file systems. The machine may have none of them.
on_each() {
	log=tests/$1.log mode=$2
	shift 2
	"$top/scripts/each-fs" "$@" -- sh "$0" "$mode" >"$log" 2>&1
	status=$?
	cat "$log"
	sed -n 's/^each-fs: SKIP /SKIP: /p' "$log"
	echo "# SKIP: $(grep -c '^each-fs: SKIP ' "$log")"
	[ $status -eq 77 ] || return $status
}

case ${1-} in
backends | threads)
	programs=$by_path
	[ "$1" = backends ] || programs=$by_threads
	suite mapping "$programs" OUTBUF_MAP=yes OUTBUF_STAGE=no
	suite mapping-staged "$programs" OUTBUF_MAP=yes OUTBUF_STAGE=yes
	suite pwrite "$programs" OUTBUF_MAP=no OUTBUF_STAGE=no OUTBUF_FLUSH=pwrite
	suite pwrite-staged "$programs" OUTBUF_MAP=no OUTBUF_STAGE=yes OUTBUF_FLUSH=pwrite
	suite uring "$programs" OUTBUF_MAP=no OUTBUF_STAGE=no OUTBUF_FLUSH=uring
	suite uring-staged "$programs" OUTBUF_MAP=no OUTBUF_STAGE=yes OUTBUF_FLUSH=uring
	suite stream "$programs" OUTBUF_FLUSH=stream
	suite memory "$by_content" OUTBUF_TEST_MEMORY=1
	total
	;;
uring) # under valgrind: what there is to see, in a few minutes
	suite uring "$by_content" OUTBUF_MAP=no OUTBUF_STAGE=no OUTBUF_FLUSH=uring
	suite uring-staged "$by_content" OUTBUF_MAP=no OUTBUF_STAGE=yes OUTBUF_FLUSH=uring
	total
	;;
file-systems) on_each file-systems one-file-system -s 400 ;;
one-file-system)
	suite "$OUTBUF_FS" "$by_path" OUTBUF_TEST_DIR="$OUTBUF_TEST_DIR"
	suite "$OUTBUF_FS-direct" "$by_content" OUTBUF_TEST_DIR="$OUTBUF_TEST_DIR" OUTBUF_STAGE=no
	suite "$OUTBUF_FS-uring" "$by_content" OUTBUF_TEST_DIR="$OUTBUF_TEST_DIR" OUTBUF_MAP=no OUTBUF_FLUSH=uring
	lld
	total
	;;
# In a guest, on the file system that was mounted there: what differs by file system, once.
guest)
	suite "$OUTBUF_FS" "$by_path" OUTBUF_TEST_DIR="$OUTBUF_TEST_DIR"
	total
	;;
guest-quota)
	UNDER='setpriv --reuid 65534 --regid 65534 --clear-groups'
	export UNDER
	suite "$OUTBUF_FS-quota" memory/test_full OUTBUF_TEST_FULL=EDQUOT OUTBUF_TEST_QUOTA=1
	total
	;;
full) on_each full one-full -t tmpfs ext4 xfs btrfs ;;
machine)
	without_uring
	total
	;;
lld) on_each lld one-lld -s 400 ;;
full-lld) on_each full-lld one-full-lld -t tmpfs ext4 xfs btrfs ;;
one-lld)
	lld
	total
	;;
one-full-lld)
	full_lld
	total
	;;
refused)
	# A program of ours, and one of the calls that it can live without.
	for call in linkat renameat renameat2 fallocate statx copy_file_range; do
		for error in EPERM ENOSYS; do
			way=refused-$call-$error refuse="tests/scripts/refuse $error $call"
			# shellcheck disable=SC2086 # words
			$refuse true
			if [ $? -eq 77 ]; then
				echo "SKIP: $way: no filters for system calls here"
				echo "# SKIP: 1"
				continue
			fi
			parwrite_refused
			suite $way "$by_path" UNDER="$refuse" OUTBUF_TEST_REFUSED=$call
		done
	done
	total
	;;
one-program)
	log=tests/way-$2-${3#*/}.log
	# shellcheck disable=SC2086 # words, or nothing
	CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 ${UNDER-} "tests/$3" >"$log" 2>&1
	printf '\n# status %d\n' $? >>"$log"
	;;
one-full)
	suite "$OUTBUF_FS-full" memory/test_full OUTBUF_TEST_FULL=ENOSPC
	full_parwrite
	full_lld
	# A quota that is full, for whoever writes: btrfs has one that holds for root as well.
	if [ "$OUTBUF_FS" = btrfs ]; then
		mount=${OUTBUF_TEST_DIR%/dir}
		if btrfs quota enable "$mount" && btrfs qgroup limit 12M "$mount"; then
			suite btrfs-quota memory/test_full OUTBUF_TEST_FULL=EDQUOT OUTBUF_TEST_QUOTA=1
		else
			echo "FAIL: btrfs: no quota to be had"
			failed=$((failed + 1))
		fi
	fi
	total
	;;
*)
	echo "usage: $0 backends|threads|uring|refused|file-systems|full|machine|lld|full-lld|guest|guest-quota" >&2
	exit 2
	;;
esac
