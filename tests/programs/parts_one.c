/* SPDX-License-Identifier: MIT */
/* Referred to by parts_main.c. */
static int quiet = 3;
static const char *const words[] = { "one", "word" };

static int local(int x) { return x + quiet; }

int one(int x) { return local(x) + words[0][0]; }
