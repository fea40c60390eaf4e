#!/bin/sh
# SPDX-License-Identifier: MIT
# Which limit of memory the shim of examples/lld finds in made-up control groups. Needs a C++ compiler, and no LLVM.
. "$abs_top_srcdir/tests/scripts/tap.sh"

# A sanitizer's runtime is another compiler's.
if ! ${CXX:-c++} -std=c++17 -Wall -Wextra -Werror -I"$abs_top_srcdir/examples" "$abs_top_srcdir/tests/programs/lld_memory_limit.cc" \
	"$abs_top_srcdir/examples/lld/memory_limit.cc" -o "$scratch/limit" 2>"$scratch/message"; then
	if command -v "${CXX:-c++}" >/dev/null; then
		try "it compiles" sh -c 'cat "$0"; false' "$scratch/message"
	else
		skip "the limit of control groups" "no C++ compiler"
	fi
	tap_end
	exit
fi

root=$scratch/root
# fresh CGROUP MOUNTINFO: what /proc/self says.
fresh() {
	rm -rf "$root"
	mkdir -p "$root/proc/self" && printf '%s\n' "$1" >"$root/proc/self/cgroup" && printf '%s\n' "$2" >"$root/proc/self/mountinfo"
}
# limit FILE VALUE: of a group.
limit() { mkdir -p "$root/$(dirname "$1")" && echo "$2" >"$root/$1"; }
finds() {
	got=$("$scratch/limit" "$root")
	echo "$got, not $1"
	test "$got" = "$1"
}

v2=/sys/fs/cgroup
v2_mount="30 23 0:26 / $v2 rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
v1=/sys/fs/cgroup/memory
v1_mounts="31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / $v1 rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
v1_groups="9:name=systemd:/user/memory
4:memory:/user/build
1:cpu,cpuacct:/cpu
0::/user"
none_v1=9223372036854771712

rm -rf "$root"
try "no /proc" finds none
fresh "0::/" "23 1 8:1 / / rw - ext4 /dev/sda rw"
try "nothing mounted" finds none

fresh "0::/user.slice/a.scope" "$v2_mount"
try "version 2, no limits: the root has no such file" finds none
limit $v2/user.slice/a.scope/memory.max 1000000
try "version 2, the group's own" finds 1000000
limit $v2/user.slice/memory.max 500000
try "... and the slice's, which is less" finds 500000
limit $v2/user.slice/memory.max max
try "... and the slice's, which is none" finds 1000000
limit $v2/user.slice/a.scope/memory.max max
try "... and none at all" finds none
limit $v2/other.slice/memory.max 7
try "another group's does not count" finds none

fresh "0::/" "$v2_mount"
limit $v2/memory.max 2000000
try "version 2 in a namespace of its own" finds 2000000
fresh "0::/../../other" "$v2_mount"
limit $v2/memory.max 2000000
limit other/memory.max 7
try "a group outside the namespace: what is mounted counts" finds 2000000

fresh "$v1_groups" "$v1_mounts"
try "version 1, no files" finds none
limit $v1/memory.limit_in_bytes $none_v1
limit $v1/user/build/memory.limit_in_bytes $none_v1
try "version 1, no limits" finds none
limit $v1/user/build/memory.limit_in_bytes 3000000
try "version 1, the group's own" finds 3000000
limit $v1/user/memory.limit_in_bytes 2000000
try "... and the one above, which is less" finds 2000000
limit /sys/fs/cgroup/unified/user/memory.max 1000000
try "both versions: the least counts" finds 1000000

container=/docker/0123abcd
fresh "4:memory:$container" "35 31 0:32 $container $v1 ro - cgroup cgroup rw,memory"
limit $v1/memory.limit_in_bytes 4000000
try "version 1, the container's group is what is mounted" finds 4000000
fresh "4:memory:$container/inner" "35 31 0:32 $container $v1 ro - cgroup cgroup rw,memory"
limit $v1/memory.limit_in_bytes 4000000
limit $v1/inner/memory.limit_in_bytes 3000000
try "... and a group below it" finds 3000000
fresh "4:memory:${container}ef" "35 31 0:32 $container $v1 ro - cgroup cgroup rw,memory"
limit $v1/memory.limit_in_bytes 4000000
limit ${v1}ef/memory.limit_in_bytes 7
try "a name that begins like the mounted group's" finds 4000000
fresh "0::/a b" '30 23 0:26 / /sys/fs/c\040g rw - cgroup2 cgroup2 rw'
limit "/sys/fs/c g/a b/memory.max" 5000000
try "a mount point with a space" finds 5000000
fresh "4:memory:/a:b" "35 31 0:32 / $v1 rw - cgroup cgroup rw,memory"
limit "$v1/a:b/memory.limit_in_bytes" 6000000
try "a group with a colon" finds 6000000
tap_end
