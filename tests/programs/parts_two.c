/* SPDX-License-Identifier: MIT */
/* Referred to by nobody. */
static int quiet = 4;

static int local(int x) { return x * quiet; }

int two_only(int x) { return local(x); }
