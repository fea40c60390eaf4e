/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "rigs/put.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "target/unix/named.h"

/* n bytes, of which `planned` are planned. */
static int put_planned(const char *path, const struct outbuf_options *options, uint8_t byte, size_t planned, size_t n,
                       struct outbuf_stats *stats)
{
	struct outbuf *ob;
	int r = outbuf_open(&ob, path, options);

	if (r < 0)
		return r;
	r = outbuf_map(ob, planned);
	if (r == 0)
		r = fill_some(ob, byte, n);
	if (r == 0)
		r = outbuf_commit(ob);
	if (stats != NULL)
		*stats = stats_of(ob);
	outbuf_close(ob);
	return r;
}

int put_bytes(const char *path, const struct outbuf_options *options, uint8_t byte, size_t n, struct outbuf_stats *stats)
{
	return put_planned(path, options, byte, n, n, stats);
}

int put_n(const char *path, uint32_t replace, size_t n)
{
	const struct outbuf_options o = with_replace(replace);

	return put_planned(path, &o, 'n', n / 2, n, NULL);
}

int put(const char *path, const struct outbuf_options *options, uint8_t byte, struct outbuf_stats *stats)
{
	return put_bytes(path, options, byte, PUT_SIZE, stats);
}

void assert_put(const char *path, uint8_t byte)
{
	static unsigned char want[PUT_SIZE];

	memset(want, byte, sizeof want);
	assert_file(path, want, sizeof want);
}

struct outbuf_options with_replace(uint32_t replace)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;

	o.replace = replace;
	return o;
}

int is_hidden(const char *name)
{
	return strncmp(name, ".out.outbuf-", 12) == 0;
}

int has_open(const char *name)
{
	char path[64], to[PATH_MAX];
	ssize_t n;
	int fd;

	for (fd = 3; fd < 100; fd++) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		n = readlink(path, to, sizeof to - 1);
		if (n <= 0)
			continue;
		to[n] = '\0';
		if (strstr(to, name) != NULL)
			return 1;
	}
	return 0;
}

ssize_t full_copy(int from, off_t *at, int to, size_t n)
{
	(void)from, (void)at, (void)to, (void)n;
	errno = ENOSPC;
	return -1;
}

ssize_t full_write(int fd, const void *data, size_t n)
{
	(void)fd, (void)data, (void)n;
	errno = ENOSPC;
	return -1;
}

int odd_begin(void **state)
{
	atomic_store(&ob__named_links, 0);
	return faults_begin(state);
}

int odd_end(void **state)
{
	atomic_store(&ob__named_links, 0);
	return faults_end(state);
}
