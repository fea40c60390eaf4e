/* SPDX-License-Identifier: MIT */
/*
 * Outputs that are no file of ours: descriptors, functions, memory. Whatever it is, nothing leaves
 * before commit, then everything once and in order; nothing is mapped, replaced, or closed that
 * is the caller's.
 */
#include "config.h"

#include "support.h"
#include "faults.h"
#include "reader.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define THREADS 8
#define SIZE ((size_t)THREADS * 200003) /* not whole in anything */
#define GAP ((size_t)5001)              /* nobody writes the end of each thread's part */
#define TAIL ((size_t)300)              /* past what was planned */
#define PLANNED (SIZE + 77)

static unsigned char *want; /* PLANNED + TAIL bytes */
static struct sys_table real;

static int make_want(void **state)
{
	uint64_t seed = 3;
	size_t i;

	(void)state;
	real = sys_table;
	want = calloc(1, PLANNED + TAIL);
	if (want == NULL)
		return -1;
	for (i = 0; i < SIZE; i++)
		if (i % (SIZE / THREADS) < SIZE / THREADS - GAP)
			want[i] = (unsigned char)random_next(&seed);
	for (i = 0; i < TAIL; i++)
		want[PLANNED + i] = (unsigned char)i;
	return 0;
}

static int free_want(void **state)
{
	(void)state;
	free(want);
	return 0;
}

static int emit_part(void *arg, unsigned i)
{
	size_t part = SIZE / THREADS, at = i * part, end = at + part - GAP;
	struct outbuf_view v;

	outbuf_view(arg, &v, at, part);
	for (; at % 5000 != 0; at++)
		outbuf_write8(&v, want[at]);
	while (at < end) {
		size_t n = end - at < 10000 ? end - at : 10000;

		outbuf_write(&v, want + at, n);
		at += n;
	}
	return outbuf_view_end(&v);
}

/* All of `want`; 0 or an error. */
static int emit(struct outbuf *ob)
{
	struct outbuf_view v;
	int r = outbuf_map(ob, PLANNED);

	if (r == 0)
		r = run_threads(THREADS, emit_part, ob);
	if (r < 0)
		return r;
	outbuf_view(ob, &v, PLANNED, OUTBUF_UNBOUNDED);
	outbuf_write(&v, want + PLANNED, TAIL);
	return outbuf_view_end(&v);
}

/* Calls that would put something somewhere. */
static _Atomic int writes;

static ssize_t count_write(int fd, const void *data, size_t n)
{
	atomic_fetch_add(&writes, 1);
	return real.write(fd, data, n);
}

static ssize_t no_pwrite(int fd, const void *data, size_t n, off_t offset)
{
	(void)fd, (void)data, (void)n, (void)offset;
	atomic_fetch_add(&writes, 1000000);
	errno = EPROTO;
	return -1;
}

static int no_ftruncate(int fd, off_t size)
{
	(void)fd, (void)size;
	atomic_fetch_add(&writes, 1000000);
	errno = EPROTO;
	return -1;
}

/* ------------------------------------------------------------- one of each kind */

struct rig {
	const struct kind *kind;
	struct sandbox *s;
	int fd;     /* the caller's descriptor that is written to; or -1 */
	struct reader reader;
	/* sink */
	unsigned char *data;
	uint64_t n;
	size_t largest;
	int calls, answer, gaps;
};

struct kind {
	const char *name, *backend, *placement;
	/* Make both ends; 1: there is no such thing here. */
	int (*make)(struct rig *rig);
	int (*open)(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options);
};

static int open_fd(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
{
	return outbuf_open_fd(ob, rig->fd, options);
}

static int open_path(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
{
	return outbuf_open(ob, rig->s->path, options);
}

static int open_proc(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", rig->fd);
	return outbuf_open(ob, path, options);
}

static int open_dev_fd(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
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

static int sink(void *arg, uint64_t offset, const void *data, size_t n)
{
	struct rig *rig = arg;

	rig->calls++;
	rig->gaps += offset != rig->n || n == 0;
	rig->largest = n > rig->largest ? n : rig->largest;
	if (rig->data != NULL && rig->n + n <= PLANNED + TAIL)
		memcpy(rig->data + rig->n, data, n);
	rig->n += n;
	atomic_fetch_add(&writes, 1);
	return rig->answer;
}

static int open_sink(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
{
	return outbuf_open_sink(ob, sink, rig, options);
}

static int open_memory(struct outbuf **ob, struct rig *rig, const struct outbuf_options *options)
{
	(void)rig;
	return outbuf_open_memory(ob, options);
}

static int make_nothing(struct rig *rig)
{
	rig->data = calloc(1, PLANNED + TAIL);
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

static const struct kind kinds[] = {
	{ "a pipe", "stream", "descriptor", make_pipe, open_fd },
	{ "a slow pipe", "stream", "descriptor", make_slow_pipe, open_proc },
	{ "/dev/fd", "stream", "descriptor", make_pipe, open_dev_fd },
	{ "a link to /dev/fd", "stream", "descriptor", make_pipe, open_link },
	{ "a pipe that does not block", "stream", "descriptor", make_pipe_that_does_not_block, open_fd },
	{ "a socket", "stream", "descriptor", make_socket, open_fd },
	{ "a socket by /proc", "stream", "descriptor", make_socket, open_proc },
	{ "a FIFO", "stream", "descriptor", make_fifo, open_path },
	{ "a terminal", "stream", "descriptor", make_terminal, open_fd },
	{ "a terminal by name", "stream", "descriptor", make_terminal, open_terminal },
	{ "a function", "sink", "none", make_nothing, open_sink },
	{ "memory", "memory", "none", make_nothing, open_memory },
};

/* 1: skipped. The reader goes away after so many bytes, if that is not 0. */
static int rig_begin_short(struct rig *rig, const struct kind *kind, struct sandbox *s, size_t at_most)
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

static int rig_begin(struct rig *rig, const struct kind *kind, struct sandbox *s)
{
	return rig_begin_short(rig, kind, s, 0);
}

/* Bytes that arrived, whatever took them. */
static size_t rig_end(struct rig *rig)
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
		if (n == PLANNED + TAIL)
			assert_memory_equal(rig->reader.data, want, n);
	} else if (rig->n == PLANNED + TAIL) {
		assert_memory_equal(rig->data, want, PLANNED + TAIL);
	}
	free(rig->reader.data);
	free(rig->data);
	unlink(rig->s->path);
	return n;
}

static void check_memory(struct outbuf *ob, int is_memory)
{
	uint64_t n = 1;
	const void *data = outbuf_memory(ob, &n);

	if (!is_memory) {
		assert_null(data);
		assert_int_equal(n, 0);
		return;
	}
	assert_int_equal(n, PLANNED + TAIL);
	assert_memory_equal(data, want, PLANNED + TAIL);
}

static void test_nothing_before_commit_then_all(void **state)
{
	size_t i;

	for (i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		int is_memory = strcmp(kinds[i].backend, "memory") == 0;
		struct outbuf_stats stats;
		struct outbuf *ob;
		struct rig rig;
		int is_fd;

		if (rig_begin(&rig, &kinds[i], *state))
			continue;
		sys_table.write = count_write;
		sys_table.pwrite = no_pwrite;
		sys_table.ftruncate = no_ftruncate;
		atomic_store(&writes, 0);
		assert_int_equal(kinds[i].open(&ob, &rig, NULL), 0);
		stats = stats_of(ob);
		assert_string_equal(stats.backend, kinds[i].backend);
		assert_string_equal(stats.placement, kinds[i].placement);
		assert_string_equal(stats.map_why, "not a regular file");
		assert_string_equal(stats.file_system, "none");
		assert_int_equal(stats.staged, 0);
		assert_int_equal(emit(ob), 0);
		assert_int_equal(outbuf_is_mapped(ob), 0);
		assert_int_equal(outbuf_flush(ob), 0);
		assert_int_equal(outbuf_sync(ob), 0);
		assert_int_equal(outbuf_unmap(ob), 0);
		assert_int_equal(outbuf_size(ob), PLANNED + TAIL);
		check_memory(ob, 0);
		assert_int_equal(atomic_load(&writes), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		assert_in_range(atomic_load(&writes), !is_memory, is_memory ? 0 : 999999);
		assert_int_equal(outbuf_size(ob), PLANNED + TAIL);
		if (!is_memory)
			assert_int_equal(stats_of(ob).flushed, PLANNED + TAIL);
		check_memory(ob, is_memory);
		is_fd = rig.fd < 0 || fcntl(rig.fd, F_GETFL) >= 0;
		outbuf_close(ob);
		assert_true(is_fd && (rig.fd < 0 || fcntl(rig.fd, F_GETFL) >= 0));
		sys_table = real;
		if (strcmp(kinds[i].backend, "sink") == 0) {
			assert_int_equal(rig.gaps, 0);
			assert_in_range(rig.largest, 1, 1 << 20);
			assert_true(rig.calls > 1);
		}
		assert_int_equal(rig_end(&rig), is_memory ? 0 : PLANNED + TAIL);
	}
}

static void test_discard_writes_nothing(void **state)
{
	size_t i;

	for (i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct outbuf *ob;
		struct rig rig;

		if (rig_begin(&rig, &kinds[i], *state))
			continue;
		assert_int_equal(kinds[i].open(&ob, &rig, NULL), 0);
		assert_int_equal(emit(ob), 0);
		assert_int_equal(outbuf_flush(ob), 0);
		assert_int_equal(outbuf_discard(ob), 0);
		assert_int_equal(outbuf_commit(ob), -ECANCELED);
		check_memory(ob, 0);
		outbuf_close(ob);
		assert_int_equal(rig_end(&rig), 0);
	}
}

/* An output of length 0 is none. */
static void test_nothing_at_all(void **state)
{
	size_t i;

	for (i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct outbuf *ob;
		uint64_t n = 1;
		struct rig rig;

		if (rig_begin(&rig, &kinds[i], *state))
			continue;
		assert_int_equal(kinds[i].open(&ob, &rig, NULL), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		/* There is a memory, of no bytes. */
		if (strcmp(kinds[i].backend, "memory") == 0)
			assert_non_null(outbuf_memory(ob, &n));
		else
			assert_null(outbuf_memory(ob, &n));
		assert_int_equal(n, 0);
		outbuf_close(ob);
		assert_int_equal(rig.calls, 0);
		assert_int_equal(rig_end(&rig), 0);
	}
}

static int count_sink(void *arg, uint64_t offset, const void *data, size_t n)
{
	(void)offset, (void)data;
	*(uint64_t *)arg += n;
	return 0;
}

/* A plan that cannot be is an error of map alone: the output goes on. */
static void test_map_fails(void **state)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	uint64_t sunk = 0, size;
	struct outbuf *ob[2];
	int i;

	(void)state;
	options.max_size = 1 << 20;
	assert_int_equal(outbuf_open_memory(&ob[0], &options), 0);
	assert_int_equal(outbuf_open_sink(&ob[1], count_sink, &sunk, &options), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(outbuf_map(ob[i], 2 << 20), -EFBIG);
		assert_int_equal(outbuf_error(ob[i]), 0);
		assert_int_equal(fill_some(ob[i], 'n', 5000), 0);
		assert_int_equal(outbuf_commit(ob[i]), 0);
	}
	assert_int_equal(sunk, 5000);
	assert_int_equal(((const unsigned char *)outbuf_memory(ob[0], &size))[4999], 'n');
	assert_int_equal(size, 5000);
	outbuf_close(ob[0]);
	outbuf_close(ob[1]);
}

/* `ulimit -f` behind a descriptor: an error, and not the signal. */
static int write_too_much(void *arg)
{
	const struct sandbox *s = arg;
	struct rlimit limit = { .rlim_cur = 64 << 10, .rlim_max = 64 << 10 };
	struct outbuf *ob;
	sigset_t pending;
	int fd = open(s->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0 || outbuf_open_fd(&ob, fd, NULL) != 0)
		return 1;
	if (fill_some(ob, 'n', 100000) != 0 || outbuf_commit(ob) != -EFBIG)
		return 2;
	outbuf_close(ob);
	return sigpending(&pending) != 0 || sigismember(&pending, SIGXFSZ) ? 3 : 0;
}

static void test_limit_of_a_descriptor(void **state)
{
	assert_int_equal(in_child(0, write_too_much, *state), 0);
}

/* What only a file can do is an error if it was asked for. */
static void test_what_only_files_can_do(void **state)
{
	size_t i;
	int ask;

	for (i = 0; i < sizeof kinds / sizeof *kinds; i++)
		for (ask = 0; ask < 4; ask++) {
			struct outbuf_options o = OUTBUF_OPTIONS_INIT;
			struct outbuf *ob = (struct outbuf *)&o;
			struct rig rig;

			if (rig_begin(&rig, &kinds[i], *state))
				continue;
			o.map = ask == 0 ? OUTBUF_REQUIRE : OUTBUF_AUTO;
			o.stage = ask == 1 ? OUTBUF_REQUIRE : OUTBUF_AUTO;
			o.flush = ask == 2 ? OUTBUF_FLUSH_PWRITE : OUTBUF_FLUSH_AUTO;
			o.prealloc = ask == 3 ? OUTBUF_REQUIRE : OUTBUF_AUTO;
			if (ask < 3) {
				assert_int_equal(kinds[i].open(&ob, &rig, &o), -ENOTSUP);
				assert_null(ob);
			} else {
				/* Reserving is said by outbuf_map(). */
				assert_int_equal(kinds[i].open(&ob, &rig, &o), 0);
				assert_int_equal(outbuf_map(ob, 100), -EOPNOTSUPP);
				assert_int_equal(outbuf_error(ob), 0);
				outbuf_close(ob);
			}
			assert_int_equal(rig_end(&rig), 0);
		}
}

/* ----------------------------------------------------------- readers that go away */

static const struct kind *kind_named(const char *name)
{
	const struct kind *kind = kinds;

	while (strcmp(kind->name, name) != 0)
		kind++;
	return kind;
}

/* 1: SIGPIPE waits for this thread. */
static int pipe_is_pending(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigpending(&set);
	return sigismember(&set, SIGPIPE);
}

enum before { DEFAULT, IGNORED, BLOCKED, PENDING };

static void reader_goes_away(struct sandbox *s, const struct kind *kind, enum before before)
{
	sigset_t pipe, mask, after;
	struct outbuf *ob;
	struct rig rig;
	int signal_number;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	signal(SIGPIPE, before == IGNORED ? SIG_IGN : SIG_DFL);
	if (before == BLOCKED || before == PENDING)
		pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	if (before == PENDING)
		raise(SIGPIPE);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);

	assert_int_equal(rig_begin_short(&rig, kind, s, 1000), 0);
	assert_int_equal(kind->open(&ob, &rig, NULL), 0);
	assert_int_equal(emit(ob), 0);
	assert_int_equal(outbuf_commit(ob), -EPIPE);
	assert_int_equal(outbuf_error(ob), -EPIPE);
	assert_int_equal(outbuf_commit(ob), -EPIPE);
	outbuf_close(ob);
	assert_int_equal(rig_end(&rig), 1000);

	pthread_sigmask(SIG_BLOCK, NULL, &after);
	assert_int_equal(sigismember(&after, SIGPIPE), sigismember(&mask, SIGPIPE));
	assert_int_equal(sigismember(&after, SIGINT), sigismember(&mask, SIGINT));
	assert_int_equal(pipe_is_pending(), before == PENDING);
	if (before == PENDING)
		sigwait(&pipe, &signal_number);
	pthread_sigmask(SIG_UNBLOCK, &pipe, NULL);
	signal(SIGPIPE, SIG_DFL);
}

static void test_reader_goes_away(void **state)
{
	static const char *const names[] = { "a pipe", "a FIFO", "a pipe that does not block", "a socket" };
	enum before before;
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++)
		for (before = DEFAULT; before <= PENDING; before++)
			reader_goes_away(*state, kind_named(names[i]), before);
}

/* A signal of the caller's own, with a handler that does not restart calls. */
static _Atomic int handled;

static void handle(int number)
{
	(void)number;
	atomic_fetch_add(&handled, 1);
}

static ssize_t interrupted_write(int fd, const void *data, size_t n)
{
	if (atomic_fetch_add(&writes, 1) % 2 == 0) {
		errno = EINTR;
		return -1;
	}
	return real.write(fd, data, n > 9999 ? n / 3 : n);
}

static ssize_t zero_write(int fd, const void *data, size_t n)
{
	(void)fd, (void)data, (void)n;
	return 0;
}

static void test_interrupted(void **state)
{
	struct sigaction action = { .sa_handler = handle }, before;
	struct outbuf *ob;
	struct rig rig;

	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	assert_int_equal(rig_begin(&rig, kind_named("a slow pipe"), *state), 0);
	sys_table.write = interrupted_write;
	atomic_store(&writes, 0);
	assert_int_equal(rig.kind->open(&ob, &rig, NULL), 0);
	assert_int_equal(emit(ob), 0);
	raise(SIGUSR1);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_true(atomic_load(&writes) > 5 && atomic_load(&handled) == 1);
	assert_int_equal(rig_end(&rig), PLANNED + TAIL);
	sigaction(SIGUSR1, &before, NULL);

	/* No progress is an error and not an endless loop. */
	assert_int_equal(rig_begin(&rig, kind_named("a pipe"), *state), 0);
	sys_table.write = zero_write;
	assert_int_equal(rig.kind->open(&ob, &rig, NULL), 0);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	assert_int_equal(outbuf_commit(ob), -EIO);
	outbuf_close(ob);
	assert_int_equal(rig_end(&rig), 0);
}

static int fail_close(int fd)
{
	real.close(fd);
	errno = EIO;
	return -1;
}

/* What close(2) says of a descriptor of ours counts; one of the caller's is not closed. */
static void test_close_fails(void **state)
{
	static const char *const names[] = { "a FIFO", "a pipe" };
	size_t i;

	for (i = 0; i < 2; i++) {
		struct outbuf *ob;
		struct rig rig;

		assert_int_equal(rig_begin(&rig, kind_named(names[i]), *state), 0);
		assert_int_equal(rig.kind->open(&ob, &rig, NULL), 0);
		assert_int_equal(emit(ob), 0);
		sys_table.close = fail_close;
		assert_int_equal(outbuf_commit(ob), i == 0 ? -EIO : 0);
		sys_table = real;
		outbuf_close(ob);
		assert_int_equal(rig_end(&rig), PLANNED + TAIL);
	}
}

/* -------------------------------------------------------------------- descriptors */

static void test_open_fd_arguments(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = (struct outbuf *)s;
	int fd;

	assert_int_equal(outbuf_open_fd(NULL, 1, NULL), -EINVAL);
	assert_int_equal(outbuf_open_fd(&ob, -1, NULL), -EBADF);
	assert_null(ob);
	write_file(s->path, "old", 3, 0644);
	fd = open(s->path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(outbuf_open_fd(&ob, fd, NULL), -EBADF);
	assert_null(ob);
	assert_true(fcntl(fd, F_GETFL) >= 0);
	close(fd);
	assert_int_equal(outbuf_open_fd(&ob, fd, NULL), -EBADF);
	assert_int_equal(outbuf_open_fd(&ob, INT32_MAX, NULL), -EBADF);
	fd = open(s->dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(outbuf_open_fd(&ob, fd, NULL), -EBADF);
	close(fd);
	assert_file(s->path, "old", 3);
}

/* A regular file, from where its descriptor stands: neither truncated nor closed. */
static void test_fd_of_a_file(void **state)
{
	struct sandbox *s = *state;
	int append, round;

	for (append = 0; append < 2; append++)
		for (round = 0; round < 3; round++) {
			static const struct kind by[] = {
				{ .name = "fd", .open = open_fd },
				{ .name = "proc", .open = open_proc },
				{ .name = "dev", .open = open_dev_fd },
			};
			struct rig rig = { .kind = &by[round], .s = s };
			struct outbuf *ob;

			write_file(s->path, "0123456789", 10, 0644);
			rig.fd = open(s->path, O_RDWR | (append ? O_APPEND : 0));
			assert_int_equal(lseek(rig.fd, 3, SEEK_SET), 3);
			assert_int_equal(by[round].open(&ob, &rig, NULL), 0);
			assert_string_equal(stats_of(ob).placement, "descriptor");
			assert_int_equal(outbuf_map(ob, 2), 0);
			assert_int_equal(outbuf_is_mapped(ob), 0);
			assert_int_equal(fill_some(ob, 'n', 4), 0);
			assert_int_equal(outbuf_flush(ob), 0);
			assert_file(s->path, "0123456789", 10);
			assert_int_equal(outbuf_sync(ob), 0);
			assert_int_equal(outbuf_commit(ob), 0);
			outbuf_close(ob);
			/* And what is written next stands behind it. */
			assert_int_equal(write(rig.fd, "!", 1), 1);
			assert_int_equal(lseek(rig.fd, 0, SEEK_CUR), append ? 15 : 8);
			assert_int_equal(close(rig.fd), 0);
			if (append)
				assert_file(s->path, "0123456789nnnn!", 15);
			else
				assert_file(s->path, "012nnnn!89", 10);
		}
}

/* Standard output, in a child whose is a file: `(echo a; program -o NAME; echo d) > f`. */
struct standard {
	const char *path, *name;
	int flags;
};

static int write_standard_output(void *arg)
{
	const struct standard *standard = arg;
	int fd = open(standard->path, O_WRONLY | O_CREAT | O_TRUNC | standard->flags, 0600);
	struct stat before, after;
	struct outbuf *ob;
	unsigned fds;
	/* The entries of /proc change with what the descriptor is. */
	int links = lstat(standard->name, &before) == 0 && strstr(standard->name, "/fd/") == NULL;

	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || write(STDOUT_FILENO, "a", 1) != 1)
		return 1;
	fds = count_fds();
	if (outbuf_open(&ob, standard->name, NULL) != 0 || fill_some(ob, 'n', 3) != 0)
		return 2;
	if (outbuf_commit(ob) != 0)
		return 3;
	outbuf_close(ob);
	if (count_fds() != fds || write(STDOUT_FILENO, "d", 1) != 1)
		return 4;
	if (links && (lstat(standard->name, &after) < 0 || after.st_ino != before.st_ino ||
	              (after.st_mode & S_IFMT) != (before.st_mode & S_IFMT)))
		return 5;
	return 0;
}

static int close_standard_output(void *arg)
{
	const struct standard *standard = arg;
	struct outbuf *ob = NULL;

	close(STDOUT_FILENO);
	return outbuf_open(&ob, standard->name, NULL) == -EBADF && ob == NULL ? 0 : 1;
}

static void test_standard_output(void **state)
{
	struct sandbox *s = *state;
	char name[400];
	/* The last one only after a link as that: should it be replaced, let it not be the machine's. */
	const char *const names[] = { "-", "/dev/fd/1", "/proc/self/fd/1", name, "/dev/stdout" };
	size_t i;

	snprintf(name, sizeof name, "%s/stdout", s->dir);
	if (symlink("/proc/self/fd/1", name) < 0) {
		print_message("no links here\n");
		skip();
	}
	fflush(stdout);
	for (i = 0; i < sizeof names / sizeof *names; i++) {
		struct standard standard = { .path = s->path, .name = names[i] };

		assert_int_equal(in_child(0, write_standard_output, &standard), 0);
		assert_file(s->path, "annnd", 5);
		standard.flags = O_APPEND;
		assert_int_equal(in_child(0, write_standard_output, &standard), 0);
		assert_file(s->path, "annnd", 5);
		assert_int_equal(in_child(0, close_standard_output, &standard), 0);
	}
}

/* ------------------------------------------------------------- functions and memory */

static void test_sink_answers(void **state)
{
	static const struct { int answer, result; } table[] = {
		{ -EIO, -EIO }, { -ENOSPC, -ENOSPC }, { 1, -EINVAL }, { 4096, -EINVAL }, { 0, 0 },
	};
	struct outbuf_options big = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob = (struct outbuf *)&big;
	struct rig rig;
	size_t i;

	assert_int_equal(outbuf_open_sink(&ob, NULL, NULL, NULL), -EINVAL);
	assert_null(ob);
	assert_int_equal(outbuf_open_sink(NULL, sink, NULL, NULL), -EINVAL);
	assert_int_equal(outbuf_open_memory(NULL, NULL), -EINVAL);
	big.order = 2;
	assert_int_equal(outbuf_open_sink(&ob, sink, NULL, &big), -EINVAL);

	for (i = 0; i < sizeof table / sizeof *table; i++) {
		assert_int_equal(rig_begin(&rig, kind_named("a function"), *state), 0);
		rig.answer = table[i].answer;
		assert_int_equal(rig.kind->open(&ob, &rig, NULL), 0);
		assert_int_equal(emit(ob), 0);
		assert_int_equal(outbuf_commit(ob), table[i].result);
		/* It was not asked again. */
		assert_int_equal(rig.calls > 1, table[i].answer == 0);
		outbuf_close(ob);
		rig_end(&rig);
	}
}

static void test_memory(void **state)
{
	struct outbuf_view v;
	struct outbuf *ob;
	const unsigned char *data;
	uint64_t n;
	size_t i;

	(void)state;
	assert_int_equal(outbuf_open_memory(&ob, NULL), 0);
	outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED);
	for (i = 0; i < (3 << 20); i++)
		outbuf_write8(&v, (uint8_t)(i * 7));
	assert_int_equal(outbuf_commit(ob), -EBUSY);
	assert_null(outbuf_memory(ob, &n));
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_set_size(ob, (3 << 20) - 5), 0);
	assert_int_equal(outbuf_set_size(ob, (3 << 20) + 9999), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	assert_int_equal(outbuf_commit(ob), -EINVAL);
	data = outbuf_memory(ob, &n);
	assert_non_null(data);
	assert_int_equal(n, (3 << 20) + 9999);
	for (i = 0; i < n; i++)
		if (data[i] != (i < (3 << 20) - 5 ? (unsigned char)(i * 7) : 0))
			fail_msg("byte %zu is %02x", i, data[i]);
	outbuf_close(ob);
	n = 1;
	assert_null(outbuf_memory(NULL, &n));
	assert_int_equal(n, 0);

	/* A failed one has none. */
	assert_int_equal(outbuf_open_memory(&ob, NULL), 0);
	assert_int_equal(fill_some(ob, 'n', 10), 0);
	outbuf_fail(ob, -EPROTO);
	assert_int_equal(outbuf_commit(ob), -EPROTO);
	assert_null(outbuf_memory(ob, &n));
	outbuf_close(ob);
}

/* More than 32 bits can say, most of it never touched. */
static void test_large_memory(void **state)
{
	const uint64_t size = (uint64_t)5 << 30;
	struct outbuf_view v;
	struct outbuf *ob;
	const unsigned char *data;
	uint64_t n;

	(void)state;
	assert_int_equal(outbuf_open_memory(&ob, NULL), 0);
	if (sizeof(void *) < 8 || !has_vm() || outbuf_map(ob, size) != 0) {
		outbuf_close(ob);
		print_message("no room for 5 GiB of addresses\n");
		skip();
	}
	assert_int_equal(outbuf_view(ob, &v, size - 10, 5), 0);
	outbuf_write_string(&v, "hello");
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	data = outbuf_memory(ob, &n);
	assert_int_equal(n, size);
	assert_memory_equal(data + size - 10, "hello\0\0\0\0\0", 10);
	assert_int_equal(data[0] | data[size / 2], 0);
	outbuf_close(ob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fault_test(test_nothing_before_commit_then_all),
		fault_test(test_discard_writes_nothing),
		fault_test(test_nothing_at_all),
		fault_test(test_what_only_files_can_do),
		fault_test(test_map_fails),
		fault_test(test_limit_of_a_descriptor),
		fault_test(test_reader_goes_away),
		fault_test(test_interrupted),
		fault_test(test_close_fails),
		fault_test(test_open_fd_arguments),
		fault_test(test_fd_of_a_file),
		fault_test(test_standard_output),
		fault_test(test_sink_answers),
		fault_test(test_memory),
		fault_test(test_large_memory),
	};

	return cmocka_run_group_tests_name("stream", tests, make_want, free_want);
}
