/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "inject/ways.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inject/inject.h"
#include "target/hidden_name.h"

static void atomic(struct outbuf_options *o) { o->replace = OUTBUF_REPLACE_ATOMIC; }
static void in_place(struct outbuf_options *o) { o->replace = OUTBUF_REPLACE_IN_PLACE; }

static void recycling(struct outbuf_options *o) { o->recycle = 1; }
static void careful(struct outbuf_options *o)
{
	o->durability = OUTBUF_DURABLE_FULL;
	o->lock = OUTBUF_LOCK_TRY;
	o->guard = 1;
}

static void else_in_place(struct outbuf_options *o) { o->replace = OUTBUF_REPLACE_ELSE_IN_PLACE; }

static const struct mode modes[] = {
	{ "nameless", atomic, 0, 1 },
	{ "named", atomic, MODE_NAMED, 1 },
	{ "in place", in_place, MODE_IN_PLACE, 0 },
	{ "recycled", recycling, MODE_SPARE, 1 },
	{ "careful", careful, MODE_SYNC | MODE_REPLACING, 2 },
	{ "else in place", else_in_place, MODE_NAMED | MODE_ELSE, 1 },
	{ "discarded", atomic, MODE_NAMED | MODE_DISCARD | MODE_REPLACING, 1 },
};

static void mapped(struct outbuf_options *o) { o->map = OUTBUF_REQUIRE; }
static void carried(struct outbuf_options *o)
{
	o->map = OUTBUF_NO;
	o->flush = OUTBUF_FLUSH_PWRITE;
}
static void ringed(struct outbuf_options *o)
{
	o->map = OUTBUF_NO;
	o->flush = OUTBUF_FLUSH_URING;
}
static void in_one(struct outbuf_options *o) { o->flush = OUTBUF_FLUSH_STREAM; }

static int always(void) { return 0; }

/* Also why the kernel refuses rings: the library's own word is good enough, test_uring.c asks without. */
static int no_ring(void)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;
	const char *dir = getenv("OUTBUF_TEST_DIR");
	char path[300];
	int r;

	snprintf(path, sizeof path, "%s/ring-%ld", dir != NULL ? dir : ".", (long)getpid());
	ringed(&options);
	r = outbuf_open(&ob, path, &options);
	outbuf_close(ob);
	return r;
}

static const struct backend backends[] = {
	{ "mmap", mapped, required_mapping },
	{ "pwrite", carried, always },
	{ "uring", ringed, no_ring },
	{ "stream", in_one, always },
};

#define N(array) (sizeof(array) / sizeof *(array))

int way_get(struct way *way, unsigned i)
{
	const struct mode *mode = modes;
	const struct backend *backend;
	unsigned n;
	int refused;

	for (; mode < modes + N(modes); mode++, i -= n) {
		n = N(backends) * (mode->flags & MODE_REPLACING ? 1 : 2);
		if (i < n)
			break;
	}
	if (mode == modes + N(modes))
		return -1;
	backend = &backends[i % N(backends)];
	*way = (struct way){ .mode = mode, .backend = backend, .old = i < N(backends) };
	snprintf(way->name, sizeof way->name, "%s, %s, %s", mode->name, backend->name,
	         way->old ? "replacing" : "new");
	refused = backend->refused();
	if (refused != 0)
		print_message("%s: left out: %s\n", way->name, strerror(-refused));
	return refused != 0;
}

/* --------------------------------------------------------------------- contents */

#define PLANNED ((size_t)64 << 10)
#define FIRST ((size_t)44 << 10)  /* bytes of the first thread */
#define SECOND ((size_t)48 << 10) /* of the second, over the end of the mapping */
#define STRAIGHT ((size_t)70 << 10)
#define SMALL ((size_t)1000)
#define GAP ((size_t)500) /* nobody writes there */
#define ALL (FIRST + SECOND + STRAIGHT + SMALL + GAP + SMALL)
#define SPARE (ALL + 7777)
#define OLD ((size_t)5000)

static unsigned char contents[2][ALL];
static unsigned char old_content[OLD];

static void make_contents(void)
{
	uint64_t seed = 1;
	size_t i;

	if (contents[0][0] != 0)
		return;
	for (i = 0; i < ALL; i++) {
		contents[0][i] = (unsigned char)(random_next(&seed) | 1);
		contents[1][i] = (unsigned char)(contents[0][i] ^ 0x5a);
	}
	memset(contents[0] + ALL - SMALL - GAP, 0, GAP);
	memset(contents[1] + ALL - SMALL - GAP, 0, GAP);
	memset(old_content, 'o', OLD);
}

int what_stands_at(const char *path)
{
	static unsigned char bytes[ALL + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT ? NOTHING_THERE : -1;
	while ((got = read(fd, bytes + n, sizeof bytes - n)) > 0)
		n += (size_t)got;
	close(fd);
	if (n == ALL && memcmp(bytes, contents[0], ALL) == 0)
		return CONTENT_1;
	if (n == ALL && memcmp(bytes, contents[1], ALL) == 0)
		return CONTENT_2;
	return n == OLD && memcmp(bytes, old_content, OLD) == 0 ? OLD_CONTENT : -1;
}

/* ------------------------------------------------------------------- the sandbox */

static struct found look(const struct sandbox *s, int and_remove)
{
	struct found found = { 0, 0 };
	struct dirent *entry;
	DIR *d = opendir(s->dir);

	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (strncmp(name, ".out.outbuf-", 12) == 0)
			found.hidden++;
		else if (strcmp(name, "out") != 0 && strncmp(name, ".nfs", 4) != 0 &&
		         strncmp(name, ".fuse_hidden", 12) != 0)
			found.others++;
		if (and_remove)
			unlinkat(dirfd(d), name, 0);
	}
	closedir(d);
	return found;
}

struct found look_around(const struct sandbox *s)
{
	return look(s, 0);
}

static void put_spare(const struct sandbox *s)
{
	unsigned char *bytes = malloc(SPARE);
	char path[600], *name;

	assert_non_null(bytes);
	memset(bytes, 's', SPARE);
	assert_int_equal(ob__hidden_name("out", 0, &name), 0);
	snprintf(path, sizeof path, "%s/%s", s->dir, name);
	write_file(path, bytes, SPARE, 0666);
	free(name);
	free(bytes);
}

void way_prepare(const struct way *way, const struct sandbox *s)
{
	make_contents();
	look(s, 1);
	if (way->old)
		write_file(s->path, old_content, OLD, 0666);
	if (way->old && way->mode->flags & MODE_SPARE)
		put_spare(s);
}

/* ---------------------------------------------------------------------- writing */

struct writer {
	struct outbuf_view view;
	const unsigned char *from;
	size_t n, step;
};

static void *write_all(void *arg)
{
	struct writer *w = arg;

	while (w->n > 0) {
		size_t n = w->n < w->step ? w->n : w->step;

		/* The View keeps the first error. */
		outbuf_write(&w->view, w->from, n);
		w->from += n;
		w->n -= n;
	}
	return NULL;
}

/*
 * Both Views are open while either is written to, so that nothing goes straight to the file, and which
 * calls are made does not depend on who is faster.
 */
static int write_by_threads(struct outbuf *ob, const unsigned char *from)
{
	struct writer first = { .from = from, .n = FIRST, .step = 17000 };
	struct writer second = { .from = from + FIRST, .n = SECOND, .step = 999 };
	pthread_t thread;
	int r = outbuf_view(ob, &first.view, 0, FIRST), other;

	other = outbuf_view(ob, &second.view, FIRST, SECOND);
	if (r == 0 && other == 0 && pthread_create(&thread, NULL, write_all, &second) == 0) {
		write_all(&first);
		pthread_join(thread, NULL);
	}
	other = outbuf_view_end(&second.view);
	r = outbuf_view_end(&first.view);
	/* Whose error was the first, the output knows. */
	return r < 0 || other < 0 ? outbuf_error(ob) : 0;
}

static int write_alone(struct outbuf *ob, const unsigned char *from)
{
	struct outbuf_view v;
	uint64_t at = FIRST + SECOND;
	void *ref;
	int r = outbuf_view(ob, &v, at, OUTBUF_UNBOUNDED);

	if (r < 0)
		return r;
	outbuf_write(&v, from + at, STRAIGHT);
	outbuf_write(&v, from + at + STRAIGHT, SMALL);
	r = outbuf_view_end(&v);
	if (r < 0)
		return r;
	at += STRAIGHT + SMALL + GAP;
	r = outbuf_data(ob, at, SMALL, &ref);
	if (r == 0)
		memcpy(ref, from + at, SMALL);
	return r;
}

static int compare_block(void *arg, uint64_t i, uint64_t offset, const void *data, size_t n)
{
	(void)i;
	return memcmp((const unsigned char *)arg + offset, data, n) == 0 ? 0 : -EILSEQ;
}

/* Some of it into memory, and out of it again; then all of it once more. */
static int look_at_it(struct outbuf *ob, const unsigned char *from)
{
	void *ref;
	int r = outbuf_data(ob, PLANNED, STRAIGHT, &ref);

	if (r == 0)
		r = outbuf_release(ob, 1000, PLANNED + STRAIGHT - 1000);
	return r < 0 ? r : outbuf_walk(ob, 50000, compare_block, (void *)(uintptr_t)from);
}

static int end(const struct way *way, struct outbuf *ob, const unsigned char *from)
{
	struct outbuf_view v;
	int r;

	if (way->mode->flags & MODE_SYNC) {
		r = outbuf_sync(ob);
		if (r < 0)
			return r;
	}
	inject_phase(AT_END);
	if (!(way->mode->flags & MODE_DISCARD))
		return outbuf_commit(ob);
	r = outbuf_view(ob, &v, 0, FIRST);
	if (r < 0)
		return r;
	outbuf_write(&v, from, 1000);
	r = outbuf_discard(ob);
	outbuf_view_end(&v);
	return r;
}

int way_run(const struct way *way, const char *path, int content)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;
	const unsigned char *from = contents[content == CONTENT_1 ? 0 : 1];
	struct outbuf *ob;
	int r;

	way->mode->choose(&options);
	way->backend->choose(&options);
	/* Real memory where there is no mmap, and cleared each time. */
	options.max_size = 1 << 20;
	options.threads = 1; /* calls in an order that is always the same */
	inject_nameless(!(way->mode->flags & MODE_NAMED));
	inject_phase(AT_OPEN);
	r = outbuf_open(&ob, path, &options);
	if (r < 0)
		return r;
	inject_phase(AT_MAP);
	r = outbuf_map(ob, PLANNED);
	inject_phase(AT_WRITE);
	if (r == 0)
		r = write_by_threads(ob, from);
	if (r == 0)
		r = write_alone(ob, from);
	if (r == 0)
		r = look_at_it(ob, from);
	if (r == 0)
		r = end(way, ob, from);
	inject_phase(AT_CLOSE);
	outbuf_close(ob);
	return r;
}
