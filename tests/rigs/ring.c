/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "rigs/ring.h"

#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/support.h"

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
	struct flush f = { .backend = &ob__flush_uring };

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

static unsigned char all[48 << 20];

/* Made once, and not copied without need: valgrind and ThreadSanitizer look at each byte. */
static const unsigned char *made(uint64_t offset, size_t n)
{
	uint64_t seed = 5, word;
	size_t i;

	assert_true(offset <= sizeof all && n <= sizeof all - offset);
	for (i = all[sizeof all - 1] != 0 ? sizeof all : 0; i < sizeof all; i += sizeof word) {
		word = random_next(&seed) | 0x0101010101010101u; /* no byte is zero */
		memcpy(all + i, &word, sizeof word);
	}
	return all + offset;
}

unsigned char *bytes_for(uint64_t offset, size_t n)
{
	unsigned char *data = malloc(n > 0 ? n : 1);

	assert_non_null(data);
	memcpy(data, made(offset, n), n);
	return data;
}

void assert_bytes(const char *path, uint64_t offset, size_t n)
{
	const unsigned char *want = made(offset, n);
	static unsigned char got[1 << 16];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t at = 0, end = offset + n;
	ssize_t r;

	assert_true(fd >= 0);
	while ((r = read(fd, got, at < offset && offset - at < sizeof got ? offset - at : sizeof got)) > 0) {
		assert_true((uint64_t)r <= end - at);
		if (at >= offset)
			assert_memory_equal(got, want + (at - offset), (size_t)r);
		else
			assert_true(got[0] == 0 && memcmp(got, got + 1, (size_t)r - 1) == 0);
		at += (uint64_t)r;
	}
	assert_int_equal(r, 0);
	assert_int_equal(at, end);
	close(fd);
}
