#!/bin/bash
# SPDX-License-Identifier: MIT
# The power fails: what is left of an output, on each file system, with each promise. Called in a build folder, by
# scripts/check; needs root, FUSE and loop devices.
#
#     cells.sh [-p POINTS] [-s SEED] [-a] [FILE-SYSTEM]...
#
#   -p   so many failures a cell (60)
#   -s   seed of their choice (1)
#   -a   all: also Views that are stored into a mapping, other mount options, and parwrite and ld.lld as writers
#
# A line for each cell, and automake's summary. A control is a cell that must go wrong: a missing fsync(2), or none.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$PWD/tests/power-failure
program_writer=$top/tests/power-failure/program-writer.sh

points=60 seed=1 all=''
while getopts p:s:a option; do
	case $option in
	p) points=$OPTARG ;;
	s) seed=$OPTARG ;;
	a) all=1 ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- ext4 xfs btrfs

passed=0 failed=0 skipped=0
logs=$(mktemp -d "${TMPDIR:-/dev/shm}/power-failure-cells.XXXXXX") || exit 2
# What a run that was killed left in memory goes with it.
export TMPDIR=$logs
trap 'rm -rf --one-file-system "$logs"' EXIT
trap 'trap - EXIT; kill $(jobs -p) 2>/dev/null; wait; rm -rf --one-file-system "$logs"; exit 1' HUP INT QUIT TERM

# The file system of a cell: its type, size in MiB, mount options, and how it is made.
file_system() {
	type=${1%%-*} mount='' repair='' sector=512 levels='data full'
	# shellcheck disable=SC2016 # $IMAGE is power_failure's
	case $1 in
	# Its superblock has 1 KiB and a checksum: if half of it is written, it is not mounted.
	ext4*) mib=64 sector=1024 make='mkfs.ext4 -q -F -m 0 -b 4096 -E lazy_itable_init=0,lazy_journal_init=0 $IMAGE' ;;
	xfs*) mib=300 make='mkfs.xfs -q $IMAGE' ;;
	# Its superblock has 4 KiB, and it relies on disks that write that as a whole.
	btrfs*) mib=128 sector=4096 make='mkfs.btrfs -q $IMAGE' ;;
	f2fs*) mib=128 make='mkfs.f2fs $IMAGE' ;;
	# Without a journal: DATA is not promised there (outbuf.h), and it is repaired before it is used again.
	vfat*) mib=64 levels=full make='mkfs.vfat -F 32 $IMAGE' repair='fsck.vfat -a $DISK' ;;
	exfat*) mib=64 make='mkfs.exfat $IMAGE' repair='fsck.exfat -y $DISK' ;;
	ntfs3*) mib=64 sector=4096 levels=full make='mkntfs -Q -F $IMAGE' repair='ntfsfix -d $DISK' ;;
	jfs*) mib=64 make='jfs_mkfs -q $IMAGE' ;;
	*)
		echo "cells.sh: no file system $1" >&2
		exit 2
		;;
	esac
	case $1 in
	ext4-noauto) mount=noauto_da_alloc ;;
	ext4-writeback) mount=noauto_da_alloc,data=writeback ;;
	ext4-journal) mount=data=journal ;;
	ext4-1k) make="${make/-b 4096/-b 1024}" ;;
	btrfs-nocow) mount=nodatacow ;;
	f2fs-strict) mount=fsync_mode=strict ;;
	*-*)
		echo "cells.sh: no options $1" >&2
		exit 2
		;;
	esac
	if ! command -v "${make%% *}" >/dev/null; then
		why="no ${make%% *}"
	elif ! grep -qw "$type" /proc/filesystems && ! modprobe -q "$type" 2>/dev/null; then
		why="the kernel has no $type"
	else
		why=''
	fi
}

running=0 at_once=$(nproc)
[ "$at_once" -le 8 ] || at_once=8
# skip NAME REASON
skip() {
	echo "SKIP: $1: $2" >"$logs/$(printf %03d $running).skip"
	running=$((running + 1))
}

# cell NAME FILE-SYSTEM OPTIONS WRITER...: in the background, as many as there are processors, 8 at most. Its words go to
# a log of its own.
cell() {
	local name=$1 options=$3
	file_system "$2"
	shift 3
	if [ -n "$why" ]; then
		skip "$name" "$why"
		return
	fi
	[ "$(jobs -rp | wc -l)" -lt "$at_once" ] || wait -n
	# shellcheck disable=SC2086 # words
	(
		"$here/power_failure" -v -p "$points" -s "$seed" -u $sector $options ${mount:+-o $mount} ${repair:+-k "$repair"} "$type" "$mib" "$make" "$@" >"$log" 2>&1
		echo "status $? $name" >>"$log"
	) &
	running=$((running + 1))
}

# The log of the next cell.
next() { log=$logs/$(printf %03d $running).log; }

cells_of() {
	local fs=$1 level program full writer=$here/writer
	file_system "$fs"
	for level in $levels; do
		full=''
		[ "$level" = data ] || full=-f
		next
		cell "$fs, $level" "$fs" "$full" "$writer" -d "$level"
		# The others have no spares (fspolicy.c).
		if [ "$type" = ext4 ] || [ "$type" = xfs ]; then
			next
			cell "$fs, $level, recycled" "$fs" "$full -l" "$writer" -d "$level" -r
		fi
		[ -n "$all" ] || continue
		next
		cell "$fs, $level, mapped" "$fs" "$full" "$writer" -d "$level" -m
		for program in parwrite ld.lld; do
			next
			if ! why=$(sh "$program_writer" $program); then
				skip "$fs, $level, $program" "$why"
				continue
			fi
			cell "$fs, $level, $program" "$fs" "$full -n 12" sh "$program_writer" $program "$level"
		done
	done
	controls "$fs"
}

# Each of these must be seen to go wrong. ext4 writes a file early that is renamed over another one, unless it is told not to.
controls() {
	local fs=$1 naive=$1 writer=$here/writer
	[ "$fs" != ext4 ] || naive=ext4-noauto
	# It writes the data before the name, without being asked.
	[ "$fs" != ext4-journal ] || naive=''
	next
	cell "$fs, control: the file is not synced" "$fs" -c "$writer" -d data -x file
	next
	# These write the directory with the file.
	if [ "$levels" = full ]; then
		cell "$fs, control: data" "$fs" -c "$writer" -d data
	else
		cell "$fs, control: the directory is not synced" "$fs" '-c -f' "$writer" -d full -x directory
	fi
	[ -n "$naive" ] || return
	next
	cell "$fs, control: write and rename" "$naive" -c "$writer" -N
}

verdicts() {
	local line
	for log in "$logs"/*.log "$logs"/*.skip; do
		[ -f "$log" ] || continue
		line=$(tail -n 1 "$log")
		case $line in
		SKIP:*)
			echo "$line"
			skipped=$((skipped + 1))
			;;
		"status 0 "*)
			echo "${line#status 0 }: $(grep 'points:' "$log")"
			passed=$((passed + 1))
			;;
		*)
			echo "FAIL: power failure: ${line#status * }"
			# Of a control it is no use to hear of what did not go wrong.
			tail -n 15 "$log"
			failed=$((failed + 1))
			;;
		esac
	done
}

if [ ! -x "$here/power_failure" ]; then
	echo "SKIP: power failure: no libfuse3"
	echo "# SKIP: 1"
	exit 0
elif [ "$(id -u)" != 0 ] || [ ! -c /dev/fuse ] || [ ! -c /dev/loop-control ] || ! unshare -m true 2>/dev/null; then
	echo "SKIP: power failure: root, /dev/fuse, loop devices and mount namespaces are needed"
	echo "# SKIP: 1"
	exit 0
fi
for fs; do
	cells_of "$fs"
done
if [ -n "$all" ] && [ "$*" = "ext4 xfs btrfs" ]; then
	for fs in ext4-noauto ext4-journal ext4-1k btrfs-nocow; do
		cells_of $fs
	done
	# This one keeps nothing, by hand neither: the blocks of a file that was replaced get another file's bytes early.
	next
	cell "ext4-writeback, control: write, fsync, rename" ext4-writeback -c "$here/writer" -S
fi
wait
verdicts
echo "# PASS: $passed"
echo "# FAIL: $failed"
echo "# SKIP: $skipped"
[ $failed -eq 0 ]
