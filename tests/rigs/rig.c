/* SPDX-License-Identifier: MIT */
/* One of each kind of output that is no file of the library's (rig.h), and what is written to it. */
#include "config.h"

#include "rigs/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define THREADS 8
#define SIZE ((size_t)RIG_SIZE)
#define GAP ((size_t)5001) /* nobody writes the end of each thread's part */

unsigned char *rig_want;

int rig_make_want(void **state)
{
	uint64_t seed = 3;
	size_t i;

	(void)state;
	rig_want = calloc(1, RIG_PLANNED + RIG_TAIL);
	if (rig_want == NULL)
		return -1;
	for (i = 0; i < SIZE; i++)
		if (i % (SIZE / THREADS) < SIZE / THREADS - GAP)
			rig_want[i] = (unsigned char)random_next(&seed);
	for (i = 0; i < RIG_TAIL; i++)
		rig_want[RIG_PLANNED + i] = (unsigned char)i;
	return 0;
}

int rig_free_want(void **state)
{
	(void)state;
	free(rig_want);
	return 0;
}

static int emit_part(void *arg, unsigned i)
{
	size_t part = SIZE / THREADS, at = i * part, end = at + part - GAP;
	struct outbuf_view v;

	outbuf_view(arg, &v, at, part);
	for (; at % 5000 != 0; at++)
		outbuf_write8(&v, rig_want[at]);
	while (at < end) {
		size_t n = end - at < 10000 ? end - at : 10000;

		outbuf_write(&v, rig_want + at, n);
		at += n;
	}
	return outbuf_view_end(&v);
}

/* All of `rig_want`; 0 or an error. */
int rig_emit(struct outbuf *ob)
{
	struct outbuf_view v;
	int r = outbuf_map(ob, RIG_PLANNED);

	if (r == 0)
		r = run_threads(THREADS, emit_part, ob);
	if (r < 0)
		return r;
	outbuf_view(ob, &v, RIG_PLANNED, OUTBUF_UNBOUNDED);
	outbuf_write(&v, rig_want + RIG_PLANNED, RIG_TAIL);
	return outbuf_view_end(&v);
}

int rig_open_fd(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
{
	return outbuf_open_fd(ob, rig->fd, options);
}

static int open_path(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
{
	return outbuf_open(ob, rig->s->path, options);
}

int rig_open_proc(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", rig->fd);
	return outbuf_open(ob, path, options);
}

int rig_open_dev_fd(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
{
	char path[64];

	snprintf(path, sizeof path, "/dev/fd/%d", rig->fd);
	return outbuf_open(ob, path, options);
}

/* A symbolic link of the user's own to one. */
static int open_link(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
{
	char path[64];

	snprintf(path, sizeof path, "/dev/fd/%d", rig->fd);
	unlink(rig->s->path);
	return symlink(path, rig->s->path) < 0 ? -errno : outbuf_open(ob, rig->s->path, options);
}

int rig_sink(void *arg, uint64_t offset, const void *data, size_t n)
{
	struct rig *rig = arg;

	rig->calls++;
	rig->gaps += offset != rig->n || n == 0;
	rig->largest = n > rig->largest ? n : rig->largest;
	if (rig->data != NULL && rig->n + n <= RIG_PLANNED + RIG_TAIL)
		memcpy(rig->data + rig->n, data, n);
	rig->n += n;
	return rig->answer;
}

static int open_sink(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
{
	return outbuf_open_sink(ob, rig_sink, rig, options);
}

static int open_memory(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
{
	(void)rig;
	return outbuf_open_memory(ob, options);
}

static int make_nothing(struct rig *rig)
{
	rig->data = calloc(1, RIG_PLANNED + RIG_TAIL);
	return rig->data == NULL ? -1 : 0;
}

static int make_pipe(struct rig *rig)
{
	int ends[2];

	if (pipe(ends) < 0)
		return -1;
	rig->reader.fd = ends[0];
	rig->fd = ends[1];
	return 0;
}

static int make_slow_pipe(struct rig *rig)
{
	rig->reader.pause_us = 1000;
	return make_pipe(rig);
}

static int make_pipe_that_does_not_block(struct rig *rig)
{
	if (make_slow_pipe(rig) < 0)
		return -1;
	return fcntl(rig->fd, F_SETFL, O_NONBLOCK);
}

static int make_socket(struct rig *rig)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return -1;
	rig->reader.fd = ends[0];
	rig->fd = ends[1];
	return 0;
}

static int make_fifo(struct rig *rig)
{
	rig->reader.path = rig->s->path;
	rig->reader.pause_us = 1000;
	return mkfifo(rig->s->path, 0600);
}

/* Raw, so that bytes arrive as they are. The end of a terminal says EIO. */
static int make_terminal(struct rig *rig)
{
	struct termios raw;

	rig->reader.fd = posix_openpt(O_RDWR | O_NOCTTY);
	if (rig->reader.fd < 0)
		return 1;
	if (grantpt(rig->reader.fd) < 0 || unlockpt(rig->reader.fd) < 0)
		return -1;
	rig->fd = open(ptsname(rig->reader.fd), O_RDWR | O_NOCTTY);
	if (rig->fd < 0 || tcgetattr(rig->fd, &raw) < 0)
		return -1;
	raw.c_oflag = 0;
	raw.c_lflag = 0;
	raw.c_iflag = 0;
	return tcsetattr(rig->fd, TCSANOW, &raw);
}

static int open_terminal(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
{
	return outbuf_open(ob, ptsname(rig->reader.fd), options);
}

const struct kind rig_kinds[] = {
	{ "a pipe", "stream", "descriptor", make_pipe, rig_open_fd },
	{ "a slow pipe", "stream", "descriptor", make_slow_pipe, rig_open_proc },
	{ "/dev/fd", "stream", "descriptor", make_pipe, rig_open_dev_fd },
	{ "a link to /dev/fd", "stream", "descriptor", make_pipe, open_link },
	{ "a pipe that does not block", "stream", "descriptor", make_pipe_that_does_not_block, rig_open_fd },
	{ "a socket", "stream", "descriptor", make_socket, rig_open_fd },
	{ "a socket by /proc", "stream", "descriptor", make_socket, rig_open_proc },
	{ "a FIFO", "stream", "descriptor", make_fifo, open_path },
	{ "a terminal", "stream", "descriptor", make_terminal, rig_open_fd },
	{ "a terminal by name", "stream", "descriptor", make_terminal, open_terminal },
	{ "a function", "sink", "none", make_nothing, open_sink },
	{ "memory", "memory", "none", make_nothing, open_memory },
	{ NULL, NULL, NULL, NULL, NULL },
};

const struct kind *rig_kind(const char *name)
{
	const struct kind *kind = rig_kinds;

	while (strcmp(kind->name, name) != 0)
		kind++;
	return kind;
}

int rig_begin_short(struct rig *rig, const struct kind *kind, struct sandbox *s, size_t at_most)
{
	int r;

	*rig = (struct rig){ .kind = kind, .s = s, .fd = -1, .reader.fd = -1 };
	rig->reader.at_most = at_most;
	r = kind->make(rig);
	if (r == 1) {
		print_message("%s: not here\n", kind->name);
		return 1;
	}
	if (r < 0)
		fail_msg("%s: %s", kind->name, strerror(errno));
	if (rig->reader.fd >= 0 || rig->reader.path != NULL)
		assert_int_equal(reader_start(&rig->reader), 0);
	return 0;
}

int rig_begin(struct rig *rig, const struct kind *kind, struct sandbox *s)
{
	return rig_begin_short(rig, kind, s, 0);
}

size_t rig_end(struct rig *rig)
{
	size_t n = (size_t)rig->n;

	/* Whatever the library did, our descriptor is still ours. */
	if (rig->fd >= 0 && close(rig->fd) < 0)
		fail_msg("%s: %s", rig->kind->name, strerror(errno));
	if (rig->reader.data != NULL) {
		reader_join(&rig->reader);
		if (rig->reader.error != 0 && rig->reader.error != EIO)
			fail_msg("%s: %s", rig->kind->name, strerror(rig->reader.error));
		n = rig->reader.n;
		if (n == RIG_PLANNED + RIG_TAIL)
			assert_memory_equal(rig->reader.data, rig_want, n);
	} else if (rig->n == RIG_PLANNED + RIG_TAIL) {
		assert_memory_equal(rig->data, rig_want, RIG_PLANNED + RIG_TAIL);
	}
	free(rig->reader.data);
	free(rig->data);
	unlink(rig->s->path);
	return n;
}
