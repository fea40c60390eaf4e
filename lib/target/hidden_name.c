/* SPDX-License-Identifier: MIT */
/*
 * ".NAME.outbuf-XXXXXXXXXXXXX", NAME cut to 64 bytes between UTF-8 characters: some file systems allow no more
 * than 143 (eCryptfs). What such a name is good for says hidden.c.
 */
#include "config.h"

#include "target/hidden_name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "system/sys.h"

#define NAME_KEPT 64
#define SUFFIX ".outbuf-"
#define SUFFIX_CHARS 13 /* 64 bits, 5 at a time */

static char *with_suffix(const char *name, uint64_t bits)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	size_t keep = strnlen(name, NAME_KEPT), size, i;
	char *to;

	while (keep > 0 && ((unsigned char)name[keep] & 0xc0) == 0x80)
		keep--;
	size = 1 + keep + strlen(SUFFIX) + SUFFIX_CHARS + 1;
	to = malloc(size);
	if (to == NULL)
		return NULL;
	snprintf(to, size, ".%.*s%s", (int)keep, name, SUFFIX);
	for (i = 0; i < SUFFIX_CHARS; i++, bits >>= 5)
		to[size - 1 - SUFFIX_CHARS + i] = digits[bits & 31];
	to[size - 1] = '\0';
	return to;
}

/* FNV-1a: of the whole name, as two may have the same 64 bytes. `salt` makes another family. */
static uint64_t hash(const char *name, uint64_t salt)
{
	uint64_t h = 0xcbf29ce484222325u ^ salt;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3u;
	return h;
}

int ob__hidden_name(const char *name, int try, char **hidden)
{
	uint64_t bits = hash(name, 0);
	int r = try == 0 ? 0 : ob__sys_random(&bits);

	if (r < 0)
		return r;
	*hidden = with_suffix(name, bits);
	return *hidden == NULL ? -ENOMEM : 0;
}

int ob__hidden_lock_name(const char *name, char **hidden)
{
	*hidden = with_suffix(name, hash(name, 1));
	return *hidden == NULL ? -ENOMEM : 0;
}
