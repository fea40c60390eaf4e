/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "ring.h"

#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

void need_ring(void)
{
	struct io_uring ring;
	int r = io_uring_queue_init(1, &ring, 0);

	if (r < 0) {
		print_message("no io_uring here: %s\n", strerror(-r));
		skip();
	}
	io_uring_queue_exit(&ring);
}

struct flush ring_at(const char *path)
{
	struct flush f = { .backend = &flush_uring };

	need_ring();
	f.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(f.fd >= 0);
	assert_int_equal(f.backend->open(&f), 0);
	assert_non_null(f.state);
	return f;
}

void ring_end(struct flush *f)
{
	f->backend->close(f);
	assert_null(f->state);
	assert_int_equal(close(f->fd), 0);
}

/* Made once: under valgrind it takes a while. */
static unsigned char all[48 << 20];

unsigned char *bytes_for(uint64_t offset, size_t n)
{
	unsigned char *data = malloc(n > 0 ? n : 1);
	uint64_t seed = 5, word;
	size_t i;

	assert_non_null(data);
	assert_true(offset <= sizeof all && n <= sizeof all - offset);
	for (i = all[sizeof all - 1] != 0 ? sizeof all : 0; i < sizeof all; i += sizeof word) {
		word = random_next(&seed) | 0x0101010101010101u; /* no byte is zero */
		memcpy(all + i, &word, sizeof word);
	}
	memcpy(data, all + offset, n);
	return data;
}

void assert_bytes(const char *path, uint64_t offset, size_t n)
{
	unsigned char *data = bytes_for(offset, n), *want = calloc(1, (size_t)offset + n + 1);

	assert_non_null(want);
	memcpy(want + offset, data, n);
	assert_file(path, want, (size_t)offset + n);
	free(data);
	free(want);
}
