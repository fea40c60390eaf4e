/* SPDX-License-Identifier: MIT */
/*
 * ".NAME.outbuf-XXXXXXXXXXXXX". NAME is cut to at most 64 bytes, between two UTF-8 characters, because some file
 * systems allow no more than 143 bytes in a name (eCryptfs). hidden.c says what such names are for.
 */
#include "config.h"

#include "target/hidden_name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "system/sys.h"

#define NAME_BYTES_MAX 64
#define SUFFIX ".outbuf-"
#define SUFFIX_CHARS 13 /* 64 bits, 5 at a time */
_Static_assert(1 + NAME_BYTES_MAX + sizeof SUFFIX - 1 + SUFFIX_CHARS == HIDDEN_NAME_MAX, "hidden_name.h");

static char *make_name(const char *name, uint64_t bits)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	size_t length = strnlen(name, NAME_BYTES_MAX), size, i;
	char *hidden;

	while (length > 0 && ((unsigned char)name[length] & 0xc0) == 0x80)
		length--;
	size = 1 + length + strlen(SUFFIX) + SUFFIX_CHARS + 1;
	hidden = malloc(size);
	if (hidden == NULL)
		return NULL;
	hidden[0] = '.';
	memcpy(hidden + 1, name, length);
	memcpy(hidden + 1 + length, SUFFIX, strlen(SUFFIX));
	for (i = 0; i < SUFFIX_CHARS; i++, bits >>= 5)
		hidden[size - 1 - SUFFIX_CHARS + i] = digits[bits & 31];
	hidden[size - 1] = '\0';
	return hidden;
}

/*
 * FNV-1a of the whole name, as two names may begin with the same 64 bytes. Another `salt` gives other hashes: the tries
 * and the lock file have different names.
 */
static uint64_t hash_name(const char *name, uint64_t salt)
{
	uint64_t h = 0xcbf29ce484222325u ^ salt;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3u;
	return h;
}

/* Versions of the library may differ, and must find each other's files: try 0 has salt 0, and the lock file 1. */
#define LOCK_SALT 1

static uint64_t salt_of_try(int try)
{
	return try == 0 ? 0 : (uint64_t)try + LOCK_SALT;
}

int ob__hidden_name(const char *name, int try, char **hidden)
{
	uint64_t bits = 0;
	int r = 0;

	if (try < HIDDEN_KNOWN)
		bits = hash_name(name, salt_of_try(try));
	else
		r = ob__sys_random(&bits);
	if (r < 0)
		return r;
	*hidden = make_name(name, bits);
	return *hidden == NULL ? -ENOMEM : 0;
}

int ob__hidden_lock_name(const char *name, char **hidden)
{
	*hidden = make_name(name, hash_name(name, LOCK_SALT));
	return *hidden == NULL ? -ENOMEM : 0;
}
