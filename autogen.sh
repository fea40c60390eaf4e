#!/bin/sh
# SPDX-License-Identifier: MIT
# Make ./configure from a checkout. Needs autoconf, automake, libtool, autoconf-archive and
# pkg-config (Debian's names; scripts/check installs them). The same as
# `autoreconf --install`, with a clear word when the archive's macros are missing: without
# them AX_PTHREAD would land in configure as a shell command.
set -eu
cd "$(dirname "$0")"

for tool in autoreconf aclocal libtoolize pkg-config; do
	command -v "$tool" >/dev/null || {
		echo "autogen.sh: $tool not found: install autoconf automake libtool pkg-config" >&2
		exit 1
	}
done
[ -f "$(aclocal --print-ac-dir)/ax_pthread.m4" ] || {
	echo "autogen.sh: ax_pthread.m4 not found: install autoconf-archive" >&2
	exit 1
}
exec autoreconf --install --force --warnings=all,no-portability
